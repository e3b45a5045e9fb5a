"""Adam with weight decay and LAMB as upstream's tf.train.Optimizer classes.

Sources: optimization.py of google-research/bert, lamb_optimizer.py of
google-research/albert. The updates are those of `optimizers`.
"""

from encoder_ko.compat import tf
from encoder_ko.optimization import optimizers


class AdamWeightDecayOptimizer(tf.train.Optimizer):
    """Adam without bias correction and with decoupled weight decay.

    Upstream: unlike `optimizers.AdamWeightDecay` it decays nothing by default and
    excludes no name from it, and `apply_gradients` leaves the global step alone.

    Args:
      learning_rate: float or float32 scalar.
      weight_decay_rate: decay of the variables whose names match no exclusion.
      beta_1, beta_2, epsilon: as in Adam.
      exclude_from_weight_decay: regular expressions searched in variable names.
      name: of the optimiser.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay_rate=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        exclude_from_weight_decay=None,
        name="AdamWeightDecayOptimizer",
    ):
        super().__init__(False, name)
        self.learning_rate = learning_rate
        self.weight_decay_rate = weight_decay_rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.exclude_from_weight_decay = exclude_from_weight_decay

    def apply_gradients(
        self, grads_and_vars, global_step=None, name=None
    ) -> tf.Operation:
        """One update; increment the global step yourself, as upstream's callers do.

        Args:
          grads_and_vars: pairs, as `compute_gradients` returns them; variables without
            a gradient stay as they are.

        Returns:
          An operation.
        """
        del global_step
        pairs = [(g, v) for g, v in grads_and_vars if g is not None and v is not None]
        gradients = [tf.convert_to_tensor(gradient) for gradient, _ in pairs]
        variables = [variable for _, variable in pairs]
        return tf.group(
            self._updates().apply_gradients(gradients, variables), name=name
        )

    def _updates(self):
        return optimizers.AdamWeightDecay(self.learning_rate, **self._settings())

    def _settings(self):
        return dict(
            weight_decay_rate=self.weight_decay_rate,
            adam=optimizers.AdamOptions(self.beta_1, self.beta_2, self.epsilon),
            exclude_from_weight_decay=self.exclude_from_weight_decay,
        )


class LAMBOptimizer(AdamWeightDecayOptimizer):
    """LAMB, arXiv:1904.00962; the norms are over the whole variable.

    Args:
      exclude_from_layer_adaptation: regular expressions of the names that get the trust
        ratio 1; none = those that are not decayed.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay_rate=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        exclude_from_weight_decay=None,
        exclude_from_layer_adaptation=None,
        name="LAMBOptimizer",
    ):
        super().__init__(
            learning_rate,
            weight_decay_rate,
            beta_1,
            beta_2,
            epsilon,
            exclude_from_weight_decay,
            name,
        )
        self.exclude_from_layer_adaptation = exclude_from_layer_adaptation

    def _updates(self):
        return optimizers.Lamb(
            self.learning_rate,
            exclude_from_layer_adaptation=self.exclude_from_layer_adaptation or None,
            **self._settings(),
        )
