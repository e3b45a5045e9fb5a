"""Small programs in the form of those that are written for Google's modules.

TensorFlow 1 style: graph and session, heads from tf.get_variable, a checkpoint by
`get_assignment_map_from_checkpoint`, updates by `create_optimizer`. What differs
between the three repositories is in `Client`.
"""

from typing import Any, Callable, NamedTuple

from encoder_ko.compat import tf


class Client(NamedTuple):
    """What a program imports from a sibling.

    Attributes:
      modeling: its modeling.py.
      build_model: (config, input_ids, input_mask, segment_ids) -> a model.
      create_optimizer: (loss, rate, steps, warm-up) -> what `train_op=` takes.
    """

    modeling: Any
    build_model: Callable
    create_optimizer: Callable


def inputs(length):
    """Placeholders: int32 [B, length] ids, mask, segments."""
    return [tf.placeholder(tf.int32, [None, length], name=n) for n in "ims"]


def start_from(modeling, init_checkpoint):
    """The encoder starts from a checkpoint, the head anew; the names of the former."""
    variables = tf.trainable_variables()
    assignment_map, initialized = modeling.get_assignment_map_from_checkpoint(
        variables, init_checkpoint
    )
    tf.train.init_from_checkpoint(init_checkpoint, assignment_map)
    return [v.op.name for v in variables if v.name in initialized]


def output_layer(hidden, num_labels, weights="output_weights", bias="output_bias"):
    """[R, H] -> [R, num_labels]."""
    output_weights = tf.get_variable(
        weights,
        [num_labels, hidden.shape[-1]],
        initializer=tf.truncated_normal_initializer(stddev=0.02, seed=1),
    )
    output_bias = tf.get_variable(
        bias, [num_labels], initializer=tf.zeros_initializer()
    )
    logits = tf.matmul(hidden, output_weights, transpose_b=True)
    return tf.nn.bias_add(logits, output_bias)


def classifier(client, config, length, num_labels):
    """As upstream's run_classifier.py: (features, labels, loss, logits)."""
    ids, mask, segments = features = inputs(length)
    labels = tf.placeholder(tf.int32, [None])
    model = client.build_model(config, ids, mask, segments)
    logits = output_layer(model.get_pooled_output(), num_labels)
    log_probs = tf.nn.log_softmax(logits, axis=-1)
    one_hot = tf.one_hot(labels, depth=num_labels, dtype=tf.float32)
    loss = tf.reduce_mean(-tf.reduce_sum(one_hot * log_probs, axis=-1))
    return features, labels, loss, logits


def multi_label_classifier(client, config, length, num_labels):
    """Each label by itself: (features, labels, loss, probabilities)."""
    ids, mask, segments = features = inputs(length)
    labels = tf.placeholder(tf.float32, [None, num_labels])
    model = client.build_model(config, ids, mask, segments)
    logits = output_layer(model.get_pooled_output(), num_labels)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    return features, labels, tf.reduce_mean(losses), tf.nn.sigmoid(logits)


def tagger(client, config, length, num_labels):
    """A hidden layer and tags on every token: (features, labels, loss, tags)."""
    modeling = client.modeling
    ids, mask, segments = features = inputs(length)
    labels = tf.placeholder(tf.int32, [None, length])
    output = client.build_model(config, ids, mask, segments).get_sequence_output()
    batch, _, width = modeling.get_shape_list(output, expected_rank=3)
    with tf.variable_scope("tagger"):
        hidden_weights = tf.get_variable(
            "hidden_weights", [width, width], initializer=modeling.create_initializer()
        )
        hidden = tf.tanh(tf.matmul(modeling.reshape_to_matrix(output), hidden_weights))
        hidden = modeling.layer_norm_and_dropout(hidden, 0.0)
        logits = output_layer(hidden, num_labels)
    logits = modeling.reshape_from_matrix(logits, [batch, length, num_labels])
    weights = tf.cast(mask, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits
    )
    loss = tf.reduce_sum(losses * weights) / tf.reduce_sum(weights)
    return features, labels, loss, tf.argmax(logits, -1, output_type=tf.int32)
