"""BERT's recipe. Source: google-research/bert, optimization.py.

`create_train_op` is this project's own; `create_optimizer` and the class are
upstream's.
"""

from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers, schedules, updates
from encoder_ko.optimization.tf_optimizers import AdamWeightDecayOptimizer

__all__ = ["AdamWeightDecayOptimizer", "create_optimizer", "create_train_op"]


def create_optimizer(loss, init_lr, num_train_steps, num_warmup_steps, use_tpu=False):
    """Upstream's function: weight decay 0.01, none for LayerNorm and biases.

    Args:
      loss, init_lr, num_train_steps, num_warmup_steps: as in `create_train_op`.
      use_tpu: not needed; on a TPU the mean over its cores is taken by itself.

    Returns:
      An operation: one update, then global step + 1. For `train_op=` of an
      EstimatorSpec, or `session.run`.
    """
    del use_tpu
    return create_train_op(loss, init_lr, num_train_steps, num_warmup_steps).op


def create_train_op(
    loss,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    optimizer="adamw",
    update=updates.PLAIN_UPDATE,
    **options,
) -> updates.TrainOp:
    """Linear decay from step 0, replaced by the warm-up while it lasts; clip at 1.

    Args:
      loss: float32 scalar.
      init_lr: peak learning rate.
      num_train_steps: updates until the rate is 0.
      num_warmup_steps: updates of the warm-up.
      optimizer: a name in `optimizers.OPTIMIZERS`.
      update: clipping, accumulation and what to do with a lost gradient.
      **options: further arguments of the optimiser.
    """
    step = tf.train.get_or_create_global_step()
    decayed = schedules.polynomial_decay(step, init_lr, num_train_steps)
    rate = schedules.warmup_replacing(step, decayed, init_lr, num_warmup_steps)
    return updates.train_op(
        loss, optimizers.OPTIMIZERS[optimizer](rate, **options), options=update
    )
