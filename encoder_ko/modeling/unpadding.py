"""The tokens of a batch without its padding.

Padding is never attended to and has no part in a loss: what layers make of it, and its
gradient, is lost work. So products and row-wise passes have the tokens of all sequences
one below the other, [R, H]; for attention alone, [B, N, S, D], they take their places.
"""

from typing import List, NamedTuple, Sequence

from encoder_ko import compat
from encoder_ko.compat import Size, Tensor, tf
from encoder_ko.modeling import layers

# Functions are compiled for each R, so R takes at most so many values.
_SIZES = 32


class Unpadding(NamedTuple):
    """Which R rows are kept. At least one of them is padding, unless all rows are kept.

    The gradient of padding has to be 0 both ways, as it is wherever padding is masked.

    Attributes:
      rows: int32 [R], the rows kept out of [T], in order: all tokens, then padding.
      places: int32 [T], where each row went; padding left out has the last place, that
        of a row of padding.
    """

    rows: Tensor
    places: Tensor

    def unpad(self, x: Tensor) -> Tensor:
        """[T, ...] -> [R, ...]."""
        return _moved(x, self.rows, self.places)

    def pad(self, x: Tensor) -> Tensor:
        """[R, ...] -> [T, ...]; padding has the value of some padding."""
        return _moved(x, self.places, self.rows)

    def split_heads(self, x: Tensor, shape: Sequence[Size]) -> List[Tensor]:
        """[R, parts * N * D] -> `parts` tensors [B, N, S, D].

        Padded and transposed at once, in pieces of D values.

        Args:
          shape: B, S, parts, N, D; ints or int32 scalars.
        """
        batch, length, parts, heads, size = shape
        pieces = tf.reshape(x, [-1, size])
        pieces = _moved(pieces, *self._piece_places(batch, parts, heads))
        split = tf.reshape(pieces, [parts, batch, heads, length, size])
        return tf.unstack(split, num=parts)

    def join_heads(self, x: Tensor) -> Tensor:
        """[B, N, S, D] -> [R, N * D], the opposite."""
        batch, heads, _, size = layers.shape_of(x)
        there, back = self._piece_places(batch, 1, heads)
        pieces = _moved(tf.reshape(x, [-1, size]), back, there)
        return tf.reshape(pieces, [-1, heads * size])

    def _piece_places(self, batch, parts, heads):
        """Where [parts, B, N, S] finds its pieces in [R, parts, N], and back."""
        part, head = tf.range(parts), tf.range(heads)
        places = tf.reshape(self.places, [1, batch, 1, -1])
        there = (places * parts + part[:, None, None, None]) * heads + head[:, None]
        length = tf.size(self.places) // batch
        sequence, position = (
            x[:, None, None] for x in (self.rows // length, self.rows % length)
        )
        back = (part[:, None] * batch + sequence) * heads + head
        return tf.reshape(there, [-1]), tf.reshape(back * length + position, [-1])


def unpadding_of(input_mask: Tensor) -> Unpadding:
    """How to unpad a batch: int32 [B, S], 1 = token, 0 = padding.

    Tokens 1 1 0 0 / 1 0 0 0 with R = 4: rows 0 1 4 2, places 0 1 3 3 / 2 3 3 3.
    """
    is_token = tf.reshape(input_mask, [-1]) > 0
    tokens, padding = tf.where(is_token), tf.where(tf.logical_not(is_token))
    order = tf.cast(tf.concat([tokens, padding], 0)[:, 0], tf.int32)
    total = tf.size(order)
    step = tf.maximum(-(-total // _SIZES), 1)
    kept = tf.minimum((tf.shape(tokens)[0] // step + 1) * step, total)
    places = tf.minimum(tf.math.invert_permutation(order), kept - 1)
    return Unpadding(order[:kept], places)


def _moved(x, sources, back):
    """Row i is row `sources[i]` of x; a gradient goes `back` the same way."""

    @compat.custom_gradient
    def apply(x):
        return tf.gather(x, sources), lambda upstream: tf.gather(upstream, back)

    return apply(x)
