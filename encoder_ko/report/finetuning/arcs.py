"""Dependency trees as arcs above and below a line of words: where what is drawn.

The page's script makes an SVG of it, with texts as text nodes.
"""

import unicodedata
from typing import Any, Dict, List, NamedTuple, Sequence

# Pixels; a wide character takes _WIDE, any other _NARROW.
_WIDE, _NARROW, _GAP, _LABEL = 15, 8.5, 22, 6.6
_LEVEL, _MARGIN = 24, 10
_LINE = 26  # height of the words


class Arc(NamedTuple):
    """From a head to a word, both from 1; 0 = the root. style: of the page."""

    word: int
    head: int
    relation: str
    style: str


def drawn(
    words: Sequence[str], above: Sequence[Arc], below: Sequence[Arc]
) -> Dict[str, Any]:
    """Width and height, words with their places, arcs with paths and labels.

    The words are in a line, arcs from the head with an end at the word. No two are at
    one height over the same words.
    """
    labels: Dict[int, float] = {}
    for arc in (*above, *below):
        width = _LABEL * len(arc.relation)
        labels[arc.word] = max(labels.get(arc.word, 0.0), width)
    places, edges, x = [], [], float(_MARGIN)
    for number, word in enumerate(words, 1):
        width = max(_width(word), labels.get(number, 0.0))
        places.append(x + width / 2)
        x += width + _GAP
        edges.append(x)
    top, bottom = (
        max([_levels(arcs)[arc] for arc in arcs], default=0) * _LEVEL
        for arcs in (above, below)
    )
    base = top + 2 * _MARGIN + 8
    floor = base + _LINE
    height = floor + (bottom + 2 * _MARGIN + 8 if below else 2)
    return {
        "width": round(x),
        "height": round(height),
        "words": [
            [word, round(place), round(base + 18)] for word, place in zip(words, places)
        ],
        "arcs": _paths(above, places, base, -1) + _paths(below, places, floor, 1),
    }


def _width(word: str) -> float:
    return sum(
        _WIDE if unicodedata.east_asian_width(each) in "WF" else _NARROW
        for each in word
    )


def _levels(arcs: Sequence[Arc]) -> Dict[Arc, int]:
    """1 for an arc over no part of a shorter one, else one more than the highest."""
    levels: Dict[Arc, int] = {}
    ends = {arc: sorted((arc.word, arc.head or arc.word)) for arc in arcs}
    for arc in sorted(arcs, key=lambda each: ends[each][1] - ends[each][0]):
        first, last = ends[arc]
        under = [
            levels[other]
            for other in levels
            if ends[other][0] < last and first < ends[other][1]
        ]
        levels[arc] = 1 + max(under, default=0)
    return levels


def _paths(arcs, places, base, direction) -> List[Dict[str, Any]]:
    """direction: -1 = upwards, 1 = downwards."""
    levels, found = _levels(arcs), []
    for arc in arcs:
        end = places[arc.word - 1]
        reach = base + direction * _LEVEL * levels[arc]
        path = f"M{end:.0f} {reach:.0f}V{base:.0f}"
        middle = end
        if arc.head:
            # Beside the arrows that end at the head.
            start = places[arc.head - 1] + (5 if arc.word > arc.head else -5)
            path = f"M{start:.0f} {base:.0f}V{reach:.0f}H{end:.0f}V{base:.0f}"
            middle = (start + end) / 2
        label = reach - 4 if direction < 0 else reach + 12
        found.append(
            {
                "path": path,
                "label": arc.relation,
                "x": round(middle),
                "y": round(label),
                "tip": [round(end), round(base), direction],
                "style": arc.style,
            }
        )
    return found
