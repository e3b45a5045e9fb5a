"""report.html and report.tsv of a fine-tuning run, from what the run has at its end."""

import os
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from data.download.fetch import are_published
from data.evaluation.baselines import Baseline, baseline
from data.evaluation.intervals import slice_results
from data.evaluation.published_results import SOURCES, published_results
from data.tasks import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    find_files,
)
from encoder_ko.benchmark.report import LABELS
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.finetuning.task_types.base import one_cell
from encoder_ko.report import origin, page
from encoder_ko.report.content import Evaluated, Judgement, PageTable, percent, span
from encoder_ko.report.finetuning import (
    charts,
    classification,
    data_facts,
    dependency_parsing,
    question_answering,
    regression,
    shown,
    tagging,
)
from encoder_ko.report.finetuning.texts import named_texts
from encoder_ko.training.run_folder import INTERVALS, RunFolder

TABLE = "report.tsv"
_JUDGES = {
    CLASSIFICATION: classification.judge,
    REGRESSION: regression.judge,
    TAGGING: tagging.judge,
    QUESTION_ANSWERING: question_answering.judge,
    DEPENDENCY_PARSING: dependency_parsing.judge,
}


class RunFacts(NamedTuple):
    """What the page tells of a run.

    Attributes:
      made: how it was made.
      history: evaluations. data_folder: where the task's files are.
      notes: what to know beside the metrics.
      checkpoint: what was evaluated.
    """

    made: origin.Made
    history: Sequence[Dict[str, Any]]
    data_folder: str
    notes: Sequence[str] = ()
    checkpoint: str = ""


def write(
    folder: RunFolder,
    task_type: TaskType,
    evaluated: Sequence[Evaluated],
    train: Sequence[Any],
    facts: RunFacts,
) -> None:
    """Writes the page and its table; where that fails, a warning says so.

    Args:
      evaluated: splits with labels; the page is about the last one.
      train: examples, [] where they were not read.
    """
    if evaluated:
        origin.attempt(
            folder(page.FILE_NAME),
            lambda: _write(folder, task_type, evaluated, train, facts),
        )


def _write(folder, task_type, evaluated, train, facts):
    main = evaluated[-1]
    judge = _JUDGES.get(task_type.task.task_type, lambda *_: Judgement())
    judgements = {each.split: judge(task_type, each, train) for each in evaluated}
    judgement = judgements[main.split]
    found = data_facts.data_facts(task_type, main, train)
    beaten = baseline(task_type.task, train, main.examples) if train else None
    intervals = dict(folder.read_json(INTERVALS) or {})  # of the other split, too
    intervals.update({split: each.intervals for split, each in judgements.items()})
    folder.write_json(INTERVALS, intervals)
    reached = [_Row(e.split, len(e.examples), e.metrics) for e in evaluated[::-1]]
    reached += _earlier(folder, evaluated, facts.checkpoint)
    folder.write_text(TABLE, _table_file(task_type.task, main, judgement, found))
    content = {
        "title": f"{task_type.task.name}, {facts.made.model_type.upper()}",
        "kicker": f"Fine-tuning run, {task_type.task.task_type.replace('_', ' ')}",
        "table_file": TABLE,
        **_result_parts(task_type, main, reached, intervals, beaten, facts),
        "curves": charts.curves(facts.history, task_type.task.metric),
        "slices": _slice_table(judgement, found, main),
        "data_charts": found.charts,
        "data_tables": found.tables,
        **origin.how_made(facts.made),
        "files": _files(main, facts.history),
    }
    examples, items, groups = shown.examples(judgement, main, TABLE)
    content.update(examples)
    content["parts"] = _parts(content)
    data = {
        "unk": task_type.tokenizer.config.unk_token,
        "items": items,
        "groups": groups,
        "charts": page.chart_specs(
            curves=content["curves"],
            shown=content["shown_charts"],
            data=content["data_charts"],
        ),
    }
    folder.write_text(page.FILE_NAME, page.render("finetuning.html", content, data))


def _parts(content) -> List[Tuple[str, str]]:
    found = [("Result", "result")]
    found += [("Training", "curves")] * bool(content["curves"])
    if content["groups"] or content["shown_charts"] or content["type_tables"]:
        found.append((content["examples_title"], "examples"))
    found += [("Better and worse", "slices")] * bool(content["slices"])
    return found + [("Data", "data"), ("How it was made", "made")]


# --- Result ------------------------------------------------------------------------


class _Row(NamedTuple):
    """What the model reached on a split of `count` examples."""

    split: str
    count: int
    metrics: Dict[str, Any]


def _earlier(folder, evaluated, checkpoint) -> List[_Row]:
    """What an earlier command found of the same checkpoint on the other split."""
    rows = []
    for split, name in (("test", "test_results.json"), ("dev", "eval_results.json")):
        found = folder.read_json(name)
        if found is None or split in [each.split for each in evaluated]:
            continue
        if os.path.basename(found["checkpoint"]) == os.path.basename(checkpoint):
            metrics = found["metrics"]
            rows.append(_Row(split, metrics["num_examples"], metrics))
    return rows


def _result_parts(
    task_type, main: Evaluated, reached: Sequence[_Row], intervals, beaten, facts
) -> Dict[str, Any]:
    task = task_type.task
    names = [
        name
        for name in dict.fromkeys((task.metric, *task.reported, *task_type.headline))
        if name in LABELS and name in main.metrics
    ]
    rows = []
    for split, size, metrics in reached:
        own = intervals.get(split, {})
        values = [_with_interval(metrics[name], own.get(name)) for name in names]
        rows.append([f"this run, {split}", f"{size:,}", *values])
    if beaten:
        values = [
            percent(beaten.metrics[name]) if name in beaten.metrics else ""
            for name in names
        ]
        count = f"{len(main.examples):,}"
        rows.append([f"baseline, {main.split}: {beaten.rule}", count, *values])
    note = "In per cent; correlations times 100."
    if intervals.get(main.split):
        note += " In brackets the 95% interval for so many examples."
    header = ["", "examples"] + [LABELS[name] for name in names]
    published, reason = _published(task, main.split, facts.data_folder)
    return {
        "cards": _cards(task, main, intervals[main.split], beaten, facts),
        "results": PageTable("Metrics", note, header, rows),
        "published": published,
        "notes": facts.notes,
        "unpublished": reason,
    }


def _with_interval(value: float, interval) -> str:
    if not interval:
        return percent(value)
    return f"{percent(value)} ({span(*map(percent, interval))})"


def _cards(
    task, main: Evaluated, intervals, beaten: Baseline, facts
) -> List[Dict[str, str]]:
    value = main.metrics[task.metric]
    interval = intervals.get(task.metric)
    detail = f"{len(main.examples):,} examples"
    if interval:
        detail = (
            f"95% interval {span(percent(interval[0]), percent(interval[1]))}, {detail}"
        )
    cards = [
        {
            "label": f"{LABELS[task.metric]}, {main.split}",
            "value": percent(value),
            "detail": detail,
        }
    ]
    if beaten and task.metric in beaten.metrics:
        least = beaten.metrics[task.metric]
        cards.append(
            {
                "label": "baseline",
                "value": percent(least),
                "detail": f"{beaten.rule}; {_verdict(value, least, interval)}",
            }
        )
    seconds = sum(facts.made.seconds.values())
    parts = ", ".join(
        f"{name} {value:,.0f} s" for name, value in facts.made.seconds.items()
    )
    cards.append(
        {"label": "time", "value": origin.duration(seconds), "detail": parts}
    )  # fmt: skip
    return cards


def _verdict(value, least, interval) -> str:
    if value <= least:
        return "not beaten"
    if interval and interval[0] <= least:
        return "beaten, but chance would do as well"
    return f"beaten by {100 * (value - least):.2f} points"


def _published(task, split, data_folder):
    """(a table or None, why there is none)."""
    found = published_results(task.name)
    if not found or task.data_folder:
        return None, ""
    paths = find_files(task, data_folder, split) or find_files(
        task, data_folder, "train"
    )
    if not are_published(task.name, paths):
        return None, (
            "Published figures are not shown: the files of this run are not known to "
            "be the published ones."
        )
    rows = [[model, value, SOURCES[model]] for model, value in found.items()]
    note = "What the authors report, in per cent, with their own settings."
    return PageTable("Published figures", note, ("model", "metric", "source"), rows), ""


# --- Slices, files, origin ---------------------------------------------------------


def _slice_table(judgement: Judgement, facts, main: Evaluated):
    ratio = judgement.ratio
    if ratio is None:
        return None
    slices = dict(judgement.slices)
    slices.update(data_facts.common_slices(facts.counts, facts.in_train, main.outputs))
    slices = {name: chosen for name, chosen in slices.items() if not chosen.all()}
    results = slice_results(ratio, slices)
    shown_as = percent if ratio.higher_is_better else "{:.3f}".format
    count = f"{len(main.examples):,}"
    rows = [["all examples", "", count, shown_as(ratio.value()), ""]]
    rows += [
        [
            each.name,
            "worse" if each.is_worse else "",
            f"{each.size:,}",
            shown_as(each.value),
            span(*map(shown_as, each.interval)),
        ]
        for each in results
    ]
    note = (
        "A slice is marked as worse where as many examples drawn at random would be so "
        "bad with a probability below 0.05 over all slices together; slices of fewer "
        "than 10 examples are not judged."
    )
    header = ("slice", "", "examples", judgement.ratio_name, "95% interval")
    marked = [number for number, each in enumerate(results, 1) if each.is_worse]
    title = f"{judgement.ratio_name} of parts of {main.split}"
    return PageTable(title[:1].upper() + title[1:], note, header, rows, marked)


def _table_file(task, main: Evaluated, judgement, facts) -> str:
    names = [name for name, _ in named_texts(task, main.examples[0])]
    texts = [[text for _, text in named_texts(task, each)] for each in main.examples]
    columns = [
        ("id", [each.example_id for each in main.examples]),
        *zip(names, map(list, zip(*texts))),
        *judgement.columns,
        *data_facts.columns(facts, main.outputs),
    ]
    lines = ["\t".join(name for name, _ in columns)]
    for row in zip(*(values for _, values in columns)):
        lines.append("\t".join(one_cell(str(cell)) for cell in row))
    return page.writable("\n".join(lines) + "\n")


def _files(main: Evaluated, history) -> List[Tuple[str, str]]:
    name = "test" if main.split == "test" else "eval"
    found = [
        (TABLE, f"all {len(main.examples):,} examples of {main.split}, a row each"),
        (INTERVALS, "the intervals of the metrics"),
        (f"{name}_results.json", "all metrics and settings"),
    ]
    return found + [("history.json", "the evaluations while training")] * bool(history)
