"""Activation functions by the names that configurations use."""

import math

from encoder_ko.compat import Tensor, tf

_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


def gelu_tanh(x: Tensor) -> Tensor:
    """GELU, tanh approximation (BERT and ALBERT call this "gelu").

    0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), arXiv:1606.08415.
    """
    return 0.5 * x * (1.0 + tf.tanh(_SQRT_2_OVER_PI * (x + 0.044715 * x * x * x)))


def gelu_erf(x: Tensor) -> Tensor:
    """GELU, exact form (ELECTRA calls this "gelu"): 0.5 x (1 + erf(x / sqrt 2))."""
    return 0.5 * x * (1.0 + tf.math.erf(x * math.sqrt(0.5)))


def gelu_tanh_slope(x: Tensor) -> Tensor:
    """The derivative of gelu_tanh."""
    tanh = tf.tanh(_SQRT_2_OVER_PI * (x + 0.044715 * x * x * x))
    inner = _SQRT_2_OVER_PI * (1.0 + 3 * 0.044715 * x * x)
    return 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * inner


def gelu_erf_slope(x: Tensor) -> Tensor:
    """The derivative of gelu_erf."""
    density = tf.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)
    return 0.5 * (1.0 + tf.math.erf(x * math.sqrt(0.5))) + x * density


ACTIVATIONS = {
    None: tf.identity,
    "linear": tf.identity,
    "gelu": gelu_tanh,
    "gelu_erf": gelu_erf,
    "relu": tf.nn.relu,
    "tanh": tf.tanh,
}
