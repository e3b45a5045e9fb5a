"""The texts of examples: their names, tokens, and how the page shows them."""

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from data.tasks import Task
from data.tasks.dependency_parsing import ParsedSentence
from data.tasks.question_answering import Question
from data.tasks.tagging import TaggedSentence
from data.tokenization import Tokenizer

MOST_CHARACTERS = 1500  # of a text in the page
_AT_A_TIME = 1000
Span = Tuple[int, int, str]  # start, end (characters), class of style


def named_texts(task: Task, example: Any) -> List[Tuple[str, str]]:
    """(name, text) of each text of an example."""
    if isinstance(example, (TaggedSentence, ParsedSentence)):
        joint = "" if task.by_character else " "
        return [("text", joint.join(example.words))]
    if isinstance(example, Question):
        return [("question", example.question), ("passage", example.context)]
    if example.text_b is None:
        return [("text", example.text_a)]
    return [("text 1", example.text_a), ("text 2", example.text_b)]


def key_of(task: Task, example: Any) -> Tuple[str, ...]:
    """What two examples with the same texts have in common: spaces do not count."""
    return tuple(" ".join(text.split()) for _, text in named_texts(task, example))


class TokenCounts(NamedTuple):
    """int [N]: tokens of each example but special ones, and unknown ones of them."""

    tokens: np.ndarray
    unknown: np.ndarray

    @property
    def unknown_shares(self) -> np.ndarray:
        return self.unknown / np.maximum(self.tokens, 1)


def count_tokens(
    task: Task, tokenizer: Tokenizer, examples: Sequence[Any]
) -> TokenCounts:
    """Counts the tokens of examples."""
    found = []
    for start in range(0, len(examples), _AT_A_TIME):
        block = [named_texts(task, e) for e in examples[start : start + _AT_A_TIME]]
        ids = iter(tokenizer.encode_ids_batch([t for each in block for _, t in each]))
        for each in block:
            of_example = [next(ids) for _ in each]
            unknown = sum(ids_.count(tokenizer.unk_id) for ids_ in of_example)
            found.append((sum(map(len, of_example)), unknown))
    columns = np.array(found, np.int64).reshape(-1, 2)
    return TokenCounts(columns[:, 0], columns[:, 1])


def unknown_words(tokenizer: Tokenizer, text: str) -> List[str]:
    """What stands between white space and has an unknown token in it."""
    encoding = tokenizer.encode(text)
    found = []
    for piece_id, (start, end) in zip(encoding.ids, encoding.offsets):
        if piece_id == tokenizer.unk_id:
            first = start
            while first and not text[first - 1].isspace():
                first -= 1
            last = end
            while last < len(text) and not text[last].isspace():
                last += 1
            found.append(text[first:last])
    return found


def shown_text(
    tokenizer: Tokenizer,
    name: str,
    text: str,
    spans: Sequence[Span] = (),
    kept: Optional[int] = None,
    most: int = MOST_CHARACTERS,
) -> Dict[str, Any]:
    """A text for the page: segments with their styles, and its tokens.

    Args:
      spans: what is highlighted beside unknown words ("unk") and what the model does
        not see ("cut").
      kept: how many tokens the model sees; None = all.
      most: characters; what is longer ends with a segment that says what is left out.
    """
    encoding = tokenizer.encode(text)
    unknown = [
        (start, end, "unk")
        for piece_id, (start, end) in zip(encoding.ids, encoding.offsets)
        if piece_id == tokenizer.unk_id
    ]
    cut = []
    if kept is not None and kept < len(encoding.pieces):
        cut = [(encoding.offsets[kept - 1][1] if kept else 0, len(text), "cut")]
    left = len(text) - most
    shown = text[:most] if left > 0 else text
    tokens = [
        piece
        for piece, (start, _) in zip(encoding.pieces, encoding.offsets)
        if start < len(shown)
    ]
    found: Dict[str, Any] = {
        "name": name,
        "segments": segments(shown, [*spans, *unknown, *cut]),
        "tokens": tokens,
        "kept": len(tokens) if kept is None else min(kept, len(tokens)),
    }
    if left > 0:
        found["segments"].append([f" … {left:,} more characters", "left"])
    return found


def segments(text: str, spans: Sequence[Span]) -> List[List[str]]:
    """The text cut at the ends of spans: [[text, "class class"], ...].

    The texts put together are `text`: nothing is lost, whatever overlaps.
    """
    ends = {0, len(text)}
    for start, end, _ in spans:
        ends.update((min(start, len(text)), min(end, len(text))))
    places = sorted(ends)
    found = []
    for first, last in zip(places, places[1:]):
        styles = {s for start, end, s in spans if start <= first and last <= end}
        found.append([text[first:last], " ".join(sorted(styles))])
    return found
