"""What stands on top of an encoder: losses are float32 whatever the compute type.

Letters: B batch, S sequence, H hidden width, E embedding width, V vocabulary, L labels,
P predicted positions.
"""

from typing import NamedTuple, Optional

from encoder_ko import compat, layers
from encoder_ko.compat import tf
from encoder_ko.positions import gather_positions

# Upstream writes 0.9 = keep probability into the code, whatever the configuration.
CLASSIFIER_DROPOUT = 0.1


class Classification(NamedTuple):
    """loss: scalar; per_example_loss: [B]; logits, probabilities: [B, L]; float32."""

    loss: object
    per_example_loss: object
    logits: object
    probabilities: object


def cross_entropy(logits, labels):
    """-log softmax(logits)[label]: float32 [B, L] and int32 [B] -> [B]."""
    log_probabilities = tf.nn.log_softmax(logits, axis=-1)
    one_hot = tf.one_hot(labels, depth=logits.shape[-1], dtype=tf.float32)
    return -tf.reduce_sum(one_hot * log_probabilities, axis=-1)


def classifier_logits(pooled, num_labels, dropout=None, initializer_range=0.02):
    """BERT's and ALBERT's classifier: pooled x output_weights^T + output_bias.

    Args:
      pooled: [B, H], any compute type.
      num_labels: L.
      dropout: DropoutStream while training.
      initializer_range: of the weights. Upstream: 0.02 in every classifier, whatever
        the configuration; only the pre-training objective follows it.

    Returns:
      float32 [B, L].
    """
    width = pooled.shape.as_list()[-1]
    weights = layers.variable(
        "output_weights",
        [num_labels, width],
        layers.truncated_normal(initializer_range),
    )
    bias = layers.variable("output_bias", [num_labels], tf.zeros_initializer())
    pooled = _dropped_pooled(pooled, dropout)
    return tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)


def task_specific_logits(pooled, num_labels, task_name, dropout=None):
    """ELECTRA's classifier: one dense layer on the first token as it is.

    Args:
      pooled: [B, H], any compute type.
      num_labels: L.
      task_name: part of the variables' names, `task_specific/<task_name>/dense/...`.
      dropout: DropoutStream while training.

    Returns:
      float32 [B, L].
    """
    with tf.variable_scope("task_specific/" + task_name):
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


def classification(
    logits, labels, is_real_example=None, sum_over_batch=False
) -> Classification:
    """Cross entropy over the real examples: the mean, or ELECTRA's sum.

    Args:
      logits: float32 [B, L].
      labels: int32 [B].
      is_real_example: float32 [B], 0 for padding examples; None = all are real.
      sum_over_batch: whether the loss is the sum.
    """
    per_example = cross_entropy(logits, labels)
    if is_real_example is None:
        is_real_example = tf.ones_like(per_example)
    loss = tf.reduce_sum(per_example * is_real_example)
    if not sum_over_batch:
        loss /= tf.maximum(tf.reduce_sum(is_real_example), 1.0)
    return Classification(loss, per_example, logits, tf.nn.softmax(logits, axis=-1))


def classifier_head(model, features, num_labels, dropout=None) -> Classification:
    """BERT's and ALBERT's fine-tuning head: mean cross entropy on the pooled vector.

    Args:
      model: EncoderModel.
      features: label_ids int32 [B], is_real_example float32 [B].
      num_labels: L.
      dropout: DropoutStream while training.
    """
    logits = classifier_logits(model.get_pooled_output(), num_labels, dropout)
    return classification(logits, features["label_ids"], features["is_real_example"])


# --- Predicting tokens -----------------------------------------------------------


class TokenPredictions(NamedTuple):
    """Predictions of tokens through the tied embedding table.

    Attributes:
      losses: float32 [B, P], -log probability of the token asked for.
      products: [B * P, V] in the compute type, logits without their bias.
      bias: float32 [V].
    """

    losses: object
    products: object
    bias: object

    def logits(self):
        """float32 [B, P, V]."""
        logits = tf.cast(self.products, tf.float32) + self.bias
        shape = tf.concat([tf.shape(self.losses), tf.shape(self.bias)], 0)
        return tf.reshape(logits, shape)

    def predictions(self):
        """int32 [B, P], the most probable tokens."""
        return tf.argmax(self.logits(), -1, output_type=tf.int32)


def predict_tokens(
    model, positions, ids, transform_scope: Optional[str] = "transform"
) -> TokenPredictions:
    """Dense, activation, layer norm, product with the embedding table, plus a bias.

    Only the positions asked for are computed. Variables are created in the current
    scope: those of the transform in `transform_scope`, and `output_bias`.

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
    hidden = gather_positions(model.get_sequence_output(), positions)
    hidden = tf.reshape(hidden, [-1, config.hidden_size])
    hidden = layers.layer_norm(layers.dense(hidden, transform, model.activation), norm)
    products = tf.matmul(hidden, tf.cast(table, hidden.dtype), transpose_b=True)
    bias = tf.convert_to_tensor(bias)
    losses = _token_losses(products, bias, tf.reshape(ids, [-1]))
    return TokenPredictions(tf.reshape(losses, tf.shape(ids)), products, bias)


def weighted_mean(values, weights, epsilon: float):
    """sum(weights values) / (sum(weights) + epsilon): a float32 scalar."""
    return tf.reduce_sum(weights * values) / (tf.reduce_sum(weights) + epsilon)


def _is_label(labels, rows, size):
    """bool [N, V]; a comparison that the compiler merges into the pass around it."""
    return tf.equal(tf.range(size)[None, :], tf.reshape(labels, [rows, 1]))


def _token_losses_forward(products, bias, labels):
    rows, size = tf.shape(products)[0], products.shape[-1]
    logits = tf.cast(products, tf.float32) + bias
    highest = tf.reduce_max(logits, -1, keepdims=True)
    exponents = tf.reduce_sum(tf.exp(logits - highest), -1)
    total = highest[:, 0] + tf.math.log(exponents)
    chosen = tf.where(_is_label(labels, rows, size), logits, tf.zeros_like(logits))
    return total - tf.reduce_sum(chosen, -1), total


def _token_losses_backward(products, bias, labels, total, upstream):
    rows, size = tf.shape(products)[0], products.shape[-1]
    logits = tf.cast(products, tf.float32) + bias
    probabilities = tf.exp(logits - total[:, None])
    expected = tf.cast(_is_label(labels, rows, size), tf.float32)
    by_logits = (probabilities - expected) * upstream[:, None]
    return tf.cast(by_logits, products.dtype), tf.reduce_sum(by_logits, 0)


_token_losses_forward = compat.compiled(_token_losses_forward)
_token_losses_backward = compat.compiled(_token_losses_backward)


def _token_losses(products, bias, labels):
    """Cross entropy of softmax(products + bias): [N, V], [V] and int32 [N] -> [N]."""

    @tf.custom_gradient
    def apply(products, bias):
        losses, total = _token_losses_forward(products, bias, labels)
        return losses, lambda dy: _token_losses_backward(
            products, bias, labels, total, dy
        )

    return apply(products, bias)
