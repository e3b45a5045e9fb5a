"""The server's page in a real browser: the system's chromium, driven by playwright.

Screenshots are left in build/screenshots/. `make test-web` installs what is needed but
the browser.
"""

import os
import re
import shutil

import pytest

from korean_encoders.serving import runs
from tests.support import fine_tuning_runs, served_runs
from tests.support.paths import ROOT

sync_api, app = (
    pytest.importorskip(name, reason=f"{name} is not installed: make test-web")
    for name in ("playwright.sync_api", "korean_encoders.serving.app")
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the PATH"),
]
SCREENSHOTS = os.path.join(ROOT, "build", "screenshots")
HOSTILE = "</script><script>document.title = 'broken'</script> 재밌다"
TASK_TYPES = ("classification", "tagging", "question_answering", "regression")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )
        yield running
        running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(address, service) of a server of four runs."""
    folder = tmp_path_factory.mktemp("served")
    paths = served_runs.make(folder, TASK_TYPES)
    service = app.Service(runs.load_runs(paths), app.Limits(bytes=100000))
    with served_runs.running(app.build_app(service)) as (port, _):
        yield f"http://127.0.0.1:{port}/", service
    service.close()


@pytest.fixture()
def opened(browser, server, request):
    """(page, what went wrong, what was asked for) with the screen of the test."""
    options = getattr(request, "param", {})
    page = browser.new_page(
        **dict({"viewport": {"width": 1180, "height": 900}}, **options)
    )
    problems, requests = [], []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text))
    page.on("request", lambda asked: requests.append(asked.url))
    page.goto(server[0])
    yield page, problems, requests
    page.close()


def screenshot(page, name):
    os.makedirs(SCREENSHOTS, exist_ok=True)
    path = os.path.join(SCREENSHOTS, f"serve_{name}.png")
    page.screenshot(path=path, full_page=True)


def predict(page, run, *texts):
    """Fills the boxes of a run and waits for the answer."""
    page.click(f'[data-run="{run}"]')
    for place, text in enumerate(texts):
        page.fill(f"#text-{place}", text)
    page.click("#go")
    page.wait_for_selector("#result .facts")


def pieces(page):
    items = page.locator("#result .pieces li").all_inner_texts()
    return [tuple(text.split("\n")) for text in items]


def test_an_example_is_predicted_and_nobody_else_is_asked(opened, server):
    page, problems, requests = opened
    rows = page.locator("#examples button").all_inner_texts()
    assert len(rows) == 7 and all("negative" in r or "positive" in r for r in rows)
    page.locator("#examples button").first.click()
    page.wait_for_selector("#result .facts")
    text, label = rows[0].split("\n")
    assert page.input_value("#text-0") == text
    assert page.locator("#result .note").inner_text() == f"In dev: {label}"
    (found,) = server[1].runs["classification"].predictor.predict([text])
    expected = sorted(found["probabilities"].items(), key=lambda each: -each[1])
    shown = page.locator("#result .bars").inner_text().split()
    assert shown == [w for name, p in expected for w in (name, f"{100 * p:.1f}%")]
    assert [piece for piece, _ in pieces(page)] == text.split()[:10]
    assert page.title() == "Try 4 models"
    address = server[0]
    assert set(requests) - {"data:,"} == {address, address + "predict"}
    assert not problems
    screenshot(page, "light")


def test_what_was_typed_is_shown_as_it_is(opened):
    page, problems, _ = opened
    page.click('[data-run="classification"]')
    page.fill("#text-0", HOSTILE + " 최고" * 12)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector("#result .facts")
    assert page.title() == "Try 4 models" and not problems
    assert page.locator("#result script").count() == 0
    assert HOSTILE in page.locator("#request").inner_text().replace("'\\''", "'")
    notice = page.locator("#result .notice").inner_text()
    assert notice.startswith("Longer than the 12 tokens that the model reads")
    assert page.locator("#result .pieces li.cut").count() > 12
    assert page.locator("#result .pieces li.unk").count() > 5


def test_entities_stand_where_python_counts_them(opened, server, monkeypatch):
    """An emoji is one character there and two in a browser."""
    text = "😀😀 재밌다 최고 영화"
    found = [
        {"type": "PER", "start": 3, "end": 6, "text": "재밌다", "probability": 0.75},
        {"type": "LOC", "start": 10, "end": 12, "text": "영화", "probability": 0.5},
    ]
    prediction = {"text": text, "words": [], "tags": [], "entities": found}
    batcher = server[1].batchers["tagging"]
    monkeypatch.setattr(batcher, "_predict", lambda texts: [prediction])
    page, problems, _ = opened
    predict(page, "tagging", text)
    marks = page.locator("#result .read mark").all_inner_texts()
    assert marks == ["재밌다PER", "영화LOC"]
    line = page.locator("#result .read").inner_text()
    assert line == "😀😀 재밌다PER 최고 영화LOC"
    assert page.locator("#result .key").inner_text().split("\n") == [
        "재밌다 PER 75.0%",
        "영화 LOC 50.0%",
    ]
    assert pieces(page)[1:3] == [("재밌다", "3–6"), ("최고", "7–9")]
    assert not problems
    screenshot(page, "entities")


def test_the_answer_is_marked_in_the_whole_passage(opened, server):
    page, problems, _ = opened
    passage = "정말 재밌다. 😀 배우 최고!  너무 별로.\n또 그냥."
    predict(page, "question_answering", "배우?", passage)
    (found,) = (
        server[1].runs["question_answering"].predictor.predict([("배우?", passage)])
    )
    line = page.locator("#result .read")
    assert line.evaluate("each => each.textContent") == passage
    assert line.locator("mark").evaluate("m => m.textContent") == found["answer"]
    assert page.locator("#result .score").inner_text() == found["answer"]
    assert page.locator("#result .bars .name").count() == 5
    assert not problems
    screenshot(page, "answer")


def test_pairs_have_two_boxes_and_a_score(opened, server):
    page, _, _ = opened
    predict(page, "regression", "재밌다", "최고 영화")
    (found,) = server[1].runs["regression"].predictor.predict([("재밌다", "최고 영화")])
    assert page.locator("#result .score").inner_text() == f"{found['score']:.3f}"
    assert page.locator("#result .scale").inner_text().split() == ["0", "5"]
    assert page.locator("#result .pieces").count() == 2
    request = page.locator("#request").inner_text()
    assert '{"text":"재밌다","text_b":"최고 영화"}' in request


@pytest.mark.parametrize(
    "opened", [{"viewport": {"width": 360, "height": 740}}], indirect=True
)
@pytest.mark.parametrize("run", TASK_TYPES)
def test_it_fits_a_phone(opened, run):
    page, _, _ = opened
    pair = run in ("regression", "question_answering")
    predict(page, run, *["재밌다 영화뷁 " * 9] * (1 + pair))
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    answer, go = page.locator("#answer").bounding_box(), page.locator("#go")
    assert answer["y"] > go.bounding_box()["y"]  # one below the other
    screenshot(page, f"narrow_{run}")


@pytest.mark.parametrize("opened", [{"color_scheme": "dark"}], indirect=True)
def test_it_is_dark_where_the_reader_wants_it(opened):
    page, _, _ = opened
    predict(page, "classification", "재밌다 뷁")
    colour = "getComputedStyle(document.body).backgroundColor"
    assert page.evaluate(colour) == "rgb(21, 26, 33)"
    screenshot(page, "dark")


def test_a_table_is_predicted_and_its_answer_downloaded(opened, tmp_path):
    page, problems, _ = opened
    fine_tuning_runs.write_reviews(tmp_path / "reviews.tsv", 40)
    page.click('[data-run="classification"]')
    page.set_input_files("#file", str(tmp_path / "reviews.tsv"))
    page.wait_for_selector("#column-0")
    assert page.input_value("#column-0") == "document"
    options = page.locator("#column-0 option").all_inner_texts()
    assert options == ["id", "document", "label"]
    page.click("#send")
    page.wait_for_selector("#download:visible")
    assert page.locator("#file-state").inner_text() == "40 texts are predicted."
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "reviews.predictions.tsv"
    download.value.save_as(str(tmp_path / "found.tsv"))
    rows = fine_tuning_runs.read_rows(tmp_path / "found.tsv")
    assert rows[0] == ["id", "prediction", "negative", "positive", "is_cut", "text"]
    assert [row[0] for row in rows[1:]] == [str(n) for n in range(40)]
    assert page.locator("#preview tbody tr").count() == 20
    assert not page.locator("#stop").is_visible()
    screenshot(page, "file")

    page.select_option("#output", "jsonl")
    page.click("#send")
    page.wait_for_selector("#preview pre")
    assert '"label_name"' in page.locator("#preview pre").inner_text()
    assert not problems


def test_what_is_wrong_is_said(opened, tmp_path):
    page, _, _ = opened
    for name, content, words in (
        (
            "a.tsv",
            "id\tdocument\n1\t가\n2\n",
            "The file, line 3: 1 columns, expected 2",
        ),
        ("a.txt", "영화".encode("cp949"), "If the file has another encoding, name it"),
        (
            "a.txt",
            b"a" * 200000,
            "more than the 100,000 that the server takes at a time",
        ),
    ):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(data)
        page.set_input_files("#file", [])
        page.set_input_files("#file", str(tmp_path / name))
        page.click("#send")
        page.wait_for_selector("#file-state.error")
        assert words in page.locator("#file-state").inner_text()
    page.click('[data-run="question_answering"]')
    page.route("**/predict", lambda route: route.abort())
    page.click("#go")
    page.wait_for_selector("#result .error")
    assert page.locator("#result .error").inner_text() == (
        "The server does not answer. Is it still running?"
    )


def test_the_manual(opened, server):
    page, problems, requests = opened
    page.goto(server[0] + "docs")
    headings = page.locator("h2 code").all_inner_texts()
    assert headings == ["/predict", "/predict/file", "/models", "/health"]
    assert not problems and all(re.match(r"http://127|data:,", r) for r in requests)
    screenshot(page, "manual")
