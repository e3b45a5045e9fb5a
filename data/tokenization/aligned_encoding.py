"""Pieces with their places in the text, for tasks that point at words or characters."""

from typing import List, NamedTuple

import numpy as np

from ..io.errors import InputError
from . import Tokenizer


class AlignedEncoding(NamedTuple):
    """N pieces of one text.

    Attributes:
      ids: their ids.
      spans: int32 [N, 2], (start, end) in characters of the original text, end
        exclusive. A piece that stands for no character has an empty span.
    """

    ids: List[int]
    spans: np.ndarray


def encode_aligned(tokenizer: Tokenizer, text: str) -> AlignedEncoding:
    """The pieces of a text and the characters that each came from.

    Raises:
      InputError: the tokenizer does not say where its pieces come from.
    """
    try:
        encoding = tokenizer.encode(text)
    except NotImplementedError:
        raise _cannot_align(tokenizer) from None
    spans = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    if len(spans) != len(encoding.ids):
        raise _cannot_align(tokenizer)
    if (spans[:, 0] > spans[:, 1]).any() or (np.diff(spans, axis=0) < 0).any():
        raise _cannot_align(tokenizer)
    if len(spans) and (spans.min() < 0 or spans.max() > len(text)):
        raise _cannot_align(tokenizer)
    return AlignedEncoding(encoding.ids, spans)


def _cannot_align(tokenizer):
    return InputError(
        f"{type(tokenizer).__name__} does not tell from which characters its pieces "
        "come. Tagging and question answering need that: use a wordpiece or "
        "sentencepiece tokenizer."
    )
