"""Text to words: the part of WordPiece tokenisation that comes before the pieces.

A ``Normaliser`` deletes control characters, sets Chinese characters and punctuation
apart, and lower-cases and strips accents if asked to. Its result is text in which
one space or more separates the words. It knows no vocabulary.
Source of the rules: tokenization.py of google-research/bert (BasicTokenizer).
"""

import re

from ..text import unicode11
from ..text.aligned_text import AlignedText, CharacterTable
from .config import TokenizerConfig

# A lone surrogate cannot be encoded, so no vocabulary holds one and its word is
# unknown. U+FFFD stands in: it is deleted from all text, so nothing else becomes it.
_SURROGATE_MARK = "\ufffd"

# ASCII, punctuation, jamo and syllables: text whose characters change independently
# of their neighbours. Final sigmas and marks in disorder lie outside.
_EXCEPTIONAL = re.compile(
    "[^\x00-\x7f\u2010-\u2027\u3001-\u3029\u3131-\u3163\uac00-\ud7a3]"
)

_CJK_RANGES = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class Normaliser:
    """Cuts text into words as a tokenizer's settings say.

    Example (lower_case=True): ``"OST가 최고!\u200b"`` -> ``"ost가 최고 ! "``.
    """

    def __init__(self, config: TokenizerConfig):
        self._config = config
        self._extent = config.effective_decompose
        self._needs_stages = (
            config.lower_case or config.strip_accents or self._extent != "none"
        )
        self._clean = CharacterTable(self.cleaned)
        self._separate = CharacterTable(self.separated)
        self._one_pass = CharacterTable(self._normalise_in_stages)

    def normalise(self, text: str) -> str:
        """The words of a text, separated by spaces."""
        if self._needs_stages and _EXCEPTIONAL.search(text):
            return self._normalise_in_stages(text)
        return text.translate(self._one_pass)

    def _normalise_in_stages(self, text):
        text = text.translate(self._clean)
        if self._config.lower_case:
            text = unicode11.lower(text)
        return unicode11.decompose(text, self._extent).translate(self._separate)

    def normalise_aligned(self, aligned: AlignedText) -> AlignedText:
        """``normalise`` with the position of every character in the original text.

        A character that is deleted leaves no trace; a mark that is stripped from a
        letter counts with the letter: ``"e\u0301"`` -> ``"e"`` from 0 to 2.
        """
        if not (self._needs_stages and _EXCEPTIONAL.search(aligned.text)):
            return aligned.translate(self._one_pass)
        aligned = aligned.translate(self._clean)
        if self._config.lower_case:
            aligned = aligned.lower()
        aligned = aligned.decompose(self._extent)
        return aligned.translate(self._separate, attach_deleted=True)

    def cleaned(self, char: str) -> str:
        """What a character becomes first: itself, "", " " or itself between spaces."""
        if char in "\t\n\r":
            return " "
        if char in "\x00\ufffd" or is_control(char, self._config.control_characters):
            return ""
        category = unicode11.category(char)
        if category == "Cs":
            return _SURROGATE_MARK
        # Upstream: line and paragraph separators pass the cleaning, but split() does
        # break at them.
        if category.startswith("Z"):
            return " "
        if self._config.split_cjk and _is_chinese(char):
            return " " + char + " "
        return char

    def separated(self, char: str) -> str:
        """What it becomes at the end: itself, "" (a mark) or itself between spaces."""
        if self._config.strip_accents and unicode11.category(char) == "Mn":
            return ""
        if is_punctuation(char):
            return " " + char + " "
        return char


def is_control(char: str, categories: str) -> bool:
    """Whether a character is deleted; tab and line ends count as white space.

    Args:
      categories: see TokenizerConfig.control_characters.
    """
    if char in "\t\n\r":
        return False
    category = unicode11.category(char)
    return category in categories.split() or (
        categories == "C" and category.startswith("C")
    )


def is_punctuation(char: str) -> bool:
    """Whether a character is a word of its own: ASCII symbols and categories P*."""
    return char in _ASCII_PUNCTUATION or unicode11.category(char).startswith("P")


def _is_chinese(char):
    code_point = ord(char)
    return any(first <= code_point <= last for first, last in _CJK_RANGES)
