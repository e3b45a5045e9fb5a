"""input_fn of pre-training: from TFRecords to the batches of an Estimator.

As in `input_pipeline`, all is TensorFlow ops, and the order of records depends on
(seed, position) alone.
"""

from typing import Any, Callable, Dict

import tensorflow.compat.v1 as tf

from . import schema
from .dataset import RecordFiles, plan_reading
from .mixing import mixed_records, random_order
from .shares import Batches, Share, as_input_fn, count_from, pieces_of, whole_batches


def training_input_fn(
    data: RecordFiles,
    seed: int,
    batches: Batches,
    shuffle: bool = True,
    share_of: Callable[[Dict[str, Any]], Share] = whole_batches,
    mix_files: bool = False,
) -> Callable[[Dict[str, Any]], Any]:
    """Batches of pre-training records from a position on, epoch after epoch.

    In each epoch the files come in another order, and records are shuffled within
    groups of files (`dataset.plan_reading`), a large file in pieces. The
    records before the position are not read, but for those of its group. An epoch ends
    within a batch.

    Args:
      seed: same seed, same batches.
      batches: which ones.
      shuffle: False = files and records in order.
      share_of: params -> what is read of each batch; the others' records are read from
        the files, too, but not decoded.
      mix_files: whether records are drawn from all files at a time (`mixing`); without
        `shuffle` they are not.

    Returns:
      input_fn(params) -> dataset of {name: [B / replicas, length]}.
    """

    @as_input_fn
    def input_fn(params):
        share = share_of(params)
        first, last = (batch * share.batch_size for batch in batches)
        if shuffle and mix_files:
            mixed = mixed_records(data.paths, data.counts, first, last, seed)
            return batched(mixed, share)
        plan = plan_reading(data.counts, first, last, seed if shuffle else None)
        groups = tf.data.Dataset.from_tensor_slices((plan.files, plan.seeds))
        paths = tf.constant(data.paths)

        def read_group(files, group_seed):
            chosen = tf.gather(paths, tf.boolean_mask(files, files >= 0))
            serialized = tf.data.TFRecordDataset(chosen)
            if not shuffle:
                return serialized
            pieces = serialized.batch(plan.largest)
            return tf.data.Dataset.zip((count_from(0), pieces)).flat_map(
                lambda number, piece: tf.data.Dataset.from_tensor_slices(
                    _shuffled_piece(piece, group_seed, number)
                )
            )

        serialized = groups.flat_map(read_group).skip(plan.skipped)
        return batched(serialized.take(last - first), share)

    def batched(serialized, share):
        serialized = serialized.batch(share.batch_size, drop_remainder=True)
        return _decoded(pieces_of(serialized, share), data)

    return input_fn


def evaluation_input_fn(data: RecordFiles, max_steps: int, fixed: bool):
    """The first `max_steps` batches in file order, each record once.

    Upstream repeats the data until it has that many batches.

    Args:
      fixed: whether a last batch that is not full is filled up, as a TPU needs it, with
        examples of padding; then `is_real_example`, float32 [B], is 0 for these.

    Returns:
      input_fn(params) -> dataset of {name: [B, length]}; `params["batch_size"]` is B.
    """

    @as_input_fn
    def input_fn(params):
        batch_size = params["batch_size"]
        serialized = tf.data.TFRecordDataset(list(data.paths))
        batches = _decoded(serialized.batch(batch_size).take(max_steps), data)
        if not fixed:
            return batches
        return batches.map(lambda batch: _filled_to(batch, batch_size))

    return input_fn


def _filled_to(batch, batch_size):
    size = tf.shape(batch["input_ids"])[0]
    filled = {
        name: tf.pad(values, [[0, batch_size - size], [0, 0]])
        for name, values in batch.items()
    }
    filled["is_real_example"] = tf.cast(tf.range(batch_size) < size, tf.float32)
    for values in filled.values():
        values.set_shape([batch_size] + values.shape.as_list()[1:])
    return filled


def _shuffled_piece(piece, group_seed, number):
    """Piece `number` of a group of files; the epoch and group are in the lower bits."""
    seed = group_seed + number * tf.constant([0, 1 << 44], tf.int64)
    return tf.gather(piece, random_order(tf.size(piece), seed))


def _decoded(batches, data):
    return batches.map(
        lambda serialized: schema.decode(data.features, serialized),
        num_parallel_calls=2,
    ).prefetch(4)
