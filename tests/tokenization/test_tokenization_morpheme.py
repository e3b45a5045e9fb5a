"""Morphemes cut the original text; a missing analyser says how to get it."""

import functools
import importlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.errors import InputError
from data.text.aligned_text import AlignedText
from data.tokenization import TokenizerConfig, build_tokenizer
from data.tokenization.morpheme import MorphemeAnalyser, morpheme_starts
from tests.support.shared_data import OWN, shared_golden

RUN_TIME = TokenizerConfig(morpheme_analyser="mecab", morphemes="run_time")
JAVA_ANALYSERS = ("okt", "komoran", "hannanum", "kkma")


@functools.lru_cache(maxsize=None)
def analyser(name):
    try:
        return MorphemeAnalyser(name)
    except InputError as error:
        pytest.skip(str(error))


@functools.lru_cache(maxsize=None)
def golden_texts():
    with open(
        str(shared_golden("tokenization", "bert_cased.jsonl")), encoding="utf-8"
    ) as f:
        return [json.loads(line)["text"] for line in f]


def test_mecab_cuts_between_morphemes():
    assert analyser("mecab").separate("이영화 재밌었어!") == "이 영화 재밌 었 어 !"
    aligned = analyser("mecab").separate_aligned(AlignedText.of("이영화"))
    assert aligned.text == "이 영화"
    assert (list(aligned.starts), list(aligned.ends)) == ([0, 1, 1, 2], [1, 1, 2, 3])


def test_morphemes_of_ordinary_text_are_those_of_konlpy():
    ours = analyser("mecab")
    for text in golden_texts()[:1500]:
        assert ours.separate(text).split() == ours._morphs(text)


def test_pieces_at_run_time_are_those_of_the_joined_morphemes():
    # Dialog-KoELECTRA's mecab_wordpiece: WordPiece over " ".join(mecab.morphs(text)).
    vocab_file = str(shared_golden("tokenization", "vocab.txt"))
    morphs = analyser("mecab")._morphs
    tokenizer = build_tokenizer(RUN_TIME, vocab_file)
    plain = build_tokenizer(TokenizerConfig(), vocab_file)
    texts = golden_texts()[:500]
    expected = plain.encode_ids_batch([" ".join(morphs(text)) for text in texts])
    assert tokenizer.encode_ids_batch(texts) == expected
    assert [tokenizer.encode(text).ids for text in texts] == expected
    assert expected != plain.encode_ids_batch(texts)
    assert tokenizer.encode("영화는").offsets[0] == (0, 2)


def test_morphemes_for_the_vocabulary_only_do_not_change_the_pieces():
    # KR-ELECTRA: plain WordPiece on a vocabulary that morphemes shaped. No analyser
    # is loaded, so none has to be installed.
    config = TokenizerConfig(morpheme_analyser="mecab", morphemes="vocabulary")
    vocab_file = OWN("tokenization", "vocab.txt")
    tokenizer = build_tokenizer(config, vocab_file)
    plain = build_tokenizer(TokenizerConfig(), vocab_file)
    assert tokenizer.encode("이영화 재밌었어") == plain.encode("이영화 재밌었어")
    assert tokenizer._first_steps == []
    assert tokenizer.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    "text, morphemes, starts",
    [
        ("이영화 재밌었어", ["이", "영화", "재밌", "었", "어"], [0, 1, 4, 6, 7]),
        # The first character was rewritten: there is nothing to cut at.
        ("했다 곧", ["하", "았", "다", "곧"], [1, 3]),
        ("가 나", ["가", "아", "나"], [0, 2]),
        ("가", [], []),
        ("", [], []),
    ],
)
def test_starts_of_morphemes_by_hand(text, morphemes, starts):
    assert morpheme_starts(text, morphemes) == starts


def check_only_spaces_are_added(separated, text):
    assert separated.replace(" ", "") == text.replace(" ", "")


def check_aligned(name, text):
    aligned = analyser(name).separate_aligned(AlignedText.of(text))
    assert aligned.text == analyser(name).separate(text)
    for char, start, end in zip(*aligned):
        assert text[start:end] == char or (char == " " and start == end)
    check_only_spaces_are_added(aligned.text, text)


@settings(max_examples=100, deadline=None)
@given(
    st.text(
        st.one_of(st.characters(), st.sampled_from("가나다이영화를ㅋ \0\t\n\u200b😀")),
        max_size=40,
    )
)
def test_mecab_only_adds_spaces_to_any_text(text):
    check_aligned("mecab", text)


def test_long_text_is_analysed_in_stretches():
    text = "이영화 재밌었어요 " * 1000 + "가" * 5000
    check_aligned("mecab", text)
    assert analyser("mecab").separate(text).startswith("이 영화 재밌 었 어요 이 영화")


@pytest.mark.slow
@pytest.mark.parametrize("name", JAVA_ANALYSERS)
def test_java_analysers_only_add_spaces(name):
    for text in ["", " ", "가 나\n다😀\0\u200b", "이영화 정말재밌었어요! 1,000원 했다"]:
        check_aligned(name, text)
    for text in golden_texts()[:5]:
        check_aligned(name, text)


@pytest.mark.slow
def test_komoran_cuts_where_base_forms_meet_the_text():
    assert analyser("komoran").separate("영화를 봤습니다") == "영화 를 봤 습니다"


def missing(monkeypatch, name):
    real = importlib.import_module

    def import_module(module, *args):
        if module.split(".")[0] == name:
            raise ImportError(name)
        return real(module, *args)

    monkeypatch.setattr(importlib, "import_module", import_module)


@pytest.mark.parametrize(
    "package, name, command",
    [
        ("konlpy", "mecab", "pip install konlpy mecab-python3 python-mecab-ko-dic"),
        ("MeCab", "mecab", "pip install konlpy mecab-python3 python-mecab-ko-dic"),
        ("mecab_ko_dic", "mecab", "pip install konlpy mecab-python3"),
        ("konlpy", "okt", "pip install konlpy"),
    ],
)
def test_a_missing_package_prints_its_command(monkeypatch, package, name, command):
    missing(monkeypatch, package)
    with pytest.raises(InputError, match=f"analyser '{name}' needs .*{command}"):
        MorphemeAnalyser(name)


def test_missing_java_says_how_to_install_it(monkeypatch):
    jpype = pytest.importorskip("jpype")

    def no_java():
        raise jpype.JVMNotFoundException("none")

    monkeypatch.setattr(jpype, "getDefaultJVMPath", no_java)
    with pytest.raises(
        InputError, match="'okt' needs Java.*default-jre.*or use 'mecab'"
    ):
        MorphemeAnalyser("okt")


def test_an_unknown_analyser_is_named():
    with pytest.raises(InputError, match="Unknown morpheme analyser 'khaiii'.*mecab"):
        MorphemeAnalyser("khaiii")
