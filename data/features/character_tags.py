"""Tags of characters as tags of pieces, and back.

A piece has the tag of its first character and gives its own to it; further characters
of the piece are inside the same entity. Where one is not, as with 박씨 B-PS O in
one piece, that is lost, as in KLUE's baseline.
"""

from typing import Any, List, NamedTuple, Sequence, Tuple

import numpy as np

from ..tasks.tag_schemes import INSIDE, OUTSIDE, TagScheme
from ..tokenization import Tokenizer
from ..tokenization.aligned_encoding import encode_aligned
from .tagging_inputs import TaggingInput

_SPACE = " "


class PiecedText(NamedTuple):
    """A text as the pieces that speak for its characters.

    Attributes:
      whole: [CLS] and all pieces; ``positions`` are those of the pieces that stand for
        a character.
      places: (first, end) of each of these, in characters, without spaces around.
    """

    whole: TaggingInput
    places: List[Tuple[int, int]]

    def tags(self, tags: Sequence[Any]) -> List[Any]:
        """The tag of each piece, from those of the characters."""
        return [tags[first] for first, _ in self.places]


def pieces_of(tokenizer: Tokenizer, text: str) -> PiecedText:
    """The pieces of a text, spaces and all.

    조지 해리 -> 조지 ##  해리: places (0, 2) and (3, 5).

    Raises:
      InputError: the tokenizer does not give offsets.
    """
    ids, spans = encode_aligned(tokenizer, text)
    positions, places = [], []
    for position, (start, end) in enumerate(spans.tolist(), 1):
        inside = text[start:end]
        first = start + len(inside) - len(inside.lstrip(_SPACE))
        last = end - (len(inside) - len(inside.rstrip(_SPACE)))
        if first < last:
            positions.append(position)
            places.append((first, last))
    whole = TaggingInput([tokenizer.cls_id] + list(ids), positions)
    return PiecedText(whole, places)


def character_tags(
    text: str, pieced: PiecedText, tags: Sequence[str], scheme: TagScheme
) -> List[str]:
    """A tag for each character, from those of the pieces.

    조지 해리 with B-PS and I-PS: B-PS I-PS I-PS I-PS I-PS. A space has no tag of its
    own: it is inside an entity that goes on behind it.

    Args:
      tags: of the pieces, as many as ``pieced.places``.
    """
    nothing = scheme.tag((OUTSIDE, ""))
    found = [nothing] * len(text)
    for (first, end), tag in zip(pieced.places, tags):
        name, position = scheme.parts(tag) or (tag, "")
        inside = scheme.tag((name, INSIDE)) if position else tag
        found[first] = tag
        found[first + 1 : end] = [inside] * (end - first - 1)
    for place in range(len(text) - 2, 0, -1):
        if text[place] == _SPACE:
            name, position = scheme.parts(found[place + 1]) or ("", "")
            before = scheme.parts(found[place - 1]) or ("", "")
            # Behind another space nothing is known yet: its entity is the next one's.
            if position == INSIDE and (before[0] == name or text[place - 1] == _SPACE):
                found[place] = scheme.tag((name, INSIDE))
    return found


def character_values(
    text: str, pieced: PiecedText, values: Sequence[float]
) -> np.ndarray:
    """float [characters]: the value of the piece that speaks for each, 1 for spaces."""
    found = np.ones(len(text))
    for (first, end), value in zip(pieced.places, values):
        found[first:end] = value
    return found
