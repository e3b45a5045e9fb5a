"""ELECTRA's recipe. Source: google-research/electra, model/optimization.py.

`create_train_op` is this project's own; `create_optimizer` and the class are
upstream's.
"""

from electra_ko.model.modeling import ElectraConfig
from encoder_ko.compat import tf
from encoder_ko.optimization import (
    optimizers,
    schedules,
    tf_optimizers,
    updates,
)


class AdamWeightDecayOptimizer(tf_optimizers.AdamWeightDecayOptimizer):
    """As BERT's; `learning_rate` may be one for each group of variables.

    A dictionary from a part of a variable's name, such as "encoder/layer_3/", to the
    rate of the variables that have it; apply_gradients raises ValueError for a variable
    that has none.
    """

    def _updates(self):
        if not isinstance(self.learning_rate, dict):
            return super()._updates()
        return optimizers.AdamWeightDecay(
            1.0, rate_of=self._rate_of, **self._settings()
        )

    def _rate_of(self, variable_name):
        for part, rate in self.learning_rate.items():
            if part in variable_name:
                return rate
        raise ValueError(f"No learning rate specified for variable {variable_name}.")


def create_optimizer(
    loss,
    learning_rate,
    num_train_steps,
    weight_decay_rate=0.0,
    use_tpu=False,
    warmup_steps=0,
    warmup_proportion=0,
    lr_decay_power=1.0,
    layerwise_lr_decay_power=-1,
    n_transformer_layers=None,
):
    """Upstream's function: no weight decay by default, never for LayerNorm and biases.

    Args:
      loss, learning_rate, num_train_steps, warmup_steps, warmup_proportion,
        lr_decay_power: as in `create_train_op`.
      use_tpu: not needed; on a TPU the mean over its cores is taken by itself.
      layerwise_lr_decay_power: factor from a layer to the one below it; 0 or less = one
        rate for all.
      n_transformer_layers: layers of the model, for layer-wise rates.

    Returns:
      An operation: one update, then global step + 1. For `train_op=` of an
      EstimatorSpec, or `session.run`.
    """
    del use_tpu
    rate_of = None
    if layerwise_lr_decay_power > 0:
        layers = ElectraConfig(vocab_size=1, num_hidden_layers=n_transformer_layers)
        rate_of = optimizers.layerwise_rate(layers, layerwise_lr_decay_power)
    return create_train_op(
        loss,
        learning_rate,
        num_train_steps,
        weight_decay_rate,
        warmup_steps,
        warmup_proportion,
        lr_decay_power,
        rate_of=rate_of,
    ).op


def create_train_op(
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
