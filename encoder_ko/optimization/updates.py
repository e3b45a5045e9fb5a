"""From a loss to an update: gradients, clipping, applying. No recipe.

Each sibling's `optimization.py` puts its upstream's recipe together from this module,
`schedules` and `optimizers`.
"""

import dataclasses
from typing import List, NamedTuple, Optional, Sequence, Tuple

from encoder_ko import compat
from encoder_ko.compat import Tensor, tf
from encoder_ko.optimization import optimizers
from encoder_ko.optimization.loss_scale import LossScale
from encoder_ko.replicas import distribution


class TrainOp(NamedTuple):
    """What one training step runs and what is worth logging of it.

    Attributes:
      op: operation: update, then global step + 1.
      learning_rate: float32 scalar, the rate of this update.
      gradient_norm: float32 scalar, before clipping.
      skipped: int64 scalar, updates skipped so far, with `skip_nonfinite`.
    """

    op: tf.Operation
    learning_rate: Tensor
    gradient_norm: Tensor
    skipped: Tensor


@dataclasses.dataclass(frozen=True)
class UpdateOptions:
    """How gradients become an update.

    Attributes:
      clip_norm: gradients are scaled to a global norm of at most this.
      accumulation_steps: micro-batches whose gradients are averaged for one update.
      skip_nonfinite: leave weights and moments alone, and count, where the gradient
        norm is not finite. The step goes on: the next batch may be a good one.
      loss_scaling: scale the loss, as float16 needs it, and skip as well; see
        `loss_scale`.
    """

    clip_norm: float = 1.0
    accumulation_steps: int = 1
    skip_nonfinite: bool = False
    loss_scaling: bool = False


PLAIN_UPDATE = UpdateOptions()


def gradients_and_norm(
    loss: Tensor, variables: Sequence[tf.Variable]
) -> Tuple[List[Optional[Tensor]], Tensor]:
    """Gradients, averaged over the replicas, and their global norm.

    Upstream: a gather's gradient counts towards the norm with its slices as they are,
    equal rows not added up; `use_one_hot_embeddings` gives the norm of the sum.

    Returns:
      (list of dense tensors in the type they were computed in, None where a variable
      is not involved; float32 scalar).
    """
    found = tf.gradients(loss, variables)
    if distribution.count() > 1:
        return _mean_gradients_and_norm(found)
    found = [_in_compute_type(g) for g in found]
    values = [g.values if isinstance(g, tf.IndexedSlices) else g for g in found]
    norm = tf.sqrt(tf.add_n([_sum_of_squares(v) for v in values if v is not None]))
    return _dense(found), norm


def _dense(gradients):
    return [None if g is None else tf.convert_to_tensor(g) for g in gradients]


def _mean_gradients_and_norm(gradients):
    """`gradients_and_norm` of the mean over the replicas, whose norm is taken last.

    The slices of a sparse gradient are those of all replicas.
    """
    is_sparse = [isinstance(g, tf.IndexedSlices) for g in gradients]
    slices = [g.values for g, sparse in zip(gradients, is_sparse) if sparse]
    of_slices = iter(distribution.means(list(map(tf.nn.l2_loss, slices))))
    means = distribution.means(gradients)
    half_squares = [
        next(of_slices) / distribution.count() if sparse else tf.nn.l2_loss(mean)
        for mean, sparse in zip(means, is_sparse)
        if mean is not None
    ]
    return means, tf.sqrt(2.0 * tf.reduce_sum(tf.stack(half_squares)))


def _in_compute_type(gradient):
    """The gradient before the cast to float32 that ends a bfloat16 computation.

    The values are the same; the optimiser reads half the bytes and casts in its own
    pass.
    """
    if isinstance(gradient, tf.Tensor) and gradient.op.type == "Cast":
        return gradient.op.inputs[0]
    return gradient


def _sum_of_squares(values):
    return 2.0 * tf.nn.l2_loss(tf.cast(values, tf.float32))


def train_op(
    loss: Tensor,
    optimizer: optimizers.AdamWeightDecay,
    variables: Optional[Sequence[tf.Variable]] = None,
    options: UpdateOptions = PLAIN_UPDATE,
) -> TrainOp:
    """One update of `variables` (all trainable ones) and global step + 1 after it.

    With accumulation a call adds the gradients of one micro-batch to sums; the last of
    `accumulation_steps` calls applies their mean. The sums are local variables:
    checkpoints are written between updates, when there is nothing in them.
    """
    if variables is None:
        variables = tf.trainable_variables()
    scale = LossScale(_global_variable) if options.loss_scaling else None
    if scale:
        loss *= scale.value
    if options.accumulation_steps > 1:  # the mean of the sums has a norm, and no part
        found = map(_in_compute_type, tf.gradients(loss, variables))
        gradients, norm = _dense(found), None
    else:
        gradients, norm = gradients_and_norm(loss, variables)
    pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
    gradients, variables = (list(side) for side in zip(*pairs))
    for variable in variables:
        optimizers.moments(variable)  # a condition below cannot make variables
    updater = _Updater(variables, optimizer, options, scale)
    if options.accumulation_steps > 1:
        norm, skipped = _accumulate(gradients, updater)
        op = tf.group(norm, skipped)
    else:
        op, skipped, norm = updater.update(gradients, norm)
    return TrainOp(op, optimizer.learning_rate, norm, skipped)


class _Update(NamedTuple):
    """One update.

    Attributes:
      op: operation: update, then global step + 1.
      skipped: int64 scalar, updates skipped so far, this one counted.
      norm: float32 scalar, of the gradients as they would be without a loss scale.
    """

    op: tf.Operation
    skipped: Tensor
    norm: Tensor


class _Updater:
    """Applies gradients and increments the step; makes its variables beforehand."""

    def __init__(self, variables, optimizer, options, loss_scale=None):
        self.variables = variables
        self.options = options
        self._loss_scale = loss_scale
        self._optimizer = optimizer
        self._step = tf.train.get_or_create_global_step()
        self._skipped = None
        if options.skip_nonfinite or options.loss_scaling:
            self._skipped = _global_variable("skipped_updates", tf.int64, 0)

    def update(self, gradients: Sequence[Optional[Tensor]], norm: Tensor) -> _Update:
        """Applies the gradients, or leaves them out where their norm is not finite."""
        shown = norm
        if self._loss_scale:
            norm /= self._loss_scale.value
            shown = self._loss_scale.shown_norm(norm)
        if self._skipped is None:
            skipped = tf.constant(0, tf.int64)
            done = self._apply(gradients, norm)
        else:
            missed = self._apply_if_finite(gradients, norm)
            skipped = done = tf.identity(distribution.assign_add(self._skipped, missed))
        # The step is incremented last: everything in this update has read step t.
        with tf.control_dependencies([done, shown]):
            if self._loss_scale:
                done = self._loss_scale.adjust(tf.math.is_finite(norm))
        with tf.control_dependencies([done]):
            step = distribution.assign_add(self._step, 1)
        with tf.control_dependencies([step]):
            return _Update(tf.no_op(), skipped, shown)

    def _apply_if_finite(self, gradients, norm):
        """int64 scalar, 1 where the update is skipped, else 0."""
        none, one = tf.constant(0, tf.int64), tf.constant(1, tf.int64)

        def apply():
            with tf.control_dependencies([self._apply(gradients, norm)]):
                return tf.identity(none)

        return tf.cond(tf.math.is_finite(norm), apply, lambda: tf.identity(one))

    def _apply(self, gradients, norm):
        clip_norm = self.options.clip_norm
        scale = clip_norm / tf.maximum(norm, clip_norm)
        if self._loss_scale:
            scale /= self._loss_scale.value
        return self._optimizer.apply_gradients(
            gradients, self.variables, scale, self._number()
        )

    def _number(self):
        """int64 scalar, from 1: this update among those that reached the moments."""
        number = tf.identity(self._step) + 1
        return number if self._skipped is None else number - self._skipped


def _accumulate(gradients, updater):
    """(gradient norm or 0 where no update is due, updates skipped so far).

    Replicas add up their own gradients, and average the sums once an update; where that
    is not possible, they average those of every micro-batch.
    """
    local, steps = tf.GraphKeys.LOCAL_VARIABLES, updater.options.accumulation_steps
    batches = _summed_batches()
    if not distribution.sums_in_conditions():
        gradients = distribution.means(gradients)
    sums = [
        _variable(f"{compat.variable_name(v)}/gradient_sum", v.shape, tf.float32, local)
        for v in updater.variables
    ]
    added = [
        distribution.assign_add(total, tf.cast(gradient, tf.float32))
        for total, gradient in zip(sums, gradients)
    ]
    with tf.control_dependencies(added):
        count = distribution.assign_add(batches, 1)

    def apply():
        means = [total.read_value() / steps for total in sums]
        if distribution.sums_in_conditions():
            means = distribution.means(means)
        norm = tf.linalg.global_norm(means)
        update = updater.update(means, norm)
        with tf.control_dependencies([update.op]):
            reset = [distribution.assign(total, tf.zeros_like(total)) for total in sums]
        with tf.control_dependencies(reset):
            return tf.identity(update.norm), tf.identity(update.skipped)

    def wait():
        return tf.constant(0.0), tf.constant(0, tf.int64)

    return tf.cond(tf.equal(count % steps, 0), apply, wait)


def _summed_batches():
    """int64 variable: micro-batches since the session began, at an update."""
    local = tf.GraphKeys.LOCAL_VARIABLES
    return _variable("summed_batches", [], tf.int64, local)


def micro_step(options: UpdateOptions) -> Tensor:
    """int64 scalar: micro-batches of the run before this one, for random streams.

    The global step where there is no accumulation.
    """
    step = tf.train.get_or_create_global_step()
    steps = options.accumulation_steps
    if steps == 1:
        return tf.identity(step)
    return step * steps + _summed_batches() % steps


def _global_variable(name, dtype, value):
    """A scalar variable that checkpoints hold."""
    collection = tf.GraphKeys.GLOBAL_VARIABLES
    return _variable(name, [], dtype, collection, tf.constant_initializer(value))


def _variable(name, shape, dtype, collection, initializer=None):
    """A variable at 0, if not said otherwise; its name does not depend on the scope."""
    with tf.variable_scope(
        tf.VariableScope(reuse=tf.AUTO_REUSE), auxiliary_name_scope=False
    ):
        return tf.get_variable(
            name,
            shape,
            dtype,
            initializer or tf.zeros_initializer(),
            trainable=False,
            use_resource=True,
            collections=[collection],
        )
