"""Texts to the token ids and segment ids that an encoder reads."""

from typing import (
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from ..tokenization import Tokenizer

_TEXTS_AT_A_TIME = 10000


class ModelInput(NamedTuple):
    """One unpadded input: int lists of the same length, and whether it was cut."""

    input_ids: List[int]
    segment_ids: List[int]
    is_cut: bool


def build_input(
    tokenizer: Tokenizer,
    ids_a: Sequence[int],
    ids_b: Optional[Sequence[int]],
    max_seq_length: int,
) -> ModelInput:
    """[CLS] a [SEP], or [CLS] a [SEP] b [SEP] with segment 1 from b on.

    재미있는 영화 -> input   [CLS] 재미 ##있는 영화 [SEP]
                     segment 0     0    0      0    0

    Too long texts lose tokens at their end; of a pair the longer one does, and where
    both are equally long the second (upstream: run_classifier, _truncate_seq_pair).

    Args:
      tokenizer: gives the ids of the special pieces.
      ids_a, ids_b: ids without special pieces; `ids_b` None for a single text.
      max_seq_length: tokens, special ones included.
    """
    if ids_b is None:
        kept = list(ids_a)[: max_seq_length - 2]
        input_ids = [tokenizer.cls_id] + kept + [tokenizer.sep_id]
        return ModelInput(input_ids, [0] * len(input_ids), len(kept) < len(ids_a))
    size_a, size_b = pair_lengths(len(ids_a), len(ids_b), max_seq_length - 3)
    first = [tokenizer.cls_id] + list(ids_a)[:size_a] + [tokenizer.sep_id]
    second = list(ids_b)[:size_b] + [tokenizer.sep_id]
    is_cut = (size_a, size_b) != (len(ids_a), len(ids_b))
    return ModelInput(first + second, [0] * len(first) + [1] * len(second), is_cut)


def pair_lengths(size_a: int, size_b: int, room: int) -> Tuple[int, int]:
    """Lengths of a pair cut to `room` tokens, token by token from the longer one.

    (10, 3) into 9 -> (6, 3); (10, 8) into 9 -> (5, 4).
    """
    if size_a + size_b <= room:
        return size_a, size_b
    half = room // 2
    if size_b <= half:
        return room - size_b, size_b
    if size_a <= room - half:
        return size_a, room - size_a
    return room - half, half


class Encoded(NamedTuple):
    """Values of one record by feature, and whether tokens of its text were cut off."""

    values: Dict[str, Any]
    is_cut: bool


def text_records(
    tokenizer: Tokenizer,
    examples: Sequence[Any],
    labels: Sequence[float],
    max_seq_length: int,
) -> Iterator[Encoded]:
    """Values for `records.classification_features`, one record per example, in order.

    Args:
      examples: with text_a and text_b, which is None for a single text.
      labels: the class or the score of each.
    """
    for start in range(0, len(examples), _TEXTS_AT_A_TIME):
        block = examples[start : start + _TEXTS_AT_A_TIME]
        for index, built in enumerate(
            _block_inputs(tokenizer, block, max_seq_length), start
        ):
            values = {
                "example_index": index,
                "num_tokens": len(built.input_ids),
                "input_ids": built.input_ids,
                "segment_ids": built.segment_ids,
                "label_ids": labels[index],
            }
            yield Encoded(values, built.is_cut)


def classification_records(
    tokenizer: Tokenizer, examples: Sequence[Any], max_seq_length: int
) -> Iterator[Dict[str, Any]]:
    """The values of `text_records`; a label that is None becomes 0."""
    labels = [example.label or 0 for example in examples]
    for encoded in text_records(tokenizer, examples, labels, max_seq_length):
        yield encoded.values


def _block_inputs(tokenizer, block, max_seq_length) -> Iterable[ModelInput]:
    first = tokenizer.encode_ids_batch([example.text_a for example in block])
    pairs = [example.text_b is not None for example in block]
    second = iter(
        tokenizer.encode_ids_batch([e.text_b for e in block if e.text_b is not None])
        if any(pairs)
        else ()
    )
    for ids_a, paired in zip(first, pairs):
        yield build_input(
            tokenizer, ids_a, next(second) if paired else None, max_seq_length
        )
