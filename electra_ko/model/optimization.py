"""ELECTRA's recipe. Source: google-research/electra, model/optimization.py."""

from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers, schedules, updates


def create_optimizer(
    loss,
    learning_rate,
    num_train_steps,
    weight_decay_rate=0.01,
    warmup_steps=0,
    warmup_proportion=0.0,
    lr_decay_power=1.0,
    optimizer="adamw",
    update=updates.PLAIN_UPDATE,
    **options,
) -> updates.TrainOp:
    """Polynomial decay multiplied by the warm-up; clip at 1.

    Args:
      loss: float32 scalar.
      learning_rate: peak learning rate; with layer-wise rates that of the head.
      num_train_steps: updates until the rate is 0.
      weight_decay_rate: decoupled weight decay.
      warmup_steps, warmup_proportion: the warm-up is the longer of `warmup_steps` and
        the share `warmup_proportion` of all updates, which may be a fraction of a step.
      lr_decay_power: power of the decay.
      optimizer: a name in `optimizers.OPTIMIZERS`.
      update: clipping, accumulation and what to do with a lost gradient.
      **options: further arguments of the optimiser, for example
        `rate_of=optimizers.layerwise_rate(config, 0.8)`.
    """
    step = tf.train.get_or_create_global_step()
    decayed = schedules.polynomial_decay(
        step, learning_rate, num_train_steps, lr_decay_power
    )
    warmup = max(num_train_steps * warmup_proportion, warmup_steps)
    rate = schedules.warmup_multiplying(step, decayed, warmup)
    return updates.train_op(
        loss,
        optimizers.OPTIMIZERS[optimizer](
            rate, weight_decay_rate=weight_decay_rate, **options
        ),
        options=update,
    )
