"""Adam with weight decay, LAMB and layer-wise rates over one set of moments.

Sources: optimization.py of google-research/bert and electra (no bias correction,
decoupled decay), lamb_optimizer.py of google-research/albert, arXiv:1904.00962.

    m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    u = m / (sqrt(v) + epsilon) + decay w
    AdamWeightDecay: w -= rate u         Lamb: w -= rate (|w| / |u|) u
"""

import re
from typing import Callable, Optional, Sequence

from encoder_ko import compat
from encoder_ko.compat import tf

# Names that upstream neither decays nor, in LAMB, gives a trust ratio.
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")


class AdamWeightDecay:
    """Adam without bias correction and with decoupled weight decay.

    Args:
      learning_rate: float or float32 scalar.
      weight_decay_rate: decay of the variables whose names match no exclusion.
      beta_1, beta_2, epsilon: as in Adam.
      exclude_from_weight_decay: regular expressions searched in variable names.
      rate_of: factor on the learning rate for a variable name (layer-wise rates).
    """

    def __init__(
        self,
        learning_rate,
        weight_decay_rate: float = 0.01,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-6,
        exclude_from_weight_decay: Sequence[str] = NOT_DECAYED,
        rate_of: Optional[Callable[[str], float]] = None,
    ):
        self.learning_rate = tf.convert_to_tensor(learning_rate, tf.float32)
        self.weight_decay_rate = weight_decay_rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self._excluded = tuple(exclude_from_weight_decay or ())
        self._rate_of = rate_of or (lambda name: 1.0)

    def apply_gradients(self, gradients, variables, scale=1.0):
        """One update of every variable.

        Args:
          gradients: dense tensors, float32 or bfloat16; None leaves a variable alone.
          variables: resource variables, which are updated in place, or reference
            variables, such as tf.get_variable makes under TensorFlow 1.
          scale: float32 scalar that multiplies every gradient (clipping).

        Returns:
          An operation that runs after every gradient is known.
        """
        pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
        with tf.control_dependencies([g for g, _ in pairs]):
            return tf.group(*[self._update(g, v, scale) for g, v in pairs])

    def _update(self, gradient, variable, scale):
        m, v = moments(variable)
        return self._kernel(variable)(
            variable,
            m,
            v,
            gradient,
            tf.convert_to_tensor(scale, tf.float32),
            self.learning_rate * self._rate_of(variable.op.name),
            tf.constant(self._decay(variable)),
            # 1 - beta in Python's precision: 1 - float32(0.999) is off by 5e-5.
            tf.constant(
                [self.beta_1, 1 - self.beta_1, self.beta_2, 1 - self.beta_2]
                + [self.epsilon]
            ),
        )

    def _kernel(self, variable):
        """The update function of a variable; subclasses choose another."""
        return _update_by_adam

    def _decay(self, variable) -> float:
        return (
            0.0 if self._matches(variable, self._excluded) else self.weight_decay_rate
        )

    @staticmethod
    def _matches(variable, patterns) -> bool:
        return any(re.search(pattern, variable.op.name) for pattern in patterns)


class Lamb(AdamWeightDecay):
    """AdamWeightDecay whose step is scaled to the variable: the trust ratio |w| / |u|.

    The norms are over the whole variable, w before the update; the ratio is 1 where
    either is 0 and is not clipped.

    Args:
      exclude_from_layer_adaptation: names that get ratio 1; None = those that are not
        decayed.
    """

    def __init__(
        self,
        learning_rate,
        exclude_from_layer_adaptation: Optional[Sequence[str]] = None,
        **adam,
    ):
        super().__init__(learning_rate, **adam)
        self._not_adapted = (
            self._excluded
            if exclude_from_layer_adaptation is None
            else tuple(exclude_from_layer_adaptation)
        )

    def _kernel(self, variable):
        if self._matches(variable, self._not_adapted):
            return _update_by_adam
        return _update_by_lamb


def layerwise_rate(config, decay: float) -> Callable[[str], float]:
    """`rate_of` for optimisers: the nearer to the input, the slower.

    `decay ** (num_hidden_layers + 2 - depth)`: 1 for the head, decay squared for the
    top layer, decay to the power of layers + 2 for the embeddings.

    Args:
      config: EncoderConfig; its `layer_depth` raises for unknown variables.
      decay: above 0, at most 1, with which every name has the factor 1.
    """
    if decay == 1.0:
        return lambda name: 1.0
    top = config.num_hidden_layers + 2
    return lambda name: decay ** (top - config.layer_depth(name))


# --- The update of one variable ----------------------------------------------------


def _update_function(step_of):
    """One pass over a variable, its moments and its gradient, updated in place.

    The compiled function takes resource handles rather than values, so that the new
    values take the place of the old ones without a copy. One trace serves all shapes.

    Args:
      step_of: (weights, u) -> the step that is multiplied by the learning rate.
    """

    def new_values(weights, old_m, old_v, gradient, scale, rate, decay, settings):
        beta_1, rest_1, beta_2, rest_2, epsilon = tf.unstack(settings, num=5)
        gradient = tf.cast(gradient, tf.float32) * scale
        new_m = beta_1 * old_m + rest_1 * gradient
        new_v = beta_2 * old_v + rest_2 * gradient * gradient
        u = new_m / (tf.sqrt(new_v) + epsilon) + decay * weights
        return weights - rate * step_of(weights, u), new_m, new_v

    @compat.compiled
    def update_handles(variable, m, v, *settings):
        handles = (variable, m, v)
        values = [
            tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32)
            for handle in handles
        ]
        assigned = [
            tf.raw_ops.AssignVariableOp(resource=handle, value=value)
            for handle, value in zip(handles, new_values(*values, *settings))
        ]
        with tf.control_dependencies(assigned):
            return tf.zeros([])  # a compiled function must answer something

    def update(variable, m, v, *settings):
        if compat.is_resource_variable(variable):
            return update_handles(variable.handle, m.handle, v.handle, *settings)
        # Nothing is written before all has been read.
        values = new_values(*map(tf.convert_to_tensor, (variable, m, v)), *settings)
        with tf.control_dependencies(values):
            return tf.group(*map(tf.assign, (variable, m, v), values))

    return update


def _trusted_step(weights, u):
    """LAMB: u scaled by |w| / |u|, or u where either norm is 0."""
    by_weights, by_u = (tf.sqrt(tf.reduce_sum(x * x)) for x in (weights, u))
    defined = tf.logical_and(by_weights > 0.0, by_u > 0.0)
    safe = tf.where(defined, by_u, tf.ones_like(by_u))
    return u * tf.where(defined, by_weights / safe, tf.ones_like(by_u))


_update_by_adam = _update_function(lambda weights, u: u)
_update_by_lamb = _update_function(_trusted_step)


def moments(variable):
    """The slots `<name>/adam_m` and `<name>/adam_v`, created at 0 where missing."""
    # An absolute name: slots must not depend on the scope of the caller.
    with tf.variable_scope(
        tf.VariableScope(reuse=tf.AUTO_REUSE), auxiliary_name_scope=False
    ):
        return tuple(
            tf.get_variable(
                f"{variable.op.name}/adam_{moment}",
                variable.shape,
                tf.float32,
                tf.zeros_initializer(),
                trainable=False,
                use_resource=True,
            )
            for moment in "mv"
        )


OPTIMIZERS = {"adamw": AdamWeightDecay, "lamb": Lamb}
