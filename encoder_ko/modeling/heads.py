"""What stands on top of an encoder: losses are float32 whatever the compute type.

Letters: B batch, S sequence, H hidden width, E embedding width, V vocabulary, L labels,
P predicted positions.
"""

import functools
from typing import NamedTuple, Optional, Sequence

from encoder_ko import compat
from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import fused, layers
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.gather import gather_positions
from encoder_ko.modeling.unpadding import Unpadding

TASK_SPECIFIC = "task_specific/"  # of ELECTRA's heads, before the name of the task
# Upstream writes 0.9 = keep probability into the code, whatever the configuration.
CLASSIFIER_DROPOUT = 0.1


class ClassificationOutput(NamedTuple):
    """loss: scalar; per_example_loss: [B]; logits, probabilities: [B, L]; float32."""

    loss: Tensor
    per_example_loss: Tensor
    logits: Tensor
    probabilities: Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label]: float32 [B, L] and int32 [B] -> [B]."""
    log_probabilities = tf.nn.log_softmax(logits, axis=-1)
    one_hot = tf.one_hot(labels, depth=logits.shape[-1], dtype=tf.float32)
    return -tf.reduce_sum(one_hot * log_probabilities, axis=-1)


def classifier_logits(
    pooled: Tensor,
    num_labels: int,
    task_name: Optional[str] = None,
    dropout: Optional[DropoutStream] = None,
    initializer_range: float = 0.02,
) -> Tensor:
    """BERT's and ALBERT's classifier: pooled x output_weights^T + output_bias.

    Args:
      pooled: [B, H], any compute type.
      num_labels: L.
      task_name: as in `task_specific_logits`; here the variables have the same names
        for every task.
      dropout: DropoutStream while training.
      initializer_range: of the weights. Upstream: 0.02 in every classifier, whatever
        the configuration; only the pre-training objective follows it.

    Returns:
      float32 [B, L].
    """
    del task_name
    width = pooled.shape.as_list()[-1]
    weights = layers.variable(
        "output_weights",
        [num_labels, width],
        layers.truncated_normal(initializer_range),
    )
    bias = layers.variable("output_bias", [num_labels], tf.zeros_initializer())
    pooled = _dropped_pooled(pooled, dropout)
    return tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)


def task_specific_logits(
    pooled: Tensor,
    num_labels: int,
    task_name: str,
    dropout: Optional[DropoutStream] = None,
) -> Tensor:
    """ELECTRA's classifier: one dense layer on the first token as it is.

    Args:
      pooled: [B, H], any compute type.
      num_labels: L.
      task_name: part of the variables' names, `task_specific/<task_name>/dense/...`.
      dropout: DropoutStream while training.

    Returns:
      float32 [B, L].
    """
    with tf.variable_scope(TASK_SPECIFIC + task_name):
        variables = layers.dense_variables(
            "dense", pooled.shape.as_list()[-1], num_labels, layers.glorot_uniform()
        )
    return layers.dense(_dropped_pooled(pooled, dropout), variables)


def _dropped_pooled(pooled, dropout):
    """float32 [B, H], with the dropout of classifiers while training."""
    pooled = tf.cast(pooled, tf.float32)
    if dropout is None:
        return pooled
    batch, width = tf.shape(pooled)[0], pooled.shape.as_list()[-1]
    return layers.dropout(pooled, dropout.mask([batch, width], CLASSIFIER_DROPOUT))


def total_loss(
    losses: Tensor,
    is_real_example: Optional[Tensor] = None,
    loss_reduction: str = "mean",
) -> Tensor:
    """Losses of real examples as one number: their mean, or ELECTRA's sum.

    Args:
      losses: float32 [B].
      is_real_example: float32 [B], 0 for padding examples; None = all are real.
      loss_reduction: "mean" or "sum".

    Returns:
      float32 scalar.
    """
    if is_real_example is None:
        is_real_example = tf.ones_like(losses)
    total = tf.reduce_sum(losses * is_real_example)
    return reduce_loss(total, tf.reduce_sum(is_real_example), loss_reduction)


def reduce_loss(total: Tensor, count: Tensor, loss_reduction: str) -> Tensor:
    """`total` for "sum", `total / max(count, 1)` for "mean"; float32 scalars."""
    if loss_reduction == "sum":
        return total
    if loss_reduction == "mean":
        return total / tf.maximum(count, 1.0)
    raise ValueError(f"loss_reduction={loss_reduction!r}, expected 'mean' or 'sum'.")


def classification(
    logits: Tensor,
    labels: Tensor,
    is_real_example: Optional[Tensor] = None,
    loss_reduction: str = "mean",
    class_weights: Optional[Sequence[float]] = None,
) -> ClassificationOutput:
    """Cross entropy over the real examples.

    Args:
      logits: float32 [B, L].
      labels: int32 [B].
      is_real_example, loss_reduction: as in `total_loss`.
      class_weights: L factors on what an example adds to the loss, by its label. The
        mean is over examples, not over weights, so that a rare class keeps its weight
        in a batch of its own; `per_example_loss` is without them.
    """
    per_example = cross_entropy(logits, labels)
    weighted = per_example
    if class_weights is not None:
        weighted *= tf.gather(tf.constant(class_weights, tf.float32), labels)
    return ClassificationOutput(
        total_loss(weighted, is_real_example, loss_reduction),
        per_example,
        logits,
        tf.nn.softmax(logits, axis=-1),
    )


# --- Predicting tokens -----------------------------------------------------------


class TokenGuesses(NamedTuple):
    """The most probable tokens, falling: int32 and float32 [B, P, K]."""

    tokens: Tensor
    probabilities: Tensor


class TokenPredictions(NamedTuple):
    """Predictions of tokens through the tied embedding table.

    Attributes:
      losses: float32 [B, P], -log probability of the token asked for.
      products: [N, V] in the compute type, logits without their bias; N = B * P, or
        fewer with an `unpadding`.
      bias: float32 [V].
      exponents: Exponents of the logits.
      unpadding: Unpadding of [B, P]; what is said of positions that it leaves out has
        no meaning. None = all are computed.
    """

    losses: Tensor
    products: Tensor
    bias: Tensor
    exponents: "Exponents"
    unpadding: Optional[Unpadding] = None

    def rows(self, x: Tensor) -> Tensor:
        """What belongs to positions, [B, P, ...], as rows of the products, [N, ...]."""
        flat = tf.reshape(x, tf.concat([[-1], tf.shape(x)[2:]], 0))
        return flat if self.unpadding is None else self.unpadding.unpad(flat)

    def at_positions(self, x: Tensor) -> Tensor:
        """The opposite, [N, ...] -> [B, P, ...]."""
        padded = x if self.unpadding is None else self.unpadding.pad(x)
        shape = tf.concat([tf.shape(self.losses), tf.shape(x)[1:]], 0)
        return tf.reshape(padded, shape)

    def _row_logits(self):
        return tf.cast(self.products, tf.float32) + self.bias

    def logits(self) -> Tensor:
        """float32 [B, P, V]."""
        return self.at_positions(self._row_logits())

    def predictions(self) -> Tensor:
        """int32 [B, P], the most probable tokens."""
        tokens = tf.argmax(self._row_logits(), -1, output_type=tf.int32)
        return self.at_positions(tokens)

    def guesses(self, count: int) -> TokenGuesses:
        """The `count` most probable tokens, or all V where these are fewer."""
        logits, tokens = tf.nn.top_k(
            self._row_logits(), min(count, self.bias.shape.as_list()[0])
        )
        probabilities = tf.exp(logits - self.exponents.log_total()[:, None])
        return TokenGuesses(self.at_positions(tokens), self.at_positions(probabilities))


def predict_tokens(
    model, positions: Tensor, ids: Tensor, transform_scope: Optional[str] = "transform"
) -> TokenPredictions:
    """Dense, activation, layer norm, product with the embedding table, plus a bias.

    Only the positions asked for are computed, without the model's padding of them.
    Variables are created in the current scope: those of the transform in
    `transform_scope`, and `output_bias`.

    Args:
      model: EncoderModel.
      positions: int32 [B, P].
      ids: int32 [B, P], the tokens that belong there.
      transform_scope: BERT's and ALBERT's scope; None = the current one (ELECTRA).
    """
    config, table = model.config, model.get_embedding_table()
    rows, width = table.shape.as_list()
    with tf.variable_scope(transform_scope or tf.get_variable_scope()):
        transform = layers.dense_variables(
            "dense",
            config.hidden_size,
            width,
            layers.truncated_normal(config.initializer_range),
        )
        norm = layers.norm_variables("LayerNorm", width)
    bias = layers.variable("output_bias", [rows], tf.zeros_initializer())
    hidden = tf.reshape(model.get_output_at(positions), [-1, config.hidden_size])
    labels = tf.reshape(ids, [-1])
    unpadding = model.predicted_unpadding
    if unpadding is not None:
        hidden, labels = unpadding.unpad(hidden), unpadding.unpad(labels)
    hidden = layers.layer_norm(layers.dense(hidden, transform, model.activation), norm)
    products = tf.matmul(hidden, tf.cast(table, hidden.dtype), transpose_b=True)
    bias = tf.convert_to_tensor(bias)
    exponents = exponents_of(products, bias)
    losses = _token_losses(products, bias, labels, exponents)
    if unpadding is not None:
        losses = unpadding.pad(losses)
    losses = tf.reshape(losses, tf.shape(ids))
    return TokenPredictions(losses, products, bias, exponents, unpadding)


def weighted_mean(values: Tensor, weights: Tensor, epsilon: float) -> Tensor:
    """sum(weights values) / (sum(weights) + epsilon): a float32 scalar."""
    return tf.reduce_sum(weights * values) / (tf.reduce_sum(weights) + epsilon)


class Exponents(NamedTuple):
    """What a softmax over a large vocabulary needs of its logits; no gradient flows.

    Attributes:
      highest: float32 [N, 1], the highest logit of each row.
      sums: float32 [N, K], sums of exp(logit - highest) over blocks of tokens; see
        `fused.exponents`.
    """

    highest: Tensor
    sums: Tensor

    def log_total(self) -> Tensor:
        """float32 [N], the log of the sum over the vocabulary."""
        return self.highest[:, 0] + tf.math.log(tf.reduce_sum(self.sums, -1))


def exponents_of(products: Tensor, bias: Tensor) -> Exponents:
    """Exponents of `products + bias`, [N, V] and [V]."""
    highest, sums = fused.exponents(tf.stop_gradient(products), tf.stop_gradient(bias))
    return Exponents(highest, sums)


def _token_losses(products, bias, labels, exponents: Exponents):
    """Cross entropy of softmax(products + bias): [N, V], [V] and int32 [N] -> [N]."""
    total = exponents.log_total()

    @functools.partial(compat.custom_gradient, in_plain_ops=True)
    def apply(products, bias):
        chosen = gather_positions(products, labels[:, None])[:, 0]
        losses = total - tf.cast(chosen, tf.float32) - tf.gather(bias, labels)

        def gradients(upstream):
            by_products = fused.token_loss_gradient(
                products, bias, labels, total, upstream
            )
            return by_products, layers.column_sums(by_products)

        return losses, gradients

    return apply(products, bias)
