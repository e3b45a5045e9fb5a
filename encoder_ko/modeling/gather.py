"""Reading and writing single positions of each row."""

from typing import Tuple

from encoder_ko.compat import Tensor, tf


def gather_positions(sequence: Tensor, positions: Tensor) -> Tensor:
    """The values at some positions of each row.

    Args:
      sequence: [B, S] or [B, S, H].
      positions: int32 [B, P].

    Returns:
      [B, P] or [B, P, H].
    """
    shape = tf.shape(
        sequence, out_type=tf.int64
    )  # logits may have more than 2**31 places
    flat = tf.reshape(sequence, tf.concat([[-1], shape[2:]], 0))
    first_of_row = shape[1] * tf.range(shape[0])[:, None]
    return tf.gather(flat, tf.cast(positions, tf.int64) + first_of_row)


def scatter_update(
    sequence: Tensor, updates: Tensor, positions: Tensor
) -> Tuple[Tensor, Tensor]:
    """Writes values at positions of each row.

    Args:
      sequence: int32 or float32 [B, S] or [B, S, H].
      updates: the same type, [B, P] or [B, P, H].
      positions: int32 [B, P]; 0 = no update. Position 0, [CLS], is never written.

    Returns:
      (the updated sequence, int32 [B, S] with 1 at the positions written). Where a
      position comes several times, the mean of its updates, of integers the floor:
      `[CLS] 오늘 날씨` = 2 7 8 with 20 and 25 at position 2 -> 2 7 22.
    """
    shape = tf.shape(sequence)
    places = indices_of(positions)
    times = tf.scatter_nd(places, tf.cast(positions > 0, tf.int32), shape[:2])
    total = tf.scatter_nd(places, updates, shape)
    written = times > 0
    divisor = tf.cast(tf.maximum(times, 1), sequence.dtype)
    chosen = written
    if sequence.shape.ndims == 3:
        divisor, chosen = divisor[:, :, None], written[:, :, None]
    mean = total // divisor if sequence.dtype.is_integer else total / divisor
    updated = tf.where(tf.broadcast_to(chosen, shape), mean, sequence)
    return updated, tf.cast(written, tf.int32)


def indices_of(columns: Tensor) -> Tensor:
    """int32 [B, P] -> [B, P, 2]: pairs of row and column, as scatter_nd takes them."""
    rows = tf.range(tf.shape(columns)[0])[:, None]
    return tf.stack([tf.broadcast_to(rows, tf.shape(columns)), columns], -1)
