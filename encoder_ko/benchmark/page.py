"""The report of a benchmark as one HTML page that needs nothing but itself."""

import base64
import html
from typing import Callable, List, Sequence

from data.evaluation.published_results import SOURCES, published_results
from encoder_ko.benchmark.report import (
    EXPLANATION,
    NOT_YET,
    Benchmark,
    Picture,
    TaskResult,
    baseline_cell,
    beats_baseline,
    data_cell,
    measured,
    metric_label,
    minutes,
    published_models,
    seed_rows,
    verdict,
)

_STYLE = """
:root { --ink: #1d2530; --soft: #5b6675; --line: #dde2e8; --band: #f5f7f9;
  --accent: #0a5fa5; --good: #0b6b4a; --bad: #b3261e; --mark: #8a5a00; }
* { box-sizing: border-box; }
body { margin: 0; color: var(--ink); background: #fff; line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", "Noto Sans KR",
  "Noto Sans CJK KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.2rem 1.4rem 4rem; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .7rem; padding-top: .4rem; }
p, li { max-width: 75ch; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem;
  margin: 0; font-size: .92rem; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem;
  font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: .82rem;
  border-bottom: 2px solid var(--line); vertical-align: bottom; }
th, td { padding: .5rem .6rem; }
td { border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:hover { background: var(--band); }
.number { text-align: right; } td.number { white-space: nowrap; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
.task { font-weight: 600; }
.result { font-weight: 700; }
.small { display: block; color: var(--soft); font-size: .8rem; font-weight: 400; }
.good { color: var(--good); } .bad { color: var(--bad); }
.mark { color: var(--mark); font-size: .88rem; }
.note { color: var(--soft); font-size: .88rem; }
.narrow { width: auto; min-width: 26rem; }
.pictures { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start;
  margin: 1.1rem 0; }
figure { margin: 0; border: 1px solid var(--line); border-radius: 6px; padding: .6rem;
  flex: 0 1 auto; max-width: min(100%, 34.8rem); }
figure img { display: block; max-width: 100%; height: auto; max-height: 24rem; }
figcaption { color: var(--soft); font-size: .82rem; margin-top: .4rem; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px;
  padding: .8rem 1rem; font-size: .82rem; white-space: pre-wrap;
  overflow-wrap: anywhere; }
@media print { main { max-width: none; padding: 0; } h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; } }
"""


def page(benchmark: Benchmark, read_picture: Callable[[str], bytes]) -> str:
    """The whole page.

    Args:
      read_picture: the path of a Picture -> the bytes of its PNG, which become part of
        the page.
    """
    title = html.escape(benchmark.title)
    body = [f"<h1>{title}</h1>", _facts(benchmark), _results(benchmark.tasks)]
    body += [_published(benchmark.tasks)]
    body += [f'<p class="note">{html.escape(EXPLANATION)}</p>']
    body += [_section(result, read_picture) for result in benchmark.tasks]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + "\n</main>\n</body>\n</html>\n"
    )


def _facts(benchmark: Benchmark) -> str:
    rows = [
        f"<dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        for name, value in benchmark.facts
    ]
    return f'<dl class="facts">{"".join(rows)}</dl>'


def _results(tasks: Sequence[TaskResult]) -> str:
    header = [
        "<th>task</th>",
        "<th>metric, examples</th>",
        '<th class="number">result</th>',
        '<th class="number">baseline</th>',
        '<th class="number">beats it</th>',
        "<th>examples</th>",
        '<th class="number">minutes</th>',
    ]
    rows = [_result_row(result) for result in tasks]
    remarks = [
        f'<p class="mark">{html.escape(each.name)} {html.escape(each.note)}</p>'
        for each in tasks
        if each.note
    ]
    remarks += [
        f'<p class="bad">{html.escape(each.task.name)}: {html.escape(each.problem)}</p>'
        for each in tasks
        if each.problem
    ]
    return f"<h2>Results</h2>{_table(header, rows)}{''.join(remarks)}"


def _result_row(result: TaskResult) -> List[str]:
    colour = {"yes": " good", "no": " bad"}.get(beats_baseline(result), "")
    figures, _, rule = baseline_cell(result).partition(" (")
    seeds = f"{len(result.runs)} seeds" if len(result.runs) > 1 else ""
    return [
        f'<td class="task"><a href="#{_anchor(result)}">{html.escape(result.name)}</a>'
        "</td>",
        f"<td>{html.escape(metric_label(result))}</td>",
        f'<td class="number result">{html.escape(measured(result))}'
        f'<span class="small">{seeds}</span></td>',
        f'<td class="number">{html.escape(figures)}'
        f'<span class="small">{html.escape(rule[:-1])}</span></td>',
        f'<td class="number{colour}">{html.escape(verdict(result))}</td>',
        f"<td>{html.escape(data_cell(result))}</td>",
        f'<td class="number">{html.escape(minutes(result))}</td>',
    ]


def _published(tasks: Sequence[TaskResult]) -> str:
    models = published_models(tasks)
    if not models:
        return ""
    header = ["<th>task</th>", '<th class="number">here</th>'] + [
        f'<th class="number"><a href="{SOURCES[model]}">{html.escape(model)}</a></th>'
        for model in models
    ]
    rows = []
    for result in tasks:
        found = published_results(result.task.name)
        here = measured(result) if result.runs else NOT_YET
        rows.append(
            [
                f'<td class="task">{html.escape(result.name)}</td>',
                f'<td class="number result">{html.escape(here)}</td>',
            ]
            + [
                f'<td class="number">{html.escape(found.get(model, ""))}</td>'
                for model in models
            ]
        )
    return f"<h2>Beside published figures</h2>{_table(header, rows)}"


def _section(result: TaskResult, read_picture: Callable[[str], bytes]) -> str:
    rows = seed_rows(result)
    header = ["<th>seed</th>"]
    header += [f'<th class="number">{html.escape(cell)}</th>' for cell in rows[0][1:]]
    body = [
        [f"<td>{html.escape(row[0])}</td>"]
        + [f'<td class="number">{html.escape(cell)}</td>' for cell in row[1:]]
        for row in rows[1:]
    ]
    pictures = "".join(_figure(each, read_picture) for each in result.pictures)
    return (
        f'<h2 id="{_anchor(result)}">{html.escape(result.task.name)}</h2>'
        f"{_table(header, body, 'narrow')}"
        f'<div class="pictures">{pictures}</div>'
        f"<pre>{html.escape(result.command)}</pre>"
    )


def _figure(picture: Picture, read_picture: Callable[[str], bytes]) -> str:
    data = base64.b64encode(read_picture(picture.path)).decode("ascii")
    caption = html.escape(picture.caption)
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], style: str = ""
) -> str:
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table class="{style}">\n<thead><tr>{"".join(header)}'
        f"</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def _anchor(result: TaskResult) -> str:
    return html.escape("task-" + "-".join(result.task.name.lower().split()), True)
