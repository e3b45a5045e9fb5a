"""Which files of a data set are read, and how a dev set is held out of train."""

import os
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..io import files
from ..io.errors import InputError
from ..io.tables import BadRows, ReadingOptions
from . import (
    classification,
    dependency_parsing,
    question_answering,
    regression,
    tagging,
)
from .declarations import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    SPLITS,
    TAGGING,
    Alternatives,
    FileSet,
    Task,
)

_LOADERS = {
    CLASSIFICATION: classification.load_examples,
    REGRESSION: regression.load_scored_pairs,
    TAGGING: tagging.load_tagged_sentences,
    QUESTION_ANSWERING: question_answering.load_questions,
    DEPENDENCY_PARSING: dependency_parsing.load_parsed_sentences,
}


class LoadedSplit(NamedTuple):
    """The examples of a split in file order, and what was left out of it.

    Attributes:
      examples: of the task's type.
      paths: the files that were read.
      skipped: number of bad rows passed over.
      notes: a line for the log per file with rows that were passed over.
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
      InputError: the folder does not exist; ``split`` is not one of the three; a
        user's task names a dev or test file that is not there.
    """
    if split not in SPLITS:
        raise InputError(f"Split '{split}', expected one of: {', '.join(SPLITS)}.")
    if not files.is_folder(data_dir):
        raise InputError(
            f"The data folder {data_dir} does not exist. {_where_from(task)}, or name "
            "its folder with --data_dir."
        )
    file_set = _choose_file_set(task, data_dir)
    paths = () if file_set is None else _existing(getattr(file_set, split), data_dir)
    if task.data_folder and split != "train" and not paths:
        _check_not_named(task, data_dir, split)
    return paths


def _check_not_named(task: Task, data_dir: str, split: str) -> None:
    """A file that a user names is wanted, whereas public data may lack one."""
    named = getattr(task.file_sets[0], split)
    if named:
        raise InputError(
            f"{os.path.join(data_dir, *named[0])} does not exist, but {task.source} "
            f"names it as '{split}'. Put the file there, fix the name, or leave "
            f"'{split}' out."
        )


def _where_from(task: Task) -> str:
    if task.data_folder:
        return f"Fix the names in {task.source}"
    by_itself = f"python3 -m data.download {task.name}"
    return f"Fetch {task.name} from {task.source} ({by_itself})"


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
        if all(map(files.exists, paths)):
            return paths
    return ()


def require_files(task: Task, data_dir: str, split: str) -> Tuple[str, ...]:
    """``find_files``, or an InputError that says which file is expected."""
    paths = find_files(task, data_dir, split)
    if paths:
        return paths
    expected = " or ".join(
        " + ".join(names)
        for file_set in task.file_sets
        for names in getattr(file_set, split)
    )
    if not expected:
        raise InputError(
            f"{data_dir} has no {split} file for {task.name}: {task.source} names none."
        )
    advice = ", or leave --do_predict out" if split == "test" else ""
    raise InputError(
        f"{data_dir} has no {split} file for {task.name}, expected {expected}. "
        f"{_where_from(task)}, or name another folder with --data_dir{advice}."
    )


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
    paths = require_files(task, data_dir, split)
    examples, notes, skipped = [], [], 0
    for path in paths:
        bad_rows = BadRows(path, options.max_bad_rows)
        found = _LOADERS[task.task_type](task, path, split, options, bad_rows)
        if not found:
            raise InputError(
                f"{path} has no {'usable ' if bad_rows.count else ''}rows after its "
                f"header. {'Fill it' if task.data_folder else _where_from(task)}, or "
                "name another folder with --data_dir."
            )
        examples.extend(found)
        skipped += bad_rows.count
        notes.extend([bad_rows.summary()] if bad_rows.summary() else [])
    return LoadedSplit(examples, paths, skipped, tuple(notes))


def _label_of(example: Any) -> Any:
    """The class of an example; None for task types that have none."""
    return getattr(example, "label", None)


def _article_of(example: Any) -> Any:
    """The article of a question; None for task types whose examples stand alone."""
    return getattr(example, "title", None)


def held_out_split(
    examples: Sequence[Any], dev_fraction: float, seed: int
) -> Tuple[List[Any], List[Any]]:
    """Takes a dev set out of the training examples, for data sets without one.

    The share is taken from each class, so ten examples 부정 and twenty 긍정 with
    ``dev_fraction=0.1`` give one and two. Questions are held out by whole articles,
    since two questions on one passage help to answer each other. Both parts keep the
    order of ``examples``.

    Args:
      examples: all training examples, of any task type.
      dev_fraction: share held out, above 0 and below 1. Every class of at least two
        keeps one example (question answering: one article) on either side.
      seed: the same seed gives the same split on every platform.

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
    classes = {}
    for index, example in enumerate(examples):
        classes.setdefault(_label_of(example), []).append(index)
    held_out = set()
    for label in sorted(classes, key=str):
        groups = _groups(examples, classes[label])
        held_out.update(_draw(groups, dev_fraction, generator))
    if not held_out:
        raise InputError(
            f"{len(examples)} training examples are too few to hold a dev set out of."
        )
    train = [each for index, each in enumerate(examples) if index not in held_out]
    dev = [each for index, each in enumerate(examples) if index in held_out]
    return train, dev


def _groups(examples: Sequence[Any], indices: Sequence[int]) -> List[List[int]]:
    """The indices that must stay together, in the order of their first one."""
    groups = {}
    for index in indices:
        article = _article_of(examples[index])
        groups.setdefault(index if article is None else article, []).append(index)
    return list(groups.values())


def _draw(
    groups: Sequence[List[int]], fraction: float, generator: np.random.RandomState
) -> List[int]:
    """Draws whole groups until ``fraction`` of the indices is reached."""
    wanted = max(1, int(round(fraction * sum(len(group) for group in groups))))
    drawn = []
    for position in generator.permutation(len(groups))[: len(groups) - 1]:
        if len(drawn) >= wanted:
            break
        drawn.extend(groups[position])
    return drawn
