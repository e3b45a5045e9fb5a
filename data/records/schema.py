"""THE schema of every TFRecord of this project, and encoding and decoding by it.

A record is a tf.train.Example; which features it has is a tuple of `Feature` that the
writer and the reader both take from here. Pre-training records have the names and
shapes of google-research/{bert,albert,electra}, so that records move both ways.
Fine-tuning records are not padded: padding is a decision of the input pipeline.

TensorFlow is imported only inside the functions that need it, so that building records
on a local disk starts at once and does without its memory.
"""

from typing import (
    Any,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Tuple,
)

import numpy as np

from ..io.errors import InputError
from . import record_bytes

MODEL_TYPES = ("bert", "albert", "electra")


class Feature(NamedTuple):
    """One feature of a record."""

    name: str
    dtype: str  # "int64" or "float32"
    length: Optional[int]  # values per record; None = any number


Features = Tuple[Feature, ...]


def wop_length(max_seq_length: int, wop_prob: float, wop_ngram: int) -> int:
    """Positions of a record that word order prediction may fill; 0 = it is off.

    Whole n-grams move, so it is a multiple of `wop_ngram`: 128 tokens, share 0.15,
    3-grams -> round(19.2) = 19 -> 18 positions.
    """
    if not wop_prob or not wop_ngram:
        return 0
    wanted = max(wop_ngram, int(round(max_seq_length * wop_prob)))
    return wanted // wop_ngram * wop_ngram


def pretraining_features(
    model_type: str,
    max_seq_length: int,
    max_predictions_per_seq: int,
    wop_positions: int = 0,
) -> Features:
    """The features of pre-training records.

    Args:
      model_type: "bert", "albert" or "electra" (inputs only: ELECTRA masks in the
        graph, at run time).
      max_seq_length: S, tokens per record, padding included.
      max_predictions_per_seq: P, masked positions per record, padding included.
      wop_positions: positions of word order prediction (`wop_length`), 0 = none.

    Returns:
      input_ids, input_mask (1 = real token), segment_ids: int64 [S]; for BERT and
      ALBERT masked_lm_positions, masked_lm_ids: int64 [P], masked_lm_weights: float32
      [P] (0 = padding), next_sentence_labels: int64 [1] (BERT: 1 = random; ALBERT: 1 =
      swapped); with WOP also wop_positions, wop_ids, wop_weights, in the same way.
    """
    if model_type not in MODEL_TYPES:
        raise InputError(
            f"model_type is {model_type!r}; expected one of {', '.join(MODEL_TYPES)}."
        )
    features = [
        Feature(name, "int64", max_seq_length)
        for name in ("input_ids", "input_mask", "segment_ids")
    ]
    if model_type == "electra":
        return tuple(features)
    features += _predictions("masked_lm", max_predictions_per_seq)
    features.append(Feature("next_sentence_labels", "int64", 1))
    if wop_positions:
        features += _predictions("wop", wop_positions)
    return tuple(features)


def _predictions(objective: str, length: int) -> List[Feature]:
    return [
        Feature(f"{objective}_positions", "int64", length),
        Feature(f"{objective}_ids", "int64", length),
        Feature(f"{objective}_weights", "float32", length),
    ]


def classification_features(regression: bool = False) -> Features:
    """The features of classification and regression records; tokens are unpadded.

    example_index: int64 [1], the row of the table; num_tokens: int64 [1]; input_ids,
    segment_ids: int64 [num_tokens]; label_ids: int64 [1], or float32 [1] with
    `regression`.
    """
    return (
        Feature("example_index", "int64", 1),
        Feature("num_tokens", "int64", 1),
        Feature("input_ids", "int64", None),
        Feature("segment_ids", "int64", None),
        Feature("label_ids", "float32" if regression else "int64", 1),
    )


def tagging_features() -> Features:
    """As classification, but label_ids int64 [num_tokens]: 1 + a tag, or 0 = none."""
    return classification_features()[:-1] + (Feature("label_ids", "int64", None),)


def parsing_features() -> Features:
    """As tagging, label_ids of relations; word_mask and head_positions beside them.

    int64 [num_tokens]: 1 at the first piece of a word, and there its head's position.
    """
    names = ("word_mask", "head_positions")
    more = tuple(Feature(name, "int64", None) for name in names)
    return tagging_features()[:-1] + more + tagging_features()[-1:]


def question_features(unanswerable: bool = False) -> Features:
    """As classification, but where the answer's first and last token are, int64 [1].

    With `unanswerable` also is_impossible, int64 [1]: 1 where there is no answer.
    """
    names = ("start_positions", "end_positions") + ("is_impossible",) * unanswerable
    ends = tuple(Feature(name, "int64", 1) for name in names)
    return classification_features()[:-1] + ends


def encode_example(features: Features, values: Mapping[str, Any]) -> bytes:
    """One record, serialized. For thousands of pre-training records: `encode_batch`.

    Args:
      features: the schema.
      values: a number or a sequence of numbers per feature, by name.

    Returns:
      tf.train.Example bytes, features in alphabetical order.

    Raises:
      ValueError: a feature is missing, unknown, or has another length.
    """
    import tensorflow.compat.v1 as tf

    _check_names(features, values)
    example = tf.train.Example()
    for feature in features:
        flat = np.ravel(values[feature.name])
        if feature.length not in (None, len(flat)):
            raise ValueError(
                f"{feature.name} has {len(flat)} values; expected {feature.length}."
            )
        entry = example.features.feature[feature.name]
        if feature.dtype == "int64":
            entry.int64_list.value.extend(flat.tolist())
        else:
            entry.float_list.value.extend(flat.tolist())
    return example.SerializeToString(deterministic=True)


def encode_batch(
    features: Features, values: Mapping[str, np.ndarray]
) -> List[record_bytes.Piece]:
    """N records, serialized, the same bytes as `encode_example` would give.

    Args:
      features: the schema, all of fixed length.
      values: an array [N, length] per feature, by name; integers not negative.

    Returns:
      Pieces of the N records. `record_bytes.frames` makes what a file holds of them.

    Raises:
      ValueError: a feature is missing, unknown, negative, or has another shape.
    """
    _check_names(features, values)
    arrays = []
    for feature in sorted(features):
        array = values[feature.name]
        if array.ndim != 2 or array.shape[1] != feature.length:
            raise ValueError(
                f"{feature.name} has shape {list(array.shape)}; "
                f"expected [N, {feature.length}]."
            )
        if feature.dtype == "int64" and array.size and array.min() < 0:
            raise ValueError(f"{feature.name} holds {array.min()}, less than 0.")
        arrays.append((feature.name, feature.dtype, array))
    return record_bytes.encode(arrays)


def _check_names(features: Features, values: Mapping[str, Any]) -> None:
    expected = sorted(feature.name for feature in features)
    if sorted(values) != expected:
        raise ValueError(f"Features are {sorted(values)}; expected {expected}.")


def parse_example_spec(features: Features) -> Dict[str, Any]:
    """The specification that tf.parse_example takes."""
    import tensorflow.compat.v1 as tf

    dtypes = {"int64": tf.int64, "float32": tf.float32}
    return {
        feature.name: tf.FixedLenSequenceFeature(
            [], dtypes[feature.dtype], allow_missing=True
        )
        if feature.length is None
        else tf.FixedLenFeature([feature.length], dtypes[feature.dtype])
        for feature in features
    }


def decode(features: Features, serialized: Any) -> Dict[str, Any]:
    """Records to tensors, in the graph.

    Args:
      features: the schema.
      serialized: string tensor, [] (one record) or [B] (a batch, faster).

    Returns:
      int32 or float32 tensors by name, [length] or [B, length]. A feature of any
      number of values is [its length], in a batch padded with 0 to the longest.
    """
    import tensorflow.compat.v1 as tf

    parse = tf.parse_single_example if serialized.shape.ndims == 0 else tf.parse_example
    parsed = parse(serialized, parse_example_spec(features))
    return {
        name: tf.cast(values, tf.int32) if values.dtype == tf.int64 else values
        for name, values in parsed.items()
    }


def layout(serialized: bytes) -> Dict[str, int]:
    """Names of the features of one record and how many values each has."""
    import tensorflow.compat.v1 as tf

    example = tf.train.Example.FromString(serialized)
    return {
        name: len(getattr(entry, entry.WhichOneof("kind")).value)
        for name, entry in example.features.feature.items()
    }
