"""ALBERT's recipe. Source: google-research/albert, optimization.py.

`create_train_op` is this project's own; `create_optimizer` and the classes are
upstream's.
"""

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers, schedules, updates
from encoder_ko.optimization.tf_optimizers import (
    AdamWeightDecayOptimizer,
    LAMBOptimizer,
)

__all__ = [
    "AdamWeightDecayOptimizer",
    "LAMBOptimizer",
    "create_optimizer",
    "create_train_op",
]


def create_optimizer(
    loss,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    use_tpu=False,
    optimizer="adamw",
    poly_power=1.0,
    start_warmup_step=0,
    colocate_gradients_with_ops=False,
    excluded_tvars=None,
):
    """Upstream's function: weight decay 0.01, none for LayerNorm and biases.

    Args:
      loss, init_lr, num_train_steps, num_warmup_steps, poly_power,
        start_warmup_step: as in `create_train_op`.
      use_tpu: not needed; on a TPU the mean over its cores is taken by itself.
      optimizer: "adamw" (as upstream fine-tunes) or "lamb" (as it pre-trains).
      colocate_gradients_with_ops: not needed; TensorFlow places gradients itself.
      excluded_tvars: names such as "bert/pooler/dense/bias:0" that stay as they are.

    Returns:
      An operation: one update, then global step + 1. For `train_op=` of an
      EstimatorSpec, or `session.run`.

    Raises:
      InputError: another optimiser.
    """
    del use_tpu, colocate_gradients_with_ops
    if optimizer not in optimizers.OPTIMIZERS:
        raise InputError(
            f"The optimizer {optimizer!r} is unknown. Use one of: "
            f"{', '.join(optimizers.OPTIMIZERS)}."
        )
    excluded = excluded_tvars or ()
    return create_train_op(
        loss,
        init_lr,
        num_train_steps,
        num_warmup_steps,
        optimizer=optimizer,
        poly_power=poly_power,
        start_warmup_step=start_warmup_step,
        variables=[v for v in tf.trainable_variables() if v.name not in excluded],
    ).op


def create_train_op(
    loss,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    optimizer="lamb",
    poly_power=1.0,
    start_warmup_step=0,
    update=updates.PLAIN_UPDATE,
    variables=None,
    **options,
) -> updates.TrainOp:
    """Polynomial decay from step 0, replaced by the warm-up while it lasts; clip at 1.

    Args:
      loss: float32 scalar.
      init_lr: peak learning rate.
      num_train_steps: updates until the rate is 0.
      num_warmup_steps: updates of the warm-up.
      optimizer: a name in `optimizers.OPTIMIZERS`.
      poly_power: power of the decay.
      start_warmup_step: step at which the warm-up begins; the rate is 0 before it.
      update: clipping, accumulation and what to do with a lost gradient.
      variables: what is trained; None = all trainable variables.
      **options: further arguments of the optimiser.
    """
    step = tf.train.get_or_create_global_step()
    decayed = schedules.polynomial_decay(step, init_lr, num_train_steps, poly_power)
    rate = schedules.warmup_replacing(
        step, decayed, init_lr, num_warmup_steps, start_warmup_step
    )
    return updates.train_op(
        loss, optimizers.OPTIMIZERS[optimizer](rate, **options), variables, update
    )
