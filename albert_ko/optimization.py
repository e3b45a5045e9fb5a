"""ALBERT's recipe. Source: google-research/albert, optimization.py."""

from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers, schedules, updates


def create_optimizer(
    loss,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    optimizer="lamb",
    poly_power=1.0,
    start_warmup_step=0,
    update=updates.PLAIN_UPDATE,
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
      **options: further arguments of the optimiser.
    """
    step = tf.train.get_or_create_global_step()
    decayed = schedules.polynomial_decay(step, init_lr, num_train_steps, poly_power)
    rate = schedules.warmup_replacing(
        step, decayed, init_lr, num_warmup_steps, start_warmup_step
    )
    return updates.train_op(
        loss, optimizers.OPTIMIZERS[optimizer](rate, **options), options=update
    )
