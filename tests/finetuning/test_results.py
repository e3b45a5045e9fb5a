"""Result files: labels by name and in order, ids that cannot break a row, trials."""

import json

import numpy as np
import pytest

from data import tasks
from data.io.errors import InputError
from data.tasks.classification import Example
from encoder_ko.finetuning import results, task_types
from encoder_ko.training.run_folder import RunFolder


def kind_of(name, **settings):
    return task_types.build(
        tasks.get_task(name), None, task_types.TaskSettings(**settings)
    )


HATE = kind_of("HATE")


@pytest.fixture()
def folder(tmp_path):
    return RunFolder(str(tmp_path))


def read(folder, name):
    with open(folder(name), encoding="utf-8", newline="") as reader:
        return reader.read()


def test_predictions_are_written_as_the_tasks_files_write_labels(folder):
    examples = [
        Example("test-1", "가", None, None),
        Example("두 줄\n그리고\t탭\r", "나", None, None),
    ]
    probabilities = np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]])
    outputs = {"probabilities": probabilities, "is_cut": np.array([False, True])}
    HATE.write_predictions(folder, examples, outputs)
    assert read(folder, "test_results.tsv") == (
        "id\tprediction\tnone\toffensive\thate\tis_cut\n"
        "test-1\toffensive\t0.250000\t0.500000\t0.250000\tfalse\n"
        "두 줄 그리고 탭 \thate\t0.100000\t0.200000\t0.700000\ttrue\n"
    )
    probabilities = np.array([[0.4, 0.6]])
    kind_of("NSMC").write_predictions(
        folder, examples[:1], dict(outputs, probabilities=probabilities)
    )
    assert read(folder, "test_results.tsv") == (
        "id\tprediction\tnegative\tpositive\tis_cut\n"
        "test-1\t1\t0.400000\t0.600000\tfalse\n"
    )


def test_figures_of_an_evaluation(folder):
    """Labels 0, 1, 2, 0; predicted 0, 2, 2, 0: 3 of 4; offensive is never found."""
    examples = [
        Example(str(i), "가", None, label) for i, label in enumerate([0, 1, 2, 0])
    ]
    outputs = {
        "probabilities": np.eye(3)[[0, 2, 2, 0]],
        "per_example_loss": np.array([0.0, 2.0, 0.0, 2.0]),
    }
    metrics = HATE.metrics(examples, outputs)
    assert metrics["accuracy"] == 0.75
    assert metrics["loss"] == 1.0
    assert metrics["macro_f1"] == pytest.approx((1 + 0 + 2 / 3) / 3)
    assert metrics["score"] == metrics["macro_f1"]  # HATE's own metric
    results.write_evaluation(folder, "eval", HATE, metrics, global_step=7, seed=1)
    assert read(folder, "eval_results.txt") == (
        "eval_accuracy = 0.75\n"
        "eval_loss = 1.0\n"
        f"eval_macro_f1 = {metrics['macro_f1']}\n"
        "global_step = 7\n"
        "loss = 1.0\n"
    )
    report = json.loads(read(folder, "eval_results.json"))
    assert report["labels"] == ["none", "offensive", "hate"]
    assert list(report["metrics"]["per_class"]) == report["labels"]
    assert report["metrics"]["confusion_matrix"] == [[2, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert report["seed"] == 1


def test_trials_have_mean_and_sample_deviation(folder):
    """1, 2, 4: mean 7/3, deviation sqrt((16 + 1 + 25) / 9 / 2) = 1.5275."""
    scores = [{"dev_accuracy": value} for value in (1.0, 2.0, 4.0)]
    summary = results.summarize_trials(folder, [5, 6, 7], scores)
    found = summary["dev_accuracy"]
    assert found["mean"] == pytest.approx(7 / 3)
    assert found["standard_deviation"] == pytest.approx(1.5275, abs=1e-4)
    assert json.loads(read(folder, "trials.json")) == summary
    one = results.summarize_trials(folder, [5], scores[:1])
    assert one["dev_accuracy"]["standard_deviation"] == 0.0


def test_trials_keep_the_metrics_of_the_other_split(folder):
    """As where what was trained and evaluated is predicted by a later command."""
    results.summarize_trials(folder, [5, 6], [{"dev_f1": 0.5}, {"dev_f1": 1.0}])
    tested = [{"test_f1": 0.0}, {"test_f1": 1.0}]
    summary = results.summarize_trials(folder, [5, 6], tested, tests_anew=True)
    assert summary["trials"][1] == {"dev_f1": 1.0, "test_f1": 1.0}
    assert (summary["dev_f1"]["mean"], summary["test_f1"]["mean"]) == (0.75, 0.5)
    again = [{"dev_f1": 0.0}, {"dev_f1": 0.0}]
    summary = results.summarize_trials(folder, [5, 6], again)
    assert (summary["dev_f1"]["mean"], summary["test_f1"]["mean"]) == (0.0, 0.5)
    assert json.loads(read(folder, "trials.json")) == summary
    # A test set without labels follows one with them; other trials.
    summary = results.summarize_trials(folder, [5, 6], [{}, {}], tests_anew=True)
    assert set(summary) == {"seeds", "trials", "dev_f1"}
    summary = results.summarize_trials(folder, [5], [{"test_f1": 0.0}])
    assert set(summary) == {"seeds", "trials", "test_f1"}


def test_broken_trials_are_named(folder):
    folder.write_json("trials.json", {"seeds": [5], "trials": [7]})
    with pytest.raises(InputError, match="trials.json does not have .* Delete it and"):
        results.summarize_trials(folder, [5], [{"dev_f1": 0.5}])
