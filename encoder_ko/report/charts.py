"""Charts as specifications of Vega-Lite 6; the page sets size, fonts and colours."""

from typing import Any, Dict, List, Sequence

from data.evaluation.plots import Curve
from encoder_ko.report.content import Chart

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MOST_POINTS = 400  # of a line


def lines(
    title: str, given: Sequence[Curve], note: str = "", height: int = 150
) -> Chart:
    """Lines over the steps of training; of many points an even choice and the last."""
    rows: List[Dict[str, Any]] = []
    for line in given:
        every = -(-len(line.steps) // _MOST_POINTS)
        places = list(range(len(line.steps)))
        for place in places[::every] + places[-1:] * bool((len(places) - 1) % every):
            value = float(f"{line.values[place]:.5g}")
            rows.append({"s": line.steps[place], "v": value, "n": line.name})
    layers: List[Dict[str, Any]] = [{"mark": {"type": "line", "clip": True}}]
    dotted = [line.name for line in given if line.marked or len(line.steps) == 1]
    if dotted:
        chosen = [{"filter": {"field": "n", "oneOf": dotted}}]
        mark = {"type": "point", "filled": True}
        layers.append({"mark": mark, "transform": chosen})
    encoding = {
        "x": {
            "field": "s",
            "type": "quantitative",
            "title": "step",
            "axis": _axis(rows, "s", ","),
        },
        "y": {
            "field": "v",
            "type": "quantitative",
            "title": None,
            "scale": {"zero": False},
            "axis": _axis(rows, "v", ".4~g"),
        },
        "color": {
            "field": "n",
            "type": "nominal",
            "sort": None,
            "scale": {"domain": [line.name for line in given]},
            "legend": {"orient": "top", "title": None, "columns": 2}
            if len(given) > 1
            else None,
        },
        "tooltip": [
            {"field": "n", "title": "line"},
            {"field": "s", "title": "step", "format": ","},
            {"field": "v", "title": title, "format": ".5~g"},
        ],
    }
    spec = {
        "$schema": SCHEMA,
        "height": height,
        "data": {"values": rows},
        "encoding": encoding,
        "layer": layers,
    }
    return Chart(title, note, spec)


def _axis(rows, field, number_format) -> Dict[str, Any]:
    """Round numbers, or the only value: next to it a round one would be wrong."""
    values = sorted({row[field] for row in rows})
    if len(values) == 1:
        return {"values": values, "format": number_format}
    return {"tickCount": 5}
