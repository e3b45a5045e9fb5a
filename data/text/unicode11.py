"""Unicode 11.0: character classes and mappings that are the same under every Python.

Upstream asks Python's ``unicodedata`` what a control character, a mark or a
punctuation character is, so the same text can give other pieces under another
Python. The published reference results were made with Unicode 11.0 (Python 3.7);
this module answers as that version does under Python 3.7 to 3.11.
"""

import functools
import re
import unicodedata

# Code points that Unicode 12.0 to 14.0 assigned: unassigned (Cn) in Unicode 11.0.
_BASIC_PLANE = """
61d 870-88e 890-891 898-89f 8b5 8be-8d2 b55 c3c c5d c77 cdd d04 d81 e86 e89 e8c
e8e-e93 e98 ea0 ea8-ea9 eac eba 170d 1715 171f 180f 1abf-1ace 1b4c 1b7d-1b7e 1cfa 1dfa
20c0 2b97 2bc9 2bff 2c2f 2c5f 2e4f-2e5d 31bb-31bf 32ff 4db6-4dbf 9ff0-9fff a7ba-a7ca
a7d0-a7d1 a7d3 a7d5-a7d9 a7f2-a7f6 a82c ab66-ab6b fbc2 fd40-fd4f fdcf fdfe-fdff
"""
_OTHER_PLANES = """
1019c 10570-1057a 1057c-1058a 1058c-10592 10594-10595 10597-105a1 105a3-105b1
105b3-105b9 105bb-105bc 10780-10785 10787-107b0 107b2-107ba 10e80-10ea9 10eab-10ead
10eb0-10eb1 10f70-10f89 10fb0-10fcb 10fe0-10ff6 11070-11075 110c2 11147 111ce-111cf
1145a 1145f-11461 116b8-116b9 11740-11746 11900-11906 11909 1190c-11913 11915-11916
11918-11935 11937-11938 1193b-11946 11950-11959 119a0-119a7 119aa-119d7 119da-119e4
11a84-11a85 11ab0-11abf 11fb0 11fc0-11ff1 11fff 12f90-12ff2 13430-13438 16a70-16abe
16ac0-16ac9 16f45-16f4a 16f4f 16f7f-16f87 16fe2-16fe4 16ff0-16ff1 187f2-187f7
18af3-18cd5 18d00-18d08 1aff0-1aff3 1aff5-1affb 1affd-1affe 1b11f-1b122 1b150-1b152
1b164-1b167 1cf00-1cf2d 1cf30-1cf46 1cf50-1cfc3 1d1e9-1d1ea 1df00-1df1e 1e100-1e12c
1e130-1e13d 1e140-1e149 1e14e-1e14f 1e290-1e2ae 1e2c0-1e2f9 1e2ff 1e7e0-1e7e6
1e7e8-1e7eb 1e7ed-1e7ee 1e7f0-1e7fe 1e94b 1ed01-1ed3d 1f10d-1f10f 1f16c-1f16f 1f1ad
1f6d5-1f6d7 1f6dd-1f6df 1f6fa-1f6fc 1f7e0-1f7eb 1f7f0 1f8b0-1f8b1 1f90c-1f90f 1f93f
1f971-1f972 1f977-1f979 1f97b 1f9a3-1f9af 1f9ba-1f9bf 1f9c3-1f9cf 1fa00-1fa53
1fa70-1fa74 1fa78-1fa7c 1fa80-1fa86 1fa90-1faac 1fab0-1faba 1fac0-1fac5 1fad0-1fad9
1fae0-1fae7 1faf0-1faf6 1fb00-1fb92 1fb94-1fbca 1fbf0-1fbf9 2a6d7-2a6df 2b735-2b738
30000-3134a
"""

# Code points whose category has changed since: what it was in Unicode 11.0.
_CHANGED = {"\u166d": "Po", "\u1734": "Mn", "\ua9bd": "Mc"}


def _character_class(ranges: str) -> str:
    """The inside of a regular expression's [...] for hexadecimal ranges."""
    return "".join(
        "-".join(f"\\U{end:0>8}" for end in item.split("-")) for item in ranges.split()
    )


# The lookahead spares ordinary text a hundred comparisons with rare planes.
_NEWER = re.compile(
    f"[{_character_class(_BASIC_PLANE)}]"
    f"|(?=[\U00010000-\U0010ffff])[{_character_class(_OTHER_PLANES)}]"
)
_NEWER_RUN = re.compile(f"((?:{_NEWER.pattern})+)")
# Vowel and final jamo, and the vowel signs of Indic scripts that are not marks with a
# combining class.
_JOINS_PREVIOUS = re.compile(
    "[\u1161-\u1175\u11a8-\u11c2\u09be\u09d7\u0b3e\u0b56\u0b57\u0bbe\u0bd7\u0cc2\u0cd5"
    "\u0cd6\u0d3e\u0d57\u0dcf\u0ddf\u102e\u1b35\U00011127\U0001133e\U00011357\U000114b0"
    "\U000114ba\U000114bd\U000115af]"
)
# All but Latin, common punctuation, compatibility jamo and syllables.
_PERHAPS_UNCOMPOSED = re.compile(
    "[^\x00-\u02ff\u2010-\u2027\u3001-\u3029\u3131-\u3163\uac00-\ud7a3]"
)
_NOT_SYLLABLES = re.compile("[^\uac00-\ud7a3]+")


def category(char: str) -> str:
    """The general category of one character in Unicode 11.0, e.g. "Lo" for 한.

    Exact as far as tokenisation asks: controls, marks, punctuation and separators.
    """
    if _NEWER.match(char):
        return "Cn"
    return _CHANGED.get(char) or unicodedata.category(char)


def combining(char: str) -> int:
    """The canonical combining class of one character; 0 if it does not combine."""
    return 0 if _NEWER.match(char) else unicodedata.combining(char)


def lower(text: str) -> str:
    """The text in lower case; a final Σ becomes ς."""
    return _outside_newer(str.lower, text)


def compose(text: str) -> str:
    """Canonical composition (NFC): ᄒ ᅡ ᆫ -> 한, e and a mark -> é."""
    return _normalised("NFC", text) if _PERHAPS_UNCOMPOSED.search(text) else text


def joins_previous(char: str) -> bool:
    """Whether composition can change this character together with the one before it."""
    return bool(_JOINS_PREVIOUS.match(char) or combining(char))


def decompose(text: str, extent: str) -> str:
    """Takes characters apart.

    Args:
      text: any text.
      extent: "none", "letters" (NFD of all but Hangul syllables), "all" (NFD:
        한 -> ᄒ ᅡ ᆫ) or "compatibility" (NFKD: ① -> 1 too).
    """
    if extent == "none":
        return text
    if extent == "letters":
        return _NOT_SYLLABLES.sub(lambda run: _normalised("NFD", run.group()), text)
    return _normalised("NFD" if extent == "all" else "NFKD", text)


def _normalised(form, text):
    return _outside_newer(functools.partial(unicodedata.normalize, form), text)


def _outside_newer(function, text):
    # Pythons disagree on characters newer than Unicode 11.0 only.
    if text.isascii() or not _NEWER.search(text):
        return function(text)
    parts = _NEWER_RUN.split(text)
    return "".join(
        part if index % 2 else function(part) for index, part in enumerate(parts)
    )
