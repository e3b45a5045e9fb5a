"""What stands on every token of an encoder: tags of words, and spans that answer.

BERT and ALBERT have upstream's names and losses for spans; for tags, of which upstream
has none, the classifier's on each token. ELECTRA has upstream's for both, but for its
search over pairs of ends, which learns a further layer. That a question has no answer
is told by the logits of [CLS] (BERT), or by a head of its own (ALBERT, ELECTRA).
Sources: run_squad.py of google-research/bert, squad_utils.py of google-research/albert
(spans of version 1, `answer_class` of version 2), finetune/tagging and finetune/qa of
google-research/electra.

Letters: B batch, S sequence, H hidden width, L tags.
"""

from typing import Any, Callable, Dict, NamedTuple, Optional

from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import heads, layers

# Added to the logits of tokens where no answer can begin or end. Upstream: ELECTRA.
_IMPOSSIBLE = -1000.0

# Upstream: of the loss of a head for questions without an answer, ALBERT and ELECTRA.
_NO_ANSWER_WEIGHT = 0.5
_ELECTRA_NO_ANSWER_WIDTH = 512


class TokenHeads(NamedTuple):
    """What a family puts on its tokens.

    Attributes:
      tag_logits: (sequence [B, S, H], L, task name, dropout) -> float32 [B, S, L].
      span_logits: (sequence [B, S, H], task name) -> float32 [B, S, 2], each token as
        the first and as the last one of an answer.
      possible: (features) -> float32 [B, S], 1 where an answer can begin or end.
      no_answer_logits: (sequence [B, S, H], logits of answers' first tokens [B, S],
        task name, dropout) -> float32 [B], high where a question has no answer. None:
        the logits of [CLS] tell.
    """

    tag_logits: Callable[..., Any]
    span_logits: Callable[..., Any]
    possible: Callable[..., Any]
    no_answer_logits: Optional[Callable[..., Any]] = None


class TokenLoss(NamedTuple):
    """loss: float32 scalar; per_example_loss: float32 [B]."""

    loss: Tensor
    per_example_loss: Tensor


def tagging_loss(
    logits: Tensor, label_ids: Tensor, loss_reduction: str = "mean"
) -> TokenLoss:
    """Cross entropy of the labelled tokens: their mean, or ELECTRA's sum.

    Args:
      logits: float32 [B, S, L].
      label_ids: int32 [B, S], 1 + the tag, 0 where there is none.
      loss_reduction: "mean" over all words of the batch, or their "sum".

    Returns:
      The loss; ``per_example_loss`` is the mean over the words of each sentence.
    """
    weights = tf.cast(label_ids > 0, tf.float32)
    losses = heads.cross_entropy(logits, tf.maximum(label_ids - 1, 0)) * weights
    words = tf.maximum(tf.reduce_sum(weights, -1), 1.0)
    total = tf.reduce_sum(losses)
    loss = heads.reduce_loss(total, tf.reduce_sum(weights), loss_reduction)
    return TokenLoss(loss, tf.reduce_sum(losses, -1) / words)


class SpanOutput(NamedTuple):
    """loss, per_example_loss as TokenLoss; start_logits, end_logits: float32 [B, S]."""

    loss: Tensor
    per_example_loss: Tensor
    start_logits: Tensor
    end_logits: Tensor


def spans(
    logits: Tensor,
    possible: Tensor,
    features: Dict[str, Tensor],
    loss_reduction: str = "mean",
) -> SpanOutput:
    """The mean of the cross entropies of the answer's two ends.

    Upstream: BERT and ALBERT let padding take part in the softmax. Here it does not,
    so that a loss does not depend on how far its batch is padded.

    Args:
      logits: float32 [B, S, 2].
      possible: float32 [B, S], 0 where no answer can begin or end.
      features: start_positions, end_positions int32 [B], is_real_example float32 [B].
      loss_reduction: as in `heads.total_loss`.
    """
    logits += _IMPOSSIBLE * (1.0 - possible)[:, :, tf.newaxis]
    start_logits, end_logits = logits[:, :, 0], logits[:, :, 1]
    per_example = 0.5 * (
        position_loss(start_logits, features["start_positions"])
        + position_loss(end_logits, features["end_positions"])
    )
    loss = heads.total_loss(per_example, features["is_real_example"], loss_reduction)
    return SpanOutput(loss, per_example, start_logits, end_logits)


def with_no_answer_loss(
    output: SpanOutput,
    no_answer_logits: Tensor,
    features: Dict[str, Tensor],
    loss_reduction: str = "mean",
) -> SpanOutput:
    """Adds half of the cross entropy of whether there is no answer.

    Args:
      output: of `spans`.
      no_answer_logits: float32 [B].
      features: is_impossible int32 [B], 1 for no answer; is_real_example float32 [B].
      loss_reduction: as in `heads.total_loss`.
    """
    losses = tf.nn.sigmoid_cross_entropy_with_logits(
        labels=tf.cast(features["is_impossible"], tf.float32), logits=no_answer_logits
    )
    per_example = output.per_example_loss + _NO_ANSWER_WEIGHT * losses
    loss = heads.total_loss(per_example, features["is_real_example"], loss_reduction)
    return output._replace(loss=loss, per_example_loss=per_example)


def position_loss(logits: Tensor, positions: Tensor) -> Tensor:
    """-log softmax(logits)[position]: float32 [..., S], S perhaps unknown -> [...]."""
    log_probabilities = tf.nn.log_softmax(logits, axis=-1)
    one_hot = tf.one_hot(positions, depth=tf.shape(logits)[-1], dtype=tf.float32)
    return -tf.reduce_sum(one_hot * log_probabilities, axis=-1)


def _rows(sequence):
    """float32 [B * S, H]."""
    width = sequence.shape.as_list()[-1]
    return tf.cast(tf.reshape(sequence, [-1, width]), tf.float32)


def _per_token(rows, sequence):
    """[B * S, L] -> [B, S, L]."""
    width = rows.shape.as_list()[-1]
    shape = tf.concat([tf.shape(sequence)[:2], [width]], 0)
    tokens = tf.reshape(rows, shape)
    tokens.set_shape(sequence.shape.as_list()[:2] + [width])
    return tokens


def _bert_tag_logits(sequence, num_tags, task_name, dropout=None):
    rows = _rows(sequence)
    logits = heads.classifier_logits(rows, num_tags, task_name, dropout)
    return _per_token(logits, sequence)


def _bert_span_logits(sequence, task_name):
    del task_name
    with tf.variable_scope("cls/squad"):
        logits = heads.classifier_logits(_rows(sequence), 2)
    return _per_token(logits, sequence)


def _no_padding(features):
    return tf.cast(features["input_mask"], tf.float32)


def _electra_tag_logits(sequence, num_tags, task_name, dropout=None):
    """Upstream: no dropout, unlike in its classifier."""
    del dropout
    logits = heads.task_specific_logits(_rows(sequence), num_tags, task_name)
    return _per_token(logits, sequence)


def _electra_span_logits(sequence, task_name):
    """Two dense layers, `dense` for the first token and `dense_1` for the last one."""
    rows = _rows(sequence)
    width = rows.shape.as_list()[-1]
    with tf.variable_scope(heads.TASK_SPECIFIC + task_name):
        ends = [
            layers.dense_variables(name, width, 1, layers.glorot_uniform())
            for name in ("dense", "dense_1")
        ]
    logits = tf.concat([layers.dense(rows, variables) for variables in ends], -1)
    return _per_token(logits, sequence)


def _passage_and_first(features):
    """The passage, and [CLS] for what has no answer in it."""
    input_mask = features["input_mask"]
    is_first = tf.one_hot(0, tf.shape(input_mask)[1], dtype=tf.float32)
    return tf.cast(input_mask * features["segment_ids"], tf.float32) + is_first


def _first_and_expected_start(sequence, start_logits):
    """[B, H] each: [CLS], and the tokens' mean by how likely an answer begins there."""
    sequence = tf.cast(sequence, tf.float32)
    chances = tf.nn.softmax(start_logits, axis=-1)
    return sequence[:, 0], tf.reduce_sum(chances[:, :, tf.newaxis] * sequence, axis=1)


def _albert_no_answer_logits(sequence, start_logits, task_name, dropout=None):
    """Upstream: its last layer has no bias, and its name is the same for every task."""
    del task_name
    first, start = _first_and_expected_start(sequence, start_logits)
    inputs, width = tf.concat([start, first], -1), first.shape.as_list()[-1]
    initializer = layers.truncated_normal(0.02)
    with tf.variable_scope("answer_class"):
        hidden = layers.dense_variables("dense_0", 2 * width, width, initializer)
        with tf.variable_scope("dense_1"):
            kernel = layers.variable("kernel", [width, 1], initializer)
    hidden = layers.dense(inputs, hidden, "tanh")
    if dropout is not None:
        mask = dropout.mask([tf.shape(hidden)[0], width], heads.CLASSIFIER_DROPOUT)
        hidden = layers.dropout(hidden, mask)
    return tf.matmul(hidden, kernel)[:, 0]


def _electra_no_answer_logits(sequence, start_logits, task_name, dropout=None):
    """Upstream: `answerable_classifier` with `answerable_uses_start_logits`."""
    del dropout
    first, start = _first_and_expected_start(sequence, start_logits)
    inputs, width = tf.concat([first, start], -1), first.shape.as_list()[-1]
    sizes = [2 * width, _ELECTRA_NO_ANSWER_WIDTH, 1]
    with tf.variable_scope(heads.TASK_SPECIFIC + task_name):
        hidden, last = [
            layers.dense_variables(name, size, next_size, layers.glorot_uniform())
            for name, size, next_size in zip(("dense_2", "dense_3"), sizes, sizes[1:])
        ]
    return layers.dense(layers.dense(inputs, hidden, "gelu_erf"), last)[:, 0]


BERT_HEADS = TokenHeads(_bert_tag_logits, _bert_span_logits, _no_padding)
ALBERT_HEADS = BERT_HEADS._replace(no_answer_logits=_albert_no_answer_logits)
ELECTRA_HEADS = TokenHeads(
    _electra_tag_logits,
    _electra_span_logits,
    _passage_and_first,
    _electra_no_answer_logits,
)
