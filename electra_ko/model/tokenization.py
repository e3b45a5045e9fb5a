"""ELECTRA's tokenizer by upstream's names, on the shared tokenizers.

`do_lower_case=True` with `strip_accents=True`, the defaults, take Hangul apart. Pass
strip_accents=False, or do_lower_case=False, for a Korean vocabulary of syllables.
Source: google-research/electra, model/tokenization.py.
"""

from data.tokenization import full_tokenizer
from data.tokenization.full_tokenizer import (
    WordpieceTokenizer,
    convert_by_vocab,
    convert_ids_to_tokens,
    convert_to_unicode,
    convert_tokens_to_ids,
    load_vocab,
    printable_text,
    whitespace_tokenize,
)
from data.tokenization.full_tokenizer import is_whitespace as _is_whitespace
from data.tokenization.normalisation import is_control
from data.tokenization.normalisation import is_punctuation as _is_punctuation

__all__ = [
    "BasicTokenizer",
    "FullTokenizer",
    "WordpieceTokenizer",
    "_is_control",
    "_is_punctuation",
    "_is_whitespace",
    "convert_by_vocab",
    "convert_ids_to_tokens",
    "convert_to_unicode",
    "convert_tokens_to_ids",
    "load_vocab",
    "printable_text",
    "whitespace_tokenize",
]


class BasicTokenizer(full_tokenizer.BasicTokenizer):
    """As BERT's; unassigned and private characters are deleted, too."""

    control_characters = "C"


class FullTokenizer(full_tokenizer.FullTokenizer):
    """Text to pieces: BasicTokenizer, then WordpieceTokenizer.

    Args:
      vocab_file: vocab.txt.
      do_lower_case, strip_accents: see BasicTokenizer.

    Raises:
      InputError: the vocabulary cannot be read.
    """

    def __init__(self, vocab_file, do_lower_case=True, strip_accents=True):
        self._use(load_vocab(vocab_file), BasicTokenizer(do_lower_case, strip_accents))


def _is_control(char):
    """Whether a character is deleted; tab and line ends count as white space."""
    return is_control(char, BasicTokenizer.control_characters)
