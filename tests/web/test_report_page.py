"""report.html in a real browser: the system's chromium, driven by playwright.

Screenshots are left in build/screenshots/. `make test-web` installs what is needed but
the browser.
"""

import os
import shutil
import time

import pytest

from data.evaluation.baselines import Baseline
from data.evaluation.plots import Curve
from data.tasks import get_task
from data.tasks.classification import Example
from data.tasks.dependency_parsing import ParsedSentence
from data.tasks.question_answering import Answer, Question
from encoder_ko.benchmark import page as benchmark_page
from encoder_ko.benchmark import report
from tests.support import made_up_pretraining as pretraining
from tests.support import made_up_runs as made_up
from tests.support.paths import ROOT

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="playwright is not installed: make test-web"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
SCREENSHOTS = os.path.join(ROOT, "build", "screenshots")
HOSTILE = "</script><script>document.title = 'broken'</script> 뷁뷁 그냥 " * 3


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """A page over 2,000 examples; every fourth is wrong."""
    folder = tmp_path_factory.mktemp("page")
    task_type = made_up.task_type_of("NSMC")
    rows = [
        Example(f"e{n}", HOSTILE if n < 8 else f"정말 최고 {n}", None, n % 2)
        for n in range(2000)
    ]
    probabilities = [
        [p, 1 - p] if (n % 2 == 0) != (n % 4 == 0) else [1 - p, p]
        for n in range(2000)
        for p in [0.5 + (n + 1) / 4100]
    ]
    outputs = made_up.outputs_of(task_type, rows, probabilities)
    made_up.write(folder, task_type, rows, outputs, rows[:50])
    return folder / "report.html"


@pytest.fixture()
def opened(browser, page_file, request):
    """(page, what went wrong, what was asked for) with the screen of the test."""
    options = getattr(request, "param", {})
    page = browser.new_page(
        **dict({"viewport": {"width": 1180, "height": 900}}, **options)
    )
    problems, requests = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda asked: requests.append(asked.url))
    started = time.time()
    page.goto(page_file.as_uri())
    page.wait_for_selector(".chart svg")
    page.seconds = time.time() - started
    wait_for_charts(page)
    yield page, problems, requests
    page.close()


def screenshot(page, name):
    os.makedirs(SCREENSHOTS, exist_ok=True)
    page.screenshot(path=os.path.join(SCREENSHOTS, name + ".png"), full_page=True)


def test_it_opens_quickly_asks_for_nothing_and_draws(opened, page_file):
    page, problems, requests = opened
    assert page.seconds < 2
    assert not problems
    assert requests == [page_file.as_uri()]
    assert page.locator(".chart svg").count() == 3
    assert page.title() == "NSMC, BERT"  # a text would have changed it
    screenshot(page, "light")


def test_a_click_on_a_cell_shows_its_texts(opened):
    page, problems, _ = opened
    page.click('[data-group="0-1"]')
    first = page.locator("#items .item").first
    facts = first.locator(".head").inner_text()
    assert "predicted positive" in facts.replace("\n", " ") and "true negative" in facts
    cell = page.locator('[data-group="0-1"]')
    assert cell.get_attribute("aria-pressed") == "true"
    shown = page.locator("#items .item").count()
    page.click("#more")
    assert page.locator("#items .item").count() == 2 * shown
    sure = page.locator("#items .item .head").all_inner_texts()
    values = [float(text.split("%")[0].split()[-1]) for text in sure]
    assert values == sorted(values, reverse=True)
    assert not problems


def test_hostile_texts_are_shown_as_they_are(opened):
    page, problems, _ = opened
    for group in ("0-0", "0-1"):
        page.select_option("#group", group)
        while page.locator("#more").is_visible():
            page.click("#more")
        texts = page.locator("#items .text").all_inner_texts()
        if any("</script>" in text for text in texts):
            break
    else:
        raise AssertionError("no group shows the texts with a tag")
    assert page.title() == "NSMC, BERT" and not problems
    assert page.locator("#items script").count() == 0


@pytest.mark.parametrize(
    "opened", [{"viewport": {"width": 360, "height": 740}}], indirect=True
)
def test_it_fits_a_phone(opened):
    page, _, _ = opened
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    screenshot(page, "narrow")


@pytest.mark.parametrize("opened", [{"color_scheme": "dark"}], indirect=True)
def test_it_is_dark_where_the_reader_wants_it(opened):
    page, _, _ = opened
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(21, 26, 33)"
    axis = page.locator(".chart .role-axis-label text").first
    assert axis.get_attribute("fill") == "#a5afbc"
    screenshot(page, "dark")
    page.emulate_media(media="print")
    assert page.evaluate(colour) == "rgb(255, 255, 255)"


def test_both_answers_stand_in_the_whole_passage(browser, tmp_path):
    task_type = made_up.task_type_of("KorQuAD", max_seq_length=384)
    passage = "서울은 대한민국의 수도이다. <b>부산</b>은 항구이다."
    questions = [Question("q", "수도는?", passage, (Answer("서울", 0),), "t")]
    found = [dict(answer="부산", start=passage.index("부산"), probability=0.9)]
    found[0]["end"] = found[0]["start"] + 2
    task_type.predictions = lambda *_: found
    task_type.metrics = lambda *_: {"exact_match": 0.0, "f1": 0.0}
    made_up.write(tmp_path, task_type, questions, {}, history=[])
    page = browser.new_page()
    page.goto((tmp_path / "report.html").as_uri())
    line = page.locator("#items .text").nth(1)
    name = line.locator(".name").inner_text()
    assert line.inner_text() == name + passage
    assert line.locator(".true").inner_text() == "서울"
    assert line.locator(".predicted").inner_text() == "부산"
    screenshot(page, "answers")
    page.close()


def open_page(browser, path, **options):
    """(page, problems); the page has drawn its charts."""
    sizes = {"viewport": {"width": 1180, "height": 900}}
    page = browser.new_page(**dict(sizes, **options))
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.goto(path.as_uri())
    wait_for_charts(page)
    return page, problems


def wait_for_charts(page):
    """They are drawn one after another."""
    every = "all => all.every(chart => chart.querySelector('svg'))"
    page.wait_for_function(f"({every})([...document.querySelectorAll('.chart')])")


def look(browser, path, name):
    """Opens a page light, dark, on a phone and on paper; (light page, its problems)."""
    for words, options in (
        ("dark", {"color_scheme": "dark"}),
        ("narrow", {"viewport": {"width": 360, "height": 740}}),
    ):
        page, problems = open_page(browser, path, **options)
        assert not problems
        if words == "narrow":
            assert page.evaluate("document.documentElement.scrollWidth") == 360
        screenshot(page, f"{name}_{words}")
        page.close()
    page, problems = open_page(browser, path)
    screenshot(page, f"{name}_light")
    page.pdf(path=os.path.join(SCREENSHOTS, f"{name}.pdf"))
    return page, problems


def background(page, selector):
    style = f"getComputedStyle(document.querySelector('{selector}')).backgroundColor"
    return page.evaluate(style)


def test_the_page_of_a_pretraining_run(browser, tmp_path):
    tokenizer = made_up.task_type_of("NSMC").tokenizer
    found = pretraining.found_of_size(tokenizer, records=12, length=128, slots=19)
    pretraining.write(tmp_path, tokenizer, found)
    page, problems = look(browser, tmp_path / "report.html", "pretraining")
    assert not problems
    assert page.locator(".chart svg").count() == 10
    assert page.locator("article.record").count() == 12
    assert page.locator("article.record").first.locator(".guess").count() == 19 * 5
    # What the discriminator missed is seen.
    colours = {
        background(page, f".tokens {style}")
        for style in ("span", ".right", ".missed", ".spurious")
    }
    assert len(colours) >= 3
    page.close()


def test_the_page_of_a_benchmark(browser, tmp_path):
    runs = [
        report.SeedRun(seed, {"accuracy": 0.8 + seed / 50, "macro_f1": 0.8}, 60.0,
                       {"accuracy": (0.8, 0.9)}, f"nsmc/seed_{seed}/report.html")
        for seed in (1, 2)
    ]  # fmt: skip
    curves = [Curve(f"dev, seed {seed}", (1, 2), (70.0, 80.0), True) for seed in (1, 2)]
    result = report.TaskResult(
        get_task("NSMC"), "test", {"test": 500}, "",
        Baseline("always “negative”", {"accuracy": 0.5, "macro_f1": 0.3}),
        runs, "", "python3 run_classifier.py", [], {"dev accuracy (%)": curves},
    )  # fmt: skip
    text = benchmark_page.page(report.Benchmark("작은 모델", [], [result]), bytes)
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    (tmp_path / "nsmc" / "seed_1").mkdir(parents=True)
    (tmp_path / "nsmc" / "seed_1" / "report.html").write_text("<title>run 1</title>")
    page, problems = look(browser, tmp_path / "report.html", "benchmark")
    assert not problems
    assert page.locator(".chart svg").count() == 2
    page.click("text=nsmc/seed_1/report.html")
    assert page.title() == "run 1"
    page.close()


def test_arcs_of_a_parse(browser, tmp_path):
    task_type = made_up.task_type_of("KLUE-DP", max_seq_length=32)
    words = ("<b>나는</b>", "새", "책을", "샀다.")
    sentences = [ParsedSentence("a", words, (4, 3, 4, 0), (0, 0, 0, 0))]
    names = [task_type.task.label_values[0]] * 4
    task_type.predictions = lambda *_: [{"heads": [4, 4, 4, 0], "relations": names}]
    task_type.metrics = lambda *_: {"uas": 0.75, "las": 0.75, "las_macro_f1": 0.5,
                                    "uas_macro_f1": 0.5}  # fmt: skip
    made_up.write(tmp_path, task_type, sentences, {}, history=[])
    page, problems = look(browser, tmp_path / "report.html", "parse")
    assert not problems
    assert page.locator("#items text.word").all_text_contents() == list(words)
    assert page.locator("#items .true-arc").count() == 4
    assert page.locator("#items .found-arc").count() == 1
    ends = page.locator("#items text.word").evaluate_all(
        "all => all.map(word => word.getBoundingClientRect())"
        ".map(box => [box.left, box.right])"
    )
    for (_, right), (left, _) in zip(ends, ends[1:]):
        assert right < left  # no word is written over another
    page.close()
