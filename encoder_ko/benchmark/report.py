"""The report of a benchmark: from results to Markdown. Pure functions of their input.

`page` renders it as HTML.
"""

import html
import math
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from data.evaluation.baselines import Baseline
from data.evaluation.intervals import Interval
from data.evaluation.plots import Curve
from data.evaluation.published_results import SOURCES, published_results
from data.tasks import Task

LABELS = {
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "f1": "F1",
    "precision": "precision",
    "recall": "recall",
    "pearson": "Pearson",
    "spearman": "Spearman",
    "exact_match": "EM",
    "rouge_w": "ROUGE-W",
    "micro_f1": "micro F1",
    "auprc": "AUPRC",
    "entity_macro_f1": "macro F1",
    "character_macro_f1": "character macro F1",
    "uas": "UAS",
    "las": "LAS",
    "uas_macro_f1": "UAS macro F1",
    "las_macro_f1": "LAS macro F1",
}
NOT_YET = "not yet"
EXPLANATION = (
    "All metrics are in per cent (correlations times 100), mean ± standard deviation "
    "over the seeds. The baseline is what a rule reaches that does not read the text; "
    "it is computed on the same examples. Where these are dev, the best of a run's "
    "evaluations was chosen on them too. An accuracy that is above the baseline by "
    "less than two standard errors of so many examples may be so by chance. Intervals "
    "of 95% are for so many examples, the mean of those of the seeds. Published "
    "metrics are what the authors report for the public data sets and their own "
    "settings; for tasks marked with * the data here is other data, so that the "
    "metrics cannot be compared. Times are minutes per run."
)


class SeedRun(NamedTuple):
    """One finished run.

    Attributes:
      seed: its random seed.
      metrics: name -> value from 0 to 1, of the split that counts.
      seconds: wall time of the run with data, training, evaluation and prediction.
      intervals: metric -> its 95% interval for so many examples, where it is known.
      page: path of its report.html as seen from the report's folder; "" without one.
    """

    seed: int
    metrics: Dict[str, float]
    seconds: float
    intervals: Dict[str, Interval] = {}
    page: str = ""


class Picture(NamedTuple):
    """A PNG: its caption, and its path as seen from the report's folder."""

    caption: str
    path: str
    is_of_curves: bool = False


class TaskResult(NamedTuple):
    """What the runs on one task gave.

    Attributes:
      task: the declaration.
      split: which examples were scored, "test" or "dev".
      sizes: split -> examples.
      note: what is special about the data, in a sentence; "" for the public files.
      baseline: of the same examples.
      runs: those that are finished, in the order of the seeds.
      problem: why runs are missing, or how they differ; "" if there is nothing to say.
      command: that of the first finished seed.
      pictures: those of the first seed, and curves.
      panels: what the picture of the curves shows: name of the axis -> curves.
    """

    task: Task
    split: str
    sizes: Dict[str, int]
    note: str
    baseline: Baseline
    runs: Sequence[SeedRun]
    problem: str
    command: str
    pictures: Sequence[Picture]
    panels: Dict[str, Sequence[Curve]] = {}

    @property
    def shown(self) -> Tuple[str, ...]:
        """The metrics of the main table."""
        return self.task.reported

    @property
    def name(self) -> str:
        """The task's name; a star marks data that published metrics are not of."""
        return self.task.name + ("*" if self.note else "")


class Benchmark(NamedTuple):
    """All results of one pre-trained model.

    Attributes:
      title: of the report.
      facts: (name, value): model, settings, machine.
      tasks: in the order of the report.
    """

    title: str
    facts: Sequence[Tuple[str, str]]
    tasks: Sequence[TaskResult]


# --- Cells ------------------------------------------------------------------------


def mean_and_deviation(values: Sequence[float]) -> Tuple[float, Optional[float]]:
    """Mean and standard deviation of a sample (divisor n - 1; None for one value)."""
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return mean, None
    squares = math.fsum((value - mean) ** 2 for value in values)
    return mean, math.sqrt(squares / (len(values) - 1))


def percent(values: Sequence[float]) -> str:
    """[0.85, 0.87] -> "86.00 ± 1.41"; one value without a deviation."""
    mean, deviation = mean_and_deviation(values)
    if deviation is None:
        return f"{100 * mean:.2f}"
    return f"{100 * mean:.2f} ± {100 * deviation:.2f}"


def metric_label(result: TaskResult) -> str:
    """ "accuracy, test"; "EM / F1, test"; the F1 of tags is that of entities."""
    names = " / ".join(LABELS[name] for name in result.shown)
    if result.task.task_type == "tagging":
        names = f"entity {names}"
    return f"{names}, {result.split}"


def measured(result: TaskResult) -> str:
    """The metrics of the main table, such as "84.53 ± 0.21"."""
    if not result.runs:
        return NOT_YET
    return " / ".join(
        percent([run.metrics[name] for run in result.runs]) for name in result.shown
    )


def interval_cell(result: TaskResult) -> str:
    """ "84.10–86.02": the ends are means over the seeds; "" where a metric has none."""
    cells = []
    for name in result.shown:
        found = [run.intervals[name] for run in result.runs if name in run.intervals]
        if not found or len(found) < len(result.runs):
            return ""
        low, high = (100 * mean_and_deviation(ends)[0] for ends in zip(*found))
        cells.append(f"{low:.2f}–{high:.2f}")
    return " / ".join(cells)


def baseline_cell(result: TaskResult) -> str:
    """ "50.35 (always “positive”)"."""
    return f"{baseline_metrics(result)} ({result.baseline.rule})"


def baseline_metrics(result: TaskResult) -> str:
    """ "50.35"."""
    return " / ".join(percent([result.baseline.metrics[name]]) for name in result.shown)


def gain(result: TaskResult) -> Optional[float]:
    """Mean of the task's metric above the baseline, 0 to 1; None without runs."""
    if not result.runs:
        return None
    metric = result.task.metric
    mean, _ = mean_and_deviation([run.metrics[metric] for run in result.runs])
    return mean - result.baseline.metrics[metric]


def beats_baseline(result: TaskResult) -> Optional[str]:
    """ "yes", "no" or, where chance would do as well, "by chance"; None without runs.

    By chance: an accuracy above the baseline by less than twice the standard error that
    the baseline's has over so many examples. That of other metrics is not estimated.
    """
    above = gain(result)
    if above is None:
        return None
    if above <= 0:
        return "no"
    if result.task.metric != "accuracy":
        return "yes"
    chance = result.baseline.metrics["accuracy"]
    error = math.sqrt(chance * (1 - chance) / result.sizes[result.split])
    return "yes" if above >= 2 * error else "by chance"


def verdict(result: TaskResult) -> str:
    """Whether the model beats the baseline, and by how many points."""
    if not result.runs:
        return ""
    return f"{beats_baseline(result)} ({100 * gain(result):+.2f})"


def data_cell(result: TaskResult) -> str:
    """ "142,500 train, 7,500 dev, 50,000 test"."""
    return ", ".join(f"{size:,} {split}" for split, size in result.sizes.items())


def minutes(result: TaskResult) -> str:
    """Mean minutes of a run."""
    if not result.runs:
        return ""
    mean, _ = mean_and_deviation([run.seconds for run in result.runs])
    return f"{mean / 60:.1f}"


def seed_rows(result: TaskResult) -> List[List[str]]:
    """A header, and a row for each run: seed, every metric, minutes."""
    names = list(result.baseline.metrics)
    rows = [["seed"] + [LABELS[name] for name in names] + ["minutes"]]
    for run in result.runs:
        metrics = [_with_interval(run, name) for name in names]
        rows.append([str(run.seed)] + metrics + [f"{run.seconds / 60:.1f}"])
    metrics = [percent([result.baseline.metrics[name]]) for name in names]
    rows.append(["baseline"] + metrics + [""])
    return rows


def _with_interval(run: SeedRun, name: str) -> str:
    """ "85.00 (84.10–85.90)"."""
    cell = percent([run.metrics[name]])
    if name in run.intervals:
        low, high = run.intervals[name]
        cell += f" ({100 * low:.2f}–{100 * high:.2f})"
    return cell


def published_models(tasks: Sequence[TaskResult]) -> List[str]:
    """The models that have a published metric for one of the tasks."""
    found = {model for result in tasks for model in published_results(result.task.name)}
    return [model for model in SOURCES if model in found]


# --- Markdown ---------------------------------------------------------------------


def markdown(benchmark: Benchmark) -> str:
    """The whole report; pictures are referred to by their paths."""
    parts = [f"# {_literal(benchmark.title)}"]
    parts.append(
        "\n".join(f"- {name}: {_literal(value)}" for name, value in benchmark.facts)
    )
    parts.append("## Results")
    parts.append(_table(_result_rows(benchmark.tasks), text_columns=2))
    parts += _notes(benchmark.tasks)
    models = published_models(benchmark.tasks)
    if models:
        parts.append("## Beside published metrics")
        parts.append(_table(_published_rows(benchmark.tasks, models)))
        sources = ", ".join(f"[{model}]({SOURCES[model]})" for model in models)
        parts.append(f"Sources: {sources}.")
    parts.append(EXPLANATION)
    for result in benchmark.tasks:
        parts += _section(result)
    return "\n\n".join(parts) + "\n"


def _result_rows(tasks: Sequence[TaskResult]) -> List[List[str]]:
    rows = [
        "task,metric,result,baseline,beats it,examples,minutes".split(","),
    ]
    for result in tasks:
        rows.append(
            [
                result.name,
                metric_label(result),
                f"**{measured(result)}**" if result.runs else NOT_YET,
                _literal(baseline_cell(result)),
                verdict(result),
                data_cell(result),
                minutes(result),
            ]
        )
    return rows


def _published_rows(
    tasks: Sequence[TaskResult], models: Sequence[str]
) -> List[List[str]]:
    rows = [["task", "here"] + list(models)]
    for result in tasks:
        found = published_results(result.task.name)
        rows.append(
            [result.name, measured(result)] + [found.get(model, "") for model in models]
        )
    return rows


def remarks(tasks: Sequence[TaskResult]) -> List[Tuple[str, str]]:
    """Task -> what is special about its data, and why runs are missing or differ."""
    found = [(each.name, each.note) for each in tasks if each.note]
    return found + [(f"{e.task.name}:", e.problem) for e in tasks if e.problem]


def _notes(tasks: Sequence[TaskResult]) -> List[str]:
    lines = [f"- {name} {_literal(words)}" for name, words in remarks(tasks)]
    return ["\n".join(lines)] if lines else []


def _section(result: TaskResult) -> List[str]:
    parts = [f"## {result.task.name}", _table(seed_rows(result))]
    for picture in result.pictures:
        parts.append(f"![{picture.caption}]({picture.path})")
    parts.append(f"```sh\n{result.command}\n```")
    return parts


def _table(rows: Sequence[Sequence[Any]], text_columns: int = 1) -> str:
    """A table whose first columns are text; those after them are set right."""
    lines = ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    numbers = len(rows[0]) - text_columns
    lines.insert(1, "|" + "---|" * text_columns + "---:|" * numbers)
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _literal(text: str) -> str:
    """Text of users as it stands, where Markdown would take it for a mark or a tag."""
    return re.sub(r"([\\`*\[\]])", r"\\\1", html.escape(text, quote=False))
