"""Adam with weight decay, LAMB and layer-wise rates over one set of moments.

    m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
    u = m / (sqrt(v) + epsilon) + decay w
    AdamWeightDecay: w -= rate u         Lamb: w -= rate (|w| / |u|) u

With bias correction m and v are replaced in u, in update t (from 1), by

    m / (1 - b1^t)               v / (1 - b2^t)

as in the papers of both optimisers; epsilon is added after the correction, as
torch.optim.AdamW does. Google's code leaves the correction out, so that the first steps
are larger than the rate says: with 0.9 and 0.999 3.2 times at update 1 and 100, 1.6
times at 500, 1.26 times at 1,000. A warm-up of 10,000 steps hides it; in a short run
all of it happens at the peak.

Sources: optimization.py of google-research/bert and electra (no bias correction,
decoupled decay), lamb_optimizer.py of google-research/albert; arXiv:1412.6980,
arXiv:1711.05101 (AdamW), arXiv:1904.00962 (LAMB).
"""

import dataclasses
import math
import re
from typing import Callable, Optional, Sequence, Tuple, Union

from absl import flags

from encoder_ko import compat
from encoder_ko.compat import Tensor, tf

# Names that upstream neither decays nor, in LAMB, gives a trust ratio.
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")


@dataclasses.dataclass(frozen=True)
class AdamOptions:
    """The constants of Adam's moments, by default Google's; LAMB has the same.

    Attributes:
      beta_1, beta_2: what is left of the moments at each update, 0 to below 1.
      epsilon: above 0; added to the root of the second moment, after its correction.
      bias_correction: whether the moments are divided by 1 - beta^t.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-6
    bias_correction: bool = False

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "AdamOptions":
        return cls(
            beta_1=values.adam_beta1,
            beta_2=values.adam_beta2,
            epsilon=values.adam_epsilon,
            bias_correction=values.adam_bias_correction,
        )


# Names of its flags.
ADAM_FLAGS = ("adam_beta1", "adam_beta2", "adam_epsilon", "adam_bias_correction")


class AdamWeightDecay:
    """Adam with decoupled weight decay; without bias correction unless asked for.

    Args:
      learning_rate: float or float32 scalar.
      weight_decay_rate: decay of the variables whose names match no exclusion.
      adam: the constants of the moments.
      exclude_from_weight_decay: regular expressions searched in variable names.
      rate_of: factor on the learning rate for a variable name (layer-wise rates).
    """

    def __init__(
        self,
        learning_rate,
        weight_decay_rate: float = 0.01,
        adam: AdamOptions = AdamOptions(),
        exclude_from_weight_decay: Sequence[str] = NOT_DECAYED,
        rate_of: Optional[Callable[[str], float]] = None,
    ):
        self.learning_rate = tf.convert_to_tensor(learning_rate, tf.float32)
        self.weight_decay_rate = weight_decay_rate
        self.adam = adam
        self._excluded = tuple(exclude_from_weight_decay or ())
        self._rate_of = rate_of or (lambda name: 1.0)

    def apply_gradients(
        self,
        gradients: Sequence[Optional[Tensor]],
        variables: Sequence[tf.Variable],
        scale: Union[float, Tensor] = 1.0,
        update_number: Optional[Tensor] = None,
    ) -> tf.Operation:
        """One update of every variable.

        Args:
          gradients: dense tensors, float32 or bfloat16; None leaves a variable alone.
          variables: resource variables, which are updated in place, or reference
            variables, such as tf.get_variable makes under TensorFlow 1.
          scale: float32 scalar that multiplies every gradient (clipping).
          update_number: integer scalar, t of the bias correction: 1 for the first
            update that is applied to the moments; by default global step + 1.

        Returns:
          An operation that runs after every gradient is known.
        """
        pairs = [(g, v) for g, v in zip(gradients, variables) if g is not None]
        settings = self._settings(update_number)
        with tf.control_dependencies([g for g, _ in pairs]):
            return tf.group(*[self._update(g, v, scale, settings) for g, v in pairs])

    def _settings(self, update_number):
        """float32 [7]: what the update of every variable reads."""
        adam = self.adam
        # 1 - beta in Python's precision: 1 - float32(0.999) is off by 5e-5.
        constants = [adam.beta_1, 1 - adam.beta_1, adam.beta_2, 1 - adam.beta_2]
        constants = tf.constant(constants + [adam.epsilon])
        if not adam.bias_correction:
            return tf.concat([constants, tf.ones([2])], 0)
        if update_number is None:
            update_number = tf.identity(tf.train.get_or_create_global_step()) + 1
        # 1 - beta^t without the loss of digits of a difference.
        logarithms = [
            math.log(b) if b else -math.inf for b in (adam.beta_1, adam.beta_2)
        ]
        powers = tf.cast(update_number, tf.float32) * tf.constant(logarithms)
        return tf.concat([constants, -1.0 / tf.math.expm1(powers)], 0)

    def _update(self, gradient, variable, scale, settings):
        m, v = moments(variable)
        return self._kernel(variable)(
            variable,
            m,
            v,
            gradient,
            tf.convert_to_tensor(scale, tf.float32),
            self.learning_rate * self._rate_of(compat.variable_name(variable)),
            tf.constant(self._decay(variable)),
            settings,
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
        return any(
            re.search(pattern, compat.variable_name(variable)) for pattern in patterns
        )


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
        beta_1, rest_1, beta_2, rest_2, epsilon, correct_m, correct_v = tf.unstack(
            settings, num=7
        )
        gradient = tf.cast(gradient, tf.float32) * scale
        new_m = beta_1 * old_m + rest_1 * gradient
        new_v = beta_2 * old_v + rest_2 * gradient * gradient
        root = tf.sqrt(new_v * correct_v) + epsilon
        u = new_m * correct_m / root + decay * weights
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


def moments(variable: tf.Variable) -> Tuple[tf.Variable, ...]:
    """The slots `<name>/adam_m` and `<name>/adam_v`, created at 0 where missing."""
    # An absolute name: slots must not depend on the scope of the caller.
    with tf.variable_scope(
        tf.VariableScope(reuse=tf.AUTO_REUSE), auxiliary_name_scope=False
    ):
        return tuple(
            tf.get_variable(
                f"{compat.variable_name(variable)}/adam_{moment}",
                variable.shape,
                tf.float32,
                tf.zeros_initializer(),
                trainable=False,
                use_resource=True,
            )
            for moment in "mv"
        )


OPTIMIZERS = {"adamw": AdamWeightDecay, "lamb": Lamb}
