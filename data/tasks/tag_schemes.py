"""How files write the tags of entities, recognised by the tags themselves.

A tag says the type of an entity and the position of the word in it, B or I (IOB2):

  PER-B   type first: the converted files of the NAVER challenge
  B-PER   position first: CoNLL, KLUE
  PER_B   the official files of the NAVER challenge, with "-" for none
"""

import functools
import re
from typing import Dict, Iterable, NamedTuple, Optional, Sequence, Tuple

from ..io.errors import InputError

OUTSIDE = "O"
BEGIN, INSIDE = "B", "I"

_SHOWN_CHARS = 40


class TagScheme(NamedTuple):
    """One way to write tags.

    Attributes:
      name: an example, by which messages call it.
      form: of a tag, with {type} and {position}.
      outside: how a word of no entity is tagged; written as the first of them.
    """

    name: str
    form: str
    outside: Tuple[str, ...]

    def parts(self, tag: str) -> Optional[Tuple[str, str]]:
        """ "B-PER" -> ("PER", "B"); ("O", "") for none; None: no tag of this scheme."""
        return _parts(self, tag)

    def tag(self, parts: Tuple[str, str]) -> str:
        """("PER", "B") -> "B-PER"."""
        name, position = parts
        if not position:
            return self.outside[0]
        return self.form.format(type=name, position=position)


@functools.lru_cache(maxsize=4096)  # of a file's many tags few are different
def _parts(scheme: TagScheme, tag: str) -> Optional[Tuple[str, str]]:
    if tag in scheme.outside:
        return OUTSIDE, ""
    pattern = scheme.form.format(type="(?P<type>.+)", position="(?P<position>[BI])")
    found = re.fullmatch(pattern, tag)
    return (found.group("type"), found.group("position")) if found else None


TYPE_FIRST = TagScheme("PER-B", "{type}-{position}", (OUTSIDE,))
POSITION_FIRST = TagScheme("B-PER", "{position}-{type}", (OUTSIDE,))
NAVER = TagScheme("PER_B", "{type}_{position}", ("-", OUTSIDE))
SCHEMES = (TYPE_FIRST, POSITION_FIRST, NAVER)


def scheme_of_labels(labels: Sequence[str]) -> TagScheme:
    """The scheme of a task's tags; the type first where they have no positions."""
    for scheme in SCHEMES:
        if all(scheme.parts(label) for label in labels):
            return scheme
    return TYPE_FIRST


def type_and_position(tag: str, scheme: TagScheme) -> Tuple[str, str]:
    """The parts of a tag; one without a position is a type, and an entity of a word."""
    return scheme.parts(tag) or (tag, BEGIN)


def recognise(path: str, tags: Iterable[Tuple[int, str]]) -> Optional[TagScheme]:
    """The scheme that the tags of a file have; None where they leave it open.

    Tags of no scheme are passed over: whoever reads the rows reports them.

    Args:
      path: of the file, for the message.
      tags: (line number, tag) in the order of the file.

    Raises:
      InputError: the tags are of two schemes; it names both, and a line of each.
    """
    possible = list(SCHEMES)
    first: Dict[str, Tuple[int, str]] = {}
    seen = set()
    for line_number, tag in tags:
        if tag in seen:
            continue
        seen.add(tag)
        fitting = [scheme for scheme in SCHEMES if scheme.parts(tag)]
        if not fitting or all(scheme in fitting for scheme in possible):
            continue
        left = [scheme for scheme in possible if scheme in fitting]
        if not left:
            other_line, other = next(iter(first.values()))
            raise InputError(
                f"{path}: tags of two schemes, '{other[:_SHOWN_CHARS]}' in line "
                f"{other_line} ({possible[0].name}) and '{tag[:_SHOWN_CHARS]}' in line "
                f"{line_number} ({fitting[0].name}). Write all of them in one: "
                f"{', '.join(scheme.name for scheme in SCHEMES)}."
            )
        first[tag] = line_number, tag
        possible = left
    return possible[0] if len(possible) < len(SCHEMES) else None
