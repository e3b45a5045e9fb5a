"""Vocabularies of words counted on Apache Beam: those of the local command.

In an environment of its own: make test-beam.
"""

import gzip
import importlib.util
import os

import pytest

from data import train_vocab
from data.io.errors import InputError
from tests.support.paths import ROOT

if importlib.util.find_spec("apache_beam") is None:
    pytest.skip("Apache Beam is not installed: make test-beam", allow_module_level=True)

from data.beam import vocabulary

pytestmark = pytest.mark.slow

ON_BEAM = ("--runner=DirectRunner",)
TWO_WORKERS = (*ON_BEAM, "--", "--direct_num_workers=2")
WORDPIECE = ("--vocab_size=1800",)
BPE = ("--algorithm=bpe", "--vocab_size=1800")


def run(corpus, output, *others):
    flags = [f"--input_file={corpus}", f"--output_dir={output}", *others]
    train_vocab.main(["command", *flags])


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The samples and lines that SentencePiece leaves out, in two files."""
    folder = tmp_path_factory.mktemp("corpus")
    samples = os.path.join(ROOT, "samples", "corpus")
    text = b""
    for name in sorted(os.listdir(samples)):
        with open(os.path.join(samples, name), "rb") as reader:
            text += reader.read() + b"\n"
    half = text.index(b"\n\n", len(text) // 2) + 2
    odd = "가나 \u2585 다라\n" * 30 + "마바사 " * 9000 + "\n아\u2581자 \u200b차\n" * 30
    (folder / "a.txt").write_bytes(text[:half])
    (folder / "b.txt.gz").write_bytes(gzip.compress(text[half:] + odd.encode()))
    return f"{folder}/*"


@pytest.mark.parametrize("partitions", [1, 4])
@pytest.mark.parametrize(
    "flags",
    [
        WORDPIECE,
        (*WORDPIECE, "--do_lower_case", "--line_share=0.7", "--limit_alphabet=500"),
        BPE,
        (*BPE, "--normalization=nmt_nfkc", "--num_unused_tokens=9"),
    ],
    ids=["wordpiece", "wordpiece of a share", "bpe", "bpe normalised"],
)
def test_all_files_are_those_of_the_local_command(
    corpus, tmp_path, monkeypatch, capsys, flags, partitions
):
    size = (1 << 18) // partitions**2
    monkeypatch.setattr(vocabulary, "_BYTES_OF_ONE_PARTITION", size)
    run(corpus, tmp_path / "local", *flags)
    local = capsys.readouterr().out
    run(corpus, tmp_path / "beam", *flags, *ON_BEAM)
    expected = contents(tmp_path / "local")
    assert contents(tmp_path / "beam") == expected
    assert len(expected) == 2 + ("--algorithm=bpe" in flags)
    shown = capsys.readouterr().out.replace("/beam/", "/local/")
    assert shown == local  # a small corpus is its own sample


def test_morphemes_are_counted_with_their_marks(corpus, tmp_path):
    pytest.importorskip("MeCab")
    for flags in (WORDPIECE, BPE):
        places = [tmp_path / f"{flags[0]}{n}" for n in range(2)]
        for place, others in zip(places, ((), ON_BEAM)):
            run(corpus, place, *flags, "--morpheme_analyser=mecab", *others)
        assert contents(places[0]) == contents(places[1])


def test_two_workers_count_the_same(corpus, tmp_path):
    run(corpus, tmp_path / "local", *WORDPIECE)
    run(corpus, tmp_path / "beam", *WORDPIECE, *TWO_WORKERS)
    assert contents(tmp_path / "beam") == contents(tmp_path / "local")


def test_a_large_corpus_is_sampled(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(vocabulary, "SAMPLE_LINES", 50)
    shown = []
    for place in ("one", "two"):
        run(corpus, tmp_path / place, *WORDPIECE, *ON_BEAM)
        shown.append(capsys.readouterr().out.splitlines()[-1])
    assert shown[0] == shown[1]
    assert 0 < int(shown[0].split(" in ")[1].split()[0]) <= 50


def test_unigram_needs_the_lines(corpus, tmp_path):
    with pytest.raises(InputError) as raised:
        run(corpus, tmp_path / "out", "--algorithm=unigram", *ON_BEAM)
    assert str(raised.value) == (
        "--algorithm=unigram is trained on lines, of which a runner leaves counts of "
        "words only: leave --runner out, or pass --algorithm=bpe or wordpiece."
    )
    assert not (tmp_path / "out").exists()


def test_bad_lines_and_empty_text_are_refused_as_by_one_machine(tmp_path):
    corpus = tmp_path / "corpus.txt"
    for content in ("좋다\n".encode() * 9 + b"bad: \xff\n", b"\n\n"):
        corpus.write_bytes(content)
        messages = []
        for others in ((), ON_BEAM):
            with pytest.raises(InputError) as raised:
                run(corpus, tmp_path / "out", *WORDPIECE, *others)
            messages.append(str(raised.value))
            assert not os.listdir(str(tmp_path / "out"))
        assert messages[0] == messages[1]
