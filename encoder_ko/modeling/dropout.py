"""Dropout: masks of random bytes, drawn from (seed, step, place) alone."""

from typing import NamedTuple, Optional

from encoder_ko import compat
from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling.random_stream import RandomStream

_BYTE = 256  # dropout decides each value by one random byte


class DropoutMask(NamedTuple):
    """A value is dropped where its byte is below the threshold.

    Attributes:
      bytes: uint8, the shape of the values.
      threshold: int32 scalar, 256 times the rate rounded up or down at random, so that
        each value is dropped with exactly the rate asked for.
      scale: float32 scalar 1 / (1 - rate).
    """

    bytes: Tensor
    threshold: Tensor
    scale: Tensor

    def factors(self) -> Tensor:
        """float32 factor of each value: 0 where dropped, `scale` elsewhere."""
        return tf.where(
            tf.cast(self.bytes, tf.int32) < self.threshold,
            tf.zeros_like(self.bytes, tf.float32),
            tf.ones_like(self.bytes, tf.float32) * self.scale,
        )


class DropoutStream(RandomStream):
    """A RandomStream that draws masks for dropout."""

    def mask(self, shape, rate: float) -> Optional[DropoutMask]:
        """Draws a mask of `shape` (ints or int32 scalars), None where rate is 0."""
        if not rate:
            return None
        by_value, by_mask = self.next_seeds()
        chance = tf.random.stateless_uniform([], by_mask)
        return DropoutMask(
            compat.random_bytes(shape, by_value),
            tf.cast(tf.floor(_BYTE * rate + chance), tf.int32),
            tf.constant(1.0 / (1.0 - rate)),
        )
