"""A corpus cleaned on Apache Beam is that of the local command: make test-beam."""

import gzip
import importlib.util
import itertools

import numpy as np
import pytest

from data import clean_corpus
from data.io.errors import InputError

if importlib.util.find_spec("apache_beam") is None:
    pytest.skip("Apache Beam is not installed: make test-beam", allow_module_level=True)

from data.beam import cleaning

pytestmark = pytest.mark.slow

ON_BEAM = ("--runner=DirectRunner",)
TWO_WORKERS = (*ON_BEAM, "--", "--direct_num_workers=2")


def run(corpus, output, *others):
    flags = [f"--input_file={corpus}", f"--output_file={output}", *others]
    clean_corpus.main(["command", *flags])


@pytest.fixture(scope="module")
def repeated(tmp_path_factory):
    """Several blocks of comments in three files, a third of them seen before."""
    folder = tmp_path_factory.mktemp("corpus")
    generator = np.random.default_rng(7)
    for number in range(3):
        lines = []
        for draw in generator.integers(0, 11000, 9000):
            lines.append(f"댓글 {draw}번은 정말 재미있는 영화였어요 ㅋㅋㅋㅋ{draw}" * 2)
            if draw % 5 == 0:
                lines.append("")
            if draw % 7 == 0:
                lines.append("짧다")
        text = ("\n".join(lines) + "\n").encode()
        (folder / f"{number}.txt").write_bytes(text)
    packed = gzip.compress((folder / "1.txt").read_bytes())
    (folder / "1.txt.gz").write_bytes(packed)
    (folder / "1.txt").unlink()
    return f"{folder}/*"


@pytest.mark.parametrize("partitions", [1, 5])
@pytest.mark.parametrize("name", ["clean.txt", "clean.txt.gz"])
def test_the_first_of_equal_lines_stays(
    repeated, tmp_path, monkeypatch, capsys, name, partitions
):
    monkeypatch.setattr(cleaning, "_BYTES_PER_PARTITION", (1 << 22) // partitions)
    texts, reports = [], []
    for place, others in (("local", ()), ("beam", ON_BEAM)):
        (tmp_path / place).mkdir()
        run(repeated, tmp_path / place / name, *others)
        texts.append((tmp_path / place / name).read_bytes())
        reports.append(capsys.readouterr().out.partition("\n")[2])
        assert [path.name for path in (tmp_path / place).iterdir()] == [name]
    assert texts[0] == texts[1]
    assert reports[0] == reports[1]
    assert "dropped: duplicates" in reports[0]
    lines = gzip.decompress(texts[0]) if name.endswith(".gz") else texts[0]
    kept = [line for line in lines.split(b"\n") if line]
    assert len(kept) == len(set(kept)) > 7000


def test_lines_that_repeat_may_stay(repeated, tmp_path, capsys):
    reports = []
    for place, others in (("local", ()), ("beam", TWO_WORKERS)):
        run(repeated, tmp_path / place, "--nodrop_duplicates", *others)
        reports.append(capsys.readouterr().out.partition("\n")[2])
    assert (tmp_path / "local").read_bytes() == (tmp_path / "beam").read_bytes()
    assert reports[0] == reports[1]


def test_two_workers_find_the_same(repeated, tmp_path):
    run(repeated, tmp_path / "local")
    run(repeated, tmp_path / "beam", *TWO_WORKERS)
    assert (tmp_path / "local").read_bytes() == (tmp_path / "beam").read_bytes()


def test_bad_lines_and_what_is_there_are_refused_as_by_one_machine(tmp_path):
    corpus, output = tmp_path / "corpus.txt", tmp_path / "clean.txt"
    good = "오늘은 날씨가 아주 좋습니다\n".encode() * 9
    corpus.write_bytes(good + b"bad: \xff\n" + good + b"worse: \xfe\n")
    messages = []
    for limit, others in itertools.product((0, 1), ((), ON_BEAM)):
        with pytest.raises(InputError) as raised:
            run(corpus, output, f"--max_bad_rows={limit}", *others)
        messages.append(str(raised.value))
        assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
    assert "line 10: byte 0xFF" in messages[0]
    assert "line 20: byte 0xFE" in messages[2]
    assert messages[0::2] == messages[1::2]
    output.write_text("mine")
    with pytest.raises(InputError, match="clean.txt exists already. Pass --overwrite"):
        run(corpus, output, "--max_bad_rows=2", *ON_BEAM)
    assert output.read_text() == "mine"
    run(corpus, output, "--max_bad_rows=2", "--overwrite", *ON_BEAM)
    assert output.read_text() == "오늘은 날씨가 아주 좋습니다\n"


def test_a_corpus_of_which_nothing_is_left_is_named(tmp_path):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("짧다\n", encoding="utf-8")
    with pytest.raises(InputError, match="None of the 1 lines of .* is left: 1 have"):
        run(corpus, tmp_path / "clean.txt", *ON_BEAM)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]
