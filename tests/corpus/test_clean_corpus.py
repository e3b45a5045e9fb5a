"""A whole corpus is cleaned in order, and the report counts what was done."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import clean_corpus
from data.corpus.dedup import SeenHashes
from data.io.errors import InputError

RAW = """와ㅋㅋㅋㅋ 정말 최고의 영화다!!!
짧다
와ㅋㅋ 정말 최고의 영화다!!

大박 재밌는 영화입니다 https://a.kr/b

댓글
"""
# The third line equals the first one cleaned; the last document is too short.
CLEAN = """와ㅋㅋ 정말 최고의 영화다!!

박 재밌는 영화입니다
"""


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def run(tmp_path, source, *arguments):
    output = tmp_path / "clean.txt"
    clean_corpus.main(
        ["clean_corpus", f"--input_file={source}", f"--output_file={output}"]
        + list(arguments)
    )
    return output.read_text(encoding="utf-8")


def test_lines_are_cleaned_dropped_and_counted(tmp_path, capsys):
    source = write(tmp_path / "raw.txt", RAW)
    assert run(tmp_path, source) == CLEAN
    printed = {
        name.strip(): int(count)
        for name, count in (
            line.rsplit(None, 1) for line in capsys.readouterr().out.splitlines()[1:-1]
        )
    }
    assert printed == {
        "lines read": 5,
        "changed by compose": 0,
        "changed by hanja": 1,
        "changed by urls": 1,
        "changed by censor_marks": 0,
        "changed by characters": 0,
        "changed by repeats": 1,
        "changed by spaces": 1,
        "dropped: too short": 2,
        "dropped: duplicates": 1,
        "dropped: bad lines": 0,
        "lines written": 2,
        "documents read": 3,
        "documents written": 2,
    }


def test_steps_of_your_own_in_your_order(tmp_path):
    source = write(tmp_path / "raw.txt", RAW)
    cleaned = run(tmp_path, source, "--steps=hanja,spaces", "--nodrop_duplicates")
    assert cleaned == RAW.replace("大", "")


def test_dialogue_keeps_short_lines(tmp_path):
    source = write(tmp_path / "raw.txt", "안녕\n네ㅋㅋㅋ\n")
    assert run(tmp_path, source, "--recipe=dialog_koelectra") == "안녕\n네ㅋㅋ\n"


def test_dialogue_keeps_repeated_lines(tmp_path):
    text = "안녕\n네\n\n안녕\n네\n"
    source = write(tmp_path / "raw.txt", text)
    assert run(tmp_path, source, "--recipe=dialog_koelectra") == text
    dropped = run(
        tmp_path,
        source,
        "--recipe=dialog_koelectra",
        "--drop_duplicates",
        "--overwrite",
    )
    assert dropped == "안녕\n네\n"


def test_the_output_does_not_depend_on_the_number_of_processes(tmp_path):
    lines = [
        f"{number}번째로 적은 아주 긴 댓글이다{'!' * 400}" for number in range(9000)
    ]
    documents = ["\n".join(lines[first : first + 7]) for first in range(0, 9000, 5)]
    path = tmp_path / "raw.txt.gz"
    with gzip.open(str(path), "wt", encoding="utf-8") as writer:
        writer.write("\n\n".join(documents) + "\n")
    one = run(tmp_path, path, "--num_processes=1")
    three = run(tmp_path, path, "--num_processes=3", "--overwrite")
    assert one == three
    written = [line for line in one.splitlines() if line]
    assert written == [line.replace("!" * 400, "!!") for line in lines]


def test_an_existing_file_is_kept_without_overwrite(tmp_path):
    source = write(tmp_path / "raw.txt", RAW)
    write(tmp_path / "clean.txt", "old")
    with pytest.raises(InputError, match="clean.txt exists already. Pass --overwrite"):
        run(tmp_path, source)
    assert (tmp_path / "clean.txt").read_text(encoding="utf-8") == "old"


def test_the_output_is_none_of_the_inputs(tmp_path):
    source = write(tmp_path / "raw.txt", RAW)
    write(tmp_path / "clean.txt", "old")
    for names in (
        f"{tmp_path}/*.txt",
        f"{source},{tmp_path}/../{tmp_path.name}/clean.txt",
    ):
        with pytest.raises(
            InputError, match="clean.txt is one of the files of --input"
        ):
            run(tmp_path, names, "--overwrite")
    assert (tmp_path / "clean.txt").read_text(encoding="utf-8") == "old"


def test_an_output_may_be_compressed(tmp_path):
    source = write(tmp_path / "raw.txt", RAW)
    for name in ("a.txt.gz", "b.txt.gz"):
        clean_corpus.main(
            [
                "clean_corpus",
                f"--input_file={source}",
                f"--output_file={tmp_path}/{name}",
            ]
        )
    packed = (tmp_path / "a.txt.gz").read_bytes()
    assert gzip.decompress(packed).decode("utf-8") == CLEAN
    assert (tmp_path / "b.txt.gz").read_bytes() == packed


def test_progress_is_shown(tmp_path, capsys):
    source = write(tmp_path / "raw.txt", RAW)
    run(tmp_path, source)
    assert "100%" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, arguments, message",
    [
        ("짧다\n", [], "None of the 1 lines .* 1 have fewer than 10 characters"),
        ("\n\n", [], "The corpus holds no text"),
        (RAW, ["--steps=hanja,emoticons"], "Unknown cleaning step 'emoticons'"),
        (RAW, ["--steps="], "--steps names no step"),
        (RAW, ["--steps=hanja", "--recipe=kcelectra"], "in place of --recipe"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path, content, arguments, message
):
    source = write(tmp_path / "raw.txt", content)
    with pytest.raises(InputError, match=message):
        run(tmp_path, source, *arguments)
    assert not list(tmp_path.glob("clean.txt*"))


def test_bad_bytes_are_named_or_counted(tmp_path, capsys):
    path = tmp_path / "raw.txt"
    path.write_bytes("정말 정말 좋은 영화다\n".encode() + b"\xb0\xa1\n")
    with pytest.raises(InputError, match="raw.txt, line 2: byte 0xB0"):
        run(tmp_path, path)
    assert run(tmp_path, path, "--max_bad_rows=1") == "정말 정말 좋은 영화다\n"
    assert "dropped: bad lines                   1" in capsys.readouterr().out


def test_a_missing_input_is_named(tmp_path):
    with pytest.raises(InputError, match="--input_file=.*none.txt: there is no such"):
        run(tmp_path, tmp_path / "none.txt")


@given(st.lists(st.lists(st.integers(0, 40), max_size=12), max_size=12))
def test_hashes_are_new_exactly_once(batches):
    seen, reference = SeenHashes(), set()
    for batch in batches:
        expected = []
        for value in batch:
            expected.append(value not in reference)
            reference.add(value)
        result = seen.add(np.array(batch, dtype=np.uint64))
        assert result.tolist() == expected
    assert len(seen) == len(reference)


def test_a_million_hashes_take_eight_megabytes():
    seen = SeenHashes()
    values = np.random.RandomState(0).permutation(1000000).astype(np.uint64)
    for first in range(0, len(values), 7000):
        assert seen.add(values[first : first + 7000]).all()
    assert seen.nbytes == 8000000
    assert not seen.add(values[:7000]).any()
