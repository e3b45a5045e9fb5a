"""Dynamic loss scaling, so that small gradients do not vanish in float16.

The gradient of scale x loss is computed. Where it is not finite, the update is left out
and the scale halved; after 2000 updates in a row that are finite it is doubled.

Source: arXiv:1710.03740 (mixed precision training); the constants are those of
TensorFlow's and NVIDIA's implementations.
"""

from encoder_ko.compat import Tensor, tf
from encoder_ko.replicas import distribution

INITIAL = 2.0**15
UPDATES_TO_DOUBLE = 2000
_LEAST, _MOST = 1.0, 2.0**24


class LossScale:
    """The scale and its variables, which checkpoints hold.

    Args:
      variable: (name, dtype, initial value) -> a variable.

    Attributes:
      value: float32 scalar, the scale of this update.
    """

    def __init__(self, variable):
        self._scale = variable("loss_scale", tf.float32, INITIAL)
        self._finite = variable("loss_scale_finite_updates", tf.int64, 0)
        self.value = tf.identity(self._scale)

    def adjust(self, is_finite: Tensor) -> tf.Operation:
        """Sets the scale of the next update.

        Args:
          is_finite: bool scalar, whether this one's gradients are.
        """
        finite = tf.where(
            is_finite, tf.identity(self._finite) + 1, tf.zeros([], "int64")
        )
        doubles = finite >= UPDATES_TO_DOUBLE
        kept = tf.where(doubles, self.value * 2.0, self.value)
        scale = tf.where(is_finite, kept, self.value / 2.0)
        finite = tf.where(doubles, tf.zeros_like(finite), finite)
        with tf.control_dependencies([scale, finite]):
            return tf.group(
                distribution.assign(
                    self._scale, tf.clip_by_value(scale, _LEAST, _MOST)
                ),
                distribution.assign(self._finite, finite),
            )

    def shown_norm(self, norm: Tensor) -> Tensor:
        """The gradient norm, or 0 where a lower scale may make it finite."""
        is_last = self.value <= _LEAST
        shown = tf.logical_or(tf.math.is_finite(norm), is_last)
        return tf.where(shown, norm, tf.zeros_like(norm))
