"""Which files of a data set are read, and how a dev set is held out of train."""

import os
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..errors import InputError
from ..text_files import BadRows, ReadingOptions
from . import classification
from .declarations import CLASSIFICATION, SPLITS, Alternatives, FileSet, Task

_LOADERS = {
    CLASSIFICATION: classification.load_examples,
}


class LoadedSplit(NamedTuple):
    """The examples of a split in file order, and what was left out of it.

    Attributes:
      examples: of the task's kind.
      paths: the files that were read.
      skipped: number of bad rows passed over.
      notes: a line for the log per file with bad rows.
    """

    examples: List[Any]
    paths: Tuple[str, ...]
    skipped: int
    notes: Tuple[str, ...]


def find_files(task: Task, data_dir: str, split: str) -> Tuple[str, ...]:
    """The existing files of one split; () where there are none. Opens no file.

    All splits come from one arrangement of the data set, never from two: the first of
    ``task.file_sets`` whose train file is there; where no train file is, the first of
    which any file is. A folder with both ``train.tsv`` and ``ratings_train.txt`` is
    read as ``train.tsv``, ``dev.tsv``, ``test.tsv``.

    Args:
      task: names the files.
      data_dir: the folder.
      split: "train", "dev" or "test".

    Raises:
      InputError: the folder does not exist; ``split`` is not one of the three.
    """
    if split not in SPLITS:
        raise InputError(f"Split '{split}', expected one of: {', '.join(SPLITS)}.")
    if not os.path.isdir(data_dir):
        raise InputError(
            f"The data folder {data_dir} does not exist. Fetch {task.name} from "
            f"{task.source}, or name its folder with --data_dir."
        )
    file_set = _choose_file_set(task, data_dir)
    return () if file_set is None else _existing(getattr(file_set, split), data_dir)


def _choose_file_set(task: Task, data_dir: str) -> Optional[FileSet]:
    for file_set in task.file_sets:
        if _existing(file_set.train, data_dir):
            return file_set
    for file_set in task.file_sets:
        if _existing(file_set.dev + file_set.test, data_dir):
            return file_set
    return None


def _existing(alternatives: Alternatives, data_dir: str) -> Tuple[str, ...]:
    """The paths of the first alternative of which every file exists."""
    for names in alternatives:
        paths = tuple(os.path.join(data_dir, name) for name in names)
        if all(os.path.exists(path) for path in paths):
            return paths
    return ()


def load_split(
    task: Task,
    data_dir: str,
    split: str,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
) -> LoadedSplit:
    """Reads one split of a task; the files of the other splits are not opened.

    Args:
      task: from ``get_task``.
      data_dir: the folder with the public files.
      split: "train", "dev" or "test".
      options: encoding and limits; ``max_bad_rows`` holds for each file.

    Returns:
      The examples, in the order of the rows. ``Example.label`` is None throughout
      where the file has no label column (HATE's test).

    Raises:
      InputError: no file for this split, no rows in it, or a row that is bad.
    """
    paths = find_files(task, data_dir, split)
    if not paths:
        raise InputError(_missing_message(task, data_dir, split))
    examples, notes, skipped = [], [], 0
    for path in paths:
        bad_rows = BadRows(path, options.max_bad_rows)
        found = _LOADERS[task.kind](task, path, split, options, bad_rows)
        if not found:
            raise InputError(
                f"{path} has no {'usable ' if bad_rows.count else ''}rows after its "
                f"header. Fetch it again from {task.source}."
            )
        examples.extend(found)
        skipped += bad_rows.count
        notes.extend([bad_rows.summary()] if bad_rows.count else [])
    return LoadedSplit(examples, paths, skipped, tuple(notes))


def _missing_message(task: Task, data_dir: str, split: str) -> str:
    names = [
        " + ".join(names)
        for file_set in task.file_sets
        for names in getattr(file_set, split)
    ]
    expected = " or ".join(names)
    return (
        f"{data_dir} has no {split} file for {task.name}, expected {expected}. Fetch "
        f"it from {task.source}, or name another folder with --data_dir."
    )


def _label_of(example: Any) -> Any:
    return getattr(example, "label", None)


def held_out_split(
    examples: Sequence[Any],
    dev_fraction: float,
    seed: int,
    stratum: Callable[[Any], Any] = _label_of,
) -> Tuple[List[Any], List[Any]]:
    """Takes a dev set out of the training examples, for data sets without one.

    The share is taken from each class, so ten examples 부정 and twenty 긍정 with
    ``dev_fraction=0.1`` give one and two. Both parts keep the order of ``examples``.

    Args:
      examples: all training examples.
      dev_fraction: share held out, above 0 and below 1. Every class of at least two
        keeps one example on either side.
      seed: the same seed gives the same split on every platform.
      stratum: the class of an example; its ``label`` by default.

    Returns:
      (train examples, dev examples), disjoint and together all.

    Raises:
      InputError: ``dev_fraction`` is out of range, or the dev set would be empty.
    """
    if not 0.0 < dev_fraction < 1.0:
        raise InputError(
            f"--dev_fraction={dev_fraction}, expected more than 0 and less than 1."
        )
    generator = np.random.RandomState(seed)
    members = {}
    for index, example in enumerate(examples):
        members.setdefault(stratum(example), []).append(index)
    held_out = set()
    for key in sorted(members, key=str):
        indices = members[key]
        if len(indices) > 1:
            wanted = int(round(dev_fraction * len(indices)))
            size = min(max(wanted, 1), len(indices) - 1)
            held_out.update(generator.permutation(indices)[:size].tolist())
    if not held_out:
        raise InputError(
            f"{len(examples)} training examples are too few to hold a dev set out of."
        )
    train = [each for index, each in enumerate(examples) if index not in held_out]
    dev = [each for index, each in enumerate(examples) if index in held_out]
    return train, dev
