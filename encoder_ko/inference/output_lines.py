"""Predictions of texts as rows of a table, or as JSON lines."""

import json
import re
from typing import Any, Dict, Iterator, List, Optional

from data.features.prediction_input import Item
from data.tasks import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    Task,
)

OUTPUT_FORMATS = ("tsv", "jsonl")


def default_format(task_type: str) -> str:
    """A table where a text has one row, else JSON lines."""
    return "tsv" if task_type in (CLASSIFICATION, REGRESSION) else "jsonl"


class OutputLines:
    """Predictions as lines of a format; the first line of a table is its header.

    Args:
      task: that was predicted. form: one of OUTPUT_FORMATS.
    """

    def __init__(self, task: Task, form: str):
        self._task, self._form = task, form
        self._header: Optional[List[str]] = None

    def of(self, item: Item, found: Dict[str, Any]) -> Iterator[str]:
        """The lines of one text: one, or for entities in a table as many as it has."""
        if self._form == "jsonl":
            record = {"id": item.item_id, "text": item.text}
            if item.text_b is not None:
                record["text_b"] = item.text_b
            yield json.dumps(dict(record, **found), ensure_ascii=False)
            return
        rows = _ROWS[self._task.task_type](found)
        names = _NAMES[self._task.task_type]
        if self._task.task_type == CLASSIFICATION:
            names = names + tuple(self._task.label_names)
        if self._task.task_type in (CLASSIFICATION, REGRESSION):
            names += ("is_cut",)
        texts = [item.text] + ([] if item.text_b is None else [item.text_b])
        if self._task.task_type in _WITHOUT_TEXTS:
            texts = []  # long ones, and the entities and answers are parts of them
        if self._header is None:
            self._header = ["id", *names, *("text", "text_b")[: len(texts)]]
            yield "\t".join(self._header)
        for row in rows:
            yield "\t".join(map(_cell, [item.item_id, *row, *texts]))


_WITHOUT_TEXTS = (TAGGING, QUESTION_ANSWERING, DEPENDENCY_PARSING)
_NAMES = {
    CLASSIFICATION: ("prediction",),
    REGRESSION: ("score",),
    TAGGING: ("type", "entity", "start", "end", "probability"),
    QUESTION_ANSWERING: ("answer", "start", "end", "probability"),
    DEPENDENCY_PARSING: ("number", "word", "head", "relation"),
}


def _class_row(found):
    return [[found["label"], *found["probabilities"].values(), found["is_cut"]]]


def _entity_rows(found):
    names = ("type", "text", "start", "end", "probability")
    return [[entity[name] for name in names] for entity in found["entities"]]


def _word_rows(found):
    words = zip(found["words"], found["heads"], found["relations"])
    return [[number, *row] for number, row in enumerate(words, 1)]


_ROWS = {
    CLASSIFICATION: _class_row,
    REGRESSION: lambda found: [[found["score"], found["is_cut"]]],
    TAGGING: _entity_rows,
    QUESTION_ANSWERING: lambda found: [
        [found[name] for name in _NAMES[QUESTION_ANSWERING]]
    ],
    DEPENDENCY_PARSING: _word_rows,
}


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float):
        return f"{value:.6f}"
    return re.sub(r"[\t\r\n]", " ", str(value))
