import warnings

import numpy as np
import pytest

from data.evaluation import plots
from data.evaluation.plots import write_confusion_matrix_png


def dark_blue_share(path):
    """The share of pixels in the colour of 100%; the colour bar has few of them."""
    from matplotlib import image

    pixels = image.imread(path)[..., :3]
    full = np.array([8, 48, 107]) / 255  # the dark end of matplotlib's "Blues"
    return np.mean(np.abs(pixels - full).max(axis=-1) < 0.02)


def test_the_colour_is_the_share_of_the_row_not_the_count(tmp_path):
    path = str(tmp_path / "matrix.png")
    write_confusion_matrix_png(path, [[1, 0], [0, 9000]], ("neg", "pos"), "NSMC")
    rare_class_is_right = dark_blue_share(path)
    write_confusion_matrix_png(path, [[0, 1], [0, 9000]], ("neg", "pos"), "NSMC")
    everything_is_pos = dark_blue_share(path)
    assert rare_class_is_right == pytest.approx(everything_is_pos, rel=0.1)
    assert rare_class_is_right > 0.15
    write_confusion_matrix_png(path, [[1, 1], [4500, 4500]], ("neg", "pos"), "NSMC")
    assert dark_blue_share(path) < 0.02


def test_a_class_without_examples_and_korean_names_draw_without_a_warning(tmp_path):
    path = tmp_path / "matrix.png"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_confusion_matrix_png(
            str(path), [[0, 0], [3, 5]], ("부정", "긍정"), "감성 분류"
        )
    assert path.read_bytes().startswith(b"\x89PNG")


def test_without_a_korean_font_names_are_numbered(monkeypatch):
    monkeypatch.setattr(plots, "_korean_font", lambda: None)
    drawable = plots._drawable(("부정", "neutral", "긍정"), "감성 분류")
    assert drawable == (
        "DejaVu Sans",
        ("class 0", "neutral", "class 2"),
        "Confusion matrix",
    )
    drawable = plots._drawable(("none", "hate"), "HATE")
    assert drawable == ("DejaVu Sans", ("none", "hate"), "HATE")


def test_with_a_korean_font_names_stay(monkeypatch):
    monkeypatch.setattr(plots, "_korean_font", lambda: "NanumGothic")
    drawable = plots._drawable(("부정", "긍정"), "감성 분류")
    assert drawable == ("NanumGothic", ("부정", "긍정"), "감성 분류")


def test_a_curve_has_the_same_colour_and_steps_in_every_panel(tmp_path, monkeypatch):
    from matplotlib.figure import Figure

    figures = []
    monkeypatch.setattr(
        Figure, "savefig", lambda figure, *a, **k: figures.append(figure)
    )
    training = plots.Curve("training", (10, 20, 30), (3.0, 2.0, 1.0))
    evaluation = plots.Curve("evaluation", (30,), (0.7,), marked=True)
    panels = {"loss": [training, evaluation], "empty": [], "auc": [evaluation]}
    plots.write_curves_png(str(tmp_path / "curves.png"), panels, "electra")
    loss, auc = figures[0].axes
    assert auc.lines[0].get_color() == loss.lines[1].get_color()
    assert auc.get_xlim() == loss.get_xlim()
    assert [text.get_text() for text in auc.get_legend().get_texts()] == ["evaluation"]
