"""Pictures of results, drawn without a display and without pyplot's global state.

matplotlib is imported inside the functions: training must not wait for it.
"""

import itertools
from typing import Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..io.files import new_file

_KOREAN_FONTS = (
    "Noto Sans CJK KR",
    "Noto Sans KR",
    "NanumGothic",
    "NanumBarunGothic",
    "Malgun Gothic",
    "Apple SD Gothic Neo",
    "AppleGothic",
    "UnDotum",
    "Baekmuk Dotum",
)
_LATIN_FONT = "DejaVu Sans"  # comes with matplotlib
_DARK, _PALE = "#1a1a1a", "#ffffff"
# Okabe and Ito's colours, which differ for any colour vision, and line styles for grey.
_STYLES = tuple(
    {"color": color, "linestyle": line}
    for line, colors in (
        ("-", ("#0072b2", "#d55e00", "#009e73", "#cc79a7")),
        ("--", ("#56b4e9", "#e69f00", "#555555", "#999933")),
    )
    for color in colors
)
_MOST_WITH_NUMBERS = 12  # classes; above, a cell is too small for two lines of text


def write_confusion_matrix_png(
    path: str, matrix: Sequence[Sequence[int]], label_names: Sequence[str], title: str
) -> None:
    """Draws counts and row percentages: how each true class was predicted.

    The colour (one hue, light to dark, so that it reads in grey and with any colour
    vision) is the share of the row, so rare classes are as visible as frequent ones.
    Where no installed font has Hangul, Korean names become "class 0", "class 1".

    Args:
      path: the PNG to write; an existing one is replaced.
      matrix: counts [C, C], rows true and columns predicted classes.
      label_names: C names.
      title: one line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = np.asarray(matrix, np.int64)
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support, 1)[:, np.newaxis]
    font, names, title = _drawable(label_names, title)
    side = 1.15 * min(len(names), _MOST_WITH_NUMBERS) + 1.2
    figure = Figure(figsize=(side + 2.0, side + 0.8), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    if len(names) <= _MOST_WITH_NUMBERS:
        _write_cells(axes, counts, shares, font)
    _label_axes(axes, names, support, font)
    axes.set_title(title, fontfamily=font, fontsize=12, pad=12)
    bar = figure.colorbar(image, ax=axes, fraction=0.046, pad=0.04)
    bar.set_ticks([0.0, 0.25, 0.5, 0.75, 1.0])
    bar.set_ticklabels(["0%", "25%", "50%", "75%", "100%"])
    bar.set_label("share of the true class", fontsize=10)
    bar.outline.set_visible(False)
    _save(figure, path, bbox_inches="tight")


def _save(figure, path: str, **options) -> None:
    with new_file(path, overwrite=True) as stream:
        figure.savefig(stream, format="png", facecolor="white", **options)


def _write_cells(axes, counts: np.ndarray, shares: np.ndarray, font: str) -> None:
    for row, column in np.ndindex(*counts.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{counts[row, column]:,}\n{100 * share:.1f}%",
            ha="center",
            va="center",
            color=_PALE if share > 0.62 else _DARK,
            fontfamily=font,
            fontsize=11,
            fontweight="bold" if row == column else "normal",
            linespacing=1.4,
        )


def _label_axes(axes, names: Sequence[str], support: np.ndarray, font: str) -> None:
    ticks = np.arange(len(names))
    crowded = len(names) > 4 or max(len(name) for name in names) > 10
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.set_xticklabels(
        names,
        fontfamily=font,
        rotation=40 if crowded else 0,
        ha="right" if crowded else "center",
    )
    rows = [f"{name}\n(n = {size:,})" for name, size in zip(names, support)]
    axes.set_yticklabels(rows, fontfamily=font)
    axes.set_xlabel("predicted class", fontsize=10, labelpad=8)
    axes.set_ylabel("true class", fontsize=10, labelpad=8)
    axes.set_xticks(ticks[:-1] + 0.5, minor=True)
    axes.set_yticks(ticks[:-1] + 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _drawable(
    label_names: Sequence[str], title: str
) -> Tuple[str, Tuple[str, ...], str]:
    """A font family, and the names and title with what it cannot draw replaced."""
    texts = tuple(label_names) + (title,)
    if _has_glyphs(_LATIN_FONT, texts):
        return _LATIN_FONT, tuple(label_names), title
    font = _korean_font()
    if font is not None:
        return font, tuple(label_names), title
    names = tuple(
        name if _has_glyphs(_LATIN_FONT, (name,)) else f"class {index}"
        for index, name in enumerate(label_names)
    )
    shown = title if _has_glyphs(_LATIN_FONT, (title,)) else "Confusion matrix"
    return _LATIN_FONT, names, shown


def _korean_font() -> Optional[str]:
    from matplotlib import font_manager

    installed = {entry.name for entry in font_manager.fontManager.ttflist}
    return next((name for name in _KOREAN_FONTS if name in installed), None)


def _has_glyphs(font: str, texts: Sequence[str]) -> bool:
    from matplotlib import font_manager, ft2font

    path = font_manager.findfont(font_manager.FontProperties(family=font))
    glyphs = ft2font.FT2Font(path).get_charmap()
    return all(ord(character) in glyphs for text in texts for character in text)


class Curve(NamedTuple):
    """Values over training steps; `marked` ones are few, as evaluations are.

    A single value is drawn as a mark, since it is no line.
    """

    name: str
    steps: Sequence[int]
    values: Sequence[float]
    marked: bool = False


def write_curves_png(path: str, panels: Dict[str, Sequence[Curve]], title: str) -> None:
    """Draws curves over the steps of a run; more than three panels in two columns.

    All panels show the same steps, and a name has the same colour in all of them.

    Args:
      path: the PNG to write; an existing one is replaced.
      panels: name of the vertical axis -> its curves; panels without any are left out.
      title: one line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = {name: curves for name, curves in panels.items() if curves}
    columns = 1 if len(panels) <= 3 else 2
    rows = max(-(-len(panels) // columns), 1)
    size = (8.0 if columns == 1 else 11.0, 2.5 * rows + 0.5)
    figure = Figure(figsize=size, dpi=120, constrained_layout=True)
    FigureCanvasAgg(figure)
    names = dict.fromkeys(curve.name for curves in panels.values() for curve in curves)
    styles = dict(zip(names, itertools.cycle(_STYLES)))
    axes = None
    for number, (name, curves) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, columns, number, sharex=axes)
        for curve in curves:
            axes.plot(
                curve.steps,
                curve.values,
                label=curve.name,
                marker="o" if curve.marked or len(curve.steps) == 1 else None,
                markersize=4,
                linewidth=1.4,
                **styles[curve.name],
            )
        axes.set_ylabel(name)
        axes.grid(color="#dddddd", linewidth=0.6)
        axes.legend(fontsize=8)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        if number > len(panels) - columns:
            axes.set_xlabel("step")
    figure.suptitle(title, fontfamily=_LATIN_FONT, fontsize=12)
    _save(figure, path)


def write_scatter_png(
    path: str, scores: Sequence[float], predictions: Sequence[float], title: str
) -> None:
    """Draws predicted over true scores, and the line where both are equal.

    Args:
      path: the PNG to write; an existing one is replaced.
      scores: the true scores. predictions: as many, in the same unit.
      title: one line above the picture.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 5.6), dpi=120)
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(1, 1, 1)
    axes.scatter(scores, predictions, s=14, alpha=0.4, color="#0072b2", linewidths=0)
    ends = [min(np.min(scores), np.min(predictions))]
    ends.append(max(np.max(scores), np.max(predictions)))
    axes.plot(ends, ends, color="#555555", linewidth=1.0, linestyle="--")
    axes.set_xlabel("true score", fontsize=10)
    axes.set_ylabel("predicted score", fontsize=10)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    font, _, title = _drawable((), title)
    axes.set_title(title, fontfamily=font, fontsize=12, pad=12)
    _save(figure, path, bbox_inches="tight")
