"""The page of a classification run, from made-up outputs."""

import os
from unittest import mock

import pytest

from data.tasks.classification import Example
from data.tasks.regression import ScoredPair
from encoder_ko.finetuning import results
from encoder_ko.report import origin, page
from encoder_ko.report.finetuning import run_page, shown, texts
from encoder_ko.training.run_folder import RunFolder
from tests.support import made_up_runs as made_up
from tests.support.made_up_runs import Page

HOSTILE = "</script><script>alert(1)</script> <b>&amp; 그냥"
LONG = "정말 재미있는 영화 " * 8


@pytest.fixture(scope="module")
def task_type():
    return made_up.task_type_of("NSMC")


def examples():
    rows = ((HOSTILE, 0), ("뷁뷁 최고", 1), (LONG, 0), ("최고", 1), ("별로", 0))
    return [Example(f"e{n}", text, None, label) for n, (text, label) in enumerate(rows)]


PROBABILITIES = [[0.1, 0.9], [0.3, 0.7], [0.35, 0.65], [0.6, 0.4], [0.8, 0.2]]
TRAIN = [
    Example("t0", "최고", None, 0),  # test says 1
    Example("t1", "별로", None, 0),
    Example("t2", "그저 그래", None, 0),
]


@pytest.fixture()
def written(task_type, tmp_path):
    """(folder, text, Page)."""
    outputs = made_up.outputs_of(task_type, examples(), PROBABILITIES)
    text = made_up.write(tmp_path, task_type, examples(), outputs, TRAIN)
    return tmp_path, text, Page(text)


def test_result_stands_beside_the_baseline(written):
    found = written[2]
    # 2 of 5 are right: Wilson's interval is 11.76 to 76.93.
    assert found.row("this run, test")[1:3] == ["5", "40.00 (11.76–76.93)"]
    assert found.row("baseline, test: always “negative”")[1:3] == ["5", "60.00"]
    assert "not beaten" in found.text
    assert "12345" in found.text and "2.15.1" in found.text


def test_a_later_evaluation_keeps_the_result_of_the_other_split(task_type, tmp_path):
    rows, folder = examples(), RunFolder(str(tmp_path))
    outputs = made_up.outputs_of(task_type, rows, PROBABILITIES)
    found = dict(global_step=3, checkpoint="r/best/model.ckpt-3")
    metrics = task_type.metrics(rows, outputs)
    results.write_evaluation(folder, "test", task_type, metrics, **found)
    made_up.write(tmp_path, task_type, rows, outputs)
    of_test = folder.read_json("intervals.json")
    assert set(of_test) == {"test"}

    def page_of_dev(checkpoint):
        dev = made_up.outputs_of(task_type, rows[1:], PROBABILITIES[1:])
        changes = dict(split="dev", checkpoint=checkpoint)
        text = made_up.write(tmp_path, task_type, rows[1:], dev, **changes)
        intervals = folder.read_json("intervals.json")
        assert set(intervals) == {"dev", "test"}
        assert intervals["test"] == of_test["test"]
        return Page(text)

    page_now = page_of_dev("moved/best/model.ckpt-3")
    assert page_now.row("this run, test")[1:3] == ["5", "40.00 (11.76–76.93)"]
    # 2 of 4 are right: Wilson's interval is 15.00 to 85.00.
    assert page_now.row("this run, dev")[1:3] == ["4", "50.00 (15.00–85.00)"]
    assert "this run, test" not in page_of_dev("r/best/model.ckpt-7").text


def test_confusion_matrix_leads_to_texts_most_confident_errors_first(written):
    found = written[2]
    assert [cell.strip() for cell in found.row("negative n = 3")[1:]] == [
        "133.3%",
        "266.7%",
    ]
    buttons = [a["data-group"] for _, a in found.tags if "data-group" in a]
    assert buttons == ["0-0", "0-1", "1-0", "1-1"]
    assert [item["id"] for item in found.items("0-1")] == ["e0", "e2"]
    assert found.items("0-1")[0]["facts"] == [
        ["predicted", "positive", "90.0%"],
        ["true", "negative", "10.0%"],
    ]
    # Right answers: the least sure first.
    assert [item["id"] for item in found.items("1-1")] == ["e1"]


def test_tokens_show_what_is_unknown_and_what_is_cut(written, task_type):
    found = written[2]
    (shown_text,) = found.items("1-1")[0]["texts"]
    assert found.data["unk"] == "[UNK]" and "[UNK]" in shown_text["tokens"]
    assert ["뷁뷁", "unk"] in shown_text["segments"]
    (long_text,) = found.items("0-1")[1]["texts"]
    assert long_text["kept"] == 14 < len(long_text["tokens"])
    assert "cut" in long_text["segments"][-1][1]
    assert "".join(s[0] for s in long_text["segments"]) == LONG


def test_texts_cannot_break_the_page(written):
    _, text, found = written
    assert found.items("0-1")[0]["texts"][0]["segments"][0][0].startswith("</script>")
    assert text.count("</script>") == 3  # data, vega, page
    assert "<script>alert" not in text
    for style in ("src", "href"):
        links = [a[style] for _, a in found.tags if style in a]
        assert not [each for each in links if "//" in each]  # nothing is asked for
    (policy,) = [a["content"] for t, a in found.tags if "http-equiv" in a]
    assert policy.startswith("default-src 'none'")


def test_lone_surrogates_and_names_with_tags_are_written(task_type, tmp_path):
    rows = [Example("<i>", "끝\ud800", None, 1), Example("b", "\u2028 최고", None, 0)]
    outputs = made_up.outputs_of(task_type, rows, [[0.2, 0.8], [0.2, 0.8]])
    text = made_up.write(tmp_path, task_type, rows, outputs)
    assert "\u2028" not in text and "<i>" not in text
    assert "끝\ufffd" in "".join(
        s[0] for s in Page(text).items("1-1")[0]["texts"][0]["segments"]
    )


def test_facts_of_the_data(written):
    found = written[2]
    assert found.row("train")[1] == "3"
    # Two texts of test are in train, one of them with the other label.
    assert "2 (40.0%) of the examples" in found.text
    assert "1 of them have another label in train" in found.text
    assert found.row("e3")[1:] == ["최고", "positive", "negative"]
    assert "뷁뷁" in [cell for row in found.rows for cell in row]
    cut = found.row("test")[-1]
    assert cut == "2 (40.0%)"


def test_curves_mark_the_best_step(written):
    spec = written[2].data["charts"]["chart-curves-0"]
    assert spec["layer"][0]["transform"] == [{"filter": "datum.step == 20"}]
    assert [row["value"] for row in spec["data"]["values"]] == [0.5, 0.8, 0.7]


def test_table_has_a_row_for_every_example(written):
    lines = (written[0] / "report.tsv").read_text(encoding="utf-8").split("\n")
    names = lines[0].split("\t")
    assert names == [
        *("id", "text", "true", "predicted", "probability", "right"),
        *("tokens", "unknown", "in_train", "is_cut"),
    ]
    assert len(lines) == 7 and lines[-1] == ""
    row = dict(zip(names, lines[4].split("\t")))
    assert row["id"] == "e3" and row["in_train"] == "true" and row["right"] == "false"


def test_published_figures_stand_by_the_published_data_alone(task_type, tmp_path):
    rows = examples()
    outputs = made_up.outputs_of(task_type, rows, PROBABILITIES)
    found = Page(made_up.write(tmp_path, task_type, rows, outputs))
    assert "Published figures are not shown" in found.text
    with mock.patch.object(run_page, "are_published", return_value=True):
        found = Page(made_up.write(tmp_path, task_type, rows, outputs))
    assert "Published figures are not shown" not in found.text
    assert found.row("KR-ELECTRA")[1] == "91.168"


def test_what_is_left_out_is_said(task_type, tmp_path):
    rows = [Example(str(n), f"별로 {n}", None, n % 2) for n in range(500)]
    outputs = made_up.outputs_of(task_type, rows, [[0.4, 0.6]] * 500)
    found = Page(made_up.write(tmp_path, task_type, rows, outputs))
    assert found.data["groups"]["0-1"]["note"] == "100 of 250, the surest first"
    assert "200 of 500 are part of this page" in found.text
    with mock.patch.object(shown, "MOST_BYTES", 5000):
        found = Page(made_up.write(tmp_path, task_type, rows, outputs))
    sizes = [len(found.data["groups"][key]["shown"]) for key in ("0-1", "1-1")]
    assert 0 < sizes[1] <= sizes[0] <= sizes[1] + 1 < 100


@pytest.mark.slow
def test_50_000_rows_stay_below_5_megabytes(task_type, tmp_path):
    rows = [Example(str(n), "가나다라 " * 400, None, n % 2) for n in range(400)]
    rows += [Example(str(n), "최고", None, n % 2) for n in range(400)] * 124
    outputs = {
        "probabilities": made_up.np.array([[0.4, 0.6]] * 50000, "f"),
        "is_cut": made_up.np.ones(50000, bool),
        "per_example_loss": made_up.np.ones(50000),
    }
    text = made_up.write(tmp_path, task_type, rows, outputs)
    assert len(text.encode("utf-8")) < 5e6
    assert "more characters" in text


def test_a_page_that_fails_is_a_warning(task_type, tmp_path, caplog):
    rows = examples()
    outputs = made_up.outputs_of(task_type, rows, PROBABILITIES)
    for error in (OSError("full"), ValueError("odd"), KeyError("gone")):
        with mock.patch.object(page, "render", side_effect=error):
            with mock.patch.object(origin.logging, "warning") as warning:
                with pytest.raises(FileNotFoundError):  # there is no page to read
                    made_up.write(tmp_path, task_type, rows, outputs)
        line = warning.call_args[0][0] % warning.call_args[0][1:]
        assert "report.html was not written" in line
        assert type(error).__name__ in line
        assert line.endswith("The results of the run are complete.")


def test_segments_lose_nothing():
    spans = [(0, 3, "a"), (2, 5, "b"), (4, 99, "c")]
    found = texts.segments("abcdefg", spans)
    assert found == [
        ["ab", "a"],
        ["c", "a b"],
        ["d", "b"],
        ["e", "b c"],
        ["fg", "c"],
    ]


def test_scores_are_drawn_and_the_furthest_come_first(tmp_path):
    task_type = made_up.task_type_of("KorSTS")
    np = made_up.np
    rows = [
        ScoredPair(str(n), "하늘이 맑다", "오늘 하늘", score)
        for n, score in enumerate((0.0, 1.0, 2.5, 5.0))
    ]
    outputs = {
        "scores": np.array([2.0, 1.1, 2.5, 0.5], np.float32),
        "is_cut": np.zeros(4, bool),
        "per_example_loss": np.ones(4),
    }
    found = Page(made_up.write(tmp_path, task_type, rows, outputs, history=[]))
    points = found.data["charts"]["chart-shown-0"]["layer"][1]["data"]["values"]
    assert points[0] == {"true": 0.0, "predicted": 2.0}
    assert [item["id"] for item in found.items("low")] == ["3"]
    assert [item["id"] for item in found.items("high")] == ["0"]
    assert found.items("low")[0]["facts"][2] == ["error", "-4.50", ""]
    assert found.row("all examples")[3] == "1.650"  # of 2, 0.1, 0 and 4.5
    assert not os.path.exists(str(tmp_path / "history.json"))


@pytest.mark.parametrize(
    "program, shown",
    [
        ("run_classifier.py", "python3 run_classifier.py --do_eval"),
        ("/opt/bin/korean-encoders", "/opt/bin/korean-encoders --do_eval"),
    ],
)
def test_the_command_is_one_that_can_be_given(tmp_path, monkeypatch, program, shown):
    monkeypatch.setattr("sys.argv", [program, "--do_eval"])
    assert origin.how_made(made_up.facts(tmp_path).made)["command"] == shown
