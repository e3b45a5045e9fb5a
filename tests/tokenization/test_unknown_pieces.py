"""Text that a vocabulary cannot spell: composed where that helps, told where not."""

import re
import unicodedata

import pytest

from data.tokenization import TokenizerConfig, build_tokenizer, resolve_config
from data.tokenization.aligned_encoding import encode_aligned

PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] 영화 ##는 좋다 a".split()
DECOMPOSED = unicodedata.normalize("NFD", "영화는 좋다")


def vocabulary(tmp_path, *more):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(p + "\n" for p in (*PIECES, *more)), encoding="utf-8")
    return str(path)


def default(tmp_path, *more):
    """A tokenizer of a vocabulary without settings beside it."""
    path = vocabulary(tmp_path, *more)
    return build_tokenizer(resolve_config(path), path)


# --- Decomposed Hangul -----------------------------------------------------------


def test_decomposed_hangul_is_composed_where_the_vocabulary_has_no_jamo(tmp_path):
    tokenizer = default(tmp_path)
    assert tokenizer.composes
    encoding = tokenizer.encode(DECOMPOSED)
    assert encoding.pieces == ["영화", "##는", "좋다"]
    assert encoding.offsets == [(0, 5), (5, 8), (9, 14)]
    assert encode_aligned(tokenizer, DECOMPOSED).spans.tolist()[-1] == [9, 14]


def test_a_vocabulary_of_jamo_reads_them_as_they_are(tmp_path):
    tokenizer = default(tmp_path, "\u110b", "##\u1167", "##\u11bc")
    assert not tokenizer.composes
    assert tokenizer.tokenize("\u110b\u1167\u11bc") == [
        "\u110b",
        "##\u1167",
        "##\u11bc",
    ]


def test_what_the_settings_say_about_composing_holds(tmp_path):
    path = vocabulary(tmp_path)
    for compose, expected in ((False, ["[UNK]"] * 2), (True, ["영화", "##는", "좋다"])):
        tokenizer = build_tokenizer(TokenizerConfig(compose=compose), path)
        assert tokenizer.tokenize(DECOMPOSED) == expected


def test_the_settings_of_others_do_not_forbid_composing(tmp_path):
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    assert default(tmp_path).tokenize(DECOMPOSED) == ["영화", "##는", "좋다"]


# --- Fingerprints ----------------------------------------------------------------


def test_fingerprints_are_those_of_earlier_records_and_runs(tmp_path):
    """As recorded before there were added_tokens, delete_controls and compose=None."""
    path = tmp_path / "vocab.txt"
    path.write_text(
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n영화\n##는\n좋다\n", encoding="utf-8"
    )
    for settings, fingerprint in (
        ({}, "e070bcee69b1c940"),
        ({"compose": None}, "e070bcee69b1c940"),
        ({"compose": True}, "221fb8d8ef2caf95"),
        ({"lower_case": True}, "088769bd20034ecb"),
        ({"control_characters": "C"}, "d93e822584965ca6"),
    ):
        config = TokenizerConfig(**settings)
        assert build_tokenizer(config, str(path)).fingerprint == fingerprint, settings


# --- The warning -----------------------------------------------------------------


def counted(tmp_path, *texts, **settings):
    tokenizer = build_tokenizer(TokenizerConfig(**settings), vocabulary(tmp_path))
    counts = tokenizer.count_pieces()
    tokenizer.encode_ids_batch(texts[:1])
    for text in texts[1:]:
        tokenizer.encode(text)
    return counts


def test_up_to_a_tenth_of_unknown_pieces_nothing_is_said(tmp_path):
    counts = counted(tmp_path, "a a a a a a a a a", "없음")
    assert (counts.pieces, counts.unknown) == (10, 1)
    assert counts.warning("x.txt") == ""


@pytest.mark.parametrize(
    "text, cause",
    [
        (DECOMPOSED, "Its Hangul is decomposed .* set compose to true"),
        ("영화는".encode().decode("latin-1"), "another encoding"),
        ("A a B C", "lower case only"),
        ("どうも", "another language or model"),
    ],
)
def test_above_a_tenth_there_is_an_example_and_a_cause(tmp_path, text, cause):
    counts = counted(tmp_path, "영화는 좋다", text)
    found = counts.warning("x.txt")
    assert found.startswith("x.txt: ") and "% of the pieces are unknown" in found
    assert repr(" ".join(text.split())[:40]) in found
    assert re.search(cause, found), found


def test_counting_begins_anew_and_an_empty_file_has_no_warning(tmp_path):
    tokenizer = default(tmp_path)
    first = tokenizer.count_pieces()
    tokenizer.encode("どうも")
    second = tokenizer.count_pieces()
    assert (first.pieces, second.pieces) == (1, 0)
    assert second.warning("x.txt") == ""
