"""The tokens of a batch without its padding, so that no layer computes what none reads.

Padding is never attended to and has no part in a loss: what a layer would make of it,
and its gradient, is lost work. Here the tokens of all sequences stand one below the
other, [N, H], and take their places in [B, S, H] again where attention needs them.
"""

from typing import NamedTuple

from encoder_ko import compat
from encoder_ko.compat import tf

# Functions are compiled for each N, so that N takes few values: multiples of T / 32.
_SIZES = 32


class Packing(NamedTuple):
    """Which rows are computed. At least one of them is padding, unless all rows are.

    Attributes:
      rows: int32 [N], the rows out of [T] in their order: all tokens, then padding.
      places: int32 [T], where each row went; padding left out has the last place, that
        of a row of padding.
    """

    rows: object
    places: object

    def pack(self, x):
        """[T, ...] -> [N, ...].

        The gradient of padding has to be 0, as it is wherever padding is masked.
        """
        return _moved(x, self.rows, self.places)

    def unpack(self, x):
        """[N, ...] -> [T, ...]; padding has the value of some padding."""
        return _moved(x, self.places, self.rows)


def packing_of(input_mask) -> Packing:
    """How to pack a batch: int32 [B, S], 1 = token, 0 = padding.

    Tokens 1 1 0 0 / 1 0 0 0 with N = 4: rows 0 1 4 2, places 0 1 3 3 / 2 3 3 3.
    """
    mask = tf.reshape(input_mask, [-1])
    total = tf.size(mask)
    tokens, padding = [tf.where(tf.equal(mask, value))[:, 0] for value in (1, 0)]
    order = tf.cast(tf.concat([tokens, padding], 0), tf.int32)
    step = tf.maximum(total // _SIZES, 1)
    kept = tf.minimum((tf.size(tokens) // step + 1) * step, total)
    places = tf.minimum(tf.math.invert_permutation(order), kept - 1)
    return Packing(order[:kept], places)


def _moved(x, sources, back):
    """Row i is row `sources[i]` of x; a gradient goes `back` the same way."""

    @compat.custom_gradient
    def apply(x):
        return tf.gather(x, sources), lambda upstream: tf.gather(upstream, back)

    return apply(x)
