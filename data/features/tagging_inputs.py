"""Words with a tag each to token ids and labels, and predicted labels back to words.

The first piece of a word speaks for it: it carries the word's tag and gives its
prediction. The pieces are those of running text, the words joined by single spaces.
Training cuts a long sentence; prediction reads on in windows that overlap by half.
"""

from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..io.errors import InputError
from ..tasks.tag_schemes import (
    INSIDE,
    OUTSIDE,
    TYPE_FIRST,
    TagScheme,
    type_and_position,
)
from ..tasks.tagging import TaggedSentence
from ..tokenization import Tokenizer
from ..tokenization.aligned_encoding import encode_aligned
from .question_windows import best_windows, window_bounds


class TaggingInput(NamedTuple):
    """One unpadded input.

    Attributes:
      input_ids: [CLS] pieces [SEP].
      positions: the position in ``input_ids`` of the first piece of each word, in
        ascending order; shorter than the words where this is a part of a sentence.
      first_word: which word of the sentence the first position is of.
    """

    input_ids: List[int]
    positions: List[int]
    first_word: int = 0

    def labels(self, tags: Optional[Sequence[int]]) -> List[int]:
        """The label of each token: 1 + the tag at a word's first piece, 0 elsewhere.

        Tags [1, 0] at positions [1, 3] of 5 tokens: [0, 2, 0, 1, 0]. None: all 0.
        """
        labels = [0] * len(self.input_ids)
        for position, tag in zip(self.positions, (tags or ())[self.first_word :]):
            labels[position] = 1 + tag
        return labels


def tagging_input(
    tokenizer: Tokenizer, words: Sequence[str], max_seq_length: int
) -> TaggingInput:
    """The beginning of a sentence. Each word that fits has a piece that speaks for it.

    철수는 서울로 갔다 -> tokens    [CLS] 철수 ##는 서울 ##로 갔 ##다 [SEP]
                          positions [1, 3, 5]

    A word of which nothing is left (a lone control character) becomes [UNK]. What is
    beyond ``max_seq_length`` tokens is cut off.

    Raises:
      InputError: the tokenizer does not give offsets.
    """
    return beginning_of(whole_input(tokenizer, words), tokenizer, max_seq_length)


def beginning_of(
    whole: TaggingInput, tokenizer: Tokenizer, max_seq_length: int
) -> TaggingInput:
    """As much of an input without [SEP] as fits, and [SEP]."""
    room = max_seq_length - 1
    return TaggingInput(
        whole.input_ids[:room] + [tokenizer.sep_id],
        [position for position in whole.positions if position < room],
    )


def tagging_windows(
    tokenizer: Tokenizer, words: Sequence[str], max_seq_length: int
) -> List[TaggingInput]:
    """All of a sentence, in one input or in several that overlap by half.

    Each word is spoken for in one window, that which shows most on either side of its
    first piece. 철수는 서울로 갔다 in 6 tokens:

      [CLS] 철수 ##는 서울 ##로 [SEP]   speaks for 철수는 and 서울로
      [CLS] 서울 ##로 갔 ##다 [SEP]     speaks for 갔다

    Raises:
      InputError: the tokenizer does not give offsets.
    """
    return windows_of(whole_input(tokenizer, words), tokenizer, max_seq_length)


def windows_of(
    whole: TaggingInput, tokenizer: Tokenizer, max_seq_length: int
) -> List[TaggingInput]:
    """All of an input without [SEP], in one or in several with [SEP]."""
    tokens = whole.input_ids[1:]
    room = max_seq_length - 2
    bounds = window_bounds(len(tokens), room, max(1, room // 2))
    speakers = best_windows(bounds) if tokens else np.zeros(0, np.int64)
    owners = [speakers[position - 1] for position in whole.positions]
    windows = []  # type: List[TaggingInput]
    for number, (start, end) in enumerate(bounds):
        mine = [word for word, owner in enumerate(owners) if owner == number]
        windows.append(
            TaggingInput(
                [tokenizer.cls_id] + tokens[start:end] + [tokenizer.sep_id],
                [whole.positions[word] - start for word in mine],
                mine[0] if mine else 0,
            )
        )
    return windows


def whole_input(tokenizer: Tokenizer, words: Sequence[str]) -> TaggingInput:
    """[CLS] and all pieces, however many."""
    ids, spans = encode_aligned(tokenizer, " ".join(words))
    input_ids = [tokenizer.cls_id]
    positions = []  # type: List[int]
    for piece_id, word in zip(ids, _word_of_pieces(words, spans)):
        while len(positions) < word:
            positions.append(len(input_ids))
            input_ids.append(tokenizer.unk_id)
        if len(positions) == word:
            positions.append(len(input_ids))
        input_ids.append(piece_id)
    while len(positions) < len(words):
        positions.append(len(input_ids))
        input_ids.append(tokenizer.unk_id)
    return TaggingInput(input_ids, positions)


def _word_of_pieces(words: Sequence[str], spans: np.ndarray) -> List[int]:
    """The word in which the first character of each piece is; -1: it has none."""
    ends = np.cumsum([len(word) + 1 for word in words])
    # A piece that begins at the space behind a word belongs to the next one.
    owners = np.searchsorted(ends - 1, spans[:, 0], side="right")
    return np.where(spans[:, 0] < spans[:, 1], owners, -1).tolist()


def tagging_record(
    index: int, sentence: TaggedSentence, built: TaggingInput
) -> Dict[str, Any]:
    """Values for `records.tagging_features` of the sentence with this number."""
    return {
        "example_index": index,
        "num_tokens": len(built.input_ids),
        "input_ids": built.input_ids,
        "segment_ids": [0] * len(built.input_ids),
        "label_ids": built.labels(sentence.tags),
    }


def word_values(
    windows: Sequence[TaggingInput], rows: Iterable[Sequence[Any]]
) -> List[Any]:
    """What was found for every word of a sentence, at the piece that speaks for it.

    Args:
      windows: of the sentence.
      rows: for each window a value per token, at least as many as it has.
    """
    return [
        row[position]
        for window, row in zip(windows, rows)
        for position in window.positions
    ]


def entity_types(
    tag_names: Sequence[str], scheme: TagScheme = TYPE_FIRST
) -> Tuple[str, ...]:
    """ "O" and the types, in the order of their tags: O, PER-B, PER-I -> O, PER.

    Raises:
      InputError: no tag is "O".
    """
    if OUTSIDE not in tag_names:
        raise InputError("None of the tags is 'O', which words outside entities have.")
    types = [type_and_position(name, scheme)[0] for name in tag_names]
    return tuple(dict.fromkeys([OUTSIDE] + types))


def type_ids(
    tags: Sequence[Sequence[str]],
    types: Sequence[str],
    scheme: TagScheme = TYPE_FIRST,
) -> np.ndarray:
    """int64 [words], the types of the tags of all sentences, one after the other."""
    ids = {name: index for index, name in enumerate(types)}
    found = [ids[type_and_position(tag, scheme)[0]] for each in tags for tag in each]
    return np.array(found, np.int64)


class Entity(NamedTuple):
    """Words ``first`` to ``last`` - 1 are an entity of this type."""

    type: str
    first: int
    last: int


def entities(tags: Sequence[str], scheme: TagScheme = TYPE_FIRST) -> List[Entity]:
    """The entities that tags mark, in order.

    PER-B PER-I O LOC-I -> PER 0 to 2, LOC 3 to 4: as when they are scored, an entity
    also begins where "I" follows nothing of its type.
    """
    found = []  # type: List[Entity]
    for index, tag in enumerate(tags):
        name, position = type_and_position(tag, scheme)
        if name == OUTSIDE:
            continue
        if position == INSIDE and found and found[-1][::2] == (name, index):
            found[-1] = found[-1]._replace(last=index + 1)
        else:
            found.append(Entity(name, index, index + 1))
    return found
