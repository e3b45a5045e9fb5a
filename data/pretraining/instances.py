"""Pre-training instances from tokenized documents: pure functions of arrays.

A block of documents is one flat array of token ids with the places where sentences
and documents begin. An instance is two runs of such tokens; nothing is copied until
`assemble` puts the runs, [CLS] and [SEP] into rows.

All documents of a block take their steps together: step k makes the k-th instance of
every document that still has sentences left. That costs some array operations per
step instead of a loop over sentences per instance.

Sources: google-research/bert and /albert create_pretraining_data.py
(create_instances_from_document), google-research/electra build_pretraining_dataset.py
(ExampleBuilder).

Letters: T tokens, D documents, N instances, S positions of a row.
"""

import dataclasses
from itertools import chain
from typing import Iterable, List, NamedTuple, Sequence, Tuple

import numpy as np

_TRIES_FOR_ANOTHER_DOCUMENT = 10
_SINGLE_SEGMENT_PROB = 0.1  # ELECTRA
_RANDOM_LENGTH_PROB = 0.05  # ELECTRA
_SHORTEST_RANDOM_LENGTH = 5  # ELECTRA


@dataclasses.dataclass(frozen=True)
class InstanceOptions:
    """How documents become instances.

    Attributes:
      model_type: "bert" (next sentence), "albert" (sentence order) or "electra".
      max_seq_length: S, [CLS] and [SEP] counted.
      short_seq_prob: share of documents cut into shorter instances (BERT, ALBERT).
      random_next_sentence: ALBERT only: random second segments as BERT has, in place of
        swapped ones.
      dupe_factor: how often each document is cut into instances, with new choices.
      line_by_line: whether each line is a document of its own: reviews, messages.
    """

    model_type: str = "bert"
    max_seq_length: int = 128
    short_seq_prob: float = 0.1
    random_next_sentence: bool = False
    dupe_factor: int = 10
    line_by_line: bool = False


class Documents(NamedTuple):
    """A block of documents; no sentence and no document is empty."""

    tokens: np.ndarray  # int32 [T]
    sentences: np.ndarray  # int64 [sentences + 1], first token of each, and T
    documents: np.ndarray  # int64 [D + 1], first sentence of each, and their number


class Instances(NamedTuple):
    """N instances before [CLS] and [SEP] are put in.

    Segment A of instance i is tokens[start_a : start_a + length_a], B likewise; an
    ELECTRA instance may have no B (length 0).
    """

    tokens: np.ndarray  # int32 [T]
    start_a: np.ndarray  # int64 [N]
    length_a: np.ndarray
    start_b: np.ndarray
    length_b: np.ndarray
    label: np.ndarray  # BERT: 1 = B is random; ALBERT: 1 = swapped; ELECTRA: 0


class AssembledInputs(NamedTuple):
    """Rows for the model, not masked yet."""

    input_ids: np.ndarray  # int32 [N, S], padded with [PAD]
    input_mask: np.ndarray  # bool [N, S], real tokens
    segment_ids: np.ndarray  # bool [N, S], [SEP] belongs to the segment before it
    lengths: np.ndarray  # int32 [N], tokens, [CLS] and [SEP] counted


def build_instances(
    documents: Documents, options: InstanceOptions, generator: np.random.Generator
) -> Instances:
    """All instances of a block, in random order.

    Worked example, BERT, S = 11 (8 tokens without [CLS] and [SEP]), one document:

        오늘 날씨 가 좋 ##다 / 산책 을 가 ##자 / 내일 은 비

    The first two sentences have 9 tokens, which is not less than 8, so they are the
    first chunk; A is its first sentence. If B is the actual next (label 0), it is the
    second: 9 tokens are one too many, so the longer, A, loses a token at one end, and
    the next chunk begins at the third sentence. If B is random (label 1), its sentences
    come from another document until they hold 8 - 5 = 3 tokens, and the next chunk
    begins at the second sentence, which was not used.

    Args:
      documents: the block; random segments come from it.
    """
    if not len(documents.tokens):
        return Instances(documents.tokens, *np.zeros((5, 0), np.int64))
    build = _electra_instances if options.model_type == "electra" else _pairs
    instances = build(documents, options, generator)
    order = generator.random(len(instances.start_a)).argsort(kind="stable")
    return Instances(instances.tokens, *(array[order] for array in instances[1:]))


class _Cursors(NamedTuple):
    """Where the documents that are being cut stand; each may be there several times."""

    document: np.ndarray  # int64 [A]
    sentence: np.ndarray  # int64 [A], the next to use
    target: np.ndarray  # int64 [A], tokens that complete a chunk


def _start(documents: Documents, copies: int) -> _Cursors:
    document = np.tile(np.arange(len(documents.documents) - 1), copies)
    sentence = documents.documents[document]
    return _Cursors(document, sentence, np.zeros_like(document))


def _advance(documents: Documents, cursors: _Cursors, to: np.ndarray) -> _Cursors:
    """The cursors at sentence `to`, without those at the end of their document."""
    going_on = to < documents.documents[cursors.document + 1]
    return _Cursors(*(array[going_on] for array in cursors._replace(sentence=to)))


def _integers(
    generator: np.random.Generator, low: int, high: np.ndarray, count: int
) -> np.ndarray:
    """int64 [count] uniform in low..high, both included; `low` where high is less.

    Made of doubles, whose stream is the same in every release of NumPy.
    """
    steps = np.maximum(np.asarray(high) - low + 1, 1)
    return low + (generator.random(count) * steps).astype(np.int64)


def _reach(
    documents: Documents, document: np.ndarray, first: np.ndarray, tokens: np.ndarray
) -> np.ndarray:
    """The sentence after the last of those that hold `tokens` tokens from `first` on.

    At least one sentence, and none beyond the document. All int64 [A].
    """
    starts = documents.sentences
    end = np.searchsorted(starts, starts[first] + tokens)
    end = np.maximum(end, first + 1)
    return np.minimum(end, documents.documents[document + 1])


def _pairs(
    documents: Documents, options: InstanceOptions, generator: np.random.Generator
) -> Instances:
    """Instances of two segments: next sentence (BERT) or sentence order (ALBERT)."""
    room = options.max_seq_length - 3
    cursors = _start(documents, options.dupe_factor)
    count = len(cursors.document)
    short = generator.random(count) < options.short_seq_prob
    shorter = _integers(generator, 2, room, count)
    cursors = cursors._replace(target=np.where(short, shorter, room))
    random_next = options.model_type == "bert" or options.random_next_sentence
    parts = []
    while len(cursors.document):
        part, to = _next_pairs(documents, cursors, random_next, generator)
        parts.append(part)
        cursors = _advance(documents, cursors, to)
    joined = (np.concatenate(arrays) for arrays in list(zip(*parts))[1:])
    return _truncate(Instances(documents.tokens, *joined), room, generator)


def _next_pairs(
    documents: Documents,
    cursors: _Cursors,
    random_next: bool,
    generator: np.random.Generator,
) -> Tuple[Instances, np.ndarray]:
    """One instance per cursor, not truncated, and the sentence to go on with.

    A chunk of one sentence gets a random second segment and label 1 in both objectives.
    Upstream: create_instances_from_document.
    """
    starts = documents.sentences
    first = cursors.sentence
    end = _reach(documents, cursors.document, first, cursors.target)
    split = first + _integers(generator, 1, end - first - 1, len(first))
    negative = generator.random(len(first)) < 0.5
    is_random = split == end
    if random_next:
        is_random |= negative
    is_swapped = negative & ~is_random

    start_b, end_b = split.copy(), end.copy()
    drawn = np.flatnonzero(is_random)
    start_b[drawn], end_b[drawn] = _random_segments(
        documents,
        cursors.document[drawn],
        cursors.target[drawn] - (starts[split] - starts[first])[drawn],
        generator,
    )
    a = np.stack([starts[first], starts[split] - starts[first]])
    b = np.stack([starts[start_b], starts[end_b] - starts[start_b]])
    a, b = np.where(is_swapped, b, a), np.where(is_swapped, a, b)
    label = (is_random | is_swapped).astype(np.int64)
    return Instances(documents.tokens, *a, *b, label), np.where(is_random, split, end)


def _random_segments(
    documents: Documents,
    document: np.ndarray,
    tokens: np.ndarray,
    generator: np.random.Generator,
) -> Tuple[np.ndarray, np.ndarray]:
    """First sentence and end of runs of `tokens` tokens of other documents.

    Upstream: after ten tries it may be the same document.
    """
    last = len(documents.documents) - 2
    other = _integers(generator, 0, last, len(document))
    for _ in range(_TRIES_FOR_ANOTHER_DOCUMENT - 1):
        same = np.flatnonzero(other == document)
        if not len(same):
            break
        other[same] = _integers(generator, 0, last, len(same))
    begin = documents.documents[other]
    size = documents.documents[other + 1] - begin
    first = begin + _integers(generator, 0, size - 1, len(other))
    return first, _reach(documents, other, first, tokens)


def _truncate(
    instances: Instances, room: int, generator: np.random.Generator
) -> Instances:
    """Shortens pairs to `room` tokens.

    One token at a time leaves the longer segment (B if they are equal), from its front
    or back at random; what is left is computed at once here. Lengths 9 and 2, room 8 ->
    6 and 2; lengths 9 and 9, room 7 -> 4 and 3.
    """
    total = instances.length_a + instances.length_b
    room_a = np.maximum(room - instances.length_b, -(-room // 2))
    length_a = np.minimum(instances.length_a, room_a)
    length_a = np.where(total > room, length_a, instances.length_a)
    length_b = np.where(total > room, room - length_a, instances.length_b)
    cut_a = generator.binomial(instances.length_a - length_a, 0.5)
    cut_b = generator.binomial(instances.length_b - length_b, 0.5)
    return instances._replace(
        start_a=instances.start_a + cut_a,
        length_a=length_a,
        start_b=instances.start_b + cut_b,
        length_b=length_b,
    )


def _electra_instances(
    documents: Documents, options: InstanceOptions, generator: np.random.Generator
) -> Instances:
    """ELECTRA's instances: every sentence is used once, in segment A or B, no label.

    5% of the chunks aim at a random length, 10% have one segment only. Upstream:
    ExampleBuilder.
    """
    cursors = _start(documents, options.dupe_factor)
    longest = options.max_seq_length
    parts = []
    while len(cursors.document):
        count = len(cursors.document)
        is_random = generator.random(count) < _RANDOM_LENGTH_PROB
        random_length = _integers(generator, _SHORTEST_RANDOM_LENGTH, longest, count)
        target = np.where(is_random, random_length, longest)
        end = _reach(documents, cursors.document, cursors.sentence, target)
        parts.append((cursors.sentence, end, target))
        cursors = _advance(documents, cursors, end)
    first, end, target = (np.concatenate(arrays) for arrays in zip(*parts))
    single = generator.random(len(first)) < _SINGLE_SEGMENT_PROB
    target_a = np.where(single, np.iinfo(np.int64).max // 2, (target - 3) // 2)
    return _two_segments(documents, first, end - first, target_a, longest, generator)


def _two_segments(
    documents: Documents,
    first: np.ndarray,
    size: np.ndarray,
    target_a: np.ndarray,
    longest: int,
    generator: np.random.Generator,
) -> Instances:
    """Shares the sentences of chunks out to segments A and B.

    A sentence goes to A if A is empty, if A stays below `target_a` with it, or, half of
    the time, if it would take A over `target_a` and B is still empty. So a short
    sentence may join A after a longer one went to B: tokens are put in that order.

    Args:
      first, size: int64 [N], first sentence and number of sentences of each chunk.
      target_a: int64 [N], tokens.
    """
    chunk = np.repeat(np.arange(len(first)), size)
    offset = np.cumsum(size) - size
    sentence = np.arange(len(chunk)) + np.repeat(first - offset, size)
    tokens = np.diff(documents.sentences)[sentence]
    in_b = np.zeros(len(chunk), bool)
    length_a, length_b = np.zeros_like(first), np.zeros_like(first)
    active = np.arange(len(first))
    for turn in range(int(size.max())):
        active = active[turn < size[active]]
        at = offset[active] + turn
        a, added = length_a[active], tokens[at]
        over = (length_b[active] == 0) & (a < target_a[active])
        over &= generator.random(len(active)) < 0.5
        to_a = (a == 0) | (a + added < target_a[active]) | over
        in_b[at] = ~to_a
        length_a[active] += np.where(to_a, added, 0)
        length_b[active] += np.where(to_a, 0, added)
    order = (2 * chunk + in_b).argsort(kind="stable")
    start_a = np.cumsum(length_a + length_b) - length_a - length_b
    kept_a = np.minimum(length_a, longest - 2)
    kept_b = np.minimum(length_b, np.maximum(0, longest - kept_a - 3))
    return Instances(
        tokens=_gather_sentences(documents, sentence[order]),
        start_a=start_a,
        length_a=kept_a,
        start_b=start_a + length_a,
        length_b=kept_b,
        label=np.zeros_like(first),
    )


def _gather_sentences(documents: Documents, sentence: np.ndarray) -> np.ndarray:
    """The tokens of the given sentences, one after another, int32."""
    start = documents.sentences[sentence]
    size = documents.sentences[sentence + 1] - start
    shift = start - (np.cumsum(size) - size)
    return documents.tokens[np.arange(size.sum()) + np.repeat(shift, size)]


def assemble(
    instances: Instances,
    rows: slice,
    max_seq_length: int,
    cls_id: int,
    sep_id: int,
    pad_id: int,
) -> AssembledInputs:
    """Some instances as rows `[CLS] A [SEP] B [SEP]`, or `[CLS] A [SEP]` without B.

    Example: A = 날씨 가, B = 좋 ##다, S = 9 ->
    input_ids    [CLS] 날씨 가 [SEP] 좋 ##다 [SEP] [PAD] [PAD]
    segment_ids  0     0    0  0     1  1    1     0     0
    """
    start_a, length_a, start_b, length_b = (
        array[rows, None].astype(np.int32) for array in instances[1:5]
    )
    position = np.arange(max_seq_length, dtype=np.int32)
    sep_a = length_a + 1
    in_a = position <= sep_a
    source = np.where(in_a, start_a - 1, start_b - sep_a - 1) + position
    lengths = np.where(length_b > 0, sep_a + length_b + 2, sep_a + 1)
    input_mask = position < lengths
    input_ids = instances.tokens.take(source, mode="clip")
    row = np.arange(len(lengths))
    input_ids[:, 0] = cls_id
    input_ids[row, sep_a[:, 0]] = sep_id
    input_ids[row, lengths[:, 0] - 1] = sep_id
    input_ids[~input_mask] = pad_id
    return AssembledInputs(input_ids, input_mask, input_mask & ~in_a, lengths[:, 0])


def flatten_documents(documents: Iterable[Sequence[Sequence[int]]]) -> Documents:
    """Documents as one flat array; empty sentences and empty documents are left out.

    Example: [[[5, 6], [7]], [[]], [[8, 9]]] -> tokens [5, 6, 7, 8, 9], sentences
    [0, 2, 3, 5], documents [0, 2, 3].

    Args:
      documents: token ids by document and sentence.
    """
    sentences: List[Sequence[int]] = []
    ends = [0]
    for document in documents:
        sentences.extend(ids for ids in document if ids)
        if len(sentences) > ends[-1]:
            ends.append(len(sentences))
    sizes = np.array([len(ids) for ids in sentences], np.int64)
    total = int(sizes.sum())
    return Documents(
        tokens=np.fromiter(chain.from_iterable(sentences), np.int32, total),
        sentences=np.append(0, np.cumsum(sizes)),
        documents=np.array(ends, np.int64),
    )
