"""The benchmarks by name, and their examples.

``get_task("nsmc")`` is a declaration; ``load_split(task, folder, "train")`` reads it.
A new task is one ``Task`` in the module of its type, or a user's JSON file.
"""

import difflib
from typing import FrozenSet, List, Sequence, Tuple

from ..io.errors import InputError
from . import classification, klue, question_answering, regression, tagging
from .declarations import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    FineTuningDefaults,
    Task,
)
from .splits import LoadedSplit, find_files, held_out_split, load_split, require_files
from .user_tasks import load_user_task

__all__ = [
    "CLASSIFICATION",
    "DEPENDENCY_PARSING",
    "QUESTION_ANSWERING",
    "REGRESSION",
    "TAGGING",
    "FineTuningDefaults",
    "LoadedSplit",
    "Task",
    "expand_groups",
    "find_files",
    "get_task",
    "held_out_split",
    "load_split",
    "load_user_task",
    "require_files",
    "task_names",
    "text_columns",
    "ungrouped_names",
]

_TASKS = {
    task.name.lower(): task
    for module in (classification, regression, tagging, question_answering, klue)
    for task in module.TASKS
}
# What one name stands for several of.
_GROUPS = {"klue": tuple(task.name for task in klue.TASKS)}


def task_names() -> Tuple[str, ...]:
    """The names of all tasks, as they are written in reports."""
    return tuple(task.name for task in _TASKS.values())


def ungrouped_names() -> Tuple[str, ...]:
    """The names of the tasks that belong to no group such as KLUE."""
    grouped = {name for names in _GROUPS.values() for name in names}
    return tuple(name for name in task_names() if name not in grouped)


def expand_groups(names: Sequence[str]) -> List[str]:
    """The names with those of the tasks in place of a group's: "klue" -> "YNAT", ..."""
    return [each for name in names for each in _GROUPS.get(name.lower(), (name,))]


def text_columns() -> FrozenSet[str]:
    """The names that the texts' columns have in the files of all tasks."""
    return frozenset(
        name
        for task in _TASKS.values()
        for layout in task.layouts
        for name in layout.texts()
    )


def get_task(name: str) -> Task:
    """The task of this name, in any case, or the one that a JSON file describes.

    Args:
      name: such as "nsmc" or "my/reviews.json" (see ``load_user_task``).

    Raises:
      InputError: there is none; the message suggests the nearest name. As
        ``load_user_task`` for a JSON file.
    """
    if name.lower().endswith(".json"):
        return load_user_task(name)
    task = _TASKS.get(name.lower())
    if task is not None:
        return task
    near = difflib.get_close_matches(name.lower(), _TASKS, n=1, cutoff=0.5)
    suggestion = f" Did you mean {_TASKS[near[0]].name}?" if near else ""
    raise InputError(
        f"--task_name={name} is unknown.{suggestion} Tasks: {', '.join(task_names())}."
    )
