"""The course of a pre-training run: its log and its evaluations as charts."""

from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from data.evaluation.plots import Curve
from encoder_ko.report import charts
from encoder_ko.report.content import Chart

Entries = Sequence[Dict[str, Any]]

# Ends of the names of metrics, in the order of the charts.
_KINDS = ("loss", "accuracy", "precision", "recall", "auc")
_NAMES = (
    ("sampled_masked_lm", "sampled by the generator,"),
    ("masked_lm", "masked LM"),
    ("next_sentence", "next sentence"),
    ("sentence_order", "sentence order"),
    ("wop", "word order"),
    ("disc", "discriminator"),
)
_BESIDE = {"masked_lm_loss": ("unigram_entropy", "entropy of token frequencies")}


def label(metric: str) -> str:
    """ "disc_auc" -> "discriminator AUC"."""
    for name, words in _NAMES:
        if metric.startswith(name + "_"):
            rest = metric[len(name) + 1 :].replace("_", " ")
            return f"{words} {'AUC' if rest == 'auc' else rest}"
    return "loss, all objectives" if metric == "loss" else metric.replace("_", " ")


def metric_names(log: Entries, history: Entries) -> List[str]:
    """The metrics of a run, losses first, and of these their sum."""
    found = {name for entries in (log, history) for each in entries for name in each}
    chosen = [name for name in found if name.rpartition("_")[2] in _KINDS]
    losses = [name for name in chosen if name.endswith("loss")]
    if len(losses) == 2:  # the sum is that of one objective
        chosen.remove("loss")
    return sorted(
        chosen,
        key=lambda name: (not name.endswith("loss"), name != "loss", label(name)),
    )


def of_metrics(log: Entries, history: Entries) -> List[Chart]:
    """A chart for each metric."""
    return [
        charts.lines(label(name), of_training_and_evaluation(log, history, name))
        for name in metric_names(log, history)
    ]


def of_training_and_evaluation(
    log: Entries, history: Entries, name: str
) -> List[Curve]:
    """The curves of a metric, and of what belongs beside it; [] without any."""
    return [
        *of_metric(log, name, "training"),
        *of_metric(history, name, "evaluation", marked=True),
        *of_metric(log, *_BESIDE.get(name, ("", ""))),
    ]


class Progress(NamedTuple):
    """Tokens that a run has seen, padding left out, at the lines of its log.

    Attributes:
      steps: int [N]. tokens: float [N], up to each.
    """

    steps: np.ndarray
    tokens: np.ndarray


def progress(log: Entries, batch_size: int) -> Progress:
    """By the tokens per sequence of each line, which hold since the line before.

    Logs of earlier versions do not say them: N is 0.
    """
    known = [entry for entry in log if "tokens_per_second" in entry]
    if len(known) < len(log) or not log:
        return Progress(np.zeros(0, int), np.zeros(0))
    steps = np.array([entry["step"] for entry in log])
    lengths = np.array(
        [each["tokens_per_second"] / each["sequences_per_second"] for each in log]
    )
    new = np.diff(np.concatenate([[0], steps])) * batch_size * lengths
    return Progress(steps, np.cumsum(new))


def of_training(log: Entries, seen: Progress) -> List[Chart]:
    """Learning rate, gradient norm, tokens seen, throughput."""
    found = []
    for name in ("learning_rate", "gradient_norm"):
        found.append((label(name), of_metric(log, name, label(name))))
    if len(seen.steps):
        drawn = Curve("tokens seen", seen.steps.tolist(), seen.tokens.tolist())
        found.append(("tokens seen", [drawn]))
    for name in ("tokens_per_second", "sequences_per_second"):
        found.append((label(name), of_metric(log, name, label(name))))
    return [charts.lines(title, curves) for title, curves in found if curves]


def of_metric(
    entries: Entries, name: str, words: str, marked: bool = False
) -> List[Curve]:
    """The curve of a metric; [] where no entry has it."""
    points = [
        (entry["step"], entry[name])
        for entry in entries
        if name in entry and np.isfinite(entry[name])
    ]
    return [Curve(words, *zip(*points), marked)] if points else []
