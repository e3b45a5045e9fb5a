"""A classification task that a user describes in a small JSON file, without code."""

import dataclasses
import difflib
import itertools
import math
import os
from typing import Any, Dict, Tuple

from ..io.errors import InputError
from ..io.files import absolute
from ..io.json_files import read_json_object
from .declarations import (
    BAD,
    CLASSIFICATION,
    KEEP,
    OMIT_IN_TRAIN,
    FileSet,
    FineTuningDefaults,
    Layout,
    Task,
    one_of,
)

_REQUIRED = ("name", "train", "text", "label", "labels")
_OPTIONAL = (
    "dev",
    "test",
    "text_pair",
    "id",
    "label_names",
    "metric",
    "empty_text",
    "defaults",
)
_METRICS = ("accuracy", "macro_f1")
_EMPTY_TEXTS = (BAD, KEEP, OMIT_IN_TRAIN)


def load_user_task(path: str) -> Task:
    """Makes a task of a JSON file, whose data files lie beside it.

    The file ``reviews.json`` ::

        {"name": "reviews", "train": "reviews.csv", "text": "후기", "label": "평가",
         "labels": ["나쁨", "좋음"]}

    describes a CSV file (or tab separated, by its ending) with the columns 후기 and
    평가. Where "dev" names no file, a part of train is held out. Optional keys: "dev"
    and "test" (files), "text_pair" and "id" (columns), "label_names" (as reports show
    the labels), "metric" ("accuracy" or "macro_f1"), "empty_text" ("bad", "keep" or
    "omit_in_train") and "defaults" (fields of ``FineTuningDefaults``).

    Args:
      path: the JSON file, UTF-8.

    Raises:
      InputError: as ``read_json_object``; a key that is missing, unknown or of the
        wrong type; a name that cannot name a folder; fewer than two labels, or one
        twice.
    """
    record = read_json_object(path)
    _check_keys(path, record, _REQUIRED, _REQUIRED + _OPTIONAL)
    for key in ("name", "train", "text", "label", "dev", "test", "text_pair", "id"):
        if key in record and not (isinstance(record[key], str) and record[key]):
            raise InputError(f"{path}: '{key}' is {record[key]!r}, expected a string.")
    _check_name(path, record["name"])
    _check_columns(path, record)
    labels = _labels(path, record, "labels")
    names = _labels(path, record, "label_names") if "label_names" in record else labels
    if len(names) != len(labels):
        raise InputError(
            f"{path}: {len(names)} label_names for {len(labels)} labels, expected as "
            "many."
        )
    return Task(
        name=record["name"],
        task_type=CLASSIFICATION,
        metric=_choice(path, record, "metric", _METRICS),
        file_sets=(
            FileSet(
                train=one_of(record["train"]),
                dev=one_of(record["dev"]) if "dev" in record else (),
                test=one_of(record["test"]) if "test" in record else (),
            ),
        ),
        source=path,
        defaults=_defaults(path, record.get("defaults", {})),
        layouts=(
            Layout(
                text_a=record["text"],
                label=record["label"],
                text_b=record.get("text_pair"),
                example_id=record.get("id"),
            ),
        ),
        label_values=labels,
        label_names=names,
        empty_text=_choice(path, record, "empty_text", _EMPTY_TEXTS),
        data_folder=os.path.dirname(absolute(path)),
    )


def _check_keys(
    path: str, record: Dict[str, Any], required: Tuple[str, ...], known: Tuple[str, ...]
) -> None:
    for key in record:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            suggestion = f" Did you mean '{near[0]}'?" if near else ""
            raise InputError(
                f"{path}: unknown key '{key}'.{suggestion} Known: {', '.join(known)}."
            )
    missing = [key for key in required if key not in record]
    if missing:
        raise InputError(f"{path}: no '{missing[0]}'. Needed: {', '.join(required)}.")


def _check_name(path: str, name: str) -> None:
    """Results go to a folder of this name."""
    if name.startswith(".") or set(name) & set("/\\") or not name.isprintable():
        raise InputError(
            f"{path}: 'name' is {name!r}, expected one that may name a folder: without "
            "/ and \\, and no dot at the beginning."
        )


def _check_columns(path: str, record: Dict[str, Any]) -> None:
    keys = [key for key in ("text", "text_pair", "label", "id") if key in record]
    for first, second in itertools.combinations(keys, 2):
        if record[first] == record[second]:
            raise InputError(
                f"{path}: '{first}' and '{second}' are both the column "
                f"{record[first]!r}, expected different ones."
            )


def _labels(path: str, record: Dict[str, Any], key: str) -> Tuple[str, ...]:
    labels = record[key]
    if not isinstance(labels, list) or not all(
        isinstance(label, str) and label and label == label.strip() for label in labels
    ):
        raise InputError(
            f"{path}: '{key}' is {labels!r}, expected a list of strings such as "
            '["0", "1"], without blanks around them.'
        )
    if len(set(labels)) != len(labels) or len(labels) < 2:
        raise InputError(
            f"{path}: '{key}' is {labels!r}, expected two or more, all different."
        )
    return tuple(labels)


def _choice(
    path: str, record: Dict[str, Any], key: str, choices: Tuple[str, ...]
) -> str:
    """The value of an optional key; the first of ``choices`` where it is missing."""
    value = record.get(key, choices[0])
    if value not in choices:
        raise InputError(
            f"{path}: '{key}' is {value!r}, expected one of: {', '.join(choices)}."
        )
    return value


def _defaults(path: str, values: Any) -> FineTuningDefaults:
    types = {field.name: field.type for field in dataclasses.fields(FineTuningDefaults)}
    if not isinstance(values, dict):
        raise InputError(f"{path}: 'defaults' is {values!r}, expected an object.")
    _check_keys(path, values, (), tuple(types))
    for name, value in values.items():
        is_whole = types[name] is int
        allowed = int if is_whole else (int, float)
        # NaN is not in the range either.
        if isinstance(value, bool) or not (
            isinstance(value, allowed) and 0 <= value < math.inf
        ):
            raise InputError(
                f"{path}: default {name} is {value!r}, expected a "
                f"{'whole ' if is_whole else ''}number from 0 up."
            )
    return FineTuningDefaults(**{"num_train_epochs": 10, **values})
