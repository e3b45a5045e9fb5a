"""The report of a benchmark as one HTML page that needs nothing but itself.

Its runs have pages of their own, to which it leads where they lie beside it.
"""

import base64
import re
from typing import Any, Callable, Dict, List, Optional, Sequence

from data.evaluation.published_results import SOURCES, published_results
from encoder_ko.benchmark import report
from encoder_ko.report import charts, origin
from encoder_ko.report import page as html_page
from encoder_ko.report.content import Chart, PageTable

_PUBLISHED = re.compile(r"([\d.]+)(?: \((\w+)\))?")  # "57.91 (test)": of that split


def page(benchmark: report.Benchmark, read_picture: Callable[[str], bytes]) -> str:
    """The whole page.

    Args:
      read_picture: the path of a Picture -> the bytes of its PNG, which become part of
        the page.
    """
    models = report.published_models(benchmark.tasks)
    drawn = {"overview": _overview(benchmark.tasks)}
    sections = []
    for number, result in enumerate(benchmark.tasks):
        drawn[f"task{number}"] = [
            charts.lines(title, curves, height=190)
            for title, curves in result.panels.items()
            if curves
        ]
        sections.append(_section(result, number, drawn, read_picture))
    content = {
        "title": benchmark.title,
        "kicker": "Fine-tuning benchmark",
        "parts": [
            ("Results", "results"),
            *[("Beside published metrics", "published")] * bool(models),
            *((section["name"], section["id"]) for section in sections),
            ("How it was made", "made"),
        ],
        "cards": _cards(benchmark.tasks),
        "results": _result_table(benchmark.tasks),
        "remarks": report.remarks(benchmark.tasks),
        "overview": drawn["overview"],
        "explanation": report.EXPLANATION,
        "published": _published_table(benchmark.tasks, models),
        "sources": [(model, SOURCES[model]) for model in models],
        "sections": sections,
        "facts": benchmark.facts,
        "command": origin.this_command(),
        "settings": [],
        "files": [("report.md", "the same as Markdown")],
    }
    return html_page.render(
        "benchmark.html", content, {"charts": html_page.chart_specs(**drawn)}
    )


def _cards(tasks: Sequence[report.TaskResult]) -> List[Dict[str, str]]:
    finished = [result for result in tasks if result.runs]
    verdicts = [report.beats_baseline(result) for result in finished]
    runs = [run for result in finished for run in result.runs]
    rows = [
        (
            "tasks with results",
            f"{len(finished)} of {len(tasks)}",
            f"{len(runs)} runs",
        ),
        (
            "above their baseline",
            f"{verdicts.count('yes')} of {len(finished)}",
            f"{verdicts.count('by chance')} more may be so by chance",
        ),
        (
            "time of the runs",
            origin.duration(sum(run.seconds for run in runs)),
            "training, evaluation and prediction",
        ),
    ]
    return [dict(zip(("label", "value", "detail"), row)) for row in rows]


def _result_table(tasks: Sequence[report.TaskResult]) -> PageTable:
    rows = [
        [
            result.name,
            report.metric_label(result),
            report.measured(result),
            report.interval_cell(result),
            report.baseline_metrics(result),
            report.verdict(result),
            ", ".join(str(run.seed) for run in result.runs),
            report.minutes(result),
        ]
        for result in tasks
    ]
    header = ("task", "metric", "result", "95% interval", "baseline", "beats it")
    return PageTable("", "", header + ("seeds", "minutes"), rows)


def _published_table(
    tasks: Sequence[report.TaskResult], models: Sequence[str]
) -> Optional[PageTable]:
    if not models:
        return None
    rows = [
        [result.name, report.measured(result)]
        + [published_results(result.task.name).get(model, "") for model in models]
        for result in tasks
    ]
    return PageTable("", "", ("task", "here", *models), rows)


def _section(result, number, drawn, read_picture) -> Dict[str, Any]:
    header, *rows = report.seed_rows(result)
    pages = [run.page for run in result.runs] + [""]
    return {
        "id": f"task-{number}",
        "name": result.task.name,
        "note": f"{report.data_cell(result)}. The baseline: {result.baseline.rule}.",
        "header": header,
        "rows": list(zip(rows, pages)),
        "charts": drawn[f"task{number}"],
        "chart_id": f"chart-task{number}-",
        "pictures": [
            {
                "caption": picture.caption,
                "data": base64.b64encode(read_picture(picture.path)).decode("ascii"),
            }
            for picture in result.pictures
            if not (picture.is_of_curves and result.panels)
        ],
        "command": result.command,
    }


def _overview(tasks: Sequence[report.TaskResult]) -> List[Chart]:
    """Every seed's metric on one scale, beside baseline and published metrics."""
    rows = []
    for result in tasks:
        if not result.runs:
            continue
        metric, name = result.task.metric, result.name
        place = list(result.shown).index(metric) if metric in result.shown else None
        found = [("this model, a seed", run.metrics[metric]) for run in result.runs]
        found.append(("baseline", result.baseline.metrics[metric]))
        rows += [{"t": name, "k": k, "v": round(100 * v, 2), "w": k} for k, v in found]
        if place is None or result.note:  # other data: nothing to compare with
            continue
        for model, cell in published_results(result.task.name).items():
            value, split = _PUBLISHED.fullmatch(cell.split(" / ")[place]).groups()
            if split in (None, result.split):
                row = {"t": name, "k": "published", "v": float(value), "w": model}
                rows.append(row)
    if not rows:
        return []
    kinds = ["this model, a seed", "baseline", "published"]
    order = list(dict.fromkeys(row["t"] for row in rows))
    spec = {
        "$schema": charts.SCHEMA,
        "height": 30 * len(order),
        "data": {"values": rows},
        "mark": {"type": "point", "filled": True, "size": 70, "opacity": 0.85},
        "encoding": {
            "y": {"field": "t", "type": "nominal", "title": None, "sort": order},
            "x": {
                "field": "v",
                "type": "quantitative",
                "title": "per cent",
                "scale": {"zero": False},
                "axis": {"tickCount": 10},
            },
            "color": {
                "field": "k",
                "type": "nominal",
                "title": None,
                "scale": {"domain": kinds},
                "legend": {"orient": "top"},
            },
            "shape": {
                "field": "k",
                "type": "nominal",
                "title": None,
                "scale": {"domain": kinds, "range": ["circle", "square", "diamond"]},
            },
            "tooltip": [
                {"field": "t", "title": "task"},
                {"field": "w", "title": "of"},
                {"field": "v", "title": "per cent"},
            ],
        },
    }
    note = "The metric that chooses the best checkpoint of each task."
    return [Chart("All tasks", note, spec)]
