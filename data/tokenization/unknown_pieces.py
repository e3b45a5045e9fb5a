"""How much of a file a vocabulary cannot spell, and what is likely to be the cause."""

import re
from typing import List

_MOST = 0.1  # share of unknown pieces above which a warning is due
_SHOWN = 40  # characters of the example

JAMO = re.compile("[\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")
# UTF-8 read as Latin-1 (ì˜í™”), and what stands for bytes that are not UTF-8.
_WRONGLY_DECODED = re.compile("[\u00c2-\u00ef][\u0080-\u00bf]|\ufffd")
_UPPER_CASE = re.compile("[A-Z]")


class PieceCounts:
    """Pieces of the texts of a file, unknown ones among them, and a text of many."""

    def __init__(self):
        self.pieces = self.unknown = 0
        self.example = ""

    def add(self, text: str, ids: List[int], unk_id: int) -> None:
        """Counts the pieces of one text."""
        unknown = ids.count(unk_id)
        if unknown > _MOST * len(ids) and not self.example:
            self.example = text
        self.add_counts(len(ids), unknown)

    def add_counts(self, pieces: int, unknown: int, example: str = "") -> None:
        """Adds what was counted elsewhere."""
        self.pieces += pieces
        self.unknown += unknown
        self.example = self.example or example

    def warning(self, source: str) -> str:
        """A line on the unknown pieces of `source`; "" up to a tenth of all pieces."""
        if self.unknown <= _MOST * self.pieces:
            return ""
        example = " ".join(self.example.split())
        cut = "..." if len(example) > _SHOWN else ""
        return (
            f"{source}: {100 * self.unknown / self.pieces:.1f}% of the pieces are "
            f"unknown to the vocabulary, for example in {example[:_SHOWN]!r}{cut}. "
            f"{_likely_cause(self.example)}"
        )


def _likely_cause(text):
    if JAMO.search(text):
        return (
            "Its Hangul is decomposed (NFD, as macOS writes it): set compose to true "
            "in tokenizer_config.json, or compose the file (NFC)."
        )
    if _WRONGLY_DECODED.search(text):
        return "The file seems to be in another encoding than it was read in."
    if _UPPER_CASE.search(text):
        return (
            "Does the vocabulary have lower case only? Then set lower_case to true in "
            "tokenizer_config.json; else it may belong to another language or model."
        )
    return "The vocabulary may belong to another language or model."
