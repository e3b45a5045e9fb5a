"""Masking and sampling in the graph, from stateless random numbers.

`pretrain_helpers` has them with upstream's arguments.

Source: google-research/electra, pretrain/pretrain_helpers.py. Upstream's choices are
kept: positions are drawn with replacement, a position drawn twice gets the floor of the
mean of its updates, and position 0 is never written.

Letters: B batch, S sequence, N masked slots, V vocabulary.
"""

import dataclasses
from typing import NamedTuple, Optional, Tuple

from encoder_ko.compat import tf
from encoder_ko.modeling.fused import VOCABULARY_BLOCK
from encoder_ko.modeling.gather import gather_positions, scatter_update
from encoder_ko.modeling.heads import TokenPredictions, exponents_of
from encoder_ko.modeling.random_stream import RandomStream

_DISALLOWED = 1000.0
_MASK_SHARE = 0.85  # the others of the chosen positions keep their token


@dataclasses.dataclass(frozen=True)
class GeneratorMasking:
    """What is masked.

    Attributes:
      mask_id: id of [MASK].
      never_masked: ids that are never chosen: [CLS], [SEP] and [MASK].
      mask_prob: share of the tokens of a row, [CLS] and [SEP] counted.
      max_predictions_per_seq: N; None = what `mask_prob` needs.
    """

    mask_id: int
    never_masked: Tuple[int, ...]
    mask_prob: float = 0.15
    max_predictions_per_seq: Optional[int] = None

    def slots(self, max_seq_length: int) -> int:
        """N for rows of S positions: int((0.15 + 0.005) 128) = 19."""
        if self.max_predictions_per_seq is not None:
            return self.max_predictions_per_seq
        return int((self.mask_prob + 0.005) * max_seq_length)


class Masked(NamedTuple):
    """Masked rows and what to predict; unused slots are 0 in all three.

    Attributes:
      input_ids: int32 [B, S], most chosen positions hold [MASK].
      positions: int32 [B, N], in the order they were drawn.
      ids: int32 [B, N], the original tokens.
      weights: float32 [B, N].
    """

    input_ids: object
    positions: object
    ids: object
    weights: object


def mask(features, options: GeneratorMasking, random: RandomStream) -> Masked:
    """Chooses tokens of each row and replaces most of them by [MASK].

    Args:
      features: int32 input_ids (original tokens) and input_mask [B, S], S known.
      options: what is masked.
      random: where the random numbers come from.

    Returns:
      Masked. In each row max(1, min(N, round(share x tokens))) slots are used, none
      where there is nothing to mask. (Upstream divides 0 by 0 there.)
    """
    input_ids, input_mask = features["input_ids"], features["input_mask"]
    allowed = candidates(input_ids, input_mask, options.never_masked)
    weights = tf.cast(allowed, tf.float32)
    return mask_by_weight(input_ids, input_mask, weights, options, random)


def candidates(input_ids, input_mask, never_masked):
    """bool [B, S]: tokens that are not padding and none of the ids `never_masked`."""
    allowed = input_mask > 0
    for token in never_masked:
        allowed = tf.logical_and(allowed, tf.not_equal(input_ids, token))
    return allowed


def mask_by_weight(input_ids, input_mask, weights, options, random, closed=None):
    """`mask` where some tokens are chosen more often than others.

    Args:
      input_ids, input_mask: int32 [B, S], S known.
      weights: float32 [B, S], how probable each token is, to a factor of the row.
      options, random: as in `mask`.
      closed: float32 [B, N], 1 for slots that stay empty, or None.

    Returns:
      Masked.
    """
    length = input_ids.shape.as_list()[1]
    batch, slots = tf.shape(input_ids)[0], options.slots(length)
    running = tf.cumsum(weights, 1)
    total = running[:, -1:]

    tokens = tf.cast(tf.reduce_sum(input_mask, 1), tf.float32)
    wanted = tf.cast(tf.round(options.mask_prob * tokens), tf.int32)
    wanted = tf.maximum(1, tf.minimum(slots, wanted))
    used = tf.logical_and(tf.sequence_mask(wanted, slots), total > 0)
    if closed is not None:
        used = tf.logical_and(used, tf.equal(closed, 0))

    # The first position at which the running sum exceeds the number drawn; rounding
    # may make that the whole sum, which the last candidate stands for.
    drawn = random.uniform([batch, slots]) * total
    before = tf.cast(running[:, None, :] <= drawn[:, :, None], tf.int32)
    last = tf.reduce_sum(tf.cast(running < total, tf.int32), -1, keepdims=True)
    used_int = tf.cast(used, tf.int32)
    positions = tf.minimum(tf.reduce_sum(before, -1), last) * used_int
    ids = gather_positions(input_ids, positions) * used_int

    hidden = random.uniform([batch, slots]) < _MASK_SHARE
    masked_ids, _ = scatter_update(
        input_ids,
        tf.fill([batch, slots], options.mask_id),
        positions * tf.cast(hidden, tf.int32),
    )
    return Masked(masked_ids, positions, ids, tf.cast(used, tf.float32))


# --- Sampling --------------------------------------------------------------------


def sample_tokens(predicted: TokenPredictions, random: RandomStream):
    """A token for each position, drawn from the generator's softmax.

    Upstream adds Gumbel noise to every logit and takes the largest, which draws from
    the same distribution with V random numbers for each position. Here two: the first
    chooses a block of the vocabulary by its probability, the second a token in it.

    Returns:
      int32 [B, N]; no gradient flows through it.
    """
    products, bias = predicted.products, predicted.bias
    size = products.shape.as_list()[1]
    shape = tf.shape(predicted.losses)
    uniform = predicted.rows(random.uniform([shape[0], shape[1], 2]))
    block = draw(predicted.exponents.sums, uniform[:, :1])

    tokens = block[:, None] * VOCABULARY_BLOCK + tf.range(VOCABULARY_BLOCK)
    inside = tokens < size
    tokens = tf.minimum(tokens, size - 1)
    logits = tf.cast(gather_positions(products, tokens), tf.float32)
    logits += tf.gather(bias, tokens) - predicted.exponents.highest
    weights = tf.exp(logits) * tf.cast(inside, tf.float32)
    sampled = block * VOCABULARY_BLOCK + draw(weights, uniform[:, 1:])
    return tf.stop_gradient(predicted.at_positions(sampled))


def adjusted(
    predicted: TokenPredictions, ids, temperature: float, disallow_correct: bool
) -> TokenPredictions:
    """The predictions from which upstream samples, for `sample_tokens`.

    Args:
      ids: int32 [B, N], the original tokens.
      temperature: above 0, divides the logits.
      disallow_correct: whether the originals are out of reach. Upstream: 1,000 is
        subtracted from their logits.
    """
    if temperature == 1.0 and not disallow_correct:
        return predicted
    products = tf.cast(predicted.products, tf.float32) / temperature
    bias = predicted.bias / temperature
    if disallow_correct:
        size = products.shape.as_list()[1]
        products -= _DISALLOWED * tf.one_hot(predicted.rows(ids), size)
    exponents = exponents_of(products, bias)
    return predicted._replace(products=products, bias=bias, exponents=exponents)


def sample_uniformly(
    ids, vocab_size: int, disallow_correct: bool, random: RandomStream
):
    """A token for each position, all of the vocabulary as probable.

    Args:
      ids: int32 [B, N], the original tokens.
      disallow_correct: whether the originals are out of reach.

    Returns:
      int32 [B, N].
    """
    choices = vocab_size - 1 if disallow_correct else vocab_size
    uniform = random.uniform(tf.shape(ids))
    drawn = tf.minimum(tf.cast(uniform * choices, tf.int32), choices - 1)
    if disallow_correct:  # those from the original on move up by one
        drawn += tf.cast(drawn >= ids, tf.int32)
    return drawn


def draw(weights, uniform):
    """One column of each row, as probable as its weight.

    The first at which the running sum exceeds `uniform` times the whole, so never one
    of weight 0.

    Args:
      weights: float32 [R, C].
      uniform: float32 [R, 1] in [0, 1).

    Returns:
      int32 [R].
    """
    running = tf.cumsum(weights, 1)
    reached = running > uniform * running[:, -1:]
    return tf.argmax(tf.cast(reached, tf.int32), 1, output_type=tf.int32)
