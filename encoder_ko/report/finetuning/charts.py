"""Charts of the page as specifications of Vega-Lite 6.

The page sets size, fonts and colours by its theme.
"""

from typing import Any, Dict, List, Sequence

import numpy as np

from encoder_ko.report.content import Chart

_MOST_POINTS = 2000
_BARS = 30
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Of a history entry, in the order in which they are drawn.
_NOT_DRAWN = ("step", "seconds", "score", "num_examples", "note")


def curves(history: Sequence[Dict[str, Any]], metric: str) -> List[Chart]:
    """A chart for the task's metric and one for the loss, by the steps of training.

    The best step is that of the highest score, the first of several.
    """
    scored = [entry for entry in history if "score" in entry]
    if not scored:
        return []
    best = max(scored, key=lambda entry: entry["score"])["step"]
    charts = []
    for name in (metric, "loss"):
        rows = [
            {"step": entry["step"], "value": entry[name]}
            for entry in scored
            if isinstance(entry.get(name), float)
        ]
        if rows:
            title = f"{name.replace('_', ' ')} on dev"
            late = best >= (rows[0]["step"] + rows[-1]["step"]) / 2
            charts.append(Chart(title, "", _curve(rows, name, best, late)))
    return charts


def _curve(rows, name, best, late) -> Dict[str, Any]:
    steps = {"field": "step", "type": "quantitative", "title": "step"}
    return {
        "$schema": _SCHEMA,
        "height": 200,
        "data": {"values": rows},
        "layer": [
            {
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "transform": [{"filter": f"datum.step == {best}"}],
                "encoding": {"x": steps},
            },
            {
                "mark": {
                    "type": "text",
                    "align": "right" if late else "left",
                    "dx": -5 if late else 5,
                    "baseline": "top",
                },
                "transform": [{"filter": f"datum.step == {best}"}],
                "encoding": {
                    "x": steps,
                    "y": {"value": 2},
                    "text": {"value": f"best: step {best:,}"},
                },
            },
            {
                "mark": {"type": "line", "point": True, "tooltip": True},
                "encoding": {
                    "x": steps,
                    "y": {
                        "field": "value",
                        "type": "quantitative",
                        "title": name.replace("_", " "),
                        "scale": {"zero": False},
                    },
                },
            },
        ],
    }


def scatter(scores: Sequence[float], predictions: Sequence[float]) -> Chart:
    """Predicted over true scores; of more than 2,000 an even choice."""
    step = -(-len(scores) // _MOST_POINTS)
    rows = [
        {"true": round(float(score), 4), "predicted": round(float(found), 4)}
        for score, found in zip(scores[::step], predictions[::step])
    ]
    low = float(min(np.min(scores), np.min(predictions)))
    high = float(max(np.max(scores), np.max(predictions)))
    ends = [{"true": low, "predicted": low}, {"true": high, "predicted": high}]
    axes = {
        axis: {
            "field": name,
            "type": "quantitative",
            "title": f"{name} score",
            "scale": {"domain": [low, high], "nice": True},
        }
        for axis, name in (("x", "true"), ("y", "predicted"))
    }
    note = f"One in {step} examples is drawn." if step > 1 else ""
    spec = {
        "$schema": _SCHEMA,
        "height": 360,
        "layer": [
            {
                "data": {"values": ends},
                "mark": {"type": "line", "strokeDash": [4, 3], "color": "#888888"},
                "encoding": axes,
            },
            {
                "data": {"values": rows},
                "mark": {"type": "point", "filled": True, "opacity": 0.45, "size": 26},
                "encoding": axes,
            },
        ],
    }
    return Chart("predicted over true scores", note, spec)


def lengths(tokens: np.ndarray, room: int, unit: str) -> Chart:
    """How many examples have how many tokens, and where the model's input ends."""
    width = max(1, -(-int(tokens.max()) // _BARS))
    counts = np.bincount(tokens // width)
    rows = [
        {"from": index * width, "to": (index + 1) * width, "examples": int(count)}
        for index, count in enumerate(counts)
    ]
    layers = [
        {
            "mark": {"type": "bar", "tooltip": True, "binSpacing": 1},
            "encoding": {
                "x": {
                    "field": "from",
                    "type": "quantitative",
                    "title": "tokens",
                    "bin": {"binned": True, "step": width},
                    "axis": {"format": ",d", "tickMinStep": 1},
                },
                "x2": {"field": "to"},
                "y": {"field": "examples", "type": "quantitative", "title": unit},
            },
        }
    ]
    if room < tokens.max():
        layers.append(
            {
                "data": {"values": [{"room": room}]},
                "mark": {"type": "rule", "strokeDash": [4, 3]},
                "encoding": {"x": {"field": "room", "type": "quantitative"}},
            }
        )
    spec = {
        "$schema": _SCHEMA,
        "height": 180,
        "data": {"values": rows},
        "layer": layers,
    }
    note = f"The dashed line is the room of an input, {room:,} tokens."
    return Chart("tokens per example", note if len(layers) > 1 else "", spec)
