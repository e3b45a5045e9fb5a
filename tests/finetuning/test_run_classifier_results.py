"""The result files of a finished run of run_classifier.py, and the same run again."""

import glob
import json
import os
import shutil
from unittest import mock

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from data import tasks
from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.finetuning.saved_run import FineTunedModel
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support import made_up_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """(data, model, output) of a finished run that other tests read, not change."""
    base = tmp_path_factory.mktemp("finished")
    data, model = runs.write_data(base / "data"), runs.write_model(base / "model")
    evaluation = base / "out" / "eval_results.json"

    def load_split(task, folder, split, options, load=tasks.load_split):
        READ.append((split, evaluation.exists()))
        return load(task, folder, split, options)

    flags = runs.arguments(data, model, base / "out", **LEARNS)
    with mock.patch.object(tasks, "load_split", load_split):
        assert runs.run_with_pictures(*flags) == 0
    return data, model, base / "out"


# Enough steps to tell the classes apart, evaluated twice.
LEARNS = dict(
    num_train_epochs=20, eval_every_steps=70, keep_checkpoints=2, random_seed=3
)
# (split that was read, whether the model had been evaluated by then).
READ = []


def test_each_file_is_read_once_before_training(folders):
    assert READ == [("train", False), ("dev", False), ("test", False)]


def test_the_run_ends_with_a_page(folders):
    _, _, output = folders
    found = made_up_runs.Page((output / "report.html").read_text(encoding="utf-8"))
    score = runs.read_json(output, "test_results.json")["metrics"]["accuracy"]
    assert found.row("this run, test")[2].startswith(f"{100 * score:.2f} (")
    assert found.row("this run, dev")[1] == "7"
    assert set(runs.read_json(output, "intervals.json")) == {"dev", "test"}
    assert found.row("train")[1] == "22"
    assert "learning_rate" in found.text
    assert len(runs.read_rows(output, "report.tsv")) == 10
    charts = found.data["charts"]
    steps = [r["step"] for r in charts["chart-curves-0"]["data"]["values"]]
    history = runs.read_json(output, "history.json")
    assert steps == [entry["step"] for entry in history]


def labels_of(data, split):
    return [int(row[2]) for row in runs.read_rows(data, split + ".tsv")[1:]]


def test_predictions_have_one_row_per_input_in_order(folders):
    """9 rows are not a multiple of the batch size 4, and batches group by length."""
    data, _, output = folders
    header, *rows = runs.read_rows(output, "test_results.tsv")
    assert header == ["id", "prediction", "negative", "positive", "is_cut"]
    assert [row[-1] for row in rows].count("true") == 2  # of 7 and 8 words
    assert [row[0] for row in rows] == [str(2000 + n) for n in range(9)]
    for row in rows:
        probabilities = [float(cell) for cell in row[2:-1]]
        assert sum(probabilities) == pytest.approx(1, abs=2e-6)
        assert row[1] == str(np.argmax(probabilities))
    assert len({row[2] for row in rows}) > 1  # so that an exchange would be seen


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
    assert found == ["model.ckpt-110.index", "model.ckpt-70.index"]
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


def copy_of(folders, tmp_path):
    """Data and output of the finished run, to be changed."""
    data, model, output = folders
    shutil.copytree(str(data), str(tmp_path / "data"))
    shutil.copytree(str(output), str(tmp_path / "out"))
    settings = (tmp_path / "out" / "run_config.json").read_text(encoding="utf-8")
    moved = settings.replace(str(data), str(tmp_path / "data"))
    (tmp_path / "out" / "run_config.json").write_text(moved, encoding="utf-8")
    return tmp_path / "data", model, tmp_path / "out"


def test_a_best_checkpoint_that_is_lost_is_made_anew(folders, tmp_path, capsys, caplog):
    data, model, output = copy_of(folders, tmp_path)
    flags = runs.arguments(data, model, output, **LEARNS)
    shutil.rmtree(str(output / "best"))
    with pytest.raises(InputError, match="Give the command of the training again, whi"):
        FineTunedModel.load(str(output), FAMILIES)
    assert runs.run(*flags) == 0
    assert (
        "best, with the best checkpoint, is gone: the newest one, of step 110, wh"
        in (caplog.text)
    )
    assert FineTunedModel.load(str(output), FAMILIES).checkpoint.endswith("ckpt-110")
    assert runs.read_json(output, "eval_results.json")["global_step"] == 110
    (output / "history.json").write_text('[{"step": 110, "score": "x"}]')
    assert runs.run(*flags) == 1
    assert (
        "has seconds=None at step 110, expected a number. D" in capsys.readouterr().err
    )
    (output / "history.json").write_text('[{"step": 110, "score": 1, "seconds": 1}]')
    for path in [*output.glob("model.ckpt-*"), *output.glob("best/*")]:
        path.unlink()
    assert runs.run(*flags) == 1
    said = capsys.readouterr().err
    assert (
        f"{output} has evaluations, but no checkpoint any more. Delete or mov" in said
    )


def test_a_run_does_not_go_on_with_other_data(folders, tmp_path, capsys):
    data, model, output = copy_of(folders, tmp_path)
    runs.write_reviews(data / "train.tsv", 24)
    flags = runs.arguments(data, model, output, **LEARNS)
    assert runs.run(*flags) == 1
    assert "other settings: sha256 of train.tsv was" in capsys.readouterr().err
    # But it may be tried on other data.
    assert runs.run(*flags, "--nodo_train", "--do_eval", "--do_predict") == 0


def test_overwrite_deletes_nothing_until_the_data_are_read(folders, tmp_path, capsys):
    data, model, output = copy_of(folders, tmp_path)
    changes = [
        dict(data_dir=str(data) + "s", num_trials=1),
        dict(data_dir=str(data) + "s", num_trials=2),
        dict(train_batch_size=10000),
        dict(class_weights="1,2,3"),
    ]
    for change in changes:
        flags = runs.arguments(data, model, output, **dict(LEARNS, **change))
        assert runs.run(*flags, "--overwrite") == 1
    assert len(list((output / "best").glob("*.index"))) == 1
    assert (output / "test_results.tsv").exists()


def test_results_of_another_test_set_do_not_stay(folders, tmp_path, caplog):
    data, model, output = copy_of(folders, tmp_path)
    rows = runs.read_rows(data, "test.tsv")[1:]
    runs.write_table(data / "test.tsv", ("id", "document"), [row[:2] for row in rows])
    flags = runs.arguments(data, model, output, **LEARNS)
    assert runs.run(*flags, "--nodo_train", "--nodo_eval") == 0
    assert "test: 9 predictions, no labels to score them" in caplog.text
    assert (output / "submission.csv").exists()
    assert (output / "eval_results.json").exists()
    for name in ("test_results.json", "test_results.txt", "confusion_matrix_test.png"):
        assert not (output / name).exists(), name


def test_a_task_that_changed_is_another_run(folders, tmp_path, capsys):
    data, model, _ = folders
    shutil.copytree(str(data), str(tmp_path / "data"))
    task = dict(name="mine", train="train.tsv", text="document", label="label")

    def run(labels):
        content = json.dumps(dict(task, labels=labels))
        (tmp_path / "data" / "mine.json").write_text(content, encoding="utf-8")
        named = dict(task_name=tmp_path / "data" / "mine.json", data_dir=None)
        wanted = dict(do_eval=None, do_predict=None, num_train_epochs=0.2)
        flags = runs.arguments(data, model, tmp_path / "out", **named, **wanted)
        return runs.run(*flags)

    assert run(["0", "1"]) == 0
    before = (tmp_path / "out" / "task.json").read_bytes()
    assert run(["1", "0"]) == 1
    assert "other settings: task was" in capsys.readouterr().err
    assert (tmp_path / "out" / "task.json").read_bytes() == before


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
        np.array([row[2:-1] for row in actual[1:]], float),
        np.array([row[2:-1] for row in expected[1:]], float),
        atol=2e-6,
    )
    assert not (tmp_path / "out" / "eval_results.txt").exists()


def test_a_finished_run_is_evaluated_without_its_settings(folders, tmp_path, capsys):
    data, _, output = folders
    copy = tmp_path / "run"
    shutil.copytree(str(output), str(copy))
    names = ("eval_results.json", "test_results.tsv")
    expected = runs.read_rows(copy, names[1])
    metrics = runs.read_json(copy, names[0])["metrics"]
    for name in names:
        (copy / name).unlink()
    flags = ["--do_train=false", "--do_eval", "--do_predict", f"--output_dir={copy}"]
    assert runs.run(*flags) == 0
    found = runs.read_json(copy, names[0])["metrics"]
    assert found.pop("loss") == pytest.approx(metrics.pop("loss"), abs=2e-6)
    assert found == metrics
    rows = runs.read_rows(copy, names[1])
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    np.testing.assert_allclose(
        np.array([row[2:-1] for row in rows[1:]], float),
        np.array([row[2:-1] for row in expected[1:]], float),
        atol=2e-6,
    )
    capsys.readouterr()
    assert runs.run(*flags, "--overwrite") == 1
    said = capsys.readouterr().err
    assert f"--overwrite would delete the model of {copy}, which is to be ev" in said
    assert runs.run(*flags, "--max_seq_length=6") == 1
    assert "max_seq_length was 8 and is 6 now" in capsys.readouterr().err
    assert runs.read_rows(copy, names[1]) == rows
