"""Text to words: the part of WordPiece tokenisation that comes before the pieces.

A ``Normaliser`` deletes control characters, sets Chinese characters and punctuation
apart, and lower-cases and strips accents if asked to. Its result is text in which
one space or more separates the words. It knows no vocabulary.
Source of the rules: tokenization.py of google-research/bert (BasicTokenizer).
"""

import re
import unicodedata
from typing import Callable, NamedTuple, Sequence

from .config import TokenizerConfig
from .unicode11 import NEWER, category

# A lone surrogate cannot be encoded, so no vocabulary holds one and its word is
# unknown. U+FFFD stands in: it is deleted from all text, so nothing else becomes it.
_SURROGATE_MARK = "\ufffd"

# ASCII, punctuation, jamo and syllables: text whose characters change independently
# of their neighbours. Final sigmas and marks in disorder lie outside.
_EXCEPTIONAL = re.compile(
    "[^\x00-\x7f\u2010-\u2027\u3001-\u3029\u3131-\u3163\uac00-\ud7a3]"
)
_NOT_SYLLABLES = re.compile("[^\uac00-\ud7a3]+")

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


class AlignedText(NamedTuple):
    """Normalised text and where each of its characters came from.

    Attributes:
      text: the normalised text, N characters.
      starts, ends: N character positions in the original text; character k came from
        original[starts[k]:ends[k]].
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> "AlignedText":
        """A text aligned with itself."""
        return cls(text, range(len(text)), range(1, len(text) + 1))


class _CharacterTable(dict):
    """code point -> its replacement ("" deletes), filled in as characters turn up."""

    def __init__(self, replace: Callable[[str], str]):
        super().__init__()
        self._replace = replace

    def __missing__(self, code_point: int) -> str:
        replacement = self._replace(chr(code_point))
        self[code_point] = replacement
        return replacement


class Normaliser:
    """Cuts text into words as a tokenizer's settings say.

    Example (lower_case=True): ``"OST가 최고!\u200b"`` -> ``"ost가 최고 ! "``.
    """

    def __init__(self, config: TokenizerConfig):
        self._config = config
        self._takes_apart = config.decompose == "all" or (
            config.decompose == "letters" and config.strip_accents
        )
        self._needs_stages = (
            config.lower_case or config.strip_accents or self._takes_apart
        )
        self._clean = _CharacterTable(self._cleaned)
        self._separate = _CharacterTable(self._separated)
        self._one_pass = _CharacterTable(self._normalise_in_stages)

    def normalise(self, text: str) -> str:
        """The words of a text, separated by spaces."""
        if self._needs_stages and _EXCEPTIONAL.search(text):
            return self._normalise_in_stages(text)
        return text.translate(self._one_pass)

    def _normalise_in_stages(self, text):
        text = text.translate(self._clean)
        if self._config.lower_case:
            text = _outside_newer(str.lower, text)
        return self._decomposed(text).translate(self._separate)

    def normalise_aligned(self, text: str) -> AlignedText:
        """``normalise`` with the position of every character in the original text.

        A character that is deleted leaves no trace; a mark that is stripped from a
        letter counts with the letter: ``"e\u0301"`` -> ``"e"`` from 0 to 2.
        """
        aligned = AlignedText.of(text)
        if not (self._needs_stages and _EXCEPTIONAL.search(text)):
            return _translate(aligned, self._one_pass)
        aligned = _translate(aligned, self._clean)
        if self._config.lower_case:
            aligned = _lower(aligned)
        aligned = self._decompose(aligned)
        return _translate(aligned, self._separate, attach_deleted=True)

    def _cleaned(self, char):
        if char in "\t\n\r":
            return " "
        kind = category(char)
        if char in "\x00\ufffd" or kind in ("Cc", "Cf"):
            return ""
        if kind.startswith("C") and self._config.control_characters == "C":
            return ""
        if kind == "Cs":
            return _SURROGATE_MARK
        # Upstream: line and paragraph separators pass the cleaning, but split() does
        # break at them.
        if kind.startswith("Z"):
            return " "
        if self._config.split_cjk and _is_chinese(char):
            return " " + char + " "
        return char

    def _separated(self, char):
        kind = category(char)
        if kind == "Mn" and self._config.strip_accents:
            return ""
        if char in _ASCII_PUNCTUATION or kind.startswith("P"):
            return " " + char + " "
        return char

    def _decomposed(self, text):
        if not self._takes_apart:
            return text
        if self._config.decompose == "all":
            return _outside_newer(_decomposed, text)
        return _NOT_SYLLABLES.sub(
            lambda match: _outside_newer(_decomposed, match.group()), text
        )

    def _decompose(self, aligned):
        if self._decomposed(aligned.text) == aligned.text:
            return aligned
        chars = []
        for index, char in enumerate(aligned.text):
            for part in self._decomposed(char):
                order = 0 if NEWER.match(part) else unicodedata.combining(part)
                start, end = aligned.starts[index], aligned.ends[index]
                chars.append((order, part, start, end))
        _, text, starts, ends = zip(*_in_canonical_order(chars))
        return AlignedText("".join(text), list(starts), list(ends))


def _is_chinese(char):
    code_point = ord(char)
    return any(first <= code_point <= last for first, last in _CJK_RANGES)


def _decomposed(text):
    return unicodedata.normalize("NFD", text)


def _outside_newer(function, text):
    """Applies function, leaving out what is newer than Unicode 11.0.

    Pythons disagree on such characters only.
    """
    if text.isascii() or not NEWER.search(text):
        return function(text)
    parts = NEWER.split(text)
    return "".join(
        part if index % 2 else function(part) for index, part in enumerate(parts)
    )


def _translate(aligned, table, attach_deleted=False):
    text, starts, ends = [], [], []
    translated = aligned.text.translate(table)
    if translated == aligned.text:
        return aligned
    for char, start, end in zip(aligned.text, aligned.starts, aligned.ends):
        replacement = table[ord(char)]
        if len(replacement) == 1:
            text.append(replacement)
            starts.append(start)
            ends.append(end)
        elif replacement:
            text.append(replacement)
            starts.extend([start] * len(replacement))
            ends.extend([end] * len(replacement))
        elif attach_deleted and text and text[-1] != " ":
            ends[-1] = max(end, ends[-1])
    return AlignedText(translated, starts, ends)


def _lower(aligned):
    text = _outside_newer(str.lower, aligned.text)
    if len(text) == len(aligned.text):
        return AlignedText(text, aligned.starts, aligned.ends)
    starts, ends = [], []
    for char, start, end in zip(aligned.text, aligned.starts, aligned.ends):
        count = len(_outside_newer(str.lower, char))
        starts.extend([start] * count)
        ends.extend([end] * count)
    return AlignedText(text, starts, ends)


def _in_canonical_order(chars):
    """Sorts each run of combining marks by combining class, as Unicode's NFD does.

    Marks that change places share the span of their run, so that positions never
    run backwards.
    """
    ordered, marks = [], []
    for item in chars + [(0, "", 0, 0)]:
        if item[0]:
            marks.append(item)
            continue
        in_order = sorted(marks, key=lambda mark: mark[0])
        if in_order != marks:
            start, end = marks[0][2], max(mark[3] for mark in marks)
            in_order = [(order, char, start, end) for order, char, _, _ in in_order]
        ordered += in_order
        ordered.append(item)
        marks = []
    return ordered[:-1]
