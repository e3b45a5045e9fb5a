"""The server over HTTP: what it answers, what it refuses, how it ends."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from data.io.errors import InputError
from encoder_ko import cli
from encoder_ko.inference.predictor import NotFiniteError
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.commands import predict
from korean_encoders.commands import serve as command
from korean_encoders.serving import runs
from tests.inference.test_predict import close_to
from tests.support import fine_tuning_runs, served_runs
from tests.support.paths import ROOT
from tests.support.served_runs import FAMILIES, running

testclient, app, server, guard_module = (
    pytest.importorskip(name, reason="the extra [serve] needs Python 3.9")
    for name in (
        "starlette.testclient",
        "korean_encoders.serving.app",
        "korean_encoders.serving.server",
        "korean_encoders.serving.guard",
    )
)
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly")]

TEXTS = ["재밌다 영화", "", "ㅋㅋ 😀 뷁 최고", "최고 " * 30]
PAIRS = [("재밌다", "최고"), ("정말 " * 20, "또 😀")]
LIMITS = app.Limits(batch_size=4, texts=50, bytes=20000, waiting=1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("served")
    served_runs.make(made)
    return made


@pytest.fixture(scope="module")
def service(folder):
    paths = [str(folder / name) for name in FAMILIES]
    made = app.Service(runs.load_runs(paths, batch_size=4), LIMITS)
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(service):
    with testclient.TestClient(
        app.build_app(service), base_url="http://127.0.0.1:8000"
    ) as made:
        yield made


def inputs_of(task_type):
    if task_type == "regression":
        return PAIRS, [{"text": a, "text_b": b} for a, b in PAIRS]
    if task_type == "question_answering":
        return PAIRS, [{"question": a, "context": b} for a, b in PAIRS]
    return TEXTS, [{"text": TEXTS[0]}, *TEXTS[1:]]


# --- Predictions -------------------------------------------------------------------


@pytest.mark.parametrize("task_type", FAMILIES)
def test_json_is_what_the_predictor_gives(client, service, task_type):
    texts, inputs = inputs_of(task_type)
    expected = service.runs[task_type].predictor.predict(texts)
    answer = client.post("/predict", json={"model": task_type, "inputs": inputs})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert set(found) == {"model", "predictions"} and found["model"] == task_type
    assert found["predictions"] == close_to(expected)
    assert list(found["predictions"][0]) == list(expected[0])
    assert "😀" in answer.text or task_type in ("classification", "regression")


def run_predict(*flags):
    cli.run(predict.main, predict.FLAGS, ["predict.py", *flags])


@pytest.mark.parametrize("task_type", ["classification", "tagging"])
def test_a_file_is_answered_as_predict_py_writes_it(
    client, folder, tmp_path, task_type
):
    table = 'id\tdocument\n7\t재밌다 "영화\n8\t\n9\tㅋㅋ 😀\n'
    for name, content, columns in (
        ("a.txt", "\n".join(TEXTS), None),
        ("a.tsv", table, "document"),
        ("a.csv", 'id,document\n7,"재밌다, 영화\n최고"\n', "document"),
        ("a.jsonl", '{"id": "가", "text": "재밌다"}\n{"text": "또"}\n', None),
    ):
        source, target = tmp_path / name, tmp_path / (name + ".tsv")
        source.write_text(content, encoding="utf-8")
        form = {"txt": "text"}.get(name[2:], name[2:])
        flags = [f"--columns={columns}"] if columns else []
        run_predict(
            f"--model_dir={folder / task_type}",
            f"--input={source}",
            f"--output_file={target}",
            "--batch_size=4",
            *flags,
        )
        asked = {"model": task_type, "input_format": form, "output_format": "tsv"}
        asked.update({"columns": columns} if columns else {})
        answer = client.post("/predict/file", params=asked, content=source.read_bytes())
        assert answer.status_code == 200, answer.text
        assert answer.content.decode() == target.read_text(encoding="utf-8"), name
        assert answer.headers["content-type"].startswith("text/tab-separated-values")
        disposition = answer.headers["content-disposition"]
        assert disposition == 'attachment; filename="predictions.tsv"'


def test_json_lines_of_a_file_and_skipped_rows(client, service):
    content = "재밌다\n\0\n영화\n".encode("cp949")
    asked = {"model": "classification", "encoding": "cp949", "output_format": "jsonl"}
    path = "/predict/file"
    answer = client.post(path, params=dict(asked, max_bad_rows=1), content=content)
    found = [json.loads(line) for line in answer.text.splitlines()]
    assert [(each["id"], each["text"]) for each in found] == [
        ("1", "재밌다"),
        ("3", "영화"),
    ]
    expected = service.runs["classification"].predictor.predict(["재밌다", "영화"])
    names = set(expected[0])
    assert [{n: f[n] for n in names} for f in found] == close_to(expected)
    assert answer.headers["x-texts"] == "2"
    assert "1 bad rows (The file, line 2: a NUL byte" in answer.headers["x-skipped"]
    many = "\n".join(f"최고 {n}" for n in range(700)).encode()
    answer = client.post(path, params={"model": "classification"}, content=many)
    assert answer.text.count("\n") == 701  # in several parts
    assert [row.split("\t")[0] for row in answer.text.splitlines()][1:] == [
        str(n) for n in range(1, 701)
    ]


def test_pieces_with_their_places(client):
    """The runs read 12 tokens, a question's first 4, and have a vocabulary of words."""

    def pieces(model, given):
        asked = {"model": model, "inputs": [given], "tokens": True}
        found = client.post("/predict", json=asked).json()["tokens"][0]
        return [
            [
                (p["piece"], p["start"], p["end"], p["is_unknown"], p["is_cut"])
                for p in text
            ]
            for text in found
        ]

    assert pieces("tagging", " 재밌다 😀뷁 최고") == [
        [
            ("재밌다", 1, 4, False, False),
            ("[UNK]", 5, 7, True, False),
            ("최고", 8, 10, False, False),
        ]
    ]
    (found,) = pieces("classification", "최고 " * 12)
    assert [cut for *_, cut in found] == [False] * 10 + [True] * 2
    assert len(pieces("tagging", "최고 " * 12)[0]) == 12
    assert not any(p[4] for p in pieces("tagging", "최고 " * 12)[0])
    first, second = pieces("regression", {"text": "또 " * 3, "text_b": "또 " * 9})
    assert [p[4] for p in first] == [False] * 3  # 12 tokens: 3 special, 3, 6
    assert [p[4] for p in second] == [False] * 6 + [True] * 3
    first, second = pieces(
        "question_answering", {"question": "또 " * 6, "context": "또 " * 20}
    )
    assert [p[4] for p in first] == [False] * 4 + [True] * 2
    assert not any(p[4] for p in second)  # read through windows


# --- What is refused ----------------------------------------------------------------

PREDICT = "/predict"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "sent, status, message",
    [
        ({"content": b"{", "headers": JSON}, 422, "The request is no JSON ("),
        ({"content": b"[]", "headers": JSON}, 422, "The request is no JSON object"),
        ({"content": b"", "headers": JSON}, 422, "The request is no JSON object"),
        ({"data": {"inputs": "a"}}, 415, "has the type application/x-www-form-urlenc"),
        ({"json": {}}, 422, '"inputs" is missing, expected such as {"inputs": ['),
        ({"json": {"inputs": "재밌다"}}, 422, "inputs: input should be a valid list."),
        (
            {"json": {"inputs": ["재밌다", 3]}},
            422,
            'inputs[1]: expected a text, {"text": ..., "text_b": ...} or {"question"',
        ),
        ({"json": {"inputs": [{"txt": "가"}]}}, 422, "inputs[0]: expected a text, {"),
        (
            {"json": {"inputs": [], "texts": []}},
            422,
            'There is no "texts", expected inputs, model, tokens.',
        ),
        (
            {"json": {"inputs": ["가"]}},
            404,
            "Name a run in model: there are classification, regression, tagging, ",
        ),
        ({"json": {"inputs": ["가"], "model": "ner"}}, 404, "No run 'ner': there are "),
        (
            {"json": {"inputs": ["가", "a\0"], "model": "tagging"}},
            422,
            "inputs[1]: half a character or a NUL in it, expected text.",
        ),
        (
            {
                "content": b'{"model": "tagging", "inputs": ["\\ud83d"]}',
                "headers": JSON,
            },
            422,
            "inputs[0]: ",
        ),
        (
            {"json": {"inputs": [{"text": "가", "text_b": "나"}], "model": "tagging"}},
            422,
            "inputs[0]: a pair, but NaverNER is a task of single texts.",
        ),
        (
            {"json": {"inputs": ["가"], "model": "question_answering"}},
            422,
            "inputs[0]: a question without a passage, expected both.",
        ),
        (
            {"json": {"inputs": ["가"] * 51, "model": "tagging"}},
            413,
            "51 texts, expected at most 50: send them in parts, or as a file to",
        ),
        (
            {"content": b'{"inputs": ["\xff"]}', "headers": JSON},
            422,
            "The request is not JSON in UTF-8, or nested too deep.",
        ),
        (
            {"content": b"[" * 19000, "headers": JSON},
            422,
            "The request is not JSON in UTF-8, or nested too deep.",
        ),
        (
            {"json": {"inputs": ["가" * 20000], "model": "tagging"}},
            413,
            "The request is larger than 20,000 bytes: send less at a time, or start",
        ),
    ],
)
def test_requests_that_do_not_fit(client, sent, status, message):
    answer = client.post(PREDICT, **sent)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]
    assert set(answer.json()) == {"error"} and "\n" not in answer.json()["error"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "params, content, status, message",
    [
        ({}, b"", 422, "The file holds no text."),
        ({"model": "ner"}, b"a", 404, "No run 'ner'"),
        ({"input_format": "xlsx"}, b"a", 422, "input_format=xlsx, expected one of te"),
        ({"output_format": "csv"}, b"a", 422, "output_format=csv, expected one of t"),
        ({"columns": "text"}, b"id\tdocument\n1\ta\n", 422, "no column 'text', there"),
        (
            {},
            "id\tdocument\n1\t가\n".encode(),
            422,
            "The file, line 1: it looks like a table of 2 columns. Pass columns=docu",
        ),
        (
            {"input_format": "tsv"},
            "가\t나\n".encode(),
            422,
            "The file, line 1: a pair, but NSMC is a task of single texts. Name the",
        ),
        ({"input_format": "jsonl"}, b'{"a": 1}\n', 422, "The file, line 1: expected"),
        (
            {"columns": "text", "input_format": "jsonl"},
            b"{}",
            422,
            "columns=text is for tables: pass input_format=tsv or csv.",
        ),
        (
            {},
            "영화".encode("cp949"),
            422,
            "is not valid utf-8. If the file has another encoding, name it (as encod",
        ),
        ({"encoding": "latin-0"}, b"a", 422, "encoding"),
        ({"max_bad_rows": "many"}, b"a", 422, "query.max_bad_rows: input should be"),
        ({}, b"a" * 30000, 413, "The request is larger than 20,000 bytes"),
    ],
)
def test_files_that_do_not_fit(client, params, content, status, message):
    asked = dict({"model": "classification"}, **params)
    answer = client.post("/predict/file", params=asked, content=content)
    assert answer.status_code == status, answer.text
    assert message in answer.json()["error"]
    assert "--" not in answer.json()["error"].replace("--max_megabytes", "")


def test_other_paths_and_methods(client):
    assert client.get("/nothing").json() == {"error": "Not Found"}
    assert client.get("/predict").json() == {"error": "Method Not Allowed"}
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404


def test_pages_of_others_cannot_ask(client):
    body = {"inputs": ["재밌다"], "model": "classification"}
    for headers, message in (
        ({"host": "evil.example:8000"}, "answers to 127.0.0.1 and localhost, not to"),
        ({"origin": "http://evil.example"}, "Requests of pages from elsewhere (http:"),
        ({"origin": "null"}, "Requests of pages from elsewhere (null)"),
    ):
        answer = client.post(PREDICT, json=body, headers=headers)
        assert answer.status_code == 403
        assert message in answer.json()["error"]
    for headers in (
        {"host": "localhost:8000", "origin": "http://localhost:8000"},
        {"host": "[::1]:8000"},
    ):
        assert client.post(PREDICT, json=body, headers=headers).status_code == 200


def test_a_broken_model_and_a_full_queue(client, service, monkeypatch):
    body = {"inputs": ["재밌다", "최고 영화"], "model": "classification"}
    batcher = service.batchers["classification"]

    def broken(texts):
        raise NotFiniteError(1, "best/model.ckpt-1")

    with monkeypatch.context() as patch:
        patch.setattr(batcher, "_predict", broken)
        answer = client.post(PREDICT, json=body)
    assert answer.status_code == 500
    assert answer.json()["error"].startswith("Text 1: The prediction is not a number")
    monkeypatch.setattr(batcher, "_most_waiting", 1)
    for path, sent in (
        (PREDICT, {"json": body}),
        ("/predict/file", {"content": b"a\nb"}),
    ):
        answer = client.post(path, params={"model": "classification"}, **sent)
        assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
        assert answer.json()["error"] == (
            "Too many texts wait for the model: try again later."
        )


# --- The pages ------------------------------------------------------------------------


def test_the_page_asks_nobody_else_and_has_examples_of_dev(client, folder):
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    for page in (answer.text, client.get("/docs").text):
        assert "http://" not in page.replace("http://127.0.0.1", "")
        assert "https://" not in page and "default-src 'none'" in page
    data = answer.text.partition('id="data-of-page">')[2].partition("</script>")[0]
    examples = {run["name"]: run["examples"] for run in json.loads(data)["runs"]}
    rows = fine_tuning_runs.read_rows(folder, "data", "dev.tsv")[1:]
    words = {"0": "negative", "1": "positive"}
    assert sorted((e["texts"][0], e["label"]) for e in examples["classification"]) == (
        sorted((row[1], words[row[2]]) for row in rows)
    )
    assert examples["tagging"] == []  # its run does not say where its data is


def test_what_is_known_of_the_server(client):
    models = {each["name"]: each for each in client.get("/models").json()}
    assert list(models) == list(FAMILIES)
    assert models["classification"]["labels"] == ["negative", "positive"]
    assert models["regression"]["score_range"] == [0.0, 5.0]
    assert models["tagging"]["max_seq_length"] == 12
    before = client.get("/health").json()
    body = {"inputs": ["재밌다"] * 9, "model": "classification"}
    client.post(PREDICT, json=body)
    after = client.get("/health").json()
    assert after["status"] == "ok" and after["waiting"] == 0
    assert after["texts"] - before["texts"] == 9
    assert after["batches"] - before["batches"] == 3


def test_the_manual_lists_what_openapi_describes(client):
    described = client.get("/openapi.json").json()
    assert list(described["paths"]) == [
        "/predict",
        "/predict/file",
        "/models",
        "/health",
    ]
    answers = described["paths"]["/predict"]["post"]["responses"]
    assert set(answers) == {"200", "404", "413", "422", "503"}
    assert answers["422"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "ErrorResponse"
    )
    page = client.get("/docs").text
    for words in (
        *described["paths"],
        "PredictRequest",
        "input_format",
        "max_bad_rows",
    ):
        assert words in page
    assert "list of string or TextInput or QuestionInput" in page


# --- Batches, and the end -----------------------------------------------------------


def ask(port, body, connection=None):
    connection = connection or http.client.HTTPConnection("127.0.0.1", port)
    sent = json.dumps(body)
    connection.request("POST", PREDICT, sent, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer, json.loads(answer.read())


def test_requests_at_the_same_time_share_batches(service):
    """The first has a batch of its own; what comes meanwhile waits together."""
    batcher = service.batchers["classification"]
    before = batcher.num_batches, batcher.num_texts
    expected = service.runs["classification"].predictor.predict(TEXTS)
    gate, answers = threading.Event(), {}

    def client(port, number):
        body = {"model": "classification", "inputs": [TEXTS[number % len(TEXTS)]]}
        answers[number] = ask(port, body)[1]["predictions"]

    with running(app.build_app(service)) as (port, _):
        service._thread.submit(gate.wait, 30)
        threads = [
            threading.Thread(target=client, args=(port, number)) for number in range(8)
        ]
        threads[0].start()
        wait_until(lambda: batcher._work is not None and not batcher.waiting)
        for thread in threads[1:]:
            thread.start()
        wait_until(lambda: batcher.waiting == 7)
        gate.set()
        for thread in threads:
            thread.join()
    for number, found in answers.items():
        assert found == [close_to(expected[number % len(TEXTS)])]
    assert len(answers) == batcher.num_texts - before[1] == 8
    assert batcher.num_batches - before[0] == 3  # 1, and 7 by fours


def test_texts_of_a_client_that_has_left_are_not_computed(service):
    batcher = service.batchers["classification"]
    before, gate = batcher.num_texts, threading.Event()
    with running(app.build_app(service)) as (port, _):
        service._thread.submit(gate.wait, 30)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        body = json.dumps({"model": "classification", "inputs": TEXTS[:1] * 9})
        connection.request("POST", PREDICT, body, {"Content-Type": "application/json"})
        wait_until(lambda: batcher.waiting == 5)  # four are in a batch
        connection.close()
        wait_until(lambda: not batcher.waiting)
        gate.set()
        found = ask(port, {"model": "classification", "inputs": TEXTS[:1]})[1]
    assert len(found["predictions"]) == 1
    assert batcher.num_texts - before == 5


def wait_until(condition):
    deadline = time.time() + 60
    while not condition():
        assert time.time() < deadline
        time.sleep(0.005)


async def slow(scope, receive, send):
    """An application that takes a moment."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(0.03)
    start = {"type": "http.response.start", "status": 200, "headers": []}
    await send(dict(start, headers=[(b"content-length", b"2")]))
    await send({"type": "http.response.body", "body": b"{}"})


@pytest.mark.parametrize("keep_alive", [True, False])
def test_no_request_is_lost_when_the_server_ends(keep_alive):
    """Clients ask without a pause: a request is answered, or cannot be sent at all."""
    guard = guard_module.Guard(slow, True, 10000)
    lost, closed, answered = [], [], []

    def client(port):
        connection = None
        while True:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                try:
                    connection.connect()
                except ConnectionRefusedError:
                    return
                except OSError as error:  # closed before anything was sent
                    closed.append(error)
                    return
            try:
                answer, found = ask(port, {}, connection)
            except (OSError, http.client.HTTPException) as error:
                lost.append(error)
                return
            answered.append(found)
            if not keep_alive or answer.getheader("connection") == "close":
                connection.close()
                connection = None

    for _ in range(4):
        with running(guard) as (port, made):
            threads = [threading.Thread(target=client, args=(port,)) for _ in range(16)]
            for thread in threads:
                thread.start()
            wanted = len(answered) + 50
            wait_until(lambda: len(answered) >= wanted or lost)  # noqa: B023
            made.should_exit = True
            for thread in threads:
                thread.join(20)
        guard.is_stopping = False
    assert not lost
    assert len(answered) == guard.num_requests


def test_sigterm_ends_the_command_once_all_is_answered(folder):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "korean_encoders",
            "serve",
            f"--model_dir={folder / 'classification'}",
            "--port=0",
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("Serving on http://127.0.0.1:"):
                break
        port = int(line.split()[2].rpartition(":")[2])
        assert "classification: NSMC, classification; BERT with 2 layers" in lines[0]
        found = []
        texts = [f"최고 영화 {n}" for n in range(1000)]
        thread = threading.Thread(
            target=lambda: found.append(ask(port, {"inputs": texts})[1])
        )
        thread.start()
        wait_until(lambda: health(port)["waiting"] or health(port)["texts"])
        process.send_signal(signal.SIGTERM)
        thread.join(60)
        assert len(found[0]["predictions"]) == 1000
        assert process.wait(30) == 0
        rest = process.stderr.read()
        assert "requests; all are answered." in rest and "Traceback" not in rest
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def health(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/health")
    return json.loads(connection.getresponse().read())


# --- The command --------------------------------------------------------------------


def run_serve(*flags):
    """Exit status of the command, which would serve and ends instead."""
    try:
        cli.run(command.main, command.FLAGS, ["serve.py", *flags])
    except SystemExit as stop:
        return stop.code or 0
    return 0


@pytest.fixture()
def served(monkeypatch):
    """What would have been served."""
    found = []
    monkeypatch.setattr(server, "serve", lambda guard, bound: found.append(guard))
    return found


def test_an_address_that_others_reach_is_told(folder, served, capfd):
    flags = [f"--model_dir={folder / 'classification'}", "--port=0"]
    assert run_serve(*flags, "--host=0.0.0.0") == 0
    error = capfd.readouterr().err
    assert "--host=0.0.0.0: whoever reaches this computer can use the models." in error
    assert run_serve(*flags) == 0
    assert "whoever" not in capfd.readouterr().err
    others, own = (
        testclient.TestClient(guard, base_url="http://10.0.0.7:8000")
        for guard in served
    )
    assert others.get("/health").status_code == 200
    assert own.get("/health").status_code == 403


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], "--model_dir is missing."),
        (["--model_dir={folder}/data"], "holds no fine-tuned model (no task.json)"),
        (["--model_dir={folder}/none"], "holds no fine-tuned model (no task.json)"),
        (
            ["--model_dir={folder}/tagging,{folder}/other/tagging"],
            "two runs 'tagging', {folder}/tagging and {folder}/other/tagging: requests",
        ),
        (["--port=70000"], "expected 0 to 65535"),
        (
            ["--model_dir={folder}/tagging", "--host=nowhere.invalid"],
            "--host=nowhere.invalid is no address of this computer",
        ),
        (
            ["--model_dir={folder}/tagging", "--host=192.0.2.1"],
            "--host=192.0.2.1 cannot be used (Cannot assign requested address)",
        ),
    ],
)
def test_what_cannot_be_served(folder, served, capfd, flags, message):
    assert run_serve(*(flag.format(folder=folder) for flag in flags)) == 1
    error = " ".join(capfd.readouterr().err.split())
    assert message.format(folder=folder) in error
    assert not served


def test_a_port_in_use(folder, served, capfd):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        flags = [f"--model_dir={folder / 'tagging'}", f"--port={port}"]
        assert run_serve(*flags) == 1
    error = capfd.readouterr().err
    assert f"error: Port {port} of 127.0.0.1 is in use by another program: " in error
    assert not served


def test_without_the_extra(folder, monkeypatch, capfd):
    for name in [n for n in sys.modules if n.startswith("korean_encoders.serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run_serve(f"--model_dir={folder / 'tagging'}") == 1
    assert "pip install 'korean-encoders[serve]'" in capfd.readouterr().err


def test_examples_are_those_of_the_run(folder, tmp_path):
    """A dev set that was held out of train is found again; other tasks have labels."""
    data = tmp_path / "data"
    data.mkdir()
    fine_tuning_runs.write_reviews(data / "train.tsv", 40)
    settings = {"data_dir": str(data), "dev_fraction": 0.1, "random_seed": 3}
    run = RunFolder(str(folder / "classification"))
    task = runs.FineTunedModel.load(run.path, runs.FAMILIES).task
    declared = runs._declared("KorSTS,NSMC", task)
    held_out = runs._dev(declared, settings)
    assert len(held_out) == 4
    assert held_out == runs._dev(declared, dict(settings, split_seed=3))
    assert held_out != runs._dev(declared, dict(settings, split_seed=4))
    with pytest.raises(InputError, match="does not name its data"):
        runs._declared("KorSTS", task)
    assert os.path.exists(str(data / "train.tsv"))
