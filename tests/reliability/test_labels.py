"""Labels that are not there: in a published test, or of a class in train."""

import pytest

from data import tasks
from data.io.errors import InputError
from data.io.tables import BadRows, ReadingOptions
from data.tasks import classification, regression, tagging
from tests.support import fine_tuning_runs as runs


def load(module_function, task, path, split="test"):
    bad_rows = BadRows(str(path))
    found = module_function(task, str(path), split, ReadingOptions(), bad_rows)
    return found, bad_rows.summary()


@pytest.mark.parametrize("label, shown", [("-1", "-1"), ("", "empty")])
def test_a_placeholder_in_every_row_is_no_label(tmp_path, label, shown):
    path = tmp_path / "test.tsv"
    runs.write_table(
        path, ("id", "document", "label"), [(7, "최고", label), (8, "최악", label)]
    )
    found, said = load(classification.load_examples, tasks.get_task("NSMC"), path)
    assert [each.label for each in found] == [None, None]
    assert f"the label of every row is {shown}, so it is read as a test" in said


def test_a_placeholder_beside_labels_is_a_bad_row(tmp_path):
    path = tmp_path / "test.tsv"
    runs.write_table(
        path, ("id", "document", "label"), [(7, "최고", "1"), (8, "최악", "-1")]
    )
    with pytest.raises(InputError, match="line 3: label '-1', expected one of: 0, 1"):
        load(classification.load_examples, tasks.get_task("NSMC"), path)


def test_in_train_a_placeholder_is_a_bad_row(tmp_path):
    path = tmp_path / "train.tsv"
    runs.write_table(path, ("id", "document", "label"), [(7, "최고", "-1")])
    with pytest.raises(InputError, match="line 2: label '-1'"):
        load(classification.load_examples, tasks.get_task("NSMC"), path, "train")


def test_a_class_may_be_called_minus_one(tmp_path):
    (tmp_path / "task.json").write_text(
        '{"name": "t", "train": "t.tsv", "text": "a", "label": "b",'
        ' "labels": ["-1", "1"]}',
        encoding="utf-8",
    )
    path = tmp_path / "test.tsv"
    runs.write_table(path, ("a", "b"), [("최고", "-1")])
    task = tasks.get_task(str(tmp_path / "task.json"))
    found, said = load(classification.load_examples, task, path)
    assert found[0].label == 0
    assert not said


def test_scores_and_tags_that_are_placeholders(tmp_path):
    path = tmp_path / "test.tsv"
    runs.write_table(path, ("sentence1", "sentence2", "score"), [("가", "나", "-1")])
    found, said = load(regression.load_scored_pairs, tasks.get_task("KorSTS"), path)
    assert found[0].score is None
    assert "read as a test without labels" in said
    path.write_text("철수는 갔다\t-1 -1\n영희도\t\n", encoding="utf-8")
    found, said = load(tagging.load_tagged_sentences, tasks.get_task("NaverNER"), path)
    assert [each.words for each in found] == [("철수는", "갔다"), ("영희도",)]
    assert [each.tags for each in found] == [None, None]
    assert "the label of every row is empty or -1" in said


def write_labels(path, label, count=8):
    rows = [(number, "최고 영화", label) for number in range(count)]
    runs.write_table(path, ("id", "document", "label"), rows)


def test_one_class_is_told_before_training_and_beside_each_metric(
    tmp_path, capsys, monkeypatch
):
    data, model = tmp_path / "data", runs.write_model(tmp_path / "model")
    data.mkdir()
    write_labels(data / "train.tsv", 1)
    write_labels(data / "dev.tsv", 1)
    write_labels(data / "test.tsv", -1)
    flags = runs.arguments(data, model, tmp_path / "run", num_train_epochs=1)
    assert runs.run(*flags) == 0
    said = capsys.readouterr().err
    missing = "no example of the class negative, only of positive"
    start = said.index(f"train has {missing}: the metrics say nothing about it.")
    assert start < said.index("training from scratch")
    metrics = [line for line in said.splitlines() if "macro_f1" in line]
    assert len(metrics) == 2
    assert all(f"train has {missing}; dev has {missing}" in line for line in metrics)
    note = runs.read_json(tmp_path, "run", "eval_results.json")["note"]
    assert note == f"train has {missing}; dev has {missing}"
    written = (tmp_path / "run" / "eval_results.txt").read_text(encoding="utf-8")
    assert f"note = {note}\n" in written
    assert "test: 8 predictions, no labels to score them" in said


def test_a_bad_test_file_stops_before_training(tmp_path, capsys):
    data = runs.write_data(tmp_path / "data")
    model = runs.write_model(tmp_path / "model")
    runs.write_table(data / "test.tsv", ("id", "document", "label"), [(1, "최고", 9)])
    assert runs.run(*runs.arguments(data, model, tmp_path / "run")) == 1
    assert "test.tsv, line 2: label '9'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
