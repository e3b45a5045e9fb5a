"""Layers of the encoder: dense, activation, dropout, layer normalisation.

Each step that is not a matrix product is written as one pure function forward and one
backward, so that it can be compiled into a single pass over memory (see
`compat.compiled`); profiling shows that such passes, not the products, decide the
speed on a CPU. Variables are float32; activations have the compute type of the call
(float32 or bfloat16), and every reduction is done in float32.

Letters in shape comments: B batch, S sequence, T = B*S tokens, H width, N heads,
D head size, P predictions.
"""

import zlib
from typing import NamedTuple, Optional

from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.modeling import activations
from encoder_ko.modeling.random_stream import RandomStream

# tf.contrib.layers.layer_norm, which all three upstream repositories use in float32.
LAYER_NORM_EPSILON = 1e-12

_BYTE = 256  # dropout decides each value by one random byte
_SLICES = 8  # of the columns, which reductions along rows add first


def truncated_normal(stddev: float):
    """Upstream's initialiser of dense kernels and embedding tables."""
    return tf.truncated_normal_initializer(stddev=stddev)


def glorot_uniform():
    """Initialiser of the layers for which ELECTRA's code names none."""
    return tf.glorot_uniform_initializer()


def variable(name, shape, initializer):
    """float32 resource variable of the current variable scope.

    Where the graph has a seed, random initial values depend on it and on the name
    alone, not on what else is in the graph.
    """
    settings = initializer.get_config()
    if "seed" in settings and tf.get_default_graph().seed is not None:
        whole_name = f"{tf.get_variable_scope().name}/{name}"
        settings["seed"] = zlib.crc32(whole_name.encode())
        initializer = type(initializer).from_config(settings)
    return tf.get_variable(
        name, shape, tf.float32, initializer=initializer, use_resource=True
    )


def shape_of(tensor):
    """Shape as a list of Python ints where known, int32 scalars elsewhere."""
    dynamic = tf.shape(tensor)
    return [
        dynamic[axis] if size is None else size
        for axis, size in enumerate(tensor.shape.as_list())
    ]


class DenseVariables(NamedTuple):
    """kernel float32 [inputs, outputs], bias float32 [outputs]."""

    kernel: object
    bias: object


class NormVariables(NamedTuple):
    """gamma and beta float32 [width]."""

    gamma: object
    beta: object


def dense_variables(name, inputs, outputs, initializer) -> DenseVariables:
    """Creates (or, in a reusing scope, fetches) `name/kernel` and `name/bias`."""
    with tf.variable_scope(name):
        kernel = variable("kernel", [inputs, outputs], initializer)
        bias = variable("bias", [outputs], tf.zeros_initializer())
    return DenseVariables(kernel, bias)


def norm_variables(name, width) -> NormVariables:
    """Creates (or fetches) `name/beta` and `name/gamma`."""
    with tf.variable_scope(name):
        beta = variable("beta", [width], tf.zeros_initializer())
        gamma = variable("gamma", [width], tf.ones_initializer())
    return NormVariables(gamma, beta)


def dense(inputs, variables: DenseVariables, activation=None):
    """`activation(inputs kernel + bias)` in the type of `inputs`.

    Args:
      inputs: [..., width].
      variables: kernel [width, outputs] and bias [outputs].
      activation: None or a name in `activations.ACTIVATIONS`.

    Returns:
      [..., outputs], same type as `inputs`.
    """
    product = tf.matmul(inputs, tf.cast(variables.kernel, inputs.dtype))
    return biased_activation(product, variables.bias, activation)


def column_sums(x):
    """The sum over all rows: [T, W] -> float32 [W].

    A product with ones: several times as fast as a reduction of the same pass.
    """
    ones = tf.ones([1, tf.shape(x)[0]], x.dtype)
    return tf.cast(tf.matmul(ones, x)[0], tf.float32)


def _biased(product, bias):
    return tf.cast(tf.cast(product, tf.float32) + bias, product.dtype)


_biased = compat.compiled(_biased)


@compat.custom_gradient
def biased(product, bias):
    """`product + bias`: [T, W] and float32 [W] -> [T, W], the type of `product`."""
    return _biased(product, bias), lambda upstream: (upstream, column_sums(upstream))


def biased_activation(product, bias, activation=None):
    """`activation(product + bias)`, one pass over memory for the GELU forms."""
    fused = _FUSED_ACTIVATIONS.get(activation)
    if fused is not None:
        shape = tf.shape(product)
        width = product.shape[-1]
        flat = tf.reshape(product, [-1, width])
        activated = tf.reshape(fused(flat, tf.convert_to_tensor(bias)), shape)
        activated.set_shape(product.shape)
        return activated
    return activations.ACTIVATIONS[activation](product + tf.cast(bias, product.dtype))


def _fused_bias_activation(function, slope):
    """`function(product + bias)` with its gradient, each compiled as one pass."""

    def forward(product, bias):
        activated = function(tf.cast(product, tf.float32) + bias)
        return tf.cast(activated, product.dtype)

    def backward(product, bias, upstream):
        biased = tf.cast(product, tf.float32) + bias
        gradient = tf.cast(upstream, tf.float32) * slope(biased)
        return tf.cast(gradient, product.dtype)

    forward, backward = compat.compiled(forward), compat.compiled(backward)

    @compat.custom_gradient
    def apply(product, bias):
        def gradients(upstream):
            by_product = backward(product, bias, upstream)
            return by_product, column_sums(by_product)

        return forward(product, bias), gradients

    return apply


_FUSED_ACTIVATIONS = {
    "gelu": _fused_bias_activation(activations.gelu_tanh, activations.gelu_tanh_slope),
    "gelu_erf": _fused_bias_activation(
        activations.gelu_erf, activations.gelu_erf_slope
    ),
}


# --- Dropout ---------------------------------------------------------------------


class DropoutMask(NamedTuple):
    """A value is dropped where its byte is below the threshold.

    Attributes:
      bytes: uint8, the shape of the values.
      threshold: int32 scalar, 256 times the rate rounded up or down at random, so that
        each value is dropped with exactly the rate asked for.
      scale: float32 scalar 1 / (1 - rate).
    """

    bytes: object
    threshold: object
    scale: object


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


def keep_factor(bytes_, threshold, scale):
    """float32 factor of each value: 0 where dropped, `scale` elsewhere."""
    return tf.where(
        tf.cast(bytes_, tf.int32) < threshold,
        tf.zeros_like(bytes_, tf.float32),
        tf.ones_like(bytes_, tf.float32) * scale,
    )


@compat.compiled
def _dropout(x, *mask):
    return tf.cast(tf.cast(x, tf.float32) * keep_factor(*mask), x.dtype)


def dropout(x, mask: Optional[DropoutMask]):
    """`x` with the masked values set to 0 and the others scaled; `x` without a mask."""
    if mask is None:
        return x

    @compat.custom_gradient
    def apply(x):
        return _dropout(x, *mask), lambda upstream: _dropout(upstream, *mask)

    return apply(x)


# --- Layer normalisation ---------------------------------------------------------


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
    """Gradient of `normalized * gamma + beta` by what was normalised."""
    by_normalized = upstream * gamma
    mean = _row_means(by_normalized)
    along = _row_means(by_normalized * normalized)
    return inverse * (by_normalized - mean - normalized * along)


def _norm_forward(x, gamma, beta):
    normalized, inverse = _normalize(tf.cast(x, tf.float32))
    output = tf.cast(normalized * gamma + beta, x.dtype)
    return output, tf.cast(normalized, x.dtype), inverse


def _norm_backward(normalized, inverse, gamma, upstream):
    by_input = _normalize_gradient(
        tf.cast(upstream, tf.float32), tf.cast(normalized, tf.float32), inverse, gamma
    )
    return tf.cast(by_input, normalized.dtype)


_norm_forward = compat.compiled(_norm_forward)
_norm_backward = compat.compiled(_norm_backward)


@compat.custom_gradient
def _layer_norm(x, gamma, beta):
    output, normalized, inverse = _norm_forward(x, gamma, beta)

    def gradients(upstream):
        by_input = _norm_backward(normalized, inverse, gamma, upstream)
        return by_input, column_sums(upstream * normalized), column_sums(upstream)

    return output, gradients


def layer_norm(x, variables: NormVariables):
    """Layer normalisation over the last axis, biased variance, epsilon 1e-12.

    Args:
      x: [T, H].

    Returns:
      [T, H], same type as `x`; statistics are float32.
    """
    return _layer_norm(
        x, tf.convert_to_tensor(variables.gamma), tf.convert_to_tensor(variables.beta)
    )


def _residual_forward(x, bias, residual, gamma, beta, *mask):
    branch = tf.cast(x, tf.float32) + bias
    if mask:
        branch = branch * keep_factor(*mask)
    normalized, inverse = _normalize(branch + tf.cast(residual, tf.float32))
    output = tf.cast(normalized * gamma + beta, x.dtype)
    return output, tf.cast(normalized, x.dtype), inverse


def _residual_backward(normalized, inverse, gamma, upstream, *mask):
    """Gradients by the branch, which `mask` thins out, and by the sum."""
    by_sum = _normalize_gradient(
        tf.cast(upstream, tf.float32), tf.cast(normalized, tf.float32), inverse, gamma
    )
    by_branch = by_sum * keep_factor(*mask)
    dtype = normalized.dtype
    return tf.cast(by_branch, dtype), tf.cast(by_sum, dtype)


_residual_forward = compat.compiled(_residual_forward)
_residual_backward = compat.compiled(_residual_backward)


def bias_dropout_residual_norm(product, bias, residual, norm, mask=None):
    """`layer_norm(dropout(product + bias) + residual)`, one pass each way.

    Args:
      product: [T, H], output of a matrix product without its bias.
      bias: float32 [H].
      residual: [T, H], the input of the sub-layer.
      norm: NormVariables of width H.
      mask: DropoutMask of [T, H], or None.

    Returns:
      [T, H], same type as `product`.
    """
    drawn = tuple(mask) if mask is not None else ()

    @compat.custom_gradient
    def apply(product, bias, residual, gamma, beta):
        output, normalized, inverse = _residual_forward(
            product, bias, residual, gamma, beta, *drawn
        )

        def gradients(upstream):
            if drawn:
                by_branch, by_sum = _residual_backward(
                    normalized, inverse, gamma, upstream, *drawn
                )
            else:
                by_branch = by_sum = _norm_backward(
                    normalized, inverse, gamma, upstream
                )
            return (
                by_branch,
                column_sums(by_branch),
                by_sum,
                column_sums(upstream * normalized),
                column_sums(upstream),
            )

        return output, gradients

    return apply(
        product,
        tf.convert_to_tensor(bias),
        residual,
        tf.convert_to_tensor(norm.gamma),
        tf.convert_to_tensor(norm.beta),
    )
