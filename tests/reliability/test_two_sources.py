"""Where two files tell the same fact, they agree, or the difference is named."""

import json
import shutil

import pytest

from data.io.errors import InputError
from data.tokenization import preset
from encoder_ko import cli
from encoder_ko.finetuning.saved_run import FineTunedModel, differences_of_labels
from encoder_ko.hub.config import HeadDescription
from encoder_ko.hub.task_card import FineTuned
from encoder_ko.hub.tokenizer_import import import_tokenizer
from encoder_ko.training.loaded_model import load_model
from encoder_ko.training.model_files import find_model_files
from korean_encoders.commands import convert as command
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support import pretraining_runs
from tests.support.made_up_models import fine_tuned_model

pytestmark = pytest.mark.slow


@pytest.fixture()
def run(tmp_path):
    """The folder of a fine-tuned model."""
    fine_tuned_model(tmp_path / "run", "bert", "classification")
    return tmp_path / "run"


def load(run, allow_mismatch=False, **named):
    files = find_model_files(str(run), "bert", **named)
    config = FAMILIES["bert"].config_class.from_json_file(files.config_file)
    return load_model(files, "bert", config, 10, allow_mismatch=allow_mismatch)


def said(call, *args, **options):
    with pytest.raises(InputError) as raised:
        call(*args, **options)
    return str(raised.value)


def other_vocabulary(folder, change):
    """A vocabulary of the same pieces in another order, or with other settings."""
    folder.mkdir(exist_ok=True)
    pieces = list(runs.VOCABULARY)
    change(pieces)
    path = folder / "vocab.txt"
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return str(path)


def swap(pieces):
    pieces[7], pieces[9] = pieces[9], pieces[7]


def test_swapped_pieces_beside_the_models_own_vocabulary(run, tmp_path, caplog):
    path = other_vocabulary(tmp_path / "other", swap)
    message = said(load, run, vocab_file=path)
    assert message == (
        f"{path} is not the vocabulary of the model in {run}, {run}/vocab.txt: id 7 is "
        f"{runs.VOCABULARY[7]!r} there and {runs.VOCABULARY[9]!r} here. Use the model's"
        " own. If that is meant, pass --allow_mismatch=true."
    )
    assert load(run, allow_mismatch=True, vocab_file=path).files.vocab_file == path


def test_a_longer_vocabulary(run, tmp_path):
    path = other_vocabulary(tmp_path / "other", lambda pieces: pieces.append("새로"))
    assert "it has 24 pieces and the model's has 23" in said(load, run, vocab_file=path)


def test_the_same_vocabulary_elsewhere_is_the_same(run, tmp_path):
    path = other_vocabulary(tmp_path / "other", lambda pieces: None)
    assert load(run, vocab_file=path).files.vocab_file == path


def test_settings_beside_another_copy_of_the_vocabulary(run, tmp_path):
    path = other_vocabulary(tmp_path / "other", lambda pieces: None)
    settings = dict(preset("korean_lower").to_dict())
    (run / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    assert (
        f"The tokenizer's setting lower_case is True in {run}/tokenizer_config.json, of"
        f" the model, and False for {path}." in said(load, run, vocab_file=path)
    )
    (tmp_path / "other" / "tokenizer_config.json").write_text(
        json.dumps(settings), encoding="utf-8"
    )
    assert load(run, vocab_file=path).tokenizer.config.lower_case


def test_the_checkpoints_folder_counts_wherever_the_rest_is_from(run, tmp_path):
    """--model_dir is another folder, --init_checkpoint names the run's checkpoint."""
    model = runs.write_model(tmp_path / "model", num_hidden_layers=2)
    other_vocabulary(model, swap)
    checkpoint = str(run / "best" / "model.ckpt-1")
    message = said(load, model, init_checkpoint=checkpoint)
    assert f"{model}/vocab.txt is not the vocabulary of the model in {run}," in message


@pytest.mark.parametrize(
    "change, expected",
    [
        (dict(num_attention_heads=4), "has num_attention_heads=4, but the model was"),
        (dict(hidden_act="relu"), "has hidden_act='relu', but the model was trained"),
        (dict(num_hidden_layers=1), "has num_hidden_layers=1, but the model was trai"),
    ],
)
def test_another_configuration_that_fits_in_shape(run, tmp_path, change, expected):
    config = dict(runs.read_json(run, "bert_config.json"), **change)
    path = tmp_path / "other.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    named = dict(
        config_file=str(path), init_checkpoint=str(run / "best" / "model.ckpt-1")
    )
    message = said(load, run, **named)
    assert expected in message and "--allow_mismatch=true" in message
    assert load(run, allow_mismatch=True, **named).config.to_dict() == config


def test_dropout_may_be_chosen_anew(run, tmp_path):
    config = dict(runs.read_json(run, "bert_config.json"), hidden_dropout_prob=0.3)
    path = tmp_path / "other.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    checkpoint = str(run / "best" / "model.ckpt-1")
    found = load(run, config_file=str(path), init_checkpoint=checkpoint)
    assert found.config.hidden_dropout_prob == 0.3


def test_layers_are_counted_where_no_configuration_tells(run, tmp_path):
    (run / "bert_config.json").unlink()
    model = runs.write_model(tmp_path / "model", num_hidden_layers=1)
    checkpoint = str(run / "best" / "model.ckpt-1")
    assert (
        f"{checkpoint} has 2 encoder layers, and the configuration num_hidden_layers=1."
        in said(load, model, init_checkpoint=checkpoint)
    )


def settings_of_training(run, **changes):
    """run_config.json, as training would have written it."""
    model = FineTunedModel.load(str(run), FAMILIES)
    settings = dict(
        model_config=model.config.to_dict(), tokenizer=model.tokenizer.fingerprint
    )
    (run / "run_config.json").write_text(json.dumps(settings), encoding="utf-8")


def test_files_of_a_run_that_were_changed_after_training(run, tmp_path):
    settings_of_training(run)
    assert FineTunedModel.load(str(run), FAMILIES)
    other_vocabulary(run, swap)
    message = said(FineTunedModel.load, str(run), FAMILIES)
    assert f"{run}/vocab.txt and the tokenizer's settings are not those that" in message
    assert said(load, run) == message
    assert FineTunedModel.load(str(run), FAMILIES, allow_mismatch=True)
    other_vocabulary(run, lambda pieces: None)
    config = dict(runs.read_json(run, "bert_config.json"), num_attention_heads=4)
    (run / "bert_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert (
        f"has num_attention_heads=4, but the model was trained with 2 by {run}/run_conf"
        in said(FineTunedModel.load, str(run), FAMILIES)
    )


def test_a_length_of_task_json_beyond_the_positions(run):
    task = runs.read_json(run, "task.json")
    task["settings"]["max_seq_length"] = 999
    (run / "task.json").write_text(json.dumps(task), encoding="utf-8")
    assert "--max_seq_length=999 is above max_position_embeddings=128" in said(
        FineTunedModel.load, str(run), FAMILIES
    )


def test_labels_of_a_saved_run_in_another_order(run):
    checkpoint = str(run / "best" / "model.ckpt-1")
    trained = FineTunedModel.load(str(run), FAMILIES).task
    assert not list(differences_of_labels(checkpoint, trained))
    described = runs.read_json(run, "task.json")
    described["task"]["label_values"] = ["1", "0"]
    (run / "task.json").write_text(json.dumps(described), encoding="utf-8")
    (found,) = differences_of_labels(checkpoint, trained)
    assert found == (
        f"Output 0 of the head in {checkpoint} is the label '1' of NSMC by "
        f"{run}/task.json, and '0' of NSMC now: it would be taken for another. Name "
        "the task with the labels in the same order, or a checkpoint without this head."
    )


# --- Records -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return pretraining_runs.preparer(tmp_path_factory)


def pretrain(folder, output, capfd, **changes):
    """What BERT's pre-training says that it ends with, and its exit status."""
    flags = pretraining_runs.arguments(
        folder, "bert", output, num_train_steps=1, num_warmup_steps=0, **changes
    )
    status = pretraining_runs.run(*flags)
    return status, capfd.readouterr().err


def config_of_size(prepared, path, **changes):
    config = dict(runs.read_json(prepared, "config.json"), **changes)
    path.write_text(json.dumps(config), encoding="utf-8")
    return path


SIZE = len(pretraining_runs.VOCABULARY)


@pytest.mark.parametrize("has_manifest", [True, False])
def test_records_of_another_size_of_vocabulary_without_its_file(
    prepared, tmp_path, capfd, has_manifest
):
    folder = prepared("bert")
    records = tmp_path / "records"
    shutil.copytree(str(folder / "records"), str(records))
    if not has_manifest:
        (records / "manifest.json").unlink()
    named = dict(vocab_file=None, input_file=records / "*.tfrecord")
    large = config_of_size(folder, tmp_path / "large.json", vocab_size=2 * SIZE)
    status, said = pretrain(
        folder, tmp_path / "out", capfd, bert_config_file=large, **named
    )
    assert status == 0
    known = f"is of a vocabulary of {SIZE} pieces"
    guessed = f"has no id above {SIZE - 1} in its first 1000 records"
    assert (
        f"--input_file={named['input_file']} {known if has_manifest else guessed}, "
        f"fewer than the {2 * SIZE} rows of the embedding table." in said
    )
    small = config_of_size(folder, tmp_path / "small.json", vocab_size=SIZE - 1)
    status, said = pretrain(
        folder, tmp_path / "out", capfd, bert_config_file=small, **named
    )
    assert status == 1
    assert f"and the embedding table has vocab_size={SIZE - 1} rows." in said


def test_records_of_the_models_vocabulary_are_not_mentioned(prepared, tmp_path, capfd):
    status, said = pretrain(prepared("bert"), tmp_path / "out", capfd, vocab_file=None)
    assert status == 0 and "rows of the embedding table" not in said


def rebuilt(folder, target):
    """The same records of a vocabulary with two pieces swapped."""
    target.mkdir()
    pieces = list(pretraining_runs.VOCABULARY)
    swap(pieces)
    (target / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    corpus = (folder / "corpus.txt").read_text(encoding="utf-8")
    pretraining_runs.build_records(target, "bert", corpus)
    return target / "records" / "*.tfrecord"


def test_records_of_another_vocabulary_than_the_checkpoints(prepared, tmp_path, capfd):
    folder, first = prepared("bert"), tmp_path / "first"
    assert pretrain(folder, first, capfd)[0] == 0
    others = rebuilt(folder, tmp_path / "other")
    changes = dict(init_checkpoint=first, vocab_file=None)
    status, said = pretrain(
        folder, tmp_path / "out", capfd, input_file=others, **changes
    )
    assert status == 1
    assert (
        f"error: The model in {first} and the records are of different tokenizers: "
        "vocabulary_sha256 is " in said
    )
    status, said = pretrain(
        folder, tmp_path / "out", capfd, eval_input_file=others, **changes
    )
    assert status == 1
    assert "The records of --input_file and --eval_input_file are of different" in said
    changes = dict(changes, vocab_file=tmp_path / "other" / "vocab.txt")
    status, said = pretrain(
        folder, tmp_path / "out", capfd, input_file=others, **changes
    )
    assert status == 1
    assert (
        f"is not the vocabulary of the model in {first}, {first}/vocab.txt: id 7"
        in (said)
    )
    assert not (tmp_path / "out").exists()


def test_two_sizes_of_an_electra(prepared, tmp_path, capfd):
    flags = pretraining_runs.arguments(
        prepared("electra"), "electra", tmp_path / "out", model_size="small"
    )
    assert pretraining_runs.run(*flags) == 1
    assert "--electra_config_file and --model_size exclude each other." in (
        capfd.readouterr().err
    )


@pytest.mark.parametrize("name", ["vocab_size", "embedding_size"])
def test_a_size_beside_a_configuration(prepared, tmp_path, capfd, name):
    flags = pretraining_runs.arguments(
        prepared("electra"), "electra", tmp_path / "out", **{name: 64}
    )
    assert pretraining_runs.run(*flags) == 1
    said = capfd.readouterr().err
    assert f"--{name} goes with --model_size" in said
    assert f"--model_hparam_overrides='{{\"{name}\": 64}}'" in said
    assert not (tmp_path / "out").exists()


# --- Files of Hugging Face ---------------------------------------------------------

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "나는", "집"]
LIBRARY = {
    "normalizer": {"type": "BertNormalizer", "lowercase": False, "strip_accents": None},
    "model": {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "vocab": {piece: index for index, piece in enumerate(PIECES)},
    },
}


def import_from_hugging_face(folder, allow_mismatch=False):
    (folder / "out").mkdir(exist_ok=True)
    return import_tokenizer(str(folder), str(folder / "out"), 20, allow_mismatch)[0]


@pytest.mark.parametrize(
    "settings, expected",
    [
        (
            {"do_lower_case": True},
            "do_lower_case is True in tokenizer_config.json, and lowercase is False in "
            "tokenizer.json. Make them agree",
        ),
        (
            {"do_lower_case": False, "unk_token": "<unk>"},
            "unk_token is '<unk>' in tokenizer_config.json and '[UNK]' in tokenizer.js",
        ),
    ],
)
def test_tokenizer_json_and_other_settings(tmp_path, settings, expected):
    settings["tokenizer_class"] = "BertTokenizer"
    for name, content in (
        ("tokenizer.json", LIBRARY),
        ("tokenizer_config.json", settings),
    ):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    assert expected in said(import_from_hugging_face, tmp_path)
    config = import_from_hugging_face(tmp_path, allow_mismatch=True)
    assert config.lower_case is False


def test_a_vocabulary_that_tokenizer_json_does_not_have(tmp_path):
    (tmp_path / "tokenizer.json").write_text(json.dumps(LIBRARY), encoding="utf-8")
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES + ["남의"]) + "\n", encoding="utf-8")
    assert (
        f"{path} has '남의' as id 7, and tokenizer.json has no such piece: they are of"
        in said(import_from_hugging_face, tmp_path)
    )
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    assert import_from_hugging_face(tmp_path).lower_case is False


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"label2id": {"neg": 1, "pos": 0}}, "label2id gives that label the output 1"),
        (
            {"korean_encoders": {"task": {"label_names": ["pos", "neg"]}}},
            "'neg' in id2label and 'pos' in 'korean_encoders'",
        ),
        ({"korean_encoders": {"task": {"label_names": ["neg", "pos"]}}}, None),
        ({"label2id": {"LABEL_0": 0, "LABEL_1": 1}}, None),
    ],
)
def test_labels_of_config_json(change, expected):
    head = HeadDescription("classification", ("neg", "pos"))
    found = FineTuned(change, "config.json", head, 2, (0, 1), 8).differences()
    assert [expected in each for each in found] == ([True] if expected else [])


def test_flags_of_a_conversion(run, tmp_path, capfd):
    def convert(*flags):
        arguments = ["convert_checkpoint.py", "--from=tf", "--to=hf", *flags]
        arguments += [f"--input_dir={run}", f"--output_dir={tmp_path / 'hf'}"]
        try:
            cli.run(command.main, command.FLAGS, arguments)
        except SystemExit as stop:
            return stop.code, capfd.readouterr().err
        return 0, capfd.readouterr().err

    status, said = convert("--labels=positive,negative")
    assert status == 1
    assert f"--labels calls output 0 'positive', but {run}/task.json calls it" in said
    path = other_vocabulary(tmp_path / "other", swap)
    status, said = convert(f"--vocab_file={path}")
    assert status == 1 and f"{path} is not the vocabulary of the model in" in said
    status, said = convert(f"--vocab_file={path}", "--allow_mismatch")
    assert status == 0 and "Allowed by --allow_mismatch." in said
