"""extract_features.py: upstream's JSON lines, for all three models."""

import json
import os
import subprocess

import numpy as np
import pytest

from encoder_ko import cli, compat
from encoder_ko.compat import tf
from encoder_ko.hub import tensors
from encoder_ko.inference import features as hidden_states
from korean_encoders.commands import features as command
from korean_encoders.model_types import MODEL_TYPES
from tests.support.fine_tuning_runs import VOCABULARY
from tests.support.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly")]

SIZES = {
    "vocab_size": 23,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
}
NARROW = {"albert": {"embedding_size": 8}, "electra": {"embedding_size": 8}}
TEXTS = ["영화 최고 추천", "", "배우 ||| 연출 너무 별로", "또 최악 " * 20]
TOKENS = [
    ["[CLS]", "영화", "최고", "추천", "[SEP]"],
    ["[CLS]", "[SEP]"],
    ["[CLS]", "배우", "[SEP]", "연출", "너무", "별로", "[SEP]"],
    ["[CLS]"] + ["또", "최악"] * 7 + ["[SEP]"],
]


def write_model(folder, model_type):
    """Configuration, vocabulary and a checkpoint of random weights."""
    config_class = MODEL_TYPES[model_type].config_class
    model_class = MODEL_TYPES[model_type].model_class
    config = dict(SIZES, **NARROW.get(model_type, {}))
    path = folder / f"{model_type}_config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    with tf.Graph().as_default():
        tf.random.set_random_seed(7)
        ids = tf.zeros([1, 2], tf.int32)
        model_class(config_class.from_json_file(str(path)), False, ids)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            prefix = str(folder / "model.ckpt")
            tf.train.Saver().save(session, prefix, write_state=False)
            session.graph.finalize()
    return folder


def arguments_of(folder, model_type="bert", **changes):
    """Flags, and the file of texts that they name."""
    settings = dict(
        model_dir=folder,
        model_type=model_type,
        input_file=folder / "texts.txt",
        output_file=folder / "features.jsonl",
        layers="-1,0",
        max_seq_length=16,
        batch_size=3,
    )
    settings.update(changes)
    (folder / "texts.txt").write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return [f"--{name}={value}" for name, value in settings.items()]


def run(folder, model_type="bert", **changes):
    """The exit status."""
    arguments = arguments_of(folder, model_type, **changes)
    try:
        cli.run(
            command.main,
            command.FLAGS,
            ["extract_features.py"] + arguments,
        )
    except SystemExit as stop:
        return stop.code or 0
    return 0


def reference(folder, model_type, ids, segment_ids):
    """All layers for one unpadded input, from a graph of its own."""
    config_class = MODEL_TYPES[model_type].config_class
    model_class = MODEL_TYPES[model_type].model_class
    config = config_class.from_json_file(str(folder / f"{model_type}_config.json"))
    with tf.Graph().as_default(), tf.Session() as session:
        model = model_class(
            config, False, tf.constant([ids]), token_type_ids=tf.constant([segment_ids])
        )
        tf.train.Saver().restore(session, str(folder / "model.ckpt"))
        return [layer[0] for layer in session.run(model.get_all_encoder_layers())]


@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_states_are_those_of_the_model(tmp_path, model_type):
    folder = write_model(tmp_path, model_type)
    assert run(folder, model_type) == 0
    text = (folder / "features.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["linex_index"] for record in records] == [0, 1, 2, 3]
    for record, tokens in zip(records, TOKENS):
        features = record["features"]
        assert [feature["token"] for feature in features] == tokens
        assert list(record) == ["linex_index", "features", "is_cut"]
    assert [record["is_cut"] for record in records] == [False, False, False, True]
    features = records[2]["features"]
    ids = [VOCABULARY.index(token) for token in TOKENS[2]]
    layers = reference(folder, model_type, ids, [0, 0, 0, 1, 1, 1, 1])
    for position, feature in enumerate(features):
        assert [layer["index"] for layer in feature["layers"]] == [-1, 0]
        for layer in feature["layers"]:
            expected = layers[layer["index"]][position]
            np.testing.assert_allclose(layer["values"], expected, atol=2e-6)
            assert layer["values"] == [round(value, 6) for value in layer["values"]]


def messages_of(caplog):
    """Those of the command; TensorFlow adds its own to whoever calls it first."""
    return [record.getMessage() for record in caplog.records if record.name == "absl"]


def test_rows_and_lines_that_are_cut_are_told(tmp_path, caplog):
    folder = write_model(tmp_path, "bert")
    assert run(folder) == 0
    first, last, _ = messages_of(caplog)
    assert first == f"{folder / 'texts.txt'}: 4 lines"
    assert last == (
        "1 of 4 lines are longer than --max_seq_length=16: their end is left out; "
        "is_cut marks them."
    )


def test_a_table_is_read_line_by_line_and_told(tmp_path, caplog):
    folder, texts = write_model(tmp_path, "bert"), tmp_path / "reviews.tsv"
    texts.write_text("id\tdocument\n1\t영화 최고\n2\t\n", encoding="utf-8")
    assert run(folder, input_file=texts) == 0
    assert f"{texts} looks like a table." in messages_of(caplog)[0]
    text = (folder / "features.jsonl").read_text(encoding="utf-8")
    assert len(text.splitlines()) == 3
    caplog.clear()
    other = tmp_path / "reviews.csv"
    other.write_text("영화 최고,1\n", encoding="utf-8")
    assert run(folder, input_file=other, overwrite=True) == 0
    assert f"{other} looks like a csv file." in messages_of(caplog)[0]


def test_results_do_not_depend_on_the_batch(tmp_path):
    folder = write_model(tmp_path, "bert")
    written = []
    for size in (1, 4):
        run(folder, batch_size=size, overwrite=True)
        text = (folder / "features.jsonl").read_text(encoding="utf-8")
        written.append([json.loads(line) for line in text.splitlines()])
    for one, four in zip(*written):
        for a, b in zip(one["features"], four["features"]):
            values = [x["layers"][0]["values"] for x in (a, b)]
            np.testing.assert_allclose(*values, atol=2e-6)


def test_bad_lines_are_left_out_and_other_encodings_read_when_named(tmp_path, caplog):
    folder, texts = write_model(tmp_path, "bert"), tmp_path / "cp949.txt"
    texts.write_bytes("영화 최고\n배\0우\n연출\n".encode("cp949"))
    changes = dict(input_file=texts, encoding="cp949")
    assert run(folder, **changes) == 1
    assert run(folder, max_bad_rows=1, **changes) == 0
    assert "line 2" in caplog.text
    text = (folder / "features.jsonl").read_text(encoding="utf-8")
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["linex_index"] for record in records] == [0, 2]
    assert records[0]["features"][1]["token"] == "영화"


def test_unknown_text_is_told_and_broken_weights_stop(tmp_path, capfd):
    folder = write_model(tmp_path, "bert")
    texts = folder / "other.txt"
    texts.write_text("どうも\n최고\n", encoding="utf-8")
    assert run(folder, input_file=texts) == 0
    error = capfd.readouterr().err
    assert "other.txt: 50.0% of the pieces are unknown to the vocabulary" in error
    prefix = str(folder / "model.ckpt")
    values = tensors.read_checkpoint(prefix)
    row = VOCABULARY.index("최고")
    values["bert/embeddings/word_embeddings"][row] = np.nan
    tensors.write_checkpoint(prefix, values)
    assert run(folder, input_file=texts, overwrite=True) == 1
    error = capfd.readouterr().err
    assert "The hidden states of line 2 are not numbers (NaN or infinite)" in error


def test_a_pair_is_cut_at_the_last_separator():
    """As upstream's pattern does."""
    assert hidden_states.split_pair(3, " 가 ||| 나 ||| 다 \n") == (3, "가 ||| 나", "다")
    assert hidden_states.split_pair(0, "가|||나") == (0, "가|||나", None)


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"layers": "3"},
            "--layers=3: the model has 3 layers, expected numbers from -3 to 2",
        ),
        ({"layers": "-1,x"}, "--layers=-1,x: the model has 3 layers, expected numbers"),
        ({"max_seq_length": 65}, "max_position_embeddings=64"),
        ({"input_file": "absent.txt"}, "absent.txt"),
        ({"output_file": ""}, "--output_file is missing"),
        ({"model_type": "electra"}, "and no electra_config.json"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, changes, message):
    folder = write_model(tmp_path, "bert")
    (folder / "other_config.json").write_text("{}")
    assert run(folder, **changes) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (folder / "features.jsonl").exists()


def test_the_texts_are_never_replaced(tmp_path, capsys):
    folder = write_model(tmp_path, "bert")
    path = folder / "texts.txt"
    assert run(folder, output_file=path, overwrite=True) == 1
    assert "texts.txt is one of the files of --input_file=" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == "\n".join(TEXTS) + "\n"


def test_an_untrained_model_and_existing_files_are_refused(tmp_path, capsys):
    folder = write_model(tmp_path, "bert")
    (folder / "features.jsonl").write_text("mine")
    assert run(folder) == 1
    assert "features.jsonl exists already" in capsys.readouterr().err
    assert (folder / "features.jsonl").read_text() == "mine"
    for path in folder.glob("model.ckpt*"):
        path.unlink()
    assert run(folder) == 1
    assert "name its checkpoint with --init_checkpoint" in capsys.readouterr().err


OTHER_LANE = os.path.join(
    ROOT, ".venv-legacy" if compat.IS_TF2 else ".venv", "bin", "python"
)


def values_of(path):
    """All numbers of a file of features, in its order."""
    with open(str(path), encoding="utf-8") as lines:
        return [
            layer["values"]
            for line in lines
            for feature in json.loads(line)["features"]
            for layer in feature["layers"]
        ]


@pytest.mark.skipif(
    not os.path.exists(OTHER_LANE), reason=f"needs the other lane's {OTHER_LANE}"
)
@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_the_other_lane_reads_the_checkpoint_and_agrees(tmp_path, model_type):
    folder = write_model(tmp_path, model_type)
    assert run(folder, model_type) == 0
    flags = arguments_of(folder, model_type, output_file=folder / "other.jsonl")
    # TensorFlow 2 sets this at its import, and TensorFlow 1.15 obeys it.
    environment = {k: v for k, v in os.environ.items() if k != "TF2_BEHAVIOR"}
    script = os.path.join(ROOT, "extract_features.py")
    subprocess.check_call([OTHER_LANE, script] + flags, env=environment)
    ours, theirs = (values_of(folder / f"{n}.jsonl") for n in ("features", "other"))
    assert len(ours) == len(theirs) > 0
    assert np.abs(np.subtract(ours, theirs)).max() < 1e-5
