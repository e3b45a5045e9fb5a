"""Records of all files together, in an order that any position of a run can enter.

`dataset.plan_reading` shuffles some files at a time. Where a corpus has few files, that
of a small source can then be a third of what is shuffled together. Here the files of an
epoch are dealt out to lanes, which are read side by side, each in proportion to what it
holds, so that every stretch of records has all sources in the shares of the whole.
Stretches of SHUFFLED_TOGETHER records are shuffled.

With files A of 4 records and B of 2, two cycles of A A B; a lane of several files reads
one after another.
"""

from typing import NamedTuple, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from . import dataset

LANES = 64  # files that are open at a time
_CYCLE = 512  # records in which every lane has its share, to one record


class Mixing(NamedTuple):
    """The epochs that a part of a run reads. E epochs, L lanes, at most F files each.

    Attributes:
      files: int32 [E, L, F], numbers of the files of each lane, -1 = none.
      starts: int64 [E, L], records to leave out of each lane's first file.
      sizes: int64 [E, L], records of each lane in the whole epoch.
      cycle: int64 [E], the first cycle that is read.
      skipped: int64 [E], records of that cycle, and perhaps the next, to leave out.
      piece: int64 [E], the number of the first stretch that is shuffled.
      epoch: int64 [E]. cycles: of every epoch.
      skipped_in_piece: records to leave out of the first stretch, after the shuffle.
    """

    files: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    cycle: np.ndarray
    skipped: np.ndarray
    piece: np.ndarray
    epoch: np.ndarray
    cycles: int
    skipped_in_piece: int


def plan_mixing(counts: Sequence[int], first: int, last: int, seed: int) -> Mixing:
    """How to read the records `first` to `last` - 1 of a run.

    Args:
      counts: records in each file.
      first, last: counted over all epochs.
      seed: of the order of the files, another in each epoch.
    """
    total = sum(counts)
    together = dataset.SHUFFLED_TOGETHER
    cycles = -(-total // _CYCLE)
    epochs = range(first // total, max(-(-last // total), first // total + 1))
    lanes = [_lanes(counts, seed, epoch) for epoch in epochs]
    sizes = np.array([[sum(counts[f] for f in lane) for lane in of] for of in lanes])
    piece = first % total // together
    cycle = _cycle_at(sizes[0], cycles, piece * together)
    read = _read_before(sizes[0], cycles, cycle)
    starts = np.zeros_like(sizes)
    lanes[0], starts[0] = _from(lanes[0], counts, read)
    width = max(len(lane) for of in lanes for lane in of)
    files = np.full(sizes.shape + (width,), -1, np.int32)
    for row, of in zip(files, lanes):
        for places, lane in zip(row, of):
            places[: len(lane)] = lane
    only_first = np.zeros(len(epochs), np.int64)
    only_first[0] = 1
    return Mixing(
        files,
        starts,
        sizes,
        cycle * only_first,
        (piece * together - read.sum()) * only_first,
        piece * only_first,
        np.array(epochs, np.int64),
        cycles,
        first % total - piece * together,
    )


def _lanes(counts, seed, epoch):
    """The files of an epoch, dealt out in an order of its own."""
    # Keys are random bits, whose stream is the same in every release of NumPy.
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    order = generator.random(len(counts)).argsort(kind="stable").tolist()
    lanes = min(LANES, len(order))
    return [order[lane::lanes] for lane in range(lanes)]


def _read_before(sizes, cycles, cycle):
    """int64 [L]: records of each lane that are read in the cycles before one."""
    return sizes * cycle // cycles


def _cycle_at(sizes, cycles, place):
    """The last cycle that begins at `place` or before it."""
    low, high = 0, cycles
    while high - low > 1:
        middle = (low + high) // 2
        if _read_before(sizes, cycles, middle).sum() <= place:
            low = middle
        else:
            high = middle
    return low


def _from(lanes, counts, read):
    """The files that are left of each lane, and how much of the first was read."""
    left, starts = [], []
    for lane, number in zip(lanes, read.tolist()):
        lane = list(lane)
        while len(lane) > 1 and number >= counts[lane[0]]:
            number -= counts[lane.pop(0)]
        left.append(lane)
        starts.append(number)
    return left, starts


def mixed_records(
    paths: Sequence[str], counts: Sequence[int], first: int, last: int, seed: int
) -> "tf.data.Dataset":
    """Serialized records `first` to `last` - 1 of a run, mixed and shuffled.

    Args:
      paths, counts: files, and the records in each.
      first, last: counted over all epochs.
      seed: same seed, same order.
    """
    plan = plan_mixing(counts, first, last, seed)
    lanes = plan.sizes.shape[1]
    names = tf.constant(list(paths))

    def read_epoch(files, starts, sizes, cycle, skipped, piece, epoch):
        def lane(number):
            chosen = tf.boolean_mask(files[number], files[number] >= 0)
            return tf.data.TFRecordDataset(tf.gather(names, chosen)).skip(
                starts[number]
            )

        def turns(number):
            """Which lane each record of a cycle is of."""
            before, after = [sizes * n // plan.cycles for n in (number, number + 1)]
            return tf.data.Dataset.from_tensor_slices(
                tf.repeat(tf.range(lanes, dtype=tf.int64), after - before)
            )

        choices = tf.data.Dataset.range(cycle, plan.cycles).flat_map(turns)
        stream = tf.data.experimental.choose_from_datasets(
            [lane(number) for number in range(lanes)], choices
        )
        pieces = stream.skip(skipped).batch(dataset.SHUFFLED_TOGETHER)
        numbered = tf.data.Dataset.zip(
            (tf.data.Dataset.range(piece, tf.int64.max), pieces)
        )
        return numbered.flat_map(
            lambda number, records: tf.data.Dataset.from_tensor_slices(
                _shuffled(records, seed, epoch * (1 << 20) + number)
            )
        )

    epochs = tf.data.Dataset.from_tensor_slices(tuple(plan[:7]))
    read = epochs.flat_map(read_epoch).skip(plan.skipped_in_piece)
    return read.take(last - first)


def _shuffled(records, seed, number):
    seeds = tf.stack([tf.constant(seed, tf.int64), number])
    return tf.gather(records, random_order(tf.size(records), seeds))


def random_order(count, seed):
    """A permutation of range(count) that depends on `seed`, int64 [2], alone."""
    return tf.argsort(tf.random.stateless_uniform([count], seed), stable=True)
