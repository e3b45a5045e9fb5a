"""input_fn: from TFRecords to the batches an Estimator trains, evaluates, predicts on.

Everything is TensorFlow ops, so that the same pipeline runs on the host of a TPU. The
order of examples depends on (seed, position) alone: a run that resumes at step t reads
what an uninterrupted run reads from step t on.
"""

import dataclasses
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import tensorflow.compat.v1 as tf

from . import schema
from .dataset import RecordFiles, plan_reading
from .mixing import mixed_records, random_order

# Examples of this many batches are sorted by length before they are cut into batches.
BATCHES_SORTED_TOGETHER = 50


def _input_fn(build: Callable[[Dict[str, Any]], Any]):
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


@dataclasses.dataclass(frozen=True)
class FineTuningData:
    """Unpadded records of one split, and how to batch them.

    Attributes:
      path: TFRecord file.
      num_examples: records in the file.
      features: their schema: example_index, num_tokens, input_ids, segment_ids and
        others, with one value, or with one per token, which is padded with 0.
      max_seq_length: S of padded batches, and the most tokens of a record.
      pad_to_max: True pads every batch to `max_seq_length` (a TPU needs one shape),
        False to its longest record, rounded up to one of `padded_lengths`. The
        examples of each step and their losses are the same either way.
      pad_id: id of the padding piece.
      sort_by_length: False keeps records in the (shuffled) order they come in.
    """

    path: str
    num_examples: int
    features: Tuple[schema.Feature, ...]
    max_seq_length: int
    pad_to_max: bool = False
    pad_id: int = 0
    sort_by_length: bool = True


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


def training_input_fn(
    data: FineTuningData,
    seed: int,
    total_steps: int,
    first_step: int = 0,
    share_of: Callable[[Dict[str, Any]], Share] = whole_batches,
) -> Callable[[Dict[str, Any]], Any]:
    """Batches of steps `first_step` to `total_steps`, examples reshuffled each epoch.

    Epochs follow each other without a gap, as upstream's repeat: a batch may hold
    the end of one and the beginning of the next.

    Args:
      seed: same seed, same batches.
      total_steps: updates of the whole run, from step 0.
      first_step: updates that were already made.
      share_of: params -> what is read of each batch.

    Returns:
      input_fn(params) -> dataset of the pieces of the share.
    """

    @_input_fn
    def input_fn(params):
        share = share_of(params)
        batch_size = share.batch_size
        pooled = min(BATCHES_SORTED_TOGETHER, max(1, data.num_examples // batch_size))
        pool = first_step // pooled
        skipped = pool * pooled * batch_size
        serialized = _shuffled_epochs(data, seed, skipped // data.num_examples)
        serialized = serialized.skip(skipped % data.num_examples)
        serialized = serialized.take(total_steps * batch_size - skipped)
        pools = serialized.batch(pooled * batch_size)
        numbered = tf.data.Dataset.zip((_count_from(pool), pools))
        batches = numbered.flat_map(
            lambda number, serial: tf.data.Dataset.from_tensor_slices(
                _batches_of_pool(
                    schema.decode(data.features, serial),
                    data,
                    batch_size,
                    shuffle_seed=tf.stack([tf.constant(seed, tf.int64), number]),
                )
            )
        )
        batches = batches.skip(first_step - pool * pooled)
        return _finished(_pieces(batches, share), data, share.piece_size)

    return input_fn


def evaluation_input_fn(data: FineTuningData) -> Callable[[Dict[str, Any]], Any]:
    """Every record once, those of similar length together, the last batch filled up.

    Filling examples have is_real_example 0 and example_index -1.
    """

    @_input_fn
    def input_fn(params):
        batch_size = params["batch_size"]
        pools = tf.data.TFRecordDataset(data.path).batch(
            BATCHES_SORTED_TOGETHER * batch_size
        )
        batches = pools.flat_map(
            lambda serial: tf.data.Dataset.from_tensor_slices(
                _batches_of_pool(
                    _filled(schema.decode(data.features, serial), batch_size),
                    data,
                    batch_size,
                )
            )
        )
        return _finished(batches, data, batch_size)

    return input_fn


def padded_lengths(max_seq_length: int) -> List[int]:
    """The lengths of batches, at most eight to a doubling, `max_seq_length` the last.

    2, 4, 6, ..., 16, 18, 20, ..., 32, 36, 40, ..., 64, 72, 80, ..., 128, 144, ...

    A program is compiled for each length that occurs, which takes about a second.
    These are few, and yet add little padding: 3% more tokens in the batches of NSMC
    than without rounding, where multiples of 8 added 16%.
    """
    lengths = [0]
    while lengths[-1] < max_seq_length:
        step = 2
        while 16 * step <= lengths[-1]:
            step *= 2
        lengths.append(min(lengths[-1] + step, max_seq_length))
    return lengths[1:]


def _pieces(batches, share: Share):
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


def _count_from(first):
    return tf.data.Dataset.range(first, tf.int64.max)


def _shuffled_epochs(data: FineTuningData, seed: int, first_epoch: int):
    """Serialized records for ever; each epoch has a permutation of its own."""
    return _count_from(first_epoch).flat_map(
        lambda epoch: tf.data.TFRecordDataset(data.path).shuffle(
            data.num_examples, seed=seed * 1000003 + epoch
        )
    )


def _filled(examples, batch_size):
    """Adds empty examples up to a multiple of the batch size."""
    size = tf.shape(examples["input_ids"])[0]
    missing = -size % batch_size
    filled = {
        name: tf.pad(values, [[0, missing]] + [[0, 0]] * (values.shape.ndims - 1))
        for name, values in examples.items()
    }
    real = tf.range(size + missing) < size
    filled["is_real_example"] = tf.cast(real, tf.float32)[:, tf.newaxis]
    filled["example_index"] = tf.where(
        real[:, tf.newaxis],
        filled["example_index"],
        -tf.ones_like(filled["num_tokens"]),
    )
    return filled


def _batches_of_pool(examples, data: FineTuningData, batch_size, shuffle_seed=None):
    """[R, ...] -> [R / B, B, ...]: similar lengths together, batches shuffled."""
    if data.sort_by_length:
        order = tf.argsort(examples["num_tokens"][:, 0], stable=True)
        examples = {name: tf.gather(v, order) for name, v in examples.items()}
    batches = {
        name: tf.reshape(values, tf.concat([[-1, batch_size], tf.shape(values)[1:]], 0))
        for name, values in examples.items()
    }
    if shuffle_seed is None:
        return batches
    count = tf.shape(batches["num_tokens"])[0]
    order = random_order(count, shuffle_seed)
    return {name: tf.gather(values, order) for name, values in batches.items()}


def _finished(batches, data: FineTuningData, batch_size):
    """Cuts or pads each batch to its length and adds the mask."""
    finish = _finisher(data, batch_size)
    return batches.map(finish, num_parallel_calls=2).prefetch(4)


def _finisher(data: FineTuningData, batch_size):
    def finish(batch):
        num_tokens = batch["num_tokens"]
        if data.pad_to_max:
            length = data.max_seq_length
        else:
            longest = tf.minimum(tf.reduce_max(num_tokens), data.max_seq_length)
            lengths = tf.constant(padded_lengths(data.max_seq_length), tf.int32)
            length = lengths[tf.reduce_sum(tf.cast(lengths < longest, tf.int32))]
        mask = tf.cast(tf.range(length)[tf.newaxis] < num_tokens, tf.int32)
        width = data.max_seq_length if data.pad_to_max else None
        features = {"input_mask": mask, "is_real_example": tf.ones([batch_size])}
        if "is_real_example" in batch:
            features["is_real_example"] = batch["is_real_example"][:, 0]
        for feature in data.features:
            values = batch[feature.name]
            if feature.length is None:
                values = _fit(values, length) * tf.cast(mask, values.dtype)
            else:
                values = values[:, 0]
            features[feature.name] = values
        features["input_ids"] += data.pad_id * (1 - mask)
        for values in features.values():
            values.set_shape([batch_size] + [width] * (values.shape.ndims - 1))
        return features

    return finish


def _fit(values, length):
    """[B, any] -> [B, length], cut or padded with 0 at the end."""
    missing = tf.maximum(length - tf.shape(values)[1], 0)
    return tf.pad(values[:, :length], [[0, 0], [0, missing]])


# --- Pre-training ----------------------------------------------------------------


def pretraining_input_fn(
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

    @_input_fn
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
            return tf.data.Dataset.zip((_count_from(0), pieces)).flat_map(
                lambda number, piece: tf.data.Dataset.from_tensor_slices(
                    _shuffled_piece(piece, group_seed, number)
                )
            )

        serialized = groups.flat_map(read_group).skip(plan.skipped)
        return batched(serialized.take(last - first), share)

    def batched(serialized, share):
        serialized = serialized.batch(share.batch_size, drop_remainder=True)
        return _decoded(_pieces(serialized, share), data)

    return input_fn


def pretraining_evaluation_input_fn(data: RecordFiles, max_steps: int, fixed: bool):
    """The first `max_steps` batches in file order, each record once.

    Upstream repeats the data until it has that many batches.

    Args:
      fixed: whether a last batch that is not full is filled up, as a TPU needs it, with
        examples of padding; then `is_real_example`, float32 [B], is 0 for these.

    Returns:
      input_fn(params) -> dataset of {name: [B, length]}; `params["batch_size"]` is B.
    """

    @_input_fn
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
