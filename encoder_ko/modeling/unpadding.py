"""The tokens of a batch without its padding.

Padding is never attended to and has no part in a loss: what layers make of it, and its
gradient, is lost work. So products and row-wise passes have the tokens of all sequences
one below the other, [R, H]. For attention alone they take their places, [b, N, S', D],
in bands of sequences of about the same length, each as long as its longest sequence.
"""

from typing import List, NamedTuple, Sequence

from encoder_ko import compat
from encoder_ko.compat import Size, Tensor, tf
from encoder_ko.modeling import layers

# Functions are compiled for each R and S', so these take at most so many values.
_SIZES, _LENGTHS = 32, 16


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


class Bands(NamedTuple):
    """Attention's places for the rows of an Unpadding: [b, N, S', D] for each band.

    Attributes:
      order: int32 [B], the sequences of the batch, band by band.
      counts, lengths: int32 scalars b and S' of each band; S' is above the longest of
        its sequences, unless that is S.
      places: int32 [B, S], those of the Unpadding, in this order of sequences.
      sequences, positions: int32 [R], where each row stands among these places.
    """

    order: Tensor
    counts: Sequence[Size]
    lengths: Sequence[Size]
    places: Tensor
    sequences: Tensor
    positions: Tensor

    def split_heads(
        self, x: Tensor, parts: int, heads: int, size: int
    ) -> List[List[Tensor]]:
        """[R, parts * N * D] -> for each band `parts` tensors [b, N, S', D].

        Padded and transposed at once, in pieces of D values.
        """
        pieces = _moved(
            tf.reshape(x, [-1, size]), *self._places_of_pieces(parts, heads)
        )
        shapes = [
            [count, heads, length, size]
            for count, length in zip(self.counts, self.lengths)
            for _ in range(parts)
        ]
        sizes = tf.stack([count * heads * length for count, _, length, _ in shapes])
        split = tf.split(pieces, sizes, num=len(shapes))
        split = [tf.reshape(x, shape) for x, shape in zip(split, shapes)]
        return [split[first : first + parts] for first in range(0, len(split), parts)]

    def join_heads(self, contexts: Sequence[Tensor]) -> Tensor:
        """For each band [b, N, S', D] -> [R, N * D], the opposite."""
        _, heads, _, size = layers.shape_of(contexts[0])
        there, back = self._places_of_pieces(1, heads)
        pieces = tf.concat([tf.reshape(x, [-1, size]) for x in contexts], 0)
        return tf.reshape(_moved(pieces, back, there), [-1, heads * size])

    def split_batch(self, x: Tensor) -> List[Tensor]:
        """[B, ...] -> for each band [b, ...]."""
        if len(self.counts) == 1:
            return [x]
        ordered = _moved(x, self.order, tf.math.invert_permutation(self.order))
        return tf.split(ordered, tf.stack(self.counts), num=len(self.counts))

    def join_batch(self, parts: Sequence[Tensor]) -> Tensor:
        """For each band [b, ...] -> [B, ...], the opposite."""
        if len(self.counts) == 1:
            return parts[0]
        ordered = tf.concat(parts, 0)
        return _moved(ordered, tf.math.invert_permutation(self.order), self.order)

    def split_key_bias(self, key_bias: Tensor) -> List[Tensor]:
        """[B, 1, 1 or S, S] -> for each band [b, 1, 1 or S', S']."""
        return [
            of_band[:, :, :length, :length]
            for of_band, length in zip(self.split_batch(key_bias), self.lengths)
        ]

    def _places_of_pieces(self, parts, heads):
        """Where the bands' [parts, b, N, S'] find pieces in [R, parts, N], and back.

        A row of padding may stand outside its band, and takes the last place then.
        """
        part, head = tf.range(parts)[:, None], tf.range(heads)
        there, first = [], 0
        for count, length in zip(self.counts, self.lengths):
            rows = self.places[first : first + count, None, :length]
            first += count
            pieces = (rows * parts + part[:, :, None, None]) * heads + head[:, None]
            there.append(tf.reshape(pieces, [-1]))
        counts, lengths = tf.stack(self.counts), tf.stack(self.lengths)
        firsts = tf.cumsum(counts, exclusive=True)
        starts = tf.cumsum(counts * lengths * parts * heads, exclusive=True)
        after = tf.cast(self.sequences[:, None] >= firsts[1:], tf.int32)
        band = tf.reduce_sum(after, 1)[:, None, None]
        count, length = tf.gather(counts, band), tf.gather(lengths, band)
        number = self.sequences[:, None, None] - tf.gather(firsts, band)
        position = tf.minimum(self.positions[:, None, None], length - 1)
        back = ((part * count + number) * heads + head) * length + position
        back += tf.gather(starts, band)
        return tf.concat(there, 0), tf.reshape(back, [-1])


def bands_of(input_mask: Tensor, unpadding: Unpadding, number: int) -> Bands:
    """Sorts the sequences of a batch into bands of as many: int32 [B, S]."""
    input_mask = tf.convert_to_tensor(input_mask)
    batch, length = layers.shape_of(input_mask)
    order, counts, lengths = tf.range(batch), [batch], [length]
    if number > 1:
        is_token = tf.cast(input_mask > 0, tf.int32)
        used = tf.reduce_max(is_token * tf.range(1, length + 1), 1)
        order = tf.argsort(used, stable=True)
        ends = [batch * band // number for band in range(number + 1)]
        counts = [end - first for first, end in zip(ends, ends[1:])]
        lengths = [
            _length_for(tf.gather(used, order[first:end]), length)
            for first, end in zip(ends, ends[1:])
        ]
    return Bands(
        order,
        counts,
        lengths,
        tf.gather(tf.reshape(unpadding.places, [batch, length]), order),
        tf.gather(tf.math.invert_permutation(order), unpadding.rows // length),
        unpadding.rows % length,
    )


def _length_for(used, length):
    """Above the longest of a band, where there is such a length."""
    longest = tf.reduce_max(tf.concat([used, [0]], 0))
    step = tf.maximum(-(-length // _LENGTHS), 1)
    return tf.minimum((longest // step + 1) * step, length)


def _moved(x, sources, back):
    """Row i is row `sources[i]` of x; a gradient goes `back` the same way."""

    @compat.custom_gradient
    def apply(x):
        return tf.gather(x, sources), lambda upstream: tf.gather(upstream, back)

    return apply(x)
