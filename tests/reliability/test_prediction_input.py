"""Files that predict.py would have read as something else."""

import os
import signal
import subprocess
import sys
import time
import unicodedata

import pytest

from data import tasks
from data.features.prediction_input import number_of_lines, read_items
from data.io.errors import InputError
from data.io.tables import read_rows
from tests.support.made_up_models import fine_tuned_model
from tests.support.paths import ROOT

NSMC = "id\tdocument\tlabel\n7\t최고\t1\n8\t별로\t0\n"


def texts_of(path, **options):
    return [item.text for item in read_items(str(path), "text", **options)]


@pytest.mark.parametrize(
    "content, expected",
    [
        (NSMC, "a table of 3 columns. Pass --columns=document; or pass --input_format"),
        (NSMC + "9\t한 칸\n", "a table of 3 columns. Pass --columns=document;"),
        ("번호\t글\n7\t최고\n", "with --columns; its first line is 번호, 글;"),
        ("sentence1\tsentence2\n가\t나\n", "Pass --columns=sentence1,sentence2;"),
    ],
)
def test_a_table_is_no_list_of_texts(tmp_path, content, expected):
    path = tmp_path / "ratings_test.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        texts_of(path, looks_at_tabs=True)
    assert f"{path}, line 1: it looks like" in str(raised.value)
    assert expected in str(raised.value)
    assert texts_of(path) == content.splitlines()  # --input_format=text


@pytest.mark.parametrize("content", ["가\t나\n", "가\t나\n다\n", "document\n가\n", ""])
def test_texts_may_have_tabs(tmp_path, content):
    path = tmp_path / "texts.txt"
    path.write_text(content + "끝\t\t!\n", encoding="utf-8")
    found = texts_of(path, looks_at_tabs=True)
    assert found == (content + "끝\t\t!\n").splitlines()


def test_questions_of_klue_are_read_as_fine_tuning_reads_them():
    path = os.path.join(ROOT, "samples", "klue", "klue-mrc-v1.1_dev.json")
    task = tasks.get_task("KLUE-MRC")
    expected = tasks.load_split(task, os.path.dirname(path), "dev").examples
    found = [
        (each.item_id, each.text, each.text_b) for each in read_items(path, "json")
    ]
    assert found == [(e.example_id, e.question, e.context) for e in expected]
    assert len(found) > 1


def test_a_header_of_one_column_is_a_text_with_a_warning(tmp_path, caplog):
    path = tmp_path / "texts.txt"
    path.write_text("document\n가\n", encoding="utf-8")
    with caplog.at_level("WARNING"):
        assert texts_of(path, looks_at_tabs=True) == ["document", "가"]
    assert caplog.messages == [
        f"{path}, line 1 is 'document', the name of a column, and is predicted as a "
        "text. If it is a header: Pass --columns=document."
    ]


def test_ids_of_a_table_with_a_header_are_kept(tmp_path):
    path = tmp_path / "ratings_test.txt"
    path.write_text(NSMC + "\t또\t1\n", encoding="utf-8")
    items = list(read_items(str(path), "tsv", ["document"]))
    assert [(item.item_id, item.text) for item in items] == [
        ("7", "최고"),
        ("8", "별로"),
        ("4", "또"),  # the number of its line
    ]


def test_columns_are_compared_composed(tmp_path):
    path = tmp_path / "texts.tsv"
    decomposed = unicodedata.normalize("NFD", "번호\t글")
    path.write_text(f"{decomposed}\n1\t가\n", encoding="utf-8")
    items = read_items(str(path), "tsv", [unicodedata.normalize("NFC", "글")])
    assert [item.text for item in items] == ["가"]


def test_carriage_returns_alone_are_no_line_ends(tmp_path):
    path = tmp_path / "mac.txt"
    path.write_bytes("재밌다\r최고\r또\r".encode())
    with pytest.raises(InputError) as raised:
        texts_of(path)
    assert str(raised.value) == (
        f"{path} has 3 carriage returns (CR) and no line feed, so it would be read as "
        "one line. Convert its line ends, for example with "
        r"`tr '\r' '\n' < OLD > NEW`."
    )
    path.write_bytes("재밌다\r".encode())
    assert list(read_rows(str(path))) == [(1, "재밌다")]
    path.write_bytes("재\r밌다\r\n최고".encode())
    assert list(read_rows(str(path))) == [(1, "재\r밌다"), (2, "최고")]


@pytest.mark.parametrize(
    "content, count", [(b"", 0), (b"a", 1), (b"a\n", 1), (b"a\n\nb", 3)]
)
def test_lines_are_counted(tmp_path, content, count):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    assert number_of_lines(str(path)) == count


def texts_for_ever():
    """A pipe of texts that does not end, in a process of its own."""
    words = "재밌다 영화 배우 최고 또 "
    program = f"while True: print({words!r} * 4)"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ, PYTHONIOENCODING="utf-8"),
    )


@pytest.mark.slow
def test_a_stopped_prediction_leaves_no_half_of_a_file(tmp_path):
    fine_tuned_model(tmp_path / "run", "bert", "classification")
    out = tmp_path / "out"
    out.mkdir()
    texts = texts_for_ever()
    command = [
        sys.executable,
        os.path.join(ROOT, "predict.py"),
        f"--model_dir={tmp_path / 'run'}",
        "--input=-",
        f"--output_file={out / 'found.tsv'}",
    ]
    process = subprocess.Popen(command, stdin=texts.stdout, stderr=subprocess.PIPE)
    deadline = time.time() + 120
    while not any(path.stat().st_size for path in out.iterdir()):
        assert process.poll() is None and time.time() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    texts.kill()
    texts.communicate()
    assert process.returncode == 143
    assert list(out.iterdir()) == []
