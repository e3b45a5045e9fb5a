"""run_classifier.py on tiny data: the published command, result files, seeds."""

import glob
import os
import shutil
from unittest import mock

import fine_tuning_runs as runs
import numpy as np
import pytest
from shared_data import golden
from sklearn import metrics as sklearn_metrics

from encoder_ko import estimator
from encoder_ko.compat import tf


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """(data, model, output) of a finished run that other tests read, not change."""
    base = tmp_path_factory.mktemp("finished")
    data, model = runs.write_data(base / "data"), runs.write_model(base / "model")
    flags = runs.arguments(data, model, base / "out", **LEARNS)
    assert runs.run(*flags) == 0
    return data, model, base / "out"


# Enough steps to tell the classes apart, evaluated twice.
LEARNS = dict(num_train_epochs=20, eval_every_steps=70, random_seed=3)


def labels_of(data, split):
    return [int(row[2]) for row in runs.read_rows(data, split + ".tsv")[1:]]


def weights(output):
    """The variables of the newest checkpoint, as bytes."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(output)))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


def test_predictions_have_one_row_per_input_in_order(folders):
    """9 rows are not a multiple of the batch size 4, and batches group by length."""
    data, _, output = folders
    header, *rows = runs.read_rows(output, "test_results.tsv")
    assert header == ["id", "prediction", "negative", "positive"]
    assert [row[0] for row in rows] == [str(2000 + n) for n in range(9)]
    for row in rows:
        probabilities = [float(cell) for cell in row[2:]]
        assert sum(probabilities) == pytest.approx(1, abs=2e-6)
        assert row[1] == str(np.argmax(probabilities))
    accuracy = np.mean(
        [int(row[1]) for row in rows] == np.array(labels_of(data, "test"))
    )
    assert accuracy > 0.9  # the words decide the class; chance is 0.5


def test_figures_of_test_follow_from_its_predictions(folders):
    data, _, output = folders
    report = runs.read_json(output, "test_results.json")["metrics"]
    rows = runs.read_rows(output, "test_results.tsv")[1:]
    labels, predicted = labels_of(data, "test"), [int(row[1]) for row in rows]
    names = ["negative", "positive"]
    expected = sklearn_metrics.classification_report(
        labels, predicted, target_names=names, output_dict=True, zero_division=0
    )
    assert report["accuracy"] == pytest.approx(np.mean(np.equal(labels, predicted)))
    assert report["macro_f1"] == pytest.approx(expected["macro avg"]["f1-score"])
    for name in names:
        for ours, theirs in (("precision",) * 2, ("recall",) * 2, ("f1", "f1-score")):
            assert report["per_class"][name][ours] == pytest.approx(
                expected[name][theirs]
            )
    matrix = sklearn_metrics.confusion_matrix(labels, predicted)
    assert report["confusion_matrix"] == matrix.tolist()
    right = [float(row[2 + label]) for row, label in zip(rows, labels)]
    assert report["loss"] == pytest.approx(-np.log(right).mean(), rel=1e-4)
    assert report["num_examples"] == 9


def test_text_results_have_upstreams_form(folders):
    output = folders[2]
    report = runs.read_json(output, "eval_results.json")
    text = (output / "eval_results.txt").read_text(encoding="utf-8")
    lines = dict(line.split(" = ") for line in text.splitlines())
    assert list(lines) == sorted(lines)
    assert set(lines) >= {"eval_accuracy", "eval_loss", "global_step", "loss"}
    assert float(lines["eval_accuracy"]) == report["metrics"]["accuracy"]
    assert float(lines["eval_loss"]) == float(lines["loss"])
    assert lines["global_step"] == str(report["global_step"])
    assert (output / "test_results.txt").exists()


def test_json_results_say_what_ran(folders):
    data, model, output = folders
    report = runs.read_json(output, "eval_results.json")
    assert report["task"] == "NSMC"
    assert report["seed"] == 3
    flags = report["flags"]
    assert flags["learning_rate"] == 0.01
    assert flags["data_dir"] == str(data)
    assert flags["eval_batch_size"] == 4
    assert report["model_config"] == dict(
        runs.CONFIG, hidden_act="gelu", initializer_range=0.02
    )
    assert report["tokenizer"]["lower_case"] is False
    assert report["versions"]["tensorflow"] == tf.version.VERSION
    assert set(report["seconds"]) == {"train", "eval"}
    assert report["seconds"]["train"] > 0
    history = report["history"]
    assert [entry["step"] for entry in history] == [70, 110]
    best = max(history, key=lambda entry: entry["accuracy"])
    assert report["global_step"] == best["step"]
    assert report["metrics"]["accuracy"] == best["accuracy"]
    assert report["metrics"]["num_examples"] == 7
    assert report["checkpoint"].endswith(f"best/model.ckpt-{best['step']}")


def test_pictures_and_tensorboard_files(folders):
    output = folders[2]
    for name in ("confusion_matrix.png", "confusion_matrix_test.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    training = tensorboard(output)
    assert {"loss", "learning_rate", "gradient_norm"} <= {tag for tag, _ in training}
    history = runs.read_json(output, "eval_results.json")["history"]
    evaluation = tensorboard(output / "eval")
    for entry in history:
        for name in ("accuracy", "macro_f1", "loss"):
            shown = evaluation["dev/" + name, entry["step"]]
            assert shown == pytest.approx(entry[name], rel=1e-6)
    assert {tag for tag, _ in evaluation}.isdisjoint({"dev/seconds", "dev/score"})


def tensorboard(folder):
    """(tag, step) -> value of all event files of a folder."""
    found = {}
    for path in glob.glob(os.path.join(str(folder), "events.out.tfevents.*")):
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    return found


def test_only_the_wanted_checkpoints_are_kept(folders):
    output = folders[2]
    found = sorted(path.name for path in output.glob("*.index"))
    assert found == ["model.ckpt-110.index"]
    assert len(list((output / "best").glob("*.index"))) == 1


def test_the_same_command_again_trains_nothing(folders, caplog):
    data, model, output = folders
    before = (output / "model.ckpt-110.index").stat().st_mtime_ns
    results = (output / "test_results.tsv").read_bytes()
    trained = runs.read_json(output, "eval_results.json")
    assert runs.run(*runs.arguments(data, model, output, **LEARNS)) == 0
    assert "This run is complete (step 110): nothing is trained again." in caplog.text
    assert (output / "model.ckpt-110.index").stat().st_mtime_ns == before
    assert (output / "test_results.tsv").read_bytes() == results
    again = runs.read_json(output, "eval_results.json")
    assert again["metrics"] == trained["metrics"]
    assert again["seconds"]["train"] == trained["seconds"]["train"]


def test_other_settings_do_not_replace_a_run(folders, capsys):
    data, model, output = folders
    results = (output / "test_results.tsv").read_bytes()
    flags = runs.arguments(data, model, output, **dict(LEARNS, learning_rate=0.02))
    assert runs.run(*flags) == 1
    assert (
        "holds a run with other settings: learning_rate was 0.01 and is 0.02 now. "
        "Choose another --output_dir, repeat the settings to resume that run, or pass "
        "--overwrite to delete it." in capsys.readouterr().err
    )
    assert (output / "test_results.tsv").read_bytes() == results


def test_a_trained_model_predicts_from_elsewhere(folders, tmp_path):
    """do_predict alone, from a named checkpoint, another batch size: the same rows."""
    data, model, output = folders
    checkpoint = runs.read_json(output, "eval_results.json")["checkpoint"]
    flags = runs.arguments(
        data,
        model,
        tmp_path / "out",
        do_train=False,
        do_eval=False,
        predict_batch_size=5,
        init_checkpoint=checkpoint,
    )
    assert runs.run(*flags) == 0
    expected = runs.read_rows(output, "test_results.tsv")
    actual = runs.read_rows(tmp_path / "out", "test_results.tsv")
    assert [row[:2] for row in actual] == [row[:2] for row in expected]
    np.testing.assert_allclose(
        np.array([row[2:] for row in actual[1:]], float),
        np.array([row[2:] for row in expected[1:]], float),
        atol=2e-6,
    )
    assert not (tmp_path / "out" / "eval_results.txt").exists()


def test_seeds_decide_every_bit(tmp_path):
    """Trials repeat with the following seeds, and equal runs with these seeds."""
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")

    def train(name, **changes):
        changes.update(num_train_epochs=1, do_predict=False, random_seed=5)
        assert runs.run(*runs.arguments(data, model, tmp_path / name, **changes)) == 0

    train("single", do_eval=False)
    train("trials", num_trials=2)
    first, second = (tmp_path / "trials" / f"trial_{n}" for n in (1, 2))
    assert weights(first) == weights(tmp_path / "single")
    assert weights(second) != weights(first)
    summary = runs.read_json(tmp_path, "trials", "trials.json")
    assert summary["seeds"] == [5, 6]
    for name in ("accuracy", "macro_f1", "loss"):
        values = [
            runs.read_json(trial, "eval_results.json")["metrics"][name]
            for trial in (first, second)
        ]
        found = summary["dev_" + name]
        assert found["mean"] == pytest.approx(sum(values) / 2)
        deviation = abs(values[0] - values[1]) / 2**0.5
        assert found["standard_deviation"] == pytest.approx(deviation)


PUBLISHED = (
    "--do_train=true --do_eval=true --do_predict=true --do_lower_case=False "
    "--max_seq_length=128 --train_batch_size=128 --learning_rate=5e-05 "
    "--num_train_epochs=5.0 --output_dir=OUT"
).split()


def golden_model(folder):
    """models/ with the recorded pre-training checkpoint, which wants no dropout."""
    folder.mkdir(parents=True)
    shutil.copy(golden("bert", "bert_config.json"), str(folder))
    for path in glob.glob(golden("bert", "model.ckpt.index")[: -len("index")] + "*"):
        shutil.copy(path, str(folder))
    vocabulary = "\n".join(runs.VOCABULARY) + "\n"
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")


def test_published_command_on_official_nsmc(tmp_path):
    """In a process of its own; no dev file, so that dev is held out of train."""
    runs.write_model(tmp_path / "models")
    data = tmp_path / "datasets" / "nsmc"
    data.mkdir(parents=True)
    runs.write_reviews(data / "ratings_train.txt", 60)
    with open(str(data / "ratings_train.txt"), "a", encoding="utf-8") as writer:
        writer.write(
            '60\t""최고""라는 말이 아깝다\t0\n61\t\t1\n'
        )  # as official rows do
    runs.write_reviews(data / "ratings_test.txt", 11, 3000)
    process = runs.start("--task_name=NSMC", *PUBLISHED, cwd=str(tmp_path))
    output, log = process.communicate(timeout=600)
    assert process.returncode == 0, log
    assert output == ""
    lines = log.splitlines()
    assert "train: 62 examples from datasets/nsmc/ratings_train.txt" in lines
    assert any(
        line.startswith("There is no dev file: 4 of the training examples are held")
        for line in lines
    )
    assert "No checkpoint to start from: training from scratch." in lines
    assert any(line.startswith("step 2/2  loss 0.") for line in lines)
    assert any(line.startswith("dev at step 2: accuracy ") for line in lines)
    assert any(line.startswith("dev: accuracy ") for line in lines)
    assert "test: 11 examples from datasets/nsmc/ratings_test.txt" in lines
    assert any(line.startswith("test: accuracy ") for line in lines)
    assert lines[-1] == "Results are in OUT"
    assert not any("cuda" in line.lower() or "rror" in line for line in lines)
    rows = runs.read_rows(tmp_path, "OUT", "test_results.tsv")
    assert [row[0] for row in rows[1:]] == [str(3000 + n) for n in range(11)]


def test_published_command_on_nsmc_of_kr_bert(tmp_path, monkeypatch, caplog):
    """train.tsv, dev.tsv and test.tsv with Windows line ends; a checkpoint in models/.

    The pre-training checkpoint has no classifier and more than the classifier needs.
    """
    golden_model(tmp_path / "models")
    config = runs.read_json(tmp_path, "models", "bert_config.json")
    (tmp_path / "datasets").mkdir()
    runs.write_data(tmp_path / "datasets" / "nsmc", train=26, end="\r\n")
    monkeypatch.chdir(str(tmp_path))
    length = config["max_position_embeddings"]
    assert length < 128  # so that the one flag must differ from the published command
    flags = [flag for flag in PUBLISHED if "max_seq" not in flag]
    flags.append(f"--max_seq_length={length}")
    assert runs.run("--task_name=NSMC", *flags) == 0
    report = runs.read_json("OUT", "restored_variables.json")
    names = {name for name, _ in tf.train.list_variables("models/model.ckpt")}
    assert report["missing"] == ["output_bias", "output_weights"]
    assert set(report["unused"]) == {name for name in names if name.startswith("cls/")}
    assert set(report["restored"]) == names - set(report["unused"])
    counts = [len(report[key]) for key in ("restored", "missing", "unused")]
    assert (
        "models/model.ckpt: {} variables restored, {} start anew, {} unused, 0 of the "
        "optimizer left out.\n"
        "  start anew: output_bias, output_weights\n"
        "  unused: cls/predictions/output_bias, cls/predictions/transform/LayerNorm/"
        "beta, cls/predictions/transform/LayerNorm/gamma, and {} more".format(
            *counts, counts[2] - 3
        )
        in caplog.text
    )
    assert "from scratch" not in caplog.text
    # Training began there: Adam's first step is at most 0.1 / sqrt(0.001) rates.
    trained = tf.train.load_checkpoint("OUT/best")
    start = tf.train.load_checkpoint("models/model.ckpt")
    for name in report["restored"]:
        np.testing.assert_allclose(
            trained.get_tensor(name), start.get_tensor(name), atol=1.6e-4
        )
    rows = runs.read_rows("OUT", "test_results.tsv")
    assert [row[0] for row in rows[1:]] == [str(2000 + n) for n in range(9)]


HATE_LABELS = ("none", "offensive", "hate")
HATE_LAYOUTS = {
    "kr_bert": ("comments", "contain_gender_bias", "bias", "hate"),
    "with_title": ("title", "comment", "bias", "hate"),
}


def write_comments(path, header, count):
    values = {"title": "기사 제목", "contain_gender_bias": "False", "bias": "others"}
    rows = []
    for number, (text, _) in enumerate(runs.texts_and_labels(count)):
        row = dict(values, comments=text, comment=text, hate=HATE_LABELS[number % 3])
        rows.append([row[name] for name in header])
    runs.write_table(path, header, rows)


@pytest.mark.parametrize("layout", ["kr_bert", "with_title"])
def test_published_command_on_hate(tmp_path, monkeypatch, caplog, layout):
    """Both public layouts; the public test file has texts only."""
    header = HATE_LAYOUTS[layout]
    runs.write_model(tmp_path / "models")
    data = tmp_path / "datasets" / "hate"
    data.mkdir(parents=True)
    write_comments(data / "train.tsv", header, 27)
    write_comments(data / "dev.tsv", header, 9)
    texts = tuple(name for name in header if name.startswith(("comment", "title")))
    write_comments(data / "test.no_label.tsv", texts, 7)
    monkeypatch.chdir(str(tmp_path))
    assert runs.run("--task_name=HATE", *PUBLISHED) == 0
    header, *rows = runs.read_rows("OUT", "test_results.tsv")
    assert header == ["id", "prediction"] + list(HATE_LABELS)
    assert [row[0] for row in rows] == [f"test-{n}" for n in range(1, 8)]
    assert all(row[1] in HATE_LABELS for row in rows)
    assert "test: 7 predictions, no labels to score them" in caplog.text
    assert not os.path.exists(os.path.join("OUT", "test_results.json"))
    report = runs.read_json("OUT", "eval_results.json")["metrics"]
    assert list(report["per_class"]) == list(HATE_LABELS)
    assert report["score"] == report["macro_f1"]


def test_encoding_and_bad_rows_are_read_when_named(tmp_path, caplog):
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")
    for name in ("train.tsv", "dev.tsv"):
        text = (data / name).read_text(encoding="utf-8") + "99\t펲시맨\n"
        (data / name).write_bytes(text.encode("cp949"))
    flags = runs.arguments(
        data,
        model,
        tmp_path / "out",
        do_predict=False,
        do_train=False,
        encoding="cp949",
        max_bad_rows=1,
    )
    assert runs.run(*flags) == 1  # nothing is trained, but the files were read
    assert "dev.tsv: 1 bad rows (" in caplog.text
    assert "line 9: 2 columns, expected 3 as in line 1.)" in caplog.text
    assert f"dev: 7 examples from {data / 'dev.tsv'}" in caplog.text


def test_use_tpu_asks_for_the_named_tpu():
    hardware = estimator.Hardware(
        use_tpu=True,
        tpu_name="grpc://10.0.0.2:8470",
        tpu_zone="us-central1-b",
        gcp_project="ko",
        num_tpu_cores=16,
        iterations_per_loop=500,
    )
    name = "TPUClusterResolver"
    with mock.patch.object(tf.distribute.cluster_resolver, name) as resolver:
        with mock.patch.object(tf.estimator.tpu, "RunConfig") as run_config:
            with mock.patch.object(tf.estimator.tpu, "TPUEstimator") as built:
                estimator.build_estimator(
                    None, "out", estimator.BatchSizes(64, 8, 8), hardware, 1
                )
    resolver.assert_called_once_with(
        "grpc://10.0.0.2:8470", zone="us-central1-b", project="ko"
    )
    settings = run_config.call_args[1]
    assert settings["cluster"] is resolver.return_value
    assert settings["tpu_config"].num_shards == 16
    assert settings["tpu_config"].iterations_per_loop == 500
    assert built.call_args[1]["use_tpu"] is True
    assert built.call_args[1]["train_batch_size"] == 64


def test_without_tpu_no_cluster_is_asked_for():
    name = "TPUClusterResolver"
    with mock.patch.object(tf.distribute.cluster_resolver, name) as resolver:
        estimator.build_estimator(
            lambda features, labels, mode, params: None,
            None,
            estimator.BatchSizes(),
            estimator.Hardware(tpu_name="ignored"),
            1,
        )
    assert not resolver.called
