"""What the page shows, before it is HTML."""

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from data.evaluation.intervals import Interval, Ratio


class Evaluated(NamedTuple):
    """The examples of a split, and what came of them.

    Attributes:
      split: "dev" or "test".
      examples: labelled ones.
      outputs: of the network. metrics: of `TaskType.metrics`.
    """

    split: str
    examples: Sequence[Any]
    outputs: Dict[str, np.ndarray]
    metrics: Dict[str, Any]


class PageTable(NamedTuple):
    """Cells are texts; `marked` names rows that stand out."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    marked: Sequence[int] = ()


class Chart(NamedTuple):
    """A specification of Vega-Lite, without its size and colours of the theme."""

    title: str
    note: str
    spec: Dict[str, Any]


class Group(NamedTuple):
    """Examples of one sort, such as those of a cell of the confusion matrix.

    Attributes:
      key: of the matrix's cell, and what the page finds it by.
      members: numbers of what `item` shows, in the order that `order` tells.
    """

    key: str
    title: str
    members: Sequence[int]
    is_error: bool = True
    order: str = "the surest first"


class Matrix(NamedTuple):
    """A confusion matrix: rows are the true classes. Its cells are groups "row-column".

    Attributes:
      names: of the classes. counts: int [C, C].
    """

    names: Sequence[str]
    counts: Sequence[Sequence[int]]


class Judgement(NamedTuple):
    """What a task type has to show of an evaluation.

    Attributes:
      groups: of examples. item: number of a member -> what the page's script shows.
      intervals: metric -> its 95% interval.
      ratio: the metric of the slices, named by `ratio_name`; None = no slices.
      slices: name -> bool [N], by what the examples are.
      columns: (name, value of each example) of the table file.
    """

    groups: Sequence[Group] = ()
    item: Optional[Callable[[int], Dict[str, Any]]] = None
    matrix: Optional[Matrix] = None
    charts: Sequence[Chart] = ()
    tables: Sequence[PageTable] = ()
    intervals: Dict[str, Interval] = {}
    ratio: Optional[Ratio] = None
    ratio_name: str = ""
    slices: Dict[str, np.ndarray] = {}
    columns: Sequence[Tuple[str, List[Any]]] = ()


def percent(value: float) -> str:
    """0.8512 -> "85.12"."""
    return f"{100 * value:.2f}"


def span(low: str, high: str) -> str:
    """ "85.12–86.30"."""
    return f"{low}–{high}"


def count_and_share(count: int, total: int) -> str:
    """ "12 (4.0%)"."""
    return f"{count:,} ({100 * count / total:.1f}%)" if total else "0"
