"""What an input pipeline reads of every batch, and what all of them are made with."""

from typing import Any, Callable, Dict, NamedTuple

import tensorflow.compat.v1 as tf


class Batches(NamedTuple):
    """Batches `first` to `last` - 1 of a run, over all replicas, from its beginning."""

    first: int
    last: int


class Share(NamedTuple):
    """What one input pipeline, that of a host or a process, reads of every batch.

    A batch is cut into equal pieces in the order of its examples, piece i for replica
    i, so that which examples make a batch does not depend on how many replicas there
    are. The pipeline yields its pieces one after another, batch after batch.

    Attributes:
      batch_size: examples of a batch over all replicas.
      replicas: pieces of a batch.
      first, last: the pieces `first` to `last` - 1 are read here.
    """

    batch_size: int
    replicas: int = 1
    first: int = 0
    last: int = 1

    @property
    def piece_size(self) -> int:
        """Examples for one replica."""
        return self.batch_size // self.replicas


def whole_batches(params: Dict[str, Any]) -> Share:
    """The share of the only replica; `params["batch_size"]` is B."""
    return Share(params["batch_size"])


def as_input_fn(build: Callable[[Dict[str, Any]], Any]):
    """params -> the dataset that a function builds of them, for an Estimator.

    AutoGraph leaves the function as it is: rewriting it would take longer.

    Nothing in the dataset is tuned while it runs, since all sizes are given. TensorFlow
    has a thread for that, which sleeps for up to a minute; sometimes it misses that all
    is over, and the session does not end before it wakes up.
    """
    unconverted = tf.autograph.experimental.do_not_convert(build)
    options = tf.data.Options()
    if hasattr(options, "autotune"):
        options.autotune.enabled = False
    else:  # TensorFlow 1.15
        options.experimental_optimization.autotune = False
    return lambda params: unconverted(params).with_options(options)


def pieces_of(batches: tf.data.Dataset, share: Share) -> tf.data.Dataset:
    """The share's pieces of batches [B, ...]: a dataset of [B / replicas, ...]."""
    if share.replicas == 1:
        return batches

    def cut(values):
        shape = [share.replicas, share.piece_size]
        pieces = tf.reshape(values, tf.concat([shape, tf.shape(values)[1:]], 0))
        pieces.set_shape(shape + values.shape.as_list()[1:])
        return pieces[share.first : share.last]

    return batches.flat_map(
        lambda batch: tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(cut, batch)
        )
    )


def count_from(first: int) -> tf.data.Dataset:
    """first, first + 1, ... as int64, for ever."""
    return tf.data.Dataset.range(first, tf.int64.max)
