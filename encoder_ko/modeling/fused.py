"""The compiled passes: what a layer does between its matrix products.

Each function is pure and becomes one pass over memory (see `compat.compiled`); such
passes, not the products, decide the speed on a CPU. They come in pairs, a value and its
gradient, which `layers`, `transformer` and `heads` join by `compat.custom_gradient`.
Activations have the compute type of the call (float32 or bfloat16); every reduction is
done in float32.

Letters: B batch, T tokens, H width, N heads, Q queries, S sequence, R rows of logits,
V vocabulary.
"""

from typing import Callable, NamedTuple, Optional, Sequence, Tuple

from encoder_ko import compat
from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import activations
from encoder_ko.modeling.dropout import DropoutMask

# tf.contrib.layers.layer_norm, which all three upstream repositories use in float32.
LAYER_NORM_EPSILON = 1e-12

VOCABULARY_BLOCK = 128  # tokens whose exponents are added up first

_SLICES = 8  # of the columns, which reductions along rows add first


# --- Bias and activation -----------------------------------------------------------


@compat.compiled
def add_bias(product: Tensor, bias: Tensor) -> Tensor:
    """[T, H] + float32 [H] -> [T, H], the type of `product`."""
    if compat.is_left_to_onednn():
        return tf.nn.bias_add(product, tf.cast(bias, product.dtype))
    return tf.cast(tf.cast(product, tf.float32) + bias, product.dtype)


class ActivationPasses(NamedTuple):
    """`activation(product + bias)` of [T, H] and float32 [H], and its gradient.

    Attributes:
      forward: (product, bias) -> [T, H].
      backward: (product, bias, upstream gradient) -> gradient by the product.
    """

    forward: Callable[[Tensor, Tensor], Tensor]
    backward: Callable[[Tensor, Tensor, Tensor], Tensor]


def _gelu_passes(function, slope, approximate) -> ActivationPasses:
    @compat.compiled
    def forward(product, bias):
        if compat.is_left_to_onednn():
            return compat.gelu(add_bias(product, bias), approximate)
        activated = function(tf.cast(product, tf.float32) + bias)
        return tf.cast(activated, product.dtype)

    @compat.compiled
    def backward(product, bias, upstream):
        biased = tf.cast(product, tf.float32) + bias
        gradient = tf.cast(upstream, tf.float32) * slope(biased)
        return tf.cast(gradient, product.dtype)

    return ActivationPasses(forward, backward)


# By the names of `activations.ACTIVATIONS`.
ACTIVATIONS = {
    "gelu": _gelu_passes(activations.gelu_tanh, activations.gelu_tanh_slope, True),
    "gelu_erf": _gelu_passes(activations.gelu_erf, activations.gelu_erf_slope, False),
}


# --- Dropout and layer normalisation -----------------------------------------------


@compat.compiled
def dropout(x: Tensor, mask: DropoutMask) -> Tensor:
    """Its own gradient, too: the upstream gradient under the same mask."""
    return tf.cast(tf.cast(x, tf.float32) * mask.factors(), x.dtype)


def _row_means(x):
    """The mean of each row: float32 [T, H] -> [T, 1].

    Compiled, a reduction along rows does not become vector instructions and is not
    fused with what it reads; a sum of slices does and is, and leaves less to reduce.
    """
    width = x.shape.as_list()[-1]
    if width % _SLICES == 0:
        x = tf.add_n(tf.split(x, _SLICES, -1))
    return tf.reduce_sum(x, -1, keepdims=True) / width


def _normalize(x):
    """float32 [T, H] with mean 0 and variance 1 (biased) in each row, and 1/stddev."""
    mean = _row_means(x)
    centred = x - mean
    variance = _row_means(centred * centred)
    inverse = tf.math.rsqrt(variance + LAYER_NORM_EPSILON)
    return centred * inverse, inverse


def _normalize_gradient(upstream, normalized, inverse, gamma):
    """float32 gradient of `normalized * gamma + beta` by what was normalised."""
    upstream, normalized = (tf.cast(x, tf.float32) for x in (upstream, normalized))
    by_normalized = upstream * gamma
    mean = _row_means(by_normalized)
    along = _row_means(by_normalized * normalized)
    return inverse * (by_normalized - mean - normalized * along)


@compat.compiled
def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    """(output [T, H], normalised [T, H] without gamma and beta, 1/stddev [T, 1])."""
    normalized, inverse = _normalize(tf.cast(x, tf.float32))
    output = tf.cast(normalized * gamma + beta, x.dtype)
    return output, tf.cast(normalized, x.dtype), inverse


@compat.compiled
def layer_norm_gradient(
    normalized: Tensor, inverse: Tensor, gamma: Tensor, upstream: Tensor
) -> Tensor:
    """The gradient by `x` of `layer_norm`."""
    by_input = _normalize_gradient(upstream, normalized, inverse, gamma)
    return tf.cast(by_input, normalized.dtype)


@compat.compiled
def residual_norm(
    product: Tensor,
    bias: Tensor,
    residual: Tensor,
    gamma: Tensor,
    beta: Tensor,
    mask: Optional[DropoutMask],
) -> Tuple[Tensor, Tensor, Tensor]:
    """`layer_norm` of `dropout(product + bias) + residual`."""
    branch = tf.cast(product, tf.float32) + bias
    if mask is not None:
        branch = branch * mask.factors()
    normalized, inverse = _normalize(branch + tf.cast(residual, tf.float32))
    output = tf.cast(normalized * gamma + beta, product.dtype)
    return output, tf.cast(normalized, product.dtype), inverse


@compat.compiled
def residual_norm_gradient(
    normalized: Tensor,
    inverse: Tensor,
    gamma: Tensor,
    upstream: Tensor,
    mask: DropoutMask,
) -> Tuple[Tensor, Tensor]:
    """Gradients by the product, which `mask` thins out, and by the residual.

    Without dropout they are one, `layer_norm_gradient`.
    """
    by_sum = _normalize_gradient(upstream, normalized, inverse, gamma)
    by_branch = by_sum * mask.factors()
    dtype = normalized.dtype
    return tf.cast(by_branch, dtype), tf.cast(by_sum, dtype)


# --- Attention ---------------------------------------------------------------------


@compat.compiled
def mask_scores(scores: Tensor, key_bias: Tensor, scale: Tensor) -> Tensor:
    """`scale scores + key_bias`: [B, N, Q, S] and float32 [B, 1, 1, S]."""
    logits = tf.cast(scores, tf.float32) * scale + key_bias
    return tf.cast(logits, scores.dtype)


@compat.compiled
def softmax_gradient(
    upstream: Tensor,
    probabilities: Tensor,
    along: Tensor,
    scale: Tensor,
    mask: Optional[DropoutMask],
) -> Tensor:
    """The gradient by the scores of `dropout(softmax(scale scores + key_bias))`.

    Args:
      upstream, probabilities: [B, N, Q, S].
      along: float32 [B, N, Q, 1], inner products of rows of the two, after dropout.
    """
    by_whole = tf.cast(upstream, tf.float32)
    if mask is not None:
        by_whole *= mask.factors()
    by_logits = tf.cast(probabilities, tf.float32) * (by_whole - along)
    return tf.cast(by_logits * scale, probabilities.dtype)


@compat.compiled
def row_products(a: Tensor, b: Tensor) -> Tensor:
    """Inner products over the last axis: [..., D] -> float32 [..., 1]."""
    return tf.reduce_sum(tf.cast(a, tf.float32) * tf.cast(b, tf.float32), -1, True)


@compat.compiled
def sum_in_float32(values: Sequence[Tensor]) -> Tensor:
    """The sum of tensors of one type, added in float32, in that type."""
    return tf.cast(tf.add_n([tf.cast(v, tf.float32) for v in values]), values[0].dtype)


# --- Softmax over the vocabulary ---------------------------------------------------


@compat.compiled
def exponents(products: Tensor, bias: Tensor) -> Tuple[Tensor, Tensor]:
    """The highest logit of each row, and sums of exp(logit - highest) by blocks.

    Args:
      products: [R, V], logits without their bias.
      bias: float32 [V].

    Returns:
      (float32 [R, 1]; float32 [R, K], VOCABULARY_BLOCK tokens each, the last block
      what is left).
    """
    rows, size = tf.shape(products)[0], products.shape[-1]
    highest = _row_maximum(tf.cast(products, tf.float32) + bias)
    whole = size // VOCABULARY_BLOCK * VOCABULARY_BLOCK

    def of_tokens(first, last):
        logits = tf.cast(products[:, first:last], tf.float32) + bias[first:last]
        return tf.exp(logits - highest)

    parts = []
    if whole:
        shape = tf.stack([rows, whole // VOCABULARY_BLOCK, VOCABULARY_BLOCK])
        parts.append(tf.reduce_sum(tf.reshape(of_tokens(0, whole), shape), -1))
    if whole < size:
        parts.append(tf.reduce_sum(of_tokens(whole, size), -1, keepdims=True))
    return highest, tf.concat(parts, -1)


def _row_maximum(x):
    """float32 [R, V] -> [R, 1], by way of integers of the same order.

    A maximum of integers is compiled into vector instructions; that of floating point
    numbers, with its rules for NaN, is not and takes twice as long.
    """
    highest = tf.reduce_max(_swap_negative(tf.bitcast(x, tf.int32)), -1, keepdims=True)
    return tf.bitcast(_swap_negative(highest), tf.float32)


def _swap_negative(bits):
    """Turns the order of negative numbers round, which as bits is the wrong way."""
    sign = tf.bitwise.right_shift(bits, 31)
    return tf.bitwise.bitwise_xor(bits, tf.bitwise.bitwise_and(sign, 0x7FFFFFFF))


@compat.compiled
def token_loss_gradient(
    products: Tensor, bias: Tensor, labels: Tensor, total: Tensor, upstream: Tensor
) -> Tensor:
    """The gradient by `products` of the cross entropy of softmax(products + bias).

    Args:
      labels: int32 [R].
      total: float32 [R], log of the sum of the exponents of all logits.
      upstream: float32 [R].
    """
    rows, size = tf.shape(products)[0], products.shape[-1]
    logits = tf.cast(products, tf.float32) + bias
    is_label = tf.equal(tf.range(size)[None, :], tf.reshape(labels, [rows, 1]))
    errors = tf.exp(logits - total[:, None]) - tf.cast(is_label, tf.float32)
    return tf.cast(errors * upstream[:, None], products.dtype)
