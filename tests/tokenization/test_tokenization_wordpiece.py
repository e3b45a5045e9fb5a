"""WordPiece equals Google's, ELECTRA's and KR-BERT-MEDIUM's tokenizers."""

import functools
import hashlib
import json
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.io.errors import InputError
from data.text.unicode11 import category
from data.tokenization import TokenizerConfig, build_tokenizer, preset
from tests.support.shared_data import OWN, shared_golden

PRESET_OF_FILE = {
    "bert_cased": "bert_cased",
    "bert_uncased": "bert_uncased",
    "krbertmedium_cased": "krbert_medium_cased",
    "krbertmedium_uncased": "krbert_medium_uncased",
    "electra_cased_adversarial": "electra_cased",
    "electra_lower_nostrip_adversarial": "electra_lower_nostrip",
    "electra_lower_strip_adversarial": "electra_lower_strip",
}
OTHER_CONFIGS = {
    "korean_lower": preset("korean_lower"),
    "strip_letters": TokenizerConfig(lower_case=True, strip_accents=True),
    "jamo": TokenizerConfig(decompose="all"),
    "composed": TokenizerConfig(compose=True),
}
CONFIGS = dict({name: preset(name) for name in PRESET_OF_FILE.values()})
CONFIGS.update(OTHER_CONFIGS)


@functools.lru_cache(maxsize=None)
def golden_tokenizer(config_name, golden=OWN):
    return build_tokenizer(CONFIGS[config_name], golden("tokenization", "vocab.txt"))


@functools.lru_cache(maxsize=None)
def golden_lines(name, golden):
    path = golden("tokenization", name + ".jsonl")
    with open(path, encoding="utf-8") as reader:
        return [json.loads(line) for line in reader]


@pytest.mark.parametrize("name", sorted(PRESET_OF_FILE))
def test_every_golden_line_is_identical(golden_text, name):
    # No line is left out, not even those of unicode_version_sensitive.json: character
    # classes are those of Unicode 11.0 (the producer's) under every Python.
    tokenizer = golden_tokenizer(PRESET_OF_FILE[name], golden_text)
    lines = golden_lines(name, golden_text)
    assert lines
    encodings = [tokenizer.encode(line["text"]) for line in lines]
    assert [encoding.pieces for encoding in encodings] == [
        line["tokens"] for line in lines
    ]
    assert [encoding.ids for encoding in encodings] == [line["ids"] for line in lines]
    assert tokenizer.encode_ids_batch([line["text"] for line in lines]) == [
        line["ids"] for line in lines
    ]


@pytest.mark.parametrize("name", sorted(PRESET_OF_FILE))
def test_lone_surrogates_are_treated_as_upstream_does(golden_text, name):
    # BERT: the word is unknown. Where every C* category is control: deleted.
    path = golden_text("tokenization", "lone_surrogates.json")
    with open(path, encoding="utf-8") as reader:
        lines = json.load(reader)[name.replace("_adversarial", "")]
    tokenizer = golden_tokenizer(PRESET_OF_FILE[name], golden_text)
    for line in lines:
        assert tokenizer.encode(line["text"]).pieces == line["tokens"]
        assert tokenizer.encode_ids_batch([line["text"]]) == [line["ids"]]


def is_deleted(char, config):
    """Whether a character leaves no trace: the rule, written a second time."""
    kind = category(char)
    if char.isspace() and kind != "Cc" or char in "\t\n\r":
        return False
    return (
        char in "\0\ufffd"
        or kind in config.control_characters.split()
        or (config.control_characters == "C" and kind[0] == "C")
        or (config.strip_accents and kind == "Mn")
    )


def is_space(char):
    return char in "\t\n\r" or category(char)[0] == "Z"


def check_offsets(tokenizer, text):
    """Pieces in order and inside the text; every character that is neither white
    space nor deleted is in a piece, and no white space is.

    A deleted character is inside a piece's span exactly if it stands between two
    characters of that piece, or is a mark stripped from the piece's last letter.
    """
    encoding = tokenizer.encode(text)
    assert len(encoding.pieces) == len(encoding.ids) == len(encoding.offsets)
    covered = set()
    previous_start = previous_end = 0
    for start, end in encoding.offsets:
        assert 0 <= start < end <= len(text)
        assert start >= previous_start and end >= previous_end
        previous_start, previous_end = start, end
        covered.update(range(start, end))
    for position, char in enumerate(text):
        if is_space(char):
            assert position not in covered, (position, char)
        elif not is_deleted(char, tokenizer.config):
            may_vanish = tokenizer.config.strip_accents and all(
                category(part) == "Mn" for part in unicodedata.normalize("NFD", char)
            )
            assert position in covered or may_vanish, (position, char)


def check_slices(tokenizer, text):
    """The slice of a known piece, normalised on its own, is the piece.

    A final sigma alone is not final, so the two sigmas count as one here.
    """
    for piece, piece_id, (start, end) in zip(*tokenizer.encode(text)):
        if piece_id != tokenizer.unk_id:
            plain = piece[2:] if piece.startswith("##") else piece
            again = tokenizer._normaliser.normalise(text[start:end])
            assert again.strip().replace("ς", "σ") == plain.replace("ς", "σ")


@pytest.mark.parametrize("config_name", sorted(CONFIGS))
def test_offsets_of_golden_texts(golden_text, config_name):
    tokenizer = golden_tokenizer(config_name, golden_text)
    for line in golden_lines("bert_cased", golden_text):
        check_offsets(tokenizer, line["text"])
        if tokenizer.config.decompose != "all" and not tokenizer.config.compose:
            check_slices(tokenizer, line["text"])


KOREAN = st.text(
    st.one_of(
        st.characters(),
        st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3),
        st.characters(min_codepoint=0x1100, max_codepoint=0x11FF),
        st.sampled_from(
            "ㅋㅎㅠ .,!?[]#\u200d\u0301\u0308\ufe0f\U0001f600\u0130\u03a3Éß"
        ),
    ),
    max_size=60,
)


@pytest.mark.parametrize("config_name", sorted(CONFIGS))
@settings(max_examples=60, deadline=None)
@given(text=KOREAN)
@example(text="")
@example(text="\u1112\u1161\u11ab\u1100\u116e\u11a8\u110b\u1165")
@example(text="ㅋㅋㅋ")
@example(text="\U0001f468\u200d\U0001f469\u200d\U0001f467 가족")
@example(text="e\u0301\u0327 \u0345\u0301\u0316a")
@example(text="\U00011938\u0301\u0316A\u0301")
def test_offsets_and_the_two_ways_of_encoding_agree(config_name, text):
    tokenizer = golden_tokenizer(config_name)
    check_offsets(tokenizer, text)
    assert tokenizer.encode_ids_batch([text]) == [tokenizer.encode(text).ids]
    prepared = tokenizer._prepared_aligned(text)
    assert [prepared.text] == list(tokenizer._prepared([text]))
    aligned = tokenizer._normaliser.normalise_aligned(prepared)
    assert aligned.text == tokenizer._normaliser.normalise(prepared.text)
    assert len(aligned.text) == len(aligned.starts) == len(aligned.ends)


@settings(max_examples=100, deadline=None)
@given(text=KOREAN)
def test_cased_slices_give_back_every_non_space_character(text):
    tokenizer = golden_tokenizer("bert_cased")
    slices = "".join(text[start:end] for start, end in tokenizer.encode(text).offsets)
    kept = "".join(char for char in slices if not is_deleted(char, tokenizer.config))
    assert kept == "".join(
        char
        for char in text
        if not is_space(char) and not is_deleted(char, tokenizer.config)
    )


@pytest.mark.parametrize(
    "config_name, text, offsets",
    [
        ("bert_cased", "재밌다ㅎㅎㅎ굿!", [(0, 2), (2, 3), (3, 6), (6, 7), (7, 8)]),
        ("bert_cased", "영\u200b화 좋다", [(0, 3), (4, 6)]),
        ("bert_cased", "", []),
        ("bert_cased", "\u1112\u1161\u11ab", [(0, 3)]),
        ("strip_letters", "e\u0301\u200b가", [(0, 2), (3, 4)]),
        ("bert_uncased", "가", [(0, 1)]),
        ("composed", "\u110b\u1167\u11bc\u1112\u116a.", [(0, 5), (5, 6)]),
    ],
)
def test_offsets_by_hand(config_name, text, offsets):
    assert golden_tokenizer(config_name).encode(text).offsets == offsets


def test_lower_case_does_not_make_korean_unknown():
    texts = [line["text"] for line in golden_lines("bert_cased", shared_golden)[:1500]]
    cased, lower, stripped, upstream = (
        golden_tokenizer(name, shared_golden).unknown_rate(texts)
        for name in ("bert_cased", "korean_lower", "strip_letters", "bert_uncased")
    )
    assert lower <= cased and stripped <= cased
    assert cased < 0.01 < 0.5 < upstream


def test_lower_case_and_accents_are_separate():
    texts = ["Café 한국 CAFÉ"]
    lowered = golden_tokenizer("korean_lower")._normaliser.normalise(texts[0])
    stripped = golden_tokenizer("strip_letters")._normaliser.normalise(texts[0])
    jamo = golden_tokenizer("jamo")._normaliser.normalise("각É")
    assert lowered == "café 한국 café"
    assert stripped == "cafe 한국 cafe"
    assert jamo == "\u1100\u1161\u11a8E\u0301"


def test_continuations_start_with_two_hashes():
    tokenizer = golden_tokenizer("bert_cased")
    ids = tokenizer.convert_tokens_to_ids(["재밌", "##다", "[MASK]", "!"])
    assert tokenizer.is_continuation[ids].tolist() == [False, True, False, False]
    assert tokenizer.is_continuation.shape == (tokenizer.vocab_size,)
    assert tokenizer.special_ids == {0, 1, 2, 3, 4}


def test_conversion_errors_name_the_piece_and_the_id():
    tokenizer = golden_tokenizer("bert_cased")
    with pytest.raises(InputError, match="Piece '없는조각' is not in vocabulary"):
        tokenizer.convert_tokens_to_ids(["없는조각"])
    size = tokenizer.vocab_size
    with pytest.raises(InputError, match=f"Id {size} is outside .* {size} pieces"):
        tokenizer.convert_ids_to_tokens([size])
    ids = tokenizer.convert_tokens_to_ids(["영화"])
    assert tokenizer.convert_ids_to_tokens(ids + [1]) == ["영화", "[UNK]"]


def test_a_very_long_line_is_encoded():
    tokenizer = golden_tokenizer("bert_cased")
    assert tokenizer.encode("가" * 200000).ids == [tokenizer.unk_id]
    ids = tokenizer.convert_tokens_to_ids(["가"])
    assert tokenizer.encode("가 " * 100000).ids == ids * 100000


def test_characters_are_those_of_unicode_11_under_every_python():
    # Both hashes were made under Python 3.7, whose tables are Unicode 11.0.
    # What letters and symbols are among themselves does not matter to tokenisation.
    categories = [category(chr(point)) for point in range(0x110000)]
    classes = "".join(
        kind if kind[0] in "CZ" or kind == "Mn" else "P" if kind[0] == "P" else "."
        for kind in categories
    )
    normalise = golden_tokenizer("bert_uncased")._normaliser.normalise
    normalised = "".join(normalise(chr(point)) for point in range(0x20000))
    assert [
        hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
        for text in (classes, normalised)
    ] == ["6bcdf3139b6adbac", "1713b8b54a6ac018"]
