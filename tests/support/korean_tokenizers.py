"""Tokenizers of every sort over the golden vocabularies, each reading NFD text too."""

import dataclasses

import pytest

from data.io.errors import InputError
from data.tokenization import build_tokenizer, preset
from tests.support.shared_data import shared_golden

# Name -> preset, vocabulary, settings that differ.
_SORTS = {
    "wordpiece": ("korean_cased", "vocab.txt", {}),
    "wordpiece, lower case": ("korean_lower", "vocab.txt", {}),
    "sentencepiece": ("korean_sentencepiece", "albert_spm.model", {}),
    "sentencepiece, lower case": ("albert_uncased", "albert_spm.model", {}),
    "morphemes": (
        "korean_cased",
        "vocab.txt",
        {"morpheme_analyser": "mecab", "morphemes": "run_time"},
    ),
}
NAMES = tuple(_SORTS)


def build(name):
    """The tokenizer; skips the test where its analyser is not installed."""
    preset_name, vocabulary, changes = _SORTS[name]
    config = dataclasses.replace(preset(preset_name), compose=True, **changes)
    try:
        return build_tokenizer(config, shared_golden("tokenization", vocabulary))
    except InputError as error:
        if name == "morphemes":
            pytest.skip(str(error))
        raise
