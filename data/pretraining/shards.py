"""One block of text to one file of pre-training records.

This puts the pieces together: documents (`corpus.py`), token ids (`tokenization`),
instances (`instances.py`), masks (`masking.py`), bytes (`records.py`). A shard depends
on its block, the settings and the seed alone, so that it does not matter which process
builds it, or when.
"""

import dataclasses
import hashlib
from typing import Dict, Iterator, List, NamedTuple, Tuple

import numpy as np

from ..corpus.reader import Block, parse_block
from ..io.files import new_file
from ..records import record_bytes
from ..records.schema import Features, encode_batch, pretraining_features, wop_length
from ..tokenization import Tokenizer
from .instances import (
    Documents,
    InstanceOptions,
    Instances,
    assemble,
    build_instances,
    flatten_documents,
)
from .masking import (
    MaskingOptions,
    VocabularyTraits,
    choose_masked,
    choose_moved,
    gather_predictions,
    replace_masked,
    shuffle_ngrams,
)

# Large enough that the cost of calling NumPy does not count, small enough that a batch
# stays in a processor's cache. Part of what decides the random choices.
_ROWS_AT_A_TIME = 1024


@dataclasses.dataclass(frozen=True)
class ShardOptions:
    """Everything that decides what a shard holds, but for the text and the tokenizer.

    Attributes:
      instances: how documents become instances.
      masking: how instances are masked (not used for ELECTRA).
      random_seed: not negative; every shard draws from it and its own number.
    """

    instances: InstanceOptions
    masking: MaskingOptions
    random_seed: int = 12345

    @property
    def wop_positions(self) -> int:
        """Positions of word order prediction per record; 0 = off."""
        return wop_length(
            self.instances.max_seq_length,
            self.masking.wop_prob,
            self.masking.wop_ngram,
        )

    @property
    def features(self) -> Features:
        """The schema of the records."""
        return pretraining_features(
            self.instances.model_type,
            self.instances.max_seq_length,
            self.masking.max_predictions_per_seq,
            self.wop_positions,
        )


class ShardReport(NamedTuple):
    """What is in a shard, and what it was made of."""

    instances: int
    documents: int
    paired_documents: int  # of at least two sentences
    sentences: int
    tokens: int
    bytes: int
    sha256: str
    problems: List[str]  # one per line left out
    unknown: int  # of the tokens
    example: str  # a text with many of them
    cut: int = 0  # of the tokens: ELECTRA's that are beyond a row, and in no record


def vocabulary_traits(tokenizer: Tokenizer) -> VocabularyTraits:
    """What masking has to know of a tokenizer's vocabulary.

    Upstream: [UNK] is masked like any other token.
    """
    is_special = np.zeros(tokenizer.vocab_size, bool)
    is_special[list(tokenizer.special_ids - {tokenizer.unk_id})] = True
    return VocabularyTraits(tokenizer.mask_id, is_special, tokenizer.is_continuation)


def build_shard(
    block: Block, path: str, tokenizer: Tokenizer, options: ShardOptions
) -> ShardReport:
    """Writes the records of a block to `path`, replacing what is there.

    Raises:
      InputError: the file cannot be written.
    """
    parsed = parse_block(block)
    counts = tokenizer.count_pieces()
    texts = parsed.documents
    if options.instances.line_by_line:
        texts = [[line] for document in texts for line in document]
    documents = _tokenize(texts, tokenizer)
    generator = np.random.default_rng([options.random_seed, block.index])
    instances = build_instances(documents, options.instances, generator)
    size, digest = 0, hashlib.sha256()
    with new_file(path, overwrite=True) as stream:
        for framed in _framed_batches(instances, tokenizer, options, generator):
            stream.write(framed)
            digest.update(framed)
            size += len(framed)
    return ShardReport(
        instances=len(instances.label),
        documents=len(documents.documents) - 1,
        paired_documents=int((np.diff(documents.documents) > 1).sum()),
        sentences=len(documents.sentences) - 1,
        tokens=len(documents.tokens),
        bytes=size,
        sha256=digest.hexdigest(),
        problems=parsed.problems,
        unknown=counts.unknown,
        example=counts.example,
        cut=_tokens_cut(instances, options.instances),
    )


def _tokens_cut(instances, options):
    """Tokens in no record; BERT and ALBERT use every text again, cut elsewhere."""
    if options.model_type != "electra":
        return 0
    used = (instances.length_a + instances.length_b).sum()
    return int(len(instances.tokens) - used) // options.dupe_factor


def _tokenize(documents: List[List[str]], tokenizer: Tokenizer) -> Documents:
    ids = iter(tokenizer.encode_ids_batch(text for doc in documents for text in doc))
    return flatten_documents([next(ids) for _ in document] for document in documents)


def _framed_batches(
    instances: Instances,
    tokenizer: Tokenizer,
    options: ShardOptions,
    generator: np.random.Generator,
) -> Iterator[bytes]:
    """Instances as they stand in a TFRecord file, some at a time."""
    traits = vocabulary_traits(tokenizer)
    special_ids = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    features = options.features
    for first in range(0, len(instances.label), _ROWS_AT_A_TIME):
        rows = slice(first, first + _ROWS_AT_A_TIME)
        values = make_features(instances, rows, special_ids, traits, options, generator)
        yield record_bytes.frames(encode_batch(features, values)).tobytes()


def make_features(
    instances: Instances,
    rows: slice,
    special_ids: Tuple[int, int, int],
    traits: VocabularyTraits,
    options: ShardOptions,
    generator: np.random.Generator,
) -> Dict[str, np.ndarray]:
    """The features of some instances, masked and moved.

    Example of [CLS] 오늘 날씨 가 좋 ##다 [SEP] 산책 가 ##자 [SEP], with two masks and
    one moved 3-gram:

        input_ids            [CLS] 오늘 [MASK] 가 좋 ##다 [SEP] 가 ##자 산책 [SEP]
        masked_lm_positions  2 4        masked_lm_ids  날씨 좋 (좋 was left as it is)
        wop_positions        7 8 9      wop_ids        산책 가 ##자

    Args:
      rows: which instances.
      special_ids: of [CLS], [SEP] and [PAD].

    Returns:
      Arrays by feature name, [N, length of the feature].
    """
    inputs = assemble(instances, rows, options.instances.max_seq_length, *special_ids)
    values = {
        "input_ids": inputs.input_ids,
        "input_mask": inputs.input_mask.view(np.uint8),
        "segment_ids": inputs.segment_ids.view(np.uint8),
    }
    if options.instances.model_type == "electra":
        return values
    original, masking = inputs.input_ids, options.masking
    masked = choose_masked(original, inputs.lengths, traits, masking, generator)
    seen = replace_masked(original, masked, traits, generator)
    values["input_ids"] = seen
    values.update(
        _predictions("masked_lm", original, masked, masking.max_predictions_per_seq)
    )
    values["next_sentence_labels"] = instances.label[rows, None]
    if options.wop_positions:
        moved = choose_moved(
            original, inputs.lengths, masked, traits, masking, generator
        )
        seen[moved] = shuffle_ngrams(original, moved, masking.wop_ngram, generator)
        values.update(_predictions("wop", original, moved, options.wop_positions))
    return values


def _predictions(
    objective: str, original: np.ndarray, chosen: np.ndarray, length: int
) -> Dict[str, np.ndarray]:
    predictions = gather_predictions(original, chosen, length)
    return {
        f"{objective}_{name}": array for name, array in predictions._asdict().items()
    }
