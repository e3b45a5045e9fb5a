"""BERT's tokenizer by upstream's names, on the shared tokenizers.

`do_lower_case=True`, the default, is upstream's form: it takes Hangul apart. Pass False
for a Korean vocabulary of syllables. The toolkit's own commands go through
`data.tokenization.build_tokenizer`, which lower-cases without that.
Source: google-research/bert, tokenization.py.
"""

import re

from data.io.errors import InputError
from data.tokenization.full_tokenizer import (
    BasicTokenizer,
    FullTokenizer,
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
    "validate_case_matches_checkpoint",
    "whitespace_tokenize",
]

_LOWER_CASE = (
    "uncased_L-24_H-1024_A-16",
    "uncased_L-12_H-768_A-12",
    "multilingual_L-12_H-768_A-12",
    "chinese_L-12_H-768_A-12",
)
_CASED = (
    "cased_L-12_H-768_A-12",
    "cased_L-24_H-1024_A-16",
    "multi_cased_L-12_H-768_A-12",
)


def validate_case_matches_checkpoint(do_lower_case, init_checkpoint):
    """Refuses a `do_lower_case` that one of Google's models was not trained with.

    Args:
      do_lower_case: bool.
      init_checkpoint: path; only one such as `.../cased_L-12_H-768_A-12/
        bert_model.ckpt`, whose folder has the name of a published model, is checked.

    Raises:
      InputError: the two contradict each other.
    """
    found = re.search(r"([A-Za-z0-9_-]+)/bert_model\.ckpt", init_checkpoint or "")
    model = found.group(1) if found else None
    if model in (_CASED if do_lower_case else _LOWER_CASE):
        casing = "a cased" if do_lower_case else "an uncased"
        raise InputError(
            f"--do_lower_case={bool(do_lower_case)} does not go with --init_checkpoint="
            f"{init_checkpoint}: {model} is {casing} model. Pass "
            f"--do_lower_case={not do_lower_case}."
        )


def _is_control(char):
    """Whether a character is deleted; tab and line ends count as white space."""
    return is_control(char, BasicTokenizer.control_characters)
