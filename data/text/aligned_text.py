"""Text that is being normalised, with the original position of each character."""

import functools
import os.path
import re
from typing import Callable, List, NamedTuple, Sequence, Tuple

from . import unicode11

_NOT_SPACE = re.compile(r"\S+")


class CharacterTable(dict):
    """code point -> its replacement ("" deletes), filled in as characters turn up.

    It is made for str.translate. ``CharacterTable(str.upper)[ord("a")]`` -> ``"A"``.
    """

    def __init__(self, replace: Callable[[str], str]):
        super().__init__()
        self._replace = replace

    def __missing__(self, code_point: int) -> str:
        replacement = self._replace(chr(code_point))
        self[code_point] = replacement
        return replacement


class AlignedText(NamedTuple):
    """Normalised text and where each of its characters came from.

    Each method does what the plain function on str does and returns a new text.

    Attributes:
      text: the normalised text, N characters.
      starts, ends: N character positions in the original text; character k came from
        original[starts[k]:ends[k]]. Neither ever runs backwards.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    @classmethod
    def of(cls, text: str) -> "AlignedText":
        """A text aligned with itself."""
        return cls(text, range(len(text)), range(1, len(text) + 1))

    def span(self, first: int, last: int) -> Tuple[int, int]:
        """The original (start, end) of the normalised characters first to last - 1."""
        return self.starts[first], self.ends[last - 1]

    def translate(
        self, table: CharacterTable, attach_deleted: bool = False
    ) -> "AlignedText":
        """``text.translate(table)``.

        With attach_deleted a character that is deleted counts with the one before it
        (a mark with its letter): ``"e\u0301"`` -> ``"e"`` from 0 to 2.
        """
        translated = self.text.translate(table)
        if translated == self.text:
            return self
        last, starts, ends = " ", [], []
        for char, start, end in zip(*self):
            replacement = table[ord(char)]
            if len(replacement) == 1:
                starts.append(start)
                ends.append(end)
            elif replacement:
                starts.extend([start] * len(replacement))
                ends.extend([end] * len(replacement))
            elif attach_deleted and last != " ":
                ends[-1] = max(end, ends[-1])
            last = replacement or last
        return AlignedText(translated, starts, ends)

    def lower(self) -> "AlignedText":
        """``unicode11.lower``; İ becomes two characters with one position."""
        text = unicode11.lower(self.text)
        if len(text) == len(self.text):
            return AlignedText(text, self.starts, self.ends)
        starts, ends = [], []
        for char, start, end in zip(*self):
            count = len(unicode11.lower(char))
            starts.extend([start] * count)
            ends.extend([end] * count)
        return AlignedText(text, starts, ends)

    def compose(self) -> "AlignedText":
        """``unicode11.compose``: ᄒ ᅡ ᆫ from 0 to 3 becomes 한, 0 to 3."""
        if unicode11.compose(self.text) == self.text:
            return self
        firsts = [
            index
            for index, char in enumerate(self.text)
            if not (index and unicode11.joins_previous(char))
        ]
        text: List[str] = []
        starts: List[int] = []
        ends: List[int] = []
        for first, last in zip(firsts, firsts[1:] + [len(self.text)]):
            composed = unicode11.compose(self.text[first:last])
            text.append(composed)
            # The characters before the first change keep their own positions.
            same = len(os.path.commonprefix([composed, self.text[first:last]]))
            changed = len(composed) - same
            starts.extend(self.starts[first : first + same])
            ends.extend(self.ends[first : first + same])
            if changed:
                starts.extend([self.starts[first + same]] * changed)
                ends.extend([self.ends[last - 1]] * changed)
        return AlignedText("".join(text), starts, ends)

    def substitute(
        self, pattern: "re.Pattern", replacement: Callable[["re.Match"], str]
    ) -> "AlignedText":
        """``pattern.sub(replacement, text)``.

        A replacement that the match begins with keeps its positions, and its last
        character stands for the rest too: ㅋㅋㅋㅋ -> ㅋㅋ, 0 to 1 and 1 to 4. Each
        character of any other replacement stands for the whole match.
        """
        text: List[str] = []
        starts: List[int] = []
        ends: List[int] = []
        position = 0
        for match in pattern.finditer(self.text):
            first, last = match.span()
            text.append(self.text[position:first])
            starts.extend(self.starts[position:first])
            ends.extend(self.ends[position:first])
            position = last
            new = replacement(match)
            text.append(new)
            if not new:
                continue
            start, end = self.starts[first], self.ends[last - 1]
            if match.group().startswith(new):
                starts.extend(self.starts[first : first + len(new)])
                ends.extend(self.ends[first : first + len(new) - 1])
                ends.append(end)
            else:
                starts.extend([start] * len(new))
                ends.extend([end] * len(new))
        text.append(self.text[position:])
        starts.extend(self.starts[position:])
        ends.extend(self.ends[position:])
        return AlignedText("".join(text), starts, ends)

    def decompose(self, extent: str) -> "AlignedText":
        """``unicode11.decompose``: é from 0 to 1 becomes e and a mark, both 0 to 1."""
        if unicode11.decompose(self.text, extent) == self.text:
            return self
        chars = [
            (order, part, start, end)
            for char, start, end in zip(*self)
            for order, part in _parts(char, extent)
        ]
        _, text, starts, ends = zip(*_in_canonical_order(chars))
        return AlignedText("".join(text), starts, ends)

    def collapse_spaces(self) -> "AlignedText":
        """``" ".join(text.split())``; a space keeps the span of the white space."""
        text: List[str] = []
        starts: List[int] = []
        ends: List[int] = []
        for word in _NOT_SPACE.finditer(self.text):
            first, last = word.span()
            if text:
                starts.append(ends[-1])
                ends.append(self.starts[first])
            text.append(word.group())
            starts.extend(self.starts[first:last])
            ends.extend(self.ends[first:last])
        return AlignedText(" ".join(text), starts, ends)


@functools.lru_cache(maxsize=1 << 15)
def _parts(char, extent):
    """What one character decomposes into, each part with its combining class."""
    parts = unicode11.decompose(char, extent)
    return tuple((unicode11.combining(part), part) for part in parts)


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
