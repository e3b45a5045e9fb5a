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
    pooled = tf.cast(pooled, tf.float32)
    if dropout is not None:
        mask = dropout.mask([tf.shape(pooled)[0], width], CLASSIFIER_DROPOUT)
        pooled = layers.dropout(pooled, mask)
    return tf.nn.bias_add(tf.matmul(pooled, weights, transpose_b=True), bias)


def classification(logits, labels, is_real_example=None) -> Classification:
    """Mean cross entropy over the real examples.

    Args:
      logits: float32 [B, L].
      labels: int32 [B].
      is_real_example: float32 [B], 0 for padding examples; None = all are real.
    """
    per_example = cross_entropy(logits, labels)
    if is_real_example is None:
        loss = tf.reduce_mean(per_example)
    else:
        loss = tf.reduce_sum(per_example * is_real_example) / tf.maximum(
            tf.reduce_sum(is_real_example), 1.0
        )
    return Classification(loss, per_example, logits, tf.nn.softmax(logits, axis=-1))
