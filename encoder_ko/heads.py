"""What stands on top of an encoder: losses are float32 whatever the compute type.

Letters: B batch, H hidden width, L labels.
"""

from typing import NamedTuple

from encoder_ko import layers
from encoder_ko.compat import tf

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


def classifier_logits(pooled, num_labels, dropout=None):
    """BERT's and ALBERT's classifier: pooled x output_weights^T + output_bias.

    Args:
      pooled: [B, H], any compute type.
      num_labels: L.
      dropout: DropoutStream while training.

    Returns:
      float32 [B, L].
    """
    width = pooled.shape.as_list()[-1]
    weights = layers.variable(
        "output_weights", [num_labels, width], layers.truncated_normal(0.02)
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
