"""Exported models give what prediction gives, in plain TensorFlow and onnxruntime."""

import json
import os
import sys

import numpy as np
import pytest
import tensorflow as plain_tensorflow
from tensorflow.core.protobuf import saved_model_pb2

from data import tasks
from data.io import files
from data.io.errors import InputError
from data.tokenization import build_tokenizer, preset
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.finetuning import task_types
from encoder_ko.inference import onnx_file, saved_model, throughput
from encoder_ko.training import checkpoints
from korean_encoders.commands import export
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support.made_up_models import fine_tuned_model

pytestmark = pytest.mark.slow

# Every model and every task type, but not each with each: ELECTRA has heads of its own.
CASES = [(name, tasks.CLASSIFICATION) for name in sorted(FAMILIES)]
CASES += [
    ("electra", task_type)
    for task_type in task_types.TASK_TYPES
    if task_type != tasks.CLASSIFICATION
]
CASES += [
    ("bert", task_type)
    for task_type in task_types.TASK_TYPES
    if task_type == tasks.QUESTION_ANSWERING
]


def inputs(batch, length):
    """Random ids; every other row ends in padding."""
    generator = np.random.RandomState(batch * 100 + length)
    mask = np.ones([batch, length], np.int32)
    mask[::2, max(1, length - 3) :] = 0
    ids = generator.randint(1, len(runs.VOCABULARY), mask.shape) * mask
    segments = (np.arange(length) > length // 2) * mask
    names = ("input_ids", "input_mask", "segment_ids")
    return {n: v.astype(np.int32) for n, v in zip(names, (ids, mask, segments))}


def with_words(values, task_type):
    """The inputs, and for dependency parsing which tokens begin a word."""
    if task_type != tasks.DEPENDENCY_PARSING:
        return values
    begins = np.arange(values["input_mask"].shape[1]) % 2 == 1
    return dict(values, word_mask=(values["input_mask"] * begins).astype(np.int32))


def prediction_runner(model):
    """Runs the graph that run_classifier.py predicts with, on batches of any shape."""
    session = tf.Session(graph=tf.Graph())
    with session.graph.as_default():
        names = ("input_ids", "input_mask", "segment_ids")
        features = {name: tf.placeholder(tf.int32, [None, None]) for name in names}
        for feature in model.task_type.features():
            if feature.name not in features:
                dtype = tf.float32 if feature.dtype == "float32" else tf.int32
                shape = [None] if feature.length else [None, None]
                features[feature.name] = tf.placeholder(dtype, shape)
        features["is_real_example"] = tf.placeholder(tf.float32, [None])
        encoder = model.family.model_class(
            model.config,
            False,
            *(features[name] for name in names),
            only_first_token=model.task_type.only_first_token,
        )
        outputs = model.task_type.head(model.family, encoder, features).outputs
        tf.train.Saver().restore(session, model.checkpoint)

    def run(values):
        shape = values["input_ids"].shape
        fed = {
            tensor: values.get(name, np.zeros(shape[: tensor.shape.ndims]))
            for name, tensor in features.items()
        }
        fed[features["is_real_example"]] = np.ones(shape[:1])
        return session.run(outputs, fed)

    return run


def plain_runner(path, signature):
    """The signature under tf.saved_model, as others load it."""
    if not plain_tensorflow.executing_eagerly():
        return throughput.saved_model_runner(path, signature)
    function = plain_tensorflow.saved_model.load(path).signatures[signature]

    def run(values):
        fed = {name: plain_tensorflow.constant(v) for name, v in values.items()}
        return {name: value.numpy() for name, value in function(**fed).items()}

    return run


@pytest.mark.parametrize("family, task_type", CASES)
def test_a_savedmodel_gives_what_prediction_gives(tmp_path, family, task_type):
    model = fine_tuned_model(tmp_path / "run", family, task_type)
    path = str(tmp_path / "serving" / "1")
    saved_model.write_saved_model(model, path)
    run = plain_runner(path, saved_model.SIGNATURES[task_type])
    predict = prediction_runner(model)
    for batch, length in ((1, 5), (3, 12)):
        values = with_words(inputs(batch, length), task_type)
        expected = predict(values)
        found = run(values)
        assert set(found) == set(expected)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


@pytest.mark.parametrize("family", ["albert", "electra"])
def test_heads_for_questions_without_an_answer_are_exported(tmp_path, family):
    kind = tasks.QUESTION_ANSWERING
    model = fine_tuned_model(tmp_path / "run", family, kind, unanswerable=True)
    path = str(tmp_path / "serving" / "1")
    saved_model.write_saved_model(model, path)
    values = inputs(3, 12)
    found = plain_runner(path, "answer")(values)
    expected = prediction_runner(model)(values)
    assert set(found) == {"start_logits", "end_logits", "no_answer_logits"}
    assert found["no_answer_logits"].shape == (3,)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_encode_gives_the_hidden_states(tmp_path, family):
    model = fine_tuned_model(tmp_path / "run", family, tasks.CLASSIFICATION)
    path = str(tmp_path / "serving")
    saved_model.write_saved_model(model, path)
    values = inputs(3, 9)
    with tf.Graph().as_default(), tf.Session() as session:
        encoder = model.family.model_class(
            model.config, False, *(tf.constant(value) for value in values.values())
        )
        expected = [encoder.get_pooled_output(), encoder.get_sequence_output()]
        tf.train.Saver().restore(session, model.checkpoint)
        pooled, sequence = session.run(expected)
    found = plain_runner(path, "encode")(values)
    np.testing.assert_allclose(found["pooled_output"], pooled, atol=1e-5)
    np.testing.assert_allclose(found["sequence_output"], sequence, atol=1e-5)


def test_the_graph_is_of_ordinary_ops_and_carries_the_tokenizer(tmp_path):
    model = fine_tuned_model(tmp_path / "run", "bert", tasks.CLASSIFICATION)
    path = tmp_path / "serving"
    saved_model.write_saved_model(model, str(path))
    saved = saved_model_pb2.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    assert not graph.library.function
    strange = {"PartitionedCall", "StatefulPartitionedCall", "XlaLaunch", "IdentityN"}
    assert not strange & {node.op for node in graph.node}
    assert not [node.name for node in graph.node if "_gradient_op_type" in node.attr]
    assert sorted(os.listdir(str(path / "assets"))) == [
        "task.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    task = json.loads((path / "assets" / "task.json").read_text(encoding="utf-8"))
    assert task["task"]["label_names"] == ["negative", "positive"]


# --- The command -----------------------------------------------------------------


def run_command(**settings):
    """The exit status."""
    arguments = [f"--{name}={value}" for name, value in settings.items()]
    try:
        cli.run(
            export.main,
            export.FLAGS,
            ["export_savedmodel.py"] + arguments,
        )
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture(scope="module")
def nsmc_run(tmp_path_factory):
    """A run of run_classifier.py, with its predictions."""
    folder = tmp_path_factory.mktemp("nsmc")
    data, model = runs.write_data(folder / "data"), runs.write_model(folder / "model")
    flags = runs.arguments(data, model, folder / "run", num_train_epochs=1)
    assert runs.run(*flags) == 0
    return folder


def tokenized(run, folder):
    """Inputs of test.tsv, padded, through the exported tokenizer in `folder`."""
    tokenizer = build_tokenizer(preset("korean_cased"), str(folder / "vocab.txt"))
    task = tasks.get_task("NSMC")
    test = tasks.load_split(task, str(run / "data"), "test")
    texts = [example.text_a for example in test.examples]
    values = {
        name: np.zeros([len(texts), 8], np.int32) for name in saved_model.INPUT_NAMES
    }
    for row, text in enumerate(texts):
        ids = tokenizer.encode_ids_batch([text])[0][:6]
        ids = [tokenizer.cls_id] + ids + [tokenizer.sep_id]
        values["input_ids"][row, : len(ids)] = ids
        values["input_mask"][row, : len(ids)] = 1
    return values


def predictions(folder):
    rows = runs.read_rows(folder, "run", "test_results.tsv")
    return np.array([[float(cell) for cell in row[2:-1]] for row in rows[1:]])


def test_the_command_gives_the_probabilities_of_the_run(nsmc_run, capfd):
    path = nsmc_run / "serving" / "1"
    assert run_command(model_dir=nsmc_run / "run", output_dir=path) == 0
    printed = capfd.readouterr().err
    assert "classify of NSMC" in printed and " MB" in printed
    assert "at batch 1, " in printed and " at batch 32" in printed
    values = tokenized(nsmc_run, path / "assets")
    found = plain_runner(str(path), "classify")(values)
    default = plain_runner(str(path), "serving_default")(values)
    assert (default["probabilities"] == found["probabilities"]).all()
    assert np.abs(found["probabilities"] - predictions(nsmc_run)).max() < 2e-6


def test_existing_folders_are_kept_and_mistakes_told(nsmc_run, tmp_path, capfd):
    run = nsmc_run / "run"
    path = tmp_path / "1"
    assert run_command(model_dir=run, output_dir=path, measure_speed=False) == 0
    assert run_command(model_dir=run, output_dir=path, measure_speed=False) == 1
    assert "exists already" in capfd.readouterr().err
    settings = dict(output_dir=path, measure_speed=False, overwrite=True)
    assert run_command(model_dir=run, **settings) == 0
    (path / "mine").write_text("mine")
    for _ in range(2):
        assert run_command(model_dir=run, **settings) == 1
        error = capfd.readouterr().err
        assert f"{path} holds mine, not just what this command writes" in error
        settings["overwrite"] = not settings["overwrite"]
    assert (path / "mine").read_text() == "mine"
    assert run_command(model_dir=nsmc_run / "data", **settings) == 1
    assert "holds no fine-tuned model" in capfd.readouterr().err
    assert (path / "saved_model.pb").exists()
    assert run_command(output_dir=path) == 1
    assert "--model_dir is missing" in capfd.readouterr().err


@pytest.mark.parametrize("form", ["savedmodel", "onnx"])
def test_neither_the_run_nor_a_folder_around_it_is_replaced(nsmc_run, form, capfd):
    if form == "onnx":
        pytest.importorskip("tf2onnx")
    run = nsmc_run / "run"
    before = files.walk(str(nsmc_run))
    for path in (run, nsmc_run, run / "best"):
        settings = dict(output_dir=path, format=form, overwrite=True)
        assert run_command(model_dir=run, **settings) == 1
        assert f"{path} holds " in capfd.readouterr().err
    assert files.walk(str(nsmc_run)) == before


def test_a_failed_export_leaves_nothing(tmp_path):
    model = fine_tuned_model(tmp_path / "run", "bert", tasks.CLASSIFICATION)
    os.remove(os.path.join(model.path, "tokenizer_config.json"))
    with pytest.raises(InputError, match="tokenizer_config.json is missing"):
        saved_model.write_saved_model(model, str(tmp_path / "serving"))
    assert os.listdir(str(tmp_path)) == ["run"]


def test_weights_that_are_not_finite_are_not_exported(tmp_path):
    model = fine_tuned_model(tmp_path / "run", "bert", tasks.CLASSIFICATION)
    tensors = checkpoints.read_tensors(model.checkpoint)
    tensors["bert/pooler/dense/bias"][1] = np.nan
    checkpoints.write_checkpoint(model.checkpoint, tensors)
    with pytest.raises(InputError, match=r"bert/pooler/dense/bias holds 1 .* at \[1\]"):
        saved_model.write_saved_model(model, str(tmp_path / "serving"))
    assert os.listdir(str(tmp_path)) == ["run"]


# --- ONNX ------------------------------------------------------------------------


@pytest.mark.parametrize("family, task_type", CASES)
def test_onnx_gives_what_prediction_gives(tmp_path, record_property, family, task_type):
    pytest.importorskip("tf2onnx", reason="needs tf2onnx (extra onnx)")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (extra onnx)")
    model = fine_tuned_model(tmp_path / "run", family, task_type)
    path = tmp_path / "onnx"
    onnx_file.write_onnx(model, str(path))
    run = onnx_file.onnx_runner(str(path / "model.onnx"))
    predict = prediction_runner(model)
    for batch, length in ((1, 5), (3, 12)):
        values = with_words(inputs(batch, length), task_type)
        expected = predict(values)
        found = run(values)
        assert set(found) == set(expected)
        for name in expected:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-5)
            difference = np.abs(found[name] - expected[name]).max()
            record_property(f"{family} {task_type}, {name}", f"{difference:.1e}")
    masks = model.task_type.graph_inputs
    assert throughput.sentences_per_second(run, 1, 5, masks, seconds=0) > 0


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_the_command_writes_onnx(nsmc_run, tmp_path, capfd, prefix):
    pytest.importorskip("tf2onnx", reason="needs tf2onnx (extra onnx)")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime (extra onnx)")
    path = tmp_path / "onnx" / "1"
    run_folder, output = f"{prefix}{nsmc_run / 'run'}", f"{prefix}{path}"
    assert run_command(model_dir=run_folder, output_dir=output, format="onnx") == 0
    assert "at batch 32" in capfd.readouterr().err
    run = onnx_file.onnx_runner(f"{output}/model.onnx")
    found = run(tokenized(nsmc_run, path))["probabilities"]
    assert np.abs(found - predictions(nsmc_run)).max() < 2e-6


def test_without_tf2onnx_its_pip_command_is_told(
    nsmc_run, tmp_path, monkeypatch, capfd
):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    settings = dict(
        model_dir=nsmc_run / "run", output_dir=tmp_path / "x", format="onnx"
    )
    assert run_command(**settings) == 1
    assert "-e '.[onnx]'" in capfd.readouterr().err
