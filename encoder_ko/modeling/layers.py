"""Layers of the encoder: dense, activation, dropout, layer normalisation.

Each step that is not a matrix product is one compiled pass forward and one backward
(see `fused`). Variables are float32; activations have the compute type of the call.

Letters in shape comments: B batch, S sequence, T = B*S tokens, H width, N heads,
D head size, P predictions.
"""

import zlib
from typing import Any, List, NamedTuple, Optional, Sequence

from encoder_ko import compat
from encoder_ko.compat import Size, Tensor, tf
from encoder_ko.modeling import activations, fused
from encoder_ko.modeling.dropout import DropoutMask


def truncated_normal(stddev: float) -> tf.truncated_normal_initializer:
    """Upstream's initialiser of dense kernels and embedding tables."""
    return tf.truncated_normal_initializer(stddev=stddev)


def glorot_uniform() -> tf.glorot_uniform_initializer:
    """Initialiser of the layers for which ELECTRA's code names none."""
    return tf.glorot_uniform_initializer()


def variable(name: str, shape: Sequence[int], initializer: Any) -> tf.Variable:
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


def shape_of(tensor: Tensor) -> List[Size]:
    """Shape as a list of Python ints where known, int32 scalars elsewhere."""
    dynamic = tf.shape(tensor)
    return [
        dynamic[axis] if size is None else size
        for axis, size in enumerate(tensor.shape.as_list())
    ]


class DenseVariables(NamedTuple):
    """kernel float32 [inputs, outputs], bias float32 [outputs]."""

    kernel: tf.Variable
    bias: tf.Variable


class NormVariables(NamedTuple):
    """gamma and beta float32 [width]."""

    gamma: tf.Variable
    beta: tf.Variable


def dense_variables(
    name: str, inputs: int, outputs: int, initializer: Any
) -> DenseVariables:
    """Creates (or, in a reusing scope, fetches) `name/kernel` and `name/bias`."""
    with tf.variable_scope(name):
        kernel = variable("kernel", [inputs, outputs], initializer)
        bias = variable("bias", [outputs], tf.zeros_initializer())
    return DenseVariables(kernel, bias)


def norm_variables(name: str, width: int) -> NormVariables:
    """Creates (or fetches) `name/beta` and `name/gamma`."""
    with tf.variable_scope(name):
        beta = variable("beta", [width], tf.zeros_initializer())
        gamma = variable("gamma", [width], tf.ones_initializer())
    return NormVariables(gamma, beta)


def dense(
    inputs: Tensor, variables: DenseVariables, activation: Optional[str] = None
) -> Tensor:
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


def column_sums(x: Tensor) -> Tensor:
    """The sum over all rows: [T, W] -> float32 [W].

    A product with ones: several times as fast as a reduction of the same pass.
    """
    ones = tf.ones([1, tf.shape(x)[0]], x.dtype)
    return tf.cast(tf.matmul(ones, x)[0], tf.float32)


@compat.custom_gradient
def biased(product: Tensor, bias: Tensor) -> Tensor:
    """`product + bias`: [T, W] and float32 [W] -> [T, W], the type of `product`."""

    def gradients(upstream):
        return upstream, column_sums(upstream)

    return fused.add_bias(product, bias), gradients


def biased_activation(
    product: Tensor, bias: Tensor, activation: Optional[str] = None
) -> Tensor:
    """`activation(product + bias)`, one pass over memory for the GELU forms."""
    if activation in fused.ACTIVATIONS:
        passes, bias = fused.ACTIVATIONS[activation], tf.convert_to_tensor(bias)
        if product.shape.ndims == 2:
            return _fused_activation(passes, product, bias)
        flat = tf.reshape(product, [-1, product.shape[-1]])
        activated = _fused_activation(passes, flat, bias)
        activated = tf.reshape(activated, tf.shape(product))
        activated.set_shape(product.shape)
        return activated
    return activations.ACTIVATIONS[activation](product + tf.cast(bias, product.dtype))


def _fused_activation(passes, product, bias):
    @compat.custom_gradient
    def apply(product, bias):
        def gradients(upstream):
            by_product = passes.backward(product, bias, upstream)
            return by_product, column_sums(by_product)

        return passes.forward(product, bias), gradients

    return apply(product, bias)


# --- Dropout and layer normalisation ------------------------------------------------


def dropout(x: Tensor, mask: Optional[DropoutMask]) -> Tensor:
    """`x` with the masked values set to 0 and the others scaled; `x` without a mask."""
    if mask is None:
        return x

    @compat.custom_gradient
    def apply(x):
        return fused.dropout(x, mask), lambda upstream: fused.dropout(upstream, mask)

    return apply(x)


@compat.custom_gradient
def _layer_norm(x, gamma, beta):
    output, normalized, inverse = fused.layer_norm(x, gamma, beta)

    def gradients(upstream):
        by_input = fused.layer_norm_gradient(normalized, inverse, gamma, upstream)
        return by_input, column_sums(upstream * normalized), column_sums(upstream)

    return output, gradients


def layer_norm(x: Tensor, variables: NormVariables) -> Tensor:
    """Layer normalisation over the last axis, biased variance, epsilon 1e-12.

    Args:
      x: [T, H].

    Returns:
      [T, H], same type as `x`; statistics are float32.
    """
    return _layer_norm(
        x, tf.convert_to_tensor(variables.gamma), tf.convert_to_tensor(variables.beta)
    )


def bias_dropout_residual_norm(
    product: Tensor,
    bias: Tensor,
    residual: Tensor,
    norm: NormVariables,
    mask: Optional[DropoutMask] = None,
) -> Tensor:
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

    @compat.custom_gradient
    def apply(product, bias, residual, gamma, beta):
        output, normalized, inverse = fused.residual_norm(
            product, bias, residual, gamma, beta, mask
        )

        def gradients(upstream):
            if mask is None:
                by_branch = by_sum = fused.layer_norm_gradient(
                    normalized, inverse, gamma, upstream
                )
            else:
                by_branch, by_sum = fused.residual_norm_gradient(
                    normalized, inverse, gamma, upstream, mask
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
