"""Learning rates as functions of the step, the number of updates already made.

Sources: optimization.py of google-research/bert, albert and electra. The step is read
before the update increments it: update t (from 0) uses rate(t).
"""

from encoder_ko.compat import Tensor, tf


def polynomial_decay(
    step: Tensor, peak: float, total_steps: int, power: float = 1.0
) -> Tensor:
    """`peak (1 - min(step, total) / total) ** power`, 0 from `total_steps` on.

    Args:
      step: integer scalar tensor.
      peak: rate at step 0.
      total_steps: step at which the rate reaches 0.

    Returns:
      float32 scalar.
    """
    done = tf.minimum(tf.cast(step, tf.float32) / float(total_steps), 1.0)
    return peak * tf.pow(1.0 - done, power)


def warmup_replacing(
    step: Tensor, decayed: Tensor, peak: float, warmup_steps: float, start_step: int = 0
) -> Tensor:
    """BERT and ALBERT: while it lasts, warm-up replaces the decay.

    `peak (step - start) / warmup` before `start + warmup` (0 before `start`), the
    decayed rate from there on; the decay has counted from step 0 all along, so the
    rate jumps down where the warm-up ends.

    Upstream: ALBERT's rate is negative before `start_step`; here it is 0.
    """
    if not warmup_steps:
        return decayed
    since = tf.cast(step, tf.float32) - float(start_step)
    warming = peak * tf.maximum(since, 0.0) / float(warmup_steps)
    return tf.where(since < float(warmup_steps), warming, decayed)


def warmup_multiplying(step: Tensor, decayed: Tensor, warmup_steps: float) -> Tensor:
    """ELECTRA: the decayed rate times `min(1, step / warmup)`.

    `warmup_steps` may be a fraction; 0 means no warm-up.
    """
    if not warmup_steps:
        return decayed
    return decayed * tf.minimum(1.0, tf.cast(step, tf.float32) / float(warmup_steps))
