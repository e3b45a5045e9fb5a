"""Scores of pairs: the task, and its examples."""

import math
from typing import List, NamedTuple, Optional

from ..io.tables import BadRows, ReadingOptions
from .declarations import REGRESSION, FileSet, FineTuningDefaults, Layout, Task, one_of
from .tables import labelled_rows, without_placeholders

_SHOWN_CHARS = 40


class ScoredPair(NamedTuple):
    """Two texts and how similar they are; ``score`` is None in unlabelled files."""

    example_id: str
    text_a: str
    text_b: Optional[str]
    score: Optional[float]


KORSTS = Task(
    name="KorSTS",
    task_type=REGRESSION,
    metric="spearman",
    is_unordered=True,
    file_sets=(
        FileSet(
            train=one_of("sts-train.tsv"),
            dev=one_of("sts-dev.tsv"),
            test=one_of("sts-test.tsv"),
        ),
    ),
    source="https://github.com/kakaobrain/KorNLUDatasets",
    defaults=FineTuningDefaults(num_train_epochs=10),
    # The column "id" repeats, so it is not used.
    layouts=(Layout(text_a="sentence1", text_b="sentence2", label="score"),),
    score_range=(0.0, 5.0),
)

TASKS = (KORSTS,)


def load_scored_pairs(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[ScoredPair]:
    """Reads one file of a regression task, in the order of its rows.

    KorSTS's row with score "3.800", "한 남자가 큰 플루트를 연주하고 있다." and "남자가
    플루트를 연주하고 있다." becomes ``ScoredPair("train-2", ..., ..., 3.8)``.

    Args:
      task: one of ``TASKS``, or a task of the same type.
      path: the file.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped.

    Raises:
      InputError: as ``labelled_rows``, and for a score that is no number in the
        task's range.
    """
    lowest, highest = task.score_range
    pairs = []
    rows = labelled_rows(task, path, split, options, bad_rows)
    if split == "test":
        possible = [] if lowest > -1 else ["-1", "-1.0"]
        rows = iter(without_placeholders(rows, possible, bad_rows))
    for row in rows:
        score = None
        if row.label is not None:
            score = _number(row.label)
            if not lowest <= score <= highest:  # false for NaN
                bad_rows.skip_at(
                    row.place,
                    f"score '{row.label[:_SHOWN_CHARS]}', expected a number from "
                    f"{lowest:g} to {highest:g}.",
                )
                continue
        pairs.append(ScoredPair(row.example_id, row.text_a, row.text_b, score))
    return pairs


def _number(text: str) -> float:
    """The number that ``text`` writes; NaN if it writes none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
