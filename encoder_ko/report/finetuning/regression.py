"""Regression in the page: predicted over true scores, and the furthest misses."""

from typing import Any, Dict, Sequence

import numpy as np

from data.evaluation.intervals import Ratio, bootstrap_interval
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import Evaluated, Group, Judgement, PageTable
from encoder_ko.report.finetuning import charts
from encoder_ko.report.finetuning.classification import shown_pair

_CLOSE = 0.1  # of the range of scores
_BANDS = 5


def judge(task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]) -> Judgement:
    """See Judgement."""
    task = task_type.task
    scores = np.array([example.score for example in evaluated.examples], np.float64)
    predicted = np.asarray(evaluated.outputs["scores"], np.float64)
    errors = predicted - scores
    lowest, highest = task.score_range

    def item(number: int) -> Dict[str, Any]:
        example = evaluated.examples[number]
        return {
            "id": example.example_id,
            "facts": [
                ["true", f"{scores[number]:.2f}", ""],
                ["predicted", f"{predicted[number]:.2f}", ""],
                ["error", f"{errors[number]:+.2f}", ""],
            ],
            "texts": shown_pair(task_type, example),
        }

    return Judgement(
        groups=_groups(errors, _CLOSE * (highest - lowest)),
        item=item,
        charts=[charts.scatter(scores, predicted)],
        tables=[_score_table(train, evaluated.split, scores, predicted)],
        intervals=_intervals(task, scores, predicted),
        ratio=Ratio(np.abs(errors), np.ones(len(errors)), higher_is_better=False),
        ratio_name="mean absolute error",
        slices=_bands(scores, lowest, highest),
        columns=[
            ("true", [f"{each:g}" for each in scores]),
            ("predicted", [f"{each:.6g}" for each in predicted]),
        ],
    )


def _groups(errors: np.ndarray, close: float) -> Sequence[Group]:
    sizes = np.abs(errors)
    found = []
    for key, title, chosen in (
        ("high", f"too high by more than {close:g}", errors > close),
        ("low", f"too low by more than {close:g}", errors < -close),
        ("close", f"within {close:g}", sizes <= close),
    ):
        members = np.flatnonzero(chosen)
        order = np.argsort(-sizes[members], kind="stable")
        if len(members):
            found.append(
                Group(
                    key,
                    title,
                    members[order].tolist(),
                    key != "close",
                    "the furthest first",
                )
            )
    return found


def _bands(scores: np.ndarray, lowest: float, highest: float) -> Dict[str, np.ndarray]:
    edges = np.linspace(lowest, highest, _BANDS + 1)
    found = {}
    for low, high in zip(edges, edges[1:]):
        is_last = high == edges[-1]
        below = scores <= high if is_last else scores < high
        name = f"true score: {low:g} to {'' if is_last else 'below '}{high:g}"
        found[name] = (scores >= low) & below
    return found


def _intervals(task, scores, predicted):
    ranks = [_ranks(values) for values in (scores, predicted)]
    found = {
        "pearson": _of_correlation(scores, predicted),
        # Of the ranks among all examples, which a sample's own ranks come close to.
        "spearman": _of_correlation(*ranks),
    }
    if task.score_threshold is not None:
        alike = [values >= task.score_threshold for values in (scores, predicted)]
        sums = np.stack([alike[0] & alike[1], 1 * alike[0] + alike[1]], 1)
        found["f1"] = bootstrap_interval(sums, lambda s: 2 * s[0] / np.maximum(s[1], 1))
    return found


def _ranks(values: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]


def _of_correlation(left: np.ndarray, right: np.ndarray):
    left, right = left - left.mean(), right - right.mean()
    sums = np.stack([left, right, left**2, right**2, left * right], 1)

    def statistic(drawn):
        x, y, xx, yy, xy = drawn / len(left)
        below = np.sqrt(np.maximum((xx - x * x) * (yy - y * y), 1e-300))
        return np.clip((xy - x * y) / below, -1, 1)

    return bootstrap_interval(sums, statistic)


def _score_table(train, split, scores, predicted) -> PageTable:
    columns = [(split, scores), (f"predicted for {split}", predicted)]
    known = [example.score for example in train if example.score is not None]
    if known:
        columns.insert(0, ("train", np.array(known)))
    rows = [
        [name, f"{len(v):,}"]
        + [
            f"{each:.2f}"
            for each in (v.mean(), v.std(), *np.percentile(v, [0, 50, 100]))
        ]
        for name, v in columns
    ]
    header = ("scores of", "examples", "mean", "standard deviation")
    return PageTable("Scores", "", (*header, "lowest", "median", "highest"), rows)
