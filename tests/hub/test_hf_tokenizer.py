"""Hugging Face's tokenizer.json gives the ids of our own tokenizers."""

import json

import pytest
from tokenizers import Tokenizer

from data.tokenization import TokenizerConfig, build_tokenizer, preset, resolve_config
from encoder_ko.hub import tokenizer_files
from encoder_ko.hub.tokenizer_import import read_settings
from encoder_ko.hub.tokenizer_json import character_classes, fast_tokenizer
from tests.support.shared_data import shared_golden

PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "나는", "집", "##에", "가", "!"]

WORDPIECE = [
    ("bert_cased", "bert_cased"),
    ("bert_uncased", "bert_uncased"),
    ("krbert_medium_cased", "krbertmedium_cased"),
    ("krbert_medium_uncased", "krbertmedium_uncased"),
    ("electra_cased", "electra_cased_adversarial"),
    ("electra_lower_nostrip", "electra_lower_nostrip_adversarial"),
    ("electra_lower_strip", "electra_lower_strip_adversarial"),
]

# Lines of golden/tokenization (their i) that a unigram model of the library cuts
# elsewhere. It adds scores in another precision, so it may prefer the other one of two
# ways of equal score (!!! !! and !! !!!); the raw ones besides are single letters of
# Hangul (jamo) beside characters that they do not belong to.
TIES = "ties"
SENTENCEPIECE = [
    ("albert_cased", "albert_spm_cased", 4),
    ("albert_uncased", "albert_spm_uncased", 4),
    ("korean_sentencepiece", "albert_spm_raw_adversarial", 6),
]


def records(golden_text, name):
    path = golden_text("tokenization", name + ".jsonl")
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def library(tokenizer):
    """The tokenizer of Hugging Face's library, special tokens in text as plain text."""
    loaded = Tokenizer.from_str(fast_tokenizer(tokenizer).to_str())
    if hasattr(loaded, "encode_special_tokens"):
        loaded.encode_special_tokens = True
    return loaded


def different(records, ours, theirs, knows_special):
    special = ours.config.special_tokens
    return [
        record["i"]
        for record in records
        if (knows_special or not any(token in record["text"] for token in special))
        and theirs.encode(record["text"], add_special_tokens=False).ids
        != ours.encode_ids_batch([record["text"]])[0]
    ]


@pytest.mark.parametrize("settings, name", WORDPIECE)
def test_wordpiece_ids_are_ours(golden_text, settings, name):
    ours = build_tokenizer(preset(settings), golden_text("tokenization", "vocab.txt"))
    theirs = library(ours)
    knows_special = hasattr(theirs, "encode_special_tokens")
    lines = records(golden_text, name)
    assert different(lines, ours, theirs, knows_special) == []


@pytest.mark.parametrize("settings, name, most", SENTENCEPIECE)
def test_sentencepiece_ids_are_ours_but_for_ties(settings, name, most):
    model = shared_golden("tokenization", "albert_spm.model")
    ours = build_tokenizer(preset(settings), model)
    theirs = library(ours)
    knows_special = hasattr(theirs, "encode_special_tokens")
    found = different(records(shared_golden, name), ours, theirs, knows_special)
    assert len(found) <= most, found


def vocabulary(tmp_path, pieces=PIECES):
    path = tmp_path / "vocab.txt"
    path.write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    return str(path)


def test_a_pair_of_texts_has_two_types(tmp_path):
    ours = build_tokenizer(TokenizerConfig(), vocabulary(tmp_path))
    encoded = library(ours).encode("나는", "집에 가!")
    assert encoded.tokens == "[CLS] 나는 [SEP] 집 ##에 가 ! [SEP]".split()
    assert encoded.type_ids == [0, 0, 0, 1, 1, 1, 1, 1]


def test_a_long_word_is_unknown_from_our_length_on(tmp_path):
    config = TokenizerConfig(max_chars_per_word=3)
    ours = build_tokenizer(config, vocabulary(tmp_path, PIECES + ["##가"]))
    theirs = library(ours)
    for text in ("가가가", "가가가가"):
        encoded = theirs.encode(text, add_special_tokens=False)
        assert encoded.ids == ours.encode_ids_batch([text])[0]


def test_characters_by_class():
    classes = character_classes(lambda char: char in "0123456789x")
    assert classes[True] == "[\\x{30}-\\x{39}\\x{78}]"


# --- Files -----------------------------------------------------------------------


def written(tmp_path, config):
    folder = tmp_path / "exported"
    folder.mkdir()
    tokenizer = build_tokenizer(config, vocabulary(tmp_path))
    tokenizer_files.write_tokenizer(tokenizer, str(folder), 128, True)
    return folder


def test_files_of_a_tokenizer(tmp_path):
    folder = written(tmp_path, TokenizerConfig(lower_case=True))
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    assert settings["model_max_length"] == 128
    assert settings["mask_token"] == "[MASK]"
    special = json.loads((folder / "special_tokens_map.json").read_text("utf-8"))
    assert special["unk_token"] == "[UNK]"
    assert (folder / "vocab.txt").read_bytes() == (tmp_path / "vocab.txt").read_bytes()


def test_our_settings_come_back(tmp_path):
    config = TokenizerConfig(
        lower_case=True, control_characters="C", max_chars_per_word=77
    )
    folder = written(tmp_path, config)
    assert read_settings(str(folder)) == config
    assert resolve_config(str(folder / "vocab.txt")) == config


def test_what_the_library_cannot_do_is_said():
    config = TokenizerConfig(
        morpheme_analyser="mecab",
        morphemes="run_time",
        cleaning="kcelectra",
        clean="run_time",
    )
    assert tokenizer_files.unsupported_steps(config) == [
        "clean it with the recipe kcelectra",
        "cut it into morphemes with mecab",
    ]
