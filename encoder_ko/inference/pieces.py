"""The pieces of texts as a model reads them, with their places, to be looked at."""

from typing import List, NamedTuple, Optional, Sequence

from data.features.model_inputs import pair_lengths
from data.tasks import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
)
from encoder_ko.finetuning.task_types import TaskType


class PlacedPiece(NamedTuple):
    """One piece of a text.

    Attributes:
      piece, id: of the vocabulary.
      start, end: characters of the text as it was given; None where the tokenizer does
        not tell.
      is_unknown: whether the vocabulary cannot spell it.
      is_cut: whether it is beyond what the model reads.
    """

    piece: str
    id: int
    start: Optional[int]
    end: Optional[int]
    is_unknown: bool
    is_cut: bool


def pieces_of(task_type: TaskType, texts: Sequence[str]) -> List[List[PlacedPiece]]:
    """The pieces of one text, or of the two of a pair, without special ones.

    "서울은" may be 서울 (0 to 2) and ##은 (2 to 3). What a task type reads through
    several windows is not cut.
    """
    encoded = [_encode(task_type.tokenizer, text) for text in texts]
    kept = _kept(task_type, [len(pieces) for pieces in encoded])
    return [
        [piece._replace(is_cut=number >= most) for number, piece in enumerate(pieces)]
        for pieces, most in zip(encoded, kept)
    ]


def _encode(tokenizer, text: str) -> List[PlacedPiece]:
    unknown = tokenizer.unk_id
    try:
        encoding = tokenizer.encode(text)
    except NotImplementedError:
        (ids,) = tokenizer.encode_ids_batch([text])
        names = tokenizer.convert_ids_to_tokens(ids)
        return [
            PlacedPiece(name, index, None, None, index == unknown, False)
            for name, index in zip(names, ids)
        ]
    return [
        PlacedPiece(name, index, int(start), int(end), index == unknown, False)
        for name, index, (start, end) in zip(*encoding)
    ]


def _kept(task_type: TaskType, sizes: Sequence[int]) -> Sequence[int]:
    """How many pieces of each text the model reads."""
    settings, name = task_type.settings, task_type.name
    if name == QUESTION_ANSWERING:
        return (settings.max_query_length, *sizes[1:])
    if name not in (CLASSIFICATION, REGRESSION, DEPENDENCY_PARSING):
        return sizes
    room = settings.max_seq_length - 1 - len(sizes)
    if len(sizes) == 2:
        return pair_lengths(sizes[0], sizes[1], room)
    return (room,)
