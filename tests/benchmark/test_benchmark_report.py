"""The report of a benchmark from results made by hand."""

import base64
from html.parser import HTMLParser

import pytest

from data import tasks
from data.evaluation.baselines import Baseline
from data.evaluation.plots import Curve
from data.evaluation.published_results import SOURCES, published_results
from encoder_ko.benchmark import report
from encoder_ko.benchmark.page import page
from encoder_ko.report import origin
from tests.support import made_up_runs

PNG = b"\x89PNG picture"


def result(name="NSMC", metrics=(), **changes):
    """A task's result; `metrics` has the metrics of each seed."""
    runs = [
        report.SeedRun(seed, values, 60.0 * seed)
        for seed, values in enumerate(metrics, 1)
    ]
    values = dict(
        task=tasks.get_task(name),
        split="test",
        sizes={"train": 1500, "dev": 70, "test": 500},
        note="",
        baseline=Baseline("always “긍정 <b>”", {"accuracy": 0.5, "macro_f1": 0.25}),
        runs=runs,
        problem="",
        command="python3 run_classifier.py --task_name='a|b <c>'",
        pictures=[report.Picture("곡선", "pictures/nsmc.png")],
    )
    values.update(changes)
    return report.TaskResult(**values)


def benchmark(*results):
    return report.Benchmark("작은 모델", [("Model", "electra & 친구")], results)


TWO_SEEDS = ({"accuracy": 0.85, "macro_f1": 0.8}, {"accuracy": 0.87, "macro_f1": 0.9})
ANSWERS = result(
    "KorQuAD",
    [{"exact_match": 0.4, "f1": 0.6}],
    baseline=Baseline("the first word of the passage", {"exact_match": 0, "f1": 0.1}),
    note="is a part.",
)


def test_mean_and_deviation():
    assert report.mean_and_deviation([0.5]) == (0.5, None)
    mean, deviation = report.mean_and_deviation([1.0, 3.0])
    assert mean == 2.0
    assert deviation == pytest.approx(2**0.5)  # divisor n - 1
    assert report.percent([0.85, 0.87]) == "86.00 ± 1.41"
    assert report.percent([1.0]) == "100.00"


@pytest.mark.parametrize(
    "accuracy, expected",
    [
        # 500 examples, baseline 0.5: the standard error is 0.0224
        (0.45, "no (-5.00)"),
        (0.5, "no (+0.00)"),
        (0.51, "by chance (+1.00)"),
        (0.55, "yes (+5.00)"),
    ],
)
def test_an_accuracy_above_the_baseline_by_chance(accuracy, expected):
    metrics = [{"accuracy": accuracy, "macro_f1": 0.5}]
    assert report.verdict(result(metrics=metrics)) == expected


def test_markdown_of_two_tasks():
    text = report.markdown(benchmark(result(metrics=TWO_SEEDS), ANSWERS))
    lines = text.split("\n")
    assert lines[0] == "# 작은 모델"
    assert (
        "| NSMC | accuracy, test | **86.00 ± 1.41** | "
        "50.00 (always “긍정 &lt;b&gt;”) | yes (+36.00) | "
        "1,500 train, 70 dev, 500 test | 1.5 |"
    ) in lines
    assert any(
        line.startswith("| KorQuAD* | EM / F1, test | **40.00 / 60.00** | 0.00 / 10.00")
        for line in lines
    )
    assert "- KorQuAD* is a part." in lines
    assert "| 1 | 85.00 | 80.00 | 1.0 |" in lines
    assert "| baseline | 50.00 | 25.00 |  |" in lines
    assert "![곡선](pictures/nsmc.png)" in lines
    assert "84.93 / 93.04" in text and "[KR-ELECTRA](https://" in text


def test_a_task_below_its_baseline_and_one_without_runs():
    below = result(metrics=[{"accuracy": 0.45, "macro_f1": 0.3}])
    waiting = result("HATE", problem="HATE, seed 1: status 1", split="dev")
    text = report.markdown(benchmark(below, waiting))
    assert "| no (-5.00) |" in text
    assert "| HATE | macro F1, dev | not yet | 25.00 (always" in text
    assert "- HATE: HATE, seed 1: status 1" in text
    assert "not yet" in page(benchmark(below, waiting), lambda path: PNG)


def test_a_task_without_published_figures():
    own = result()._replace(task=tasks.get_task("NSMC").__class__(**_own_task()))
    text = report.markdown(benchmark(own))
    assert "published metrics\n" not in text
    assert "published metrics</h2>" not in page(benchmark(own), lambda path: PNG)


def _own_task():
    task = tasks.get_task("NSMC")
    return dict(vars(task), name="후기")


class Tags(HTMLParser):
    """Checks that every tag is closed, and keeps text and pictures."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.pictures, self.links = [], [], [], []
        self.ids, self.seen = set(), set()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.add(attrs.get("id"))
        self.seen.add(tag)
        if tag == "img":
            self.pictures.append(attrs["src"])
        elif tag not in ("meta", "br"):
            self.open.append(tag)
        if tag == "a":
            self.links.append(attrs["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_escapes_what_users_write():
    asked = []

    def read_picture(path):
        asked.append(path)
        return PNG

    found = Tags()
    found.feed(page(benchmark(result(metrics=TWO_SEEDS), ANSWERS), read_picture))
    assert not found.open
    assert asked == ["pictures/nsmc.png"] * 2
    encoded = found.pictures[0].replace("data:image/png;base64,", "")
    assert base64.b64decode(encoded) == PNG
    text = " ".join(found.text)
    for expected in (
        "작은 모델",
        "electra & 친구",
        "always “긍정 <b>”",
        "--task_name='a|b <c>'",
        "86.00 ± 1.41",
        "yes (+36.00)",
        "KorQuAD* is a part.",
    ):
        assert expected in text
    inner = [link[1:] for link in found.links if link.startswith("#")]
    assert inner == ["results", "published", "task-0", "task-1", "made"]
    assert set(inner) <= found.ids


def test_marks_of_markdown_in_a_users_words_are_shown_as_they_are():
    marks = r"a*b*c `d` [e](f) <script> C:\_dir &lt; & \*"
    results = result(metrics=TWO_SEEDS, note=marks, problem=marks)
    report_of_marks = benchmark(results)._replace(title=marks, facts=[("Model", marks)])
    found = Tags()
    html = page(report_of_marks, lambda path: PNG)
    found.feed(html)
    text = "".join(found.text)
    for where in ("", "Model", "NSMC* ", "NSMC: "):
        assert where + marks in text
    assert "<script> C" not in html


def test_a_command_is_broken_between_its_arguments():
    text = origin.shell_command(["python3", "a.py", "--x=1 2", "--long=12345"], 20)
    assert text == "python3 a.py \\\n    '--x=1 2' \\\n    --long=12345"


def test_published_results():
    assert published_results("KorNLI") == {
        "KoreALBERT base": "79.7",
        "KR-ELECTRA": "82.51",
        "Dialog-KoELECTRA-Small": "78.54",
        "KcELECTRA-base": "81.65",
        "KcELECTRA-base-v2022": "82.12",
    }
    assert published_results("mine") == {}
    for name in tasks.task_names():
        assert set(published_results(name)) <= set(SOURCES)
        assert published_results(name)


def run_of(seed, value, low, high):
    return report.SeedRun(
        seed, {"accuracy": value, "macro_f1": 0.5}, 60.0, {"accuracy": (low, high)}
    )


def test_intervals_stand_by_each_seed_and_by_their_mean():
    runs = [run_of(1, 0.85, 0.80, 0.90), run_of(2, 0.87, 0.84, 0.92)]
    found = result()._replace(runs=runs)
    assert report.interval_cell(found) == "82.00–91.00"
    assert report.seed_rows(found)[1][:3] == ["1", "85.00 (80.00–90.00)", "50.00"]
    # One without makes a mean of the others only.
    without = [runs[0], runs[1]._replace(intervals={})]
    assert report.interval_cell(found._replace(runs=without)) == ""
    both = ANSWERS._replace(
        runs=[ANSWERS.runs[0]._replace(intervals={"f1": (0.5, 0.7)})]
    )
    assert report.interval_cell(both) == ""  # of EM there is none


def test_the_page_draws_every_seed_and_leads_to_its_page():
    runs = [run_of(1, 0.85, 0.8, 0.9)._replace(page="nsmc/seed_1/report.html")]
    curve = Curve("dev", (10, 20), (80.0, 85.0), True)
    picture = report.Picture("Course", "pictures/nsmc_curves.png", True)
    drawn = result()._replace(
        runs=runs, panels={"dev accuracy (%)": [curve], "loss": []}, pictures=[picture]
    )
    hate = result("HATE", TWO_SEEDS, pictures=[])
    html = page(benchmark(drawn, hate), lambda path: PNG)
    found = made_up_runs.Page(html)
    assert "data:image" not in html  # the curves are a chart
    assert [a["href"] for t, a in found.tags if t == "a" and "seed_1" in a["href"]] == [
        "nsmc/seed_1/report.html"
    ]
    charts = found.data["charts"]
    assert sorted(charts) == ["chart-overview-0", "chart-task0-0"]
    assert [row["v"] for row in charts["chart-task0-0"]["data"]["values"]] == [80, 85]
    points = charts["chart-overview-0"]["data"]["values"]
    assert points[0] == {"t": "NSMC", "k": "this model, a seed", "v": 85.0,
                         "w": "this model, a seed"}  # fmt: skip
    assert {"t": "NSMC", "k": "published", "v": 91.168, "w": "KR-ELECTRA"} in points
    # Of HATE two published metrics are of dev.
    of_hate = [row for row in points if row["t"] == "HATE" and row["k"] == "published"]
    assert [(row["w"], row["v"]) for row in of_hate] == [("KR-BERT-MEDIUM", 57.91)]
    other = page(benchmark(drawn._replace(note="is a part.")), lambda path: PNG)
    points = made_up_runs.Page(other).data["charts"]["chart-overview-0"]["data"]
    assert {row["k"] for row in points["values"]} == {"this model, a seed", "baseline"}
