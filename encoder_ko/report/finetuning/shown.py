"""Which examples become part of the page: a limited number, the most telling first."""

from typing import Any, Dict, List, Tuple

from encoder_ko.report import page
from encoder_ko.report.content import (
    Evaluated,
    Group,
    Judgement,
    Matrix,
    count_and_share,
)

MOST_OF_A_GROUP = 100
MOST_BYTES = 2_500_000
_MOST_GROUPS = 300
_MOST_CLASSES = 40  # of a matrix; more are listed by their groups alone
_STRONG = 0.6  # share of a row from which the cell is dark
_LEGENDS = (
    ("unk", "unknown to the vocabulary ([UNK])"),
    ("cut", "cut off: the model did not see it"),
    ("right", "right"),
    ("missed", "missed"),
    ("spurious", "spurious"),
    ("type", "wrong type"),
    ("border", "wrong border"),
    ("wrong-head", "wrong head"),
    ("wrong-relation", "right head, wrong relation"),
    ("true", "true answer"),
    ("predicted", "predicted answer"),
    ("predicted true", "both"),
)


def examples(
    judgement: Judgement, evaluated: Evaluated, table_file: str
) -> Tuple[Dict[str, Any], List[Any], Dict[str, Any]]:
    """(what the template asks for, items, groups by key) of the page's script."""
    groups = list(judgement.groups)[:_MOST_GROUPS]
    items, shown_of = _items(judgement, groups)
    by_key = {
        group.key: {"shown": shown_of[group.key], "note": _note(group, shown_of)}
        for group in groups
    }
    count = sum(len(numbers) for numbers in shown_of.values())
    total = sum(len(group.members) for group in judgement.groups)
    left_out = "The most telling come first."
    if count < total:
        left_out += (
            f" {count:,} of {total:,} are part of this page, at most "
            f"{MOST_OF_A_GROUP} of each kind; all examples are in {table_file}."
        )
    content = {
        "examples_title": "Right and wrong",
        "shown_charts": judgement.charts,
        "type_tables": judgement.tables,
        "matrix": _matrix(judgement.matrix, {group.key for group in groups}),
        "groups": [
            {"key": g.key, "title": g.title, "total": f"{len(g.members):,}"}
            for g in groups
        ],
        "left_out": left_out,
        "legend": _legend(items),
        "has_arcs": any("arcs" in item for item in items),
    }
    return content, items, by_key


def _note(group: Group, shown_of) -> str:
    shown, total = len(shown_of[group.key]), len(group.members)
    count = f"{total:,}" if shown == total else f"{shown:,} of {total:,}"
    return f"{count}, {group.order}"


def _items(judgement: Judgement, groups: List[Group]):
    """Items in turn from all groups, until there are enough bytes of them."""
    items = []  # type: List[Any]
    shown_of = {group.key: [] for group in groups}  # type: Dict[str, List[int]]
    left = MOST_BYTES
    for place in range(MOST_OF_A_GROUP):
        for group in groups:
            if place >= len(group.members) or judgement.item is None:
                continue
            item = judgement.item(group.members[place])
            left -= len(page.writable(page.script_json(item)).encode("utf-8"))
            if left < 0:
                return items, shown_of
            shown_of[group.key].append(len(items))
            items.append(item)
    return items, shown_of


def _matrix(matrix: Matrix, keys) -> Any:
    if matrix is None or len(matrix.names) > _MOST_CLASSES:
        return None
    rows = []
    for true, (name, counts) in enumerate(zip(matrix.names, matrix.counts)):
        total = sum(counts)
        cells = []
        for found, count in enumerate(counts):
            key = f"{true}-{found}"
            share = count / total if total else 0.0
            cells.append(
                {
                    "key": key if key in keys else "",
                    "count": f"{count:,}",
                    "percent": f"{100 * share:.1f}%",
                    "share": f"{share:.4f}",
                    "style": " ".join(
                        ["strong"] * (share >= _STRONG) + ["hit"] * (true == found)
                    ),
                    "label": f"true {name}, predicted {matrix.names[found]}: "
                    f"{count_and_share(count, total)}",
                }
            )
        rows.append({"name": name, "total": f"{total:,}", "cells": cells})
    return {"names": matrix.names, "rows": rows}


def _legend(items: List[Any]) -> List[Tuple[str, str]]:
    used = {
        segment[1]
        for item in items
        for text in item["texts"]
        for segment in text["segments"]
    }
    words = {style for styles in used for style in styles.split()}
    return [
        (style, label)
        for style, label in _LEGENDS
        if style in used or (" " not in style and style in words)
    ]
