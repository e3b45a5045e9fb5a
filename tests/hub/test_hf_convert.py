"""convert_checkpoint.py from the command line: files, flags, mistakes."""

import dataclasses
import functools
import json
import os
import pickle
import shutil

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the package safetensors")

from data import tasks  # noqa: E402
from data.tokenization import build_tokenizer, preset  # noqa: E402
from encoder_ko import cli
from encoder_ko.finetuning import saved_run, task_types
from encoder_ko.hub import tensors  # noqa: E402
from encoder_ko.training.run_folder import RunFolder  # noqa: E402
from korean_encoders.commands import convert as command  # noqa: E402
from korean_encoders.model_types import FAMILIES  # noqa: E402
from tests.support import pretraining_runs  # noqa: E402
from tests.support.hf_reference import CONFIGS, batch, run  # noqa: E402
from tests.support.shared_data import shared_golden  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly")]

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
RESULTS = {
    "task": "NSMC",
    "metrics": {"accuracy": 0.8453, "confusion_matrix": [[1, 2], [3, 4]]},
    "flags": {"learning_rate": 5e-5, "data_dir": "datasets/nsmc", "do_eval": True},
    "init_checkpoint": "models/model.ckpt",
}


def write(path, text):
    with open(str(path), "w", encoding="utf-8") as writer:
        writer.write(text)


# As many labels as the heads of hf_reference have.
CLASSES = {"label_values": ("0", "1", "2"), "label_names": ("부정", "중립", "긍정")}
TAGS = {"label_values": ("O", "PS-B", "PS-I", "LC-B", "LC-I"), "label_names": ()}
TASKS = {
    "classification": dataclasses.replace(tasks.get_task("NSMC"), **CLASSES),
    "regression": tasks.get_task("KorSTS"),
    "tagging": dataclasses.replace(tasks.get_task("NaverNER"), **TAGS),
    "question_answering": tasks.get_task("KorQuAD"),
}
SETTINGS = task_types.TaskSettings(max_seq_length=20, max_query_length=4, doc_stride=4)


@functools.lru_cache(maxsize=None)
def values_of(model_type, head):
    config = CONFIGS[model_type]
    return run(model_type, head, config, batch(config.vocab_size))[0]


def model_folder(path, model_type="bert", head="classification"):
    """A run's folder: checkpoint in best/, task.json, eval_results.json."""
    config, values = CONFIGS[model_type], dict(values_of(model_type, head))
    os.makedirs(str(path / "best"))
    saved = dict(values, **{"bert/pooler/dense/bias/adam_m": np.zeros(2, np.float32)})
    tensors.write_checkpoint(str(path / "best" / "model.ckpt-7"), saved)
    write(path / f"{model_type}_config.json", config.to_json_string())
    pieces = SPECIAL + [f"말{n}" for n in range(config.vocab_size - len(SPECIAL))]
    write(path / "vocab.txt", "".join(piece + "\n" for piece in pieces))
    write(path / "eval_results.json", json.dumps(RESULTS))
    if head in TASKS:
        task = dataclasses.replace(TASKS[head], name="NSMC")
        tokenizer = build_tokenizer(preset("korean_cased"), str(path / "vocab.txt"))
        kind = task_types.build(task, tokenizer, SETTINGS)
        saved_run.write(RunFolder(str(path)), model_type, config, kind)
    return values


def convert(*words):
    cli.run(
        command.main,
        command.FLAGS,
        ["convert_checkpoint.py"] + [str(word) for word in words],
    )


def to_hf(source, target, *more):
    convert(
        "--from",
        "tf",
        "--to",
        "hf",
        "--input_dir",
        source,
        "--output_dir",
        target,
        *more,
    )


def to_tf(source, target, *more):
    convert(
        "--from",
        "hf",
        "--to",
        "tf",
        "--input_dir",
        source,
        "--output_dir",
        target,
        *more,
    )


def fails(capsys, function, *arguments):
    with pytest.raises(SystemExit) as stopped:
        function(*arguments)
    assert stopped.value.code == 1
    return capsys.readouterr().err


@pytest.fixture
def exported(tmp_path):
    values = model_folder(tmp_path / "run")
    to_hf(tmp_path / "run", tmp_path / "hf")
    return tmp_path / "hf", values


def test_the_files_of_a_fine_tuned_model(exported):
    folder, _ = exported
    assert sorted(os.listdir(str(folder))) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    content = json.loads((folder / "config.json").read_text("utf-8"))
    assert content["architectures"] == ["BertForSequenceClassification"]
    assert content["id2label"] == {"0": "부정", "1": "중립", "2": "긍정"}


def test_the_model_card(exported):
    card = (exported[0] / "README.md").read_text("utf-8")
    assert "pipeline_tag: text-classification" in card
    assert "| accuracy | 0.8453 |" in card
    assert "| `--learning_rate` | `5e-05` |" in card
    assert "- data_dir: `datasets/nsmc`" in card
    assert "부정, 중립, 긍정" in card


def test_the_size_of_each_file_is_told(tmp_path, capfd):
    model_folder(tmp_path / "run")
    for convert_to, source, target in (
        (to_hf, "run", "hf"),
        (to_tf, "hf", "tf"),
    ):
        convert_to(tmp_path / source, tmp_path / target)
        printed = capfd.readouterr().err
        for folder, _, names in os.walk(str(tmp_path / target)):
            for name in names:
                path = os.path.join(folder, name)
                assert f"{path}: {os.path.getsize(path)} bytes" in printed


def test_the_card_of_a_run_that_was_not_evaluated_at_its_end(tmp_path):
    """What is left: its settings, and the evaluations while it trained."""
    model_folder(tmp_path / "run")
    os.remove(str(tmp_path / "run" / "eval_results.json"))
    settings = {"learning_rate": 5e-5, "data_dir": "datasets/nsmc", "model_config": {}}
    settings["init_checkpoint"] = "models/model.ckpt"
    history = [
        {"step": step, "seconds": 1.0, "accuracy": score, "score": score}
        for step, score in ((5, 0.7), (10, 0.8), (15, 0.75))
    ]
    write(tmp_path / "run" / "run_config.json", json.dumps(settings))
    write(tmp_path / "run" / "history.json", json.dumps(history))
    tested = {"metrics": {"accuracy": 0.75, "num_examples": 300.0, "score": 0.75}}
    write(tmp_path / "run" / "test_results.json", json.dumps(tested))
    to_hf(tmp_path / "run", tmp_path / "hf")
    card = (tmp_path / "hf" / "README.md").read_text("utf-8")
    assert "- task: NSMC\n- data_dir: `datasets/nsmc`\n" in card
    assert "- started from: `models/model.ckpt`" in card
    assert "| metric | dev | test |" in card
    assert "| accuracy | 0.8000 | 0.7500 |\n| num_examples |  | 300 |\n" in card
    assert "| score |" not in card
    assert "| `--learning_rate` | `5e-05` |" in card
    assert "model_config" not in card


@pytest.mark.parametrize("do_eval", [True, False])
def test_the_card_of_a_pretraining_run(tmp_path, do_eval):
    """With the files that run_pretraining.py writes."""
    folder = pretraining_runs.prepare(tmp_path, "bert")
    output = tmp_path / "run"
    flags = dict(num_train_steps=2, do_train=True, do_eval=do_eval, max_eval_steps=1)
    flags = pretraining_runs.arguments(folder, "bert", output, **flags)
    assert pretraining_runs.run(*flags) == 0
    to_hf(output, tmp_path / "hf", "--model_type=bert")
    card = (tmp_path / "hf" / "README.md").read_text("utf-8")
    total = pretraining_runs.read_json(output, "run_config.json")["records"]["total"]
    assert f"- training records: {total}\n" in card
    assert "| `--learning_rate` | `0.01` |" in card
    assert ("- input_file: `" in card) == do_eval
    assert ("| masked_lm_accuracy | 0." in card) == do_eval


def test_the_way_back_is_a_model_dir(exported, tmp_path):
    folder, values = exported
    to_tf(folder, tmp_path / "tf")
    assert sorted(os.listdir(str(tmp_path / "tf"))) == [
        "bert_config.json",
        "best",
        "task.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert sorted(os.listdir(str(tmp_path / "tf" / "best"))) == [
        "checkpoint",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
    ]
    returned = tensors.read_checkpoint(str(tmp_path / "tf/best/model.ckpt"))
    assert {n: v.tobytes() for n, v in returned.items()} == {
        n: v.tobytes() for n, v in values.items()
    }
    text = (tmp_path / "tf" / "bert_config.json").read_text("utf-8")
    assert text == CONFIGS["bert"].to_json_string()


def parts(path):
    """What makes a fine-tuned model: task.json and the variables, bytes by name."""
    model = saved_run.FineTunedModel.load(str(path), FAMILIES)
    variables = tensors.read_checkpoint(model.checkpoint)
    return (
        (path / "task.json").read_text("utf-8"),
        {name: value.tobytes() for name, value in variables.items()},
    )


@pytest.mark.parametrize("head", sorted(TASKS))
@pytest.mark.parametrize("model_type", sorted(CONFIGS))
def test_a_fine_tuned_model_comes_back_as_one(tmp_path, model_type, head):
    run_dir, theirs, ours, again = (tmp_path / name for name in "abcd")
    model_folder(run_dir, model_type, head)
    to_hf(run_dir, theirs)
    to_tf(theirs, ours)
    assert parts(ours) == parts(run_dir)
    to_hf(ours, again)
    for name in ("config.json", "model.safetensors"):
        assert (again / name).read_bytes() == (theirs / name).read_bytes()


def change_config(folder, remove=(), **changes):
    content = json.loads((folder / "config.json").read_text("utf-8"))
    content = {key: v for key, v in content.items() if key not in remove}
    write(folder / "config.json", json.dumps(dict(content, **changes)))


@pytest.mark.parametrize(
    "model_type, head",
    [("bert", head) for head in sorted(TASKS)] + [("electra", "regression")],
)
def test_a_model_of_others_means_the_same(tmp_path, model_type, head):
    """config.json tells head type and labels; ELECTRA's tensors the range of scores."""
    run_dir, theirs, ours, again = (tmp_path / name for name in "abcd")
    model_folder(run_dir, model_type, head)
    to_hf(run_dir, theirs)
    change_config(theirs, ["korean_encoders", "finetuning_task"])
    to_tf(theirs, ours, "--task_name=NSMC")
    expected, found = (
        json.loads((path / "task.json").read_text("utf-8")) for path in (run_dir, ours)
    )
    assert found["settings"]["max_seq_length"] == 40  # all positions
    if head == "classification":
        expected["task"]["label_values"] = ["부정", "중립", "긍정"]
    if head in ("classification", "regression"):
        expected["task"]["is_pair"] = None  # no file of theirs tells
    if (model_type, head) == ("bert", "regression"):
        expected["task"]["score_range"] = [0, 1]  # its scores are as they are
    assert found["task"] == expected["task"]
    assert parts(ours)[1] == parts(run_dir)[1]
    to_hf(ours, again)
    assert (again / "model.safetensors").read_bytes() == (
        theirs / "model.safetensors"
    ).read_bytes()
    classes = [
        json.loads((path / "config.json").read_text("utf-8"))["architectures"]
        for path in (theirs, again)
    ]
    assert classes[0] == classes[1]


def test_labels_without_names_or_too_few_of_them(exported, tmp_path, capsys):
    folder, _ = exported
    change_config(folder, ["id2label"])
    to_tf(folder, tmp_path / "tf")
    described = json.loads((tmp_path / "tf" / "task.json").read_text("utf-8"))
    assert described["task"]["label_names"] == ["LABEL_0", "LABEL_1", "LABEL_2"]
    change_config(folder, id2label={"0": "가", "1": "나"})
    error = fails(capsys, to_tf, folder, tmp_path / "other")
    assert "config.json has 3 outputs but there are 2 label names: 가, 나" in error


def test_a_head_with_several_answers_has_no_task(exported, tmp_path):
    folder, _ = exported
    change_config(folder, problem_type="multi_label_classification")
    to_tf(folder, tmp_path / "tf")
    assert not (tmp_path / "tf" / "task.json").exists()
    assert (tmp_path / "tf" / "model.ckpt.index").exists()


def test_nothing_is_overwritten(exported, tmp_path, capsys):
    folder, _ = exported
    before = (folder / "config.json").read_bytes()
    error = fails(capsys, to_hf, tmp_path / "run", folder)
    assert "config.json, model.safetensors" in error and "--overwrite" in error
    assert (folder / "config.json").read_bytes() == before
    write(folder / "notes.txt", "mine")
    to_hf(tmp_path / "run", folder, "--overwrite")
    assert (folder / "notes.txt").exists()
    assert sorted(os.listdir(str(tmp_path))) == ["hf", "run"]


def test_electras_two_networks_go_and_come_together(tmp_path):
    values = model_folder(tmp_path / "run", "electra", "pretraining")
    to_hf(tmp_path / "run", tmp_path / "hf", "--model_type=electra")
    assert sorted(os.listdir(str(tmp_path / "hf"))) == ["discriminator", "generator"]
    to_tf(tmp_path / "hf", tmp_path / "tf")
    returned = tensors.read_checkpoint(str(tmp_path / "tf" / "model.ckpt"))
    assert set(returned) == set(values)
    assert (tmp_path / "tf" / "electra_config.json").exists()
    assert (tmp_path / "tf" / "generator_config.json").exists()


def test_the_limit_of_a_sentencepiece_model_is_told(tmp_path, capfd):
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    shutil.copy(shared_golden("tokenization", "albert_spm.model"), str(run_dir))
    write(run_dir / "tokenizer_config.json", preset("albert_cased").to_json_string())
    model = str(run_dir / "albert_spm.model")
    pieces = len(build_tokenizer(preset("albert_cased"), model).vocabulary)
    config = CONFIGS["albert"].replace(vocab_size=pieces)
    values, _ = run("albert", "encoder", config, batch(pieces))
    tensors.write_checkpoint(str(run_dir / "model.ckpt"), values)
    write(run_dir / "albert_config.json", config.to_json_string())
    to_hf(run_dir, tmp_path / "hf", "--model_type=albert")
    assert "two ways of equal score" in (tmp_path / "hf/README.md").read_text("utf-8")
    assert "two ways of equal score" in capfd.readouterr().err


def test_the_encoder_alone(exported, tmp_path):
    folder, values = exported
    to_tf(folder, tmp_path / "tf", "--encoder_only")
    returned = tensors.read_checkpoint(str(tmp_path / "tf" / "model.ckpt"))
    assert set(values) - set(returned) == {"output_weights", "output_bias"}


def test_names_of_labels_must_be_as_many_as_outputs(tmp_path, capsys):
    model_folder(tmp_path / "run")
    error = fails(
        capsys, to_hf, tmp_path / "run", tmp_path / "hf", "--labels=부정,긍정"
    )
    assert "3 outputs but there are 2 label names" in error
    assert not (tmp_path / "hf").exists()


def test_another_padding_id(exported, tmp_path, capsys):
    folder, _ = exported
    content = json.loads((folder / "config.json").read_text("utf-8"))
    write(folder / "config.json", json.dumps(dict(content, pad_token_id=3)))
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "pad_token_id=3 but [PAD] has the id 0" in error
    assert not (tmp_path / "tf").exists()


def test_pickles_are_not_opened(exported, tmp_path, capsys):
    folder, _ = exported
    os.remove(str(folder / "model.safetensors"))
    with open(str(folder / "pytorch_model.bin"), "wb") as writer:
        pickle.dump(os.getcwd, writer)
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "pip install torch" in error or "tensors alone" in error


def test_a_cut_file(exported, tmp_path, capsys):
    folder, _ = exported
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "model.safetensors could not be read" in error


def test_missing_flags_and_folders(tmp_path, capsys):
    assert "--from is missing" in fails(capsys, convert)
    error = fails(capsys, to_hf, tmp_path / "none", tmp_path / "hf")
    assert "There is no folder" in error
    error = fails(capsys, to_tf, tmp_path, tmp_path / "tf")
    assert "config.json" in error
    words = ["--from=tf", "--to=tf", f"--input_dir={tmp_path}", "--output_dir=x"]
    assert "nothing to convert" in fails(capsys, convert, *words)
