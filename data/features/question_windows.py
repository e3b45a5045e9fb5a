"""Questions on passages to inputs of bounded length.

A passage that does not fit is read through several overlapping windows. The way back,
from scores to answers, is in ``question_answers.py``.
Source: run_squad.py of google-research/bert (convert_examples_to_features).
"""

import dataclasses
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from ..io.errors import InputError
from ..tasks.question_answering import Question
from ..tokenization import Tokenizer
from ..tokenization.aligned_encoding import AlignedEncoding, encode_aligned

_SPECIAL_TOKENS = 3  # [CLS] question [SEP] passage [SEP]


@dataclasses.dataclass(frozen=True)
class WindowOptions:
    """Lengths, all in tokens.

    Attributes:
      max_seq_length: the longest input.
      max_query_length: the longest question; longer ones lose their end.
      doc_stride: how far each window begins behind the one before it.

    Raises:
      InputError: no room for the passage, or windows that would leave gaps.
    """

    max_seq_length: int = 512
    max_query_length: int = 64
    doc_stride: int = 128

    def __post_init__(self):
        for name in ("max_query_length", "doc_stride"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(f"--{name}={value}, expected at least 1.")
        room = self.max_seq_length - self.max_query_length - _SPECIAL_TOKENS
        if room < 1:
            raise InputError(
                f"--max_seq_length={self.max_seq_length} leaves no token for the "
                f"passage beside a question of --max_query_length="
                f"{self.max_query_length} and {_SPECIAL_TOKENS} special tokens: raise "
                "the first or lower the second."
            )
        if self.doc_stride > room:
            raise InputError(
                f"--doc_stride={self.doc_stride} is more than the {room} tokens of the "
                f"passage that are left of --max_seq_length={self.max_seq_length} "
                f"beside --max_query_length={self.max_query_length}: windows would "
                f"leave gaps. Lower it to {room} or less, best to half of that."
            )


class Window(NamedTuple):
    """One unpadded input: [CLS] question [SEP] part of the passage [SEP].

    Attributes:
      question_index: which question.
      input_ids: token ids. segment_ids: 0, and 1 from the passage on.
      first: position in ``input_ids`` of the first token of the passage.
      spans: int32 [P, 2], (start, end) in characters of the passage, for its P tokens
        in this window.
      is_best: bool [P], false where another window shows more context of the token.
      answer: positions in ``input_ids`` of the first and the last token of the answer;
        (0, 0), which is [CLS], where the window does not hold all of it.
    """

    question_index: int
    input_ids: List[int]
    segment_ids: List[int]
    first: int
    spans: np.ndarray
    is_best: np.ndarray
    answer: Tuple[int, int]


class WindowBuilder:
    """Makes the windows of questions and counts what was lost on the way.

    Attributes:
      questions_cut: questions that were longer than ``max_query_length``.
      answers_lost: questions whose answer has no token at all in the passage.
    """

    def __init__(self, tokenizer: Tokenizer, options: WindowOptions):
        self.questions_cut = 0
        self.answers_lost = 0
        self._tokenizer = tokenizer
        self._options = options
        self._context = None  # type: Optional[str]
        self._encoding = None  # type: Optional[AlignedEncoding]

    def windows(self, questions: Sequence[Question]) -> Iterator[Window]:
        """The windows of each question in turn, every question with at least one.

        Raises:
          InputError: the tokenizer does not give offsets.
        """
        asked = self._tokenizer.encode_ids_batch([each.question for each in questions])
        for index, (question, query) in enumerate(zip(questions, asked)):
            self.questions_cut += len(query) > self._options.max_query_length
            query = query[: self._options.max_query_length]
            yield from self._windows_of(index, question, query)

    def _windows_of(self, index, question, query) -> Iterator[Window]:
        ids, spans = self._encode(question.context)
        answer = self._answer_tokens(question, spans)
        head = [self._tokenizer.cls_id] + query + [self._tokenizer.sep_id]
        room = self._options.max_seq_length - len(query) - _SPECIAL_TOKENS
        bounds = window_bounds(len(ids), room, self._options.doc_stride)
        best = best_windows(bounds)
        for number, (start, end) in enumerate(bounds):
            inside = answer is not None and start <= answer[0] and answer[1] < end
            shift = len(head) - start
            yield Window(
                index,
                head + ids[start:end] + [self._tokenizer.sep_id],
                [0] * len(head) + [1] * (end - start + 1),
                len(head),
                spans[start:end],
                best[start:end] == number,
                (answer[0] + shift, answer[1] + shift) if inside else (0, 0),
            )

    def _encode(self, context) -> AlignedEncoding:
        """Questions on one passage follow each other: it is encoded once."""
        if context != self._context:
            self._encoding = encode_aligned(self._tokenizer, context)
            self._context = context
        return self._encoding

    def _answer_tokens(self, question, spans) -> Optional[Tuple[int, int]]:
        if not question.answers or question.answers[0].start is None:
            return None
        text, start = question.answers[0]
        found = covering_tokens(spans, start, start + len(text))
        self.answers_lost += found is None
        return found


def window_bounds(length: int, room: int, stride: int) -> List[Tuple[int, int]]:
    """(start, end) of the windows over a passage, in its tokens.

    10 tokens, room for 6, stride 3: (0, 6), (3, 9), (6, 10). At least one window, also
    over nothing.
    """
    bounds = [(0, min(room, length))]
    while bounds[-1][1] < length:
        start = bounds[-1][0] + min(stride, room)
        bounds.append((start, min(start + room, length)))
    return bounds


def best_windows(bounds: Sequence[Tuple[int, int]]) -> np.ndarray:
    """int64 [tokens]: for each token of the passage the window to take it from.

    The one in which the smaller of its two contexts, tokens to the left and to the
    right, is largest; a hundredth of the window's length decides equal cases, then
    the earlier window.
    """
    starts, ends = np.array(bounds, np.float64).T[:, :, np.newaxis]
    tokens = np.arange(bounds[-1][1], dtype=np.float64)
    context = np.minimum(tokens - starts, ends - 1 - tokens)
    scores = np.where(context >= 0, context + 0.01 * (ends - starts), -np.inf)
    return np.argmax(scores, axis=0)


def covering_tokens(
    spans: np.ndarray, start: int, end: int
) -> Optional[Tuple[int, int]]:
    """The first and the last token with a character of ``start`` to ``end``.

    서울은 as 서울 (0, 2), ##은 (2, 3): the answer 서울 is tokens 0 to 0. Where a piece
    goes beyond the answer, it is taken whole. None: normalisation left nothing of it.
    """
    first = int(np.searchsorted(spans[:, 1], start, side="right"))
    last = int(np.searchsorted(spans[:, 0], end, side="left")) - 1
    filled = np.flatnonzero(spans[first : last + 1, 0] < spans[first : last + 1, 1])
    return (first + int(filled[0]), first + int(filled[-1])) if len(filled) else None


def question_record(
    index: int, window: Window, is_impossible: Optional[bool] = None
) -> Dict[str, Any]:
    """Values for `records.question_features` of the window with this number.

    Args:
      is_impossible: whether the question has no answer; None where all have one.
    """
    record = {
        "example_index": index,
        "num_tokens": len(window.input_ids),
        "input_ids": window.input_ids,
        "segment_ids": window.segment_ids,
        "start_positions": window.answer[0],
        "end_positions": window.answer[1],
    }
    if is_impossible is not None:
        record["is_impossible"] = int(is_impossible)
    return record
