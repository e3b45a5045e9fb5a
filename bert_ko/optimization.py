"""BERT's recipe. Source: google-research/bert, optimization.py."""

from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers, schedules, updates


def create_optimizer(
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
