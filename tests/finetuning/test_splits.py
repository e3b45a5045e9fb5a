"""What is said of the examples of a task before anything is trained."""

import logging
from types import SimpleNamespace

import pytest

from data import tasks
from data.tasks.splits import ReadingOptions
from encoder_ko.finetuning.splits import load_splits
from tests.support.fine_tuning_runs import write_table


def write(path, texts):
    rows = [(number, text, number % 2) for number, text in enumerate(texts)]
    write_table(path, ("id", "document", "label"), rows)


def arguments(folder):
    return SimpleNamespace(
        task=tasks.get_task("NSMC"),
        actions=SimpleNamespace(train=True, evaluate=True, predict=True),
        data=SimpleNamespace(
            folder=str(folder), reading=ReadingOptions(), double_unordered=False
        ),
    )


@pytest.mark.parametrize("shared", [0, 2, 3, 20])
def test_texts_that_were_trained_on_are_counted(shared, tmp_path, caplog):
    """A tenth may be alike by chance; a copy of the file is no test."""
    texts = [f"영화 {number}" for number in range(60)]
    write(tmp_path / "train.tsv", texts[:20])
    write(tmp_path / "dev.tsv", texts[20:40])
    write(tmp_path / "test.tsv", texts[40 : 60 - shared] + texts[:shared])
    with caplog.at_level(logging.WARNING, logger="absl"):
        splits = load_splits(arguments(tmp_path))
    assert [len(examples) for examples in splits] == [20, 20, 20]
    said = [record.getMessage() for record in caplog.records]
    if shared <= 2:
        assert said == []
    else:
        (line,) = said
        assert line.startswith(f"test: {shared} of 20 texts are in train, too.")
