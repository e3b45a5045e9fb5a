"""From a loss to an update: gradients, clipping, applying. No recipe.

Each sibling's `optimization.py` puts its upstream's recipe together from this module,
`schedules` and `optimizers`.
"""

from typing import NamedTuple

from encoder_ko import compat
from encoder_ko.compat import tf


class TrainOp(NamedTuple):
    """What one training step runs and what is worth logging of it.

    Attributes:
      op: operation: update, then global step + 1.
      learning_rate: float32 scalar, the rate of this update.
      gradient_norm: float32 scalar, before clipping.
    """

    op: object
    learning_rate: object
    gradient_norm: object


def gradients_and_norm(loss, variables):
    """Gradients and their global norm.

    Upstream: a gather's gradient counts towards the norm with its slices as they are,
    equal rows not added up; `use_one_hot_embeddings` gives the norm of the sum.

    Returns:
      (list of dense tensors in the type they were computed in, None where a variable
      is not involved; float32 scalar).
    """
    found = compat.mean_over_replicas(tf.gradients(loss, variables))
    found = [_in_compute_type(g) for g in found]
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in found]
    norm = tf.sqrt(tf.add_n([_sum_of_squares(v) for v in values if v is not None]))
    return [None if g is None else tf.convert_to_tensor(g) for g in found], norm


def _in_compute_type(gradient):
    """The gradient before the cast to float32 that ends a bfloat16 computation.

    The values are the same; the optimiser reads half the bytes and casts in its own
    pass.
    """
    if isinstance(gradient, tf.Tensor) and gradient.op.type == "Cast":
        return gradient.op.inputs[0]
    return gradient


@compat.compiled
def _sum_of_squares_in_float32(values):
    values = tf.cast(values, tf.float32)
    return tf.reduce_sum(values * values)


def _sum_of_squares(values):
    if values.dtype == tf.float32:
        return 2.0 * tf.nn.l2_loss(values)
    return _sum_of_squares_in_float32(values)


def train_op(loss, optimizer, variables=None, clip_norm: float = 1.0) -> TrainOp:
    """One update of `variables` (all trainable ones) and global step + 1 after it.

    Gradients are scaled to a global norm of at most `clip_norm`.
    """
    if variables is None:
        variables = tf.trainable_variables()
    gradients, norm = gradients_and_norm(loss, variables)
    update = optimizer.apply_gradients(
        gradients, variables, scale=clip_norm / tf.maximum(norm, clip_norm)
    )
    # The step is incremented last: everything in this update has read step t.
    with tf.control_dependencies([update]):
        op = tf.assign_add(tf.train.get_or_create_global_step(), 1).op
    return TrainOp(op, optimizer.learning_rate, norm)
