"""The biaffine head of dependency parsing: which word is whose head, and how.

Each word, by its first piece, scores every other word and [CLS], the root, as its head;
the relation is scored for the pair of word and head. Source: Dozat and Manning,
arXiv:1611.01734, with the widths and the dropout of KLUE's baseline, which has LSTMs
and parts of speech below it.

Letters: B batch, S sequence, A and R widths of arcs and relations, L relations.
"""

from typing import NamedTuple, Optional

from encoder_ko.compat import Tensor, tf
from encoder_ko.modeling import heads, layers
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.gather import gather_positions
from encoder_ko.modeling.token_heads import position_loss

ARC_WIDTH, RELATION_WIDTH = 512, 256
DROPOUT = 0.33
_IMPOSSIBLE = -1e8


class ParsingOutput(NamedTuple):
    """What the head gives.

    Attributes:
      loss: float32 scalar. per_example_loss: float32 [B], the mean over its words.
      heads: int32 [B, S], for a word's first piece the position of its head's.
      relation_ids: int32 [B, S], of each word to that head.
    """

    loss: Tensor
    per_example_loss: Tensor
    heads: Tensor
    relation_ids: Tensor


class _Parser:
    """The projections of all tokens, and their scores."""

    def __init__(self, sequence, num_relations, dropout):
        self._num_relations = num_relations
        input_width = sequence.shape.as_list()[-1]
        rows = tf.cast(sequence, tf.float32)

        def project(name, width):
            variables = layers.dense_variables(
                name, input_width, width, layers.glorot_uniform()
            )
            hidden = tf.nn.elu(layers.dense(rows, variables))
            if dropout is None:
                return hidden
            return layers.dropout(
                hidden, dropout.mask(layers.shape_of(hidden), DROPOUT)
            )

        self._arc_dependent = project("arc_dependent", ARC_WIDTH)
        self._arc_head = project("arc_head", ARC_WIDTH)
        self._relation_dependent = project("relation_dependent", RELATION_WIDTH)
        self._relation_head = project("relation_head", RELATION_WIDTH)
        glorot = layers.glorot_uniform()
        with tf.variable_scope("arc"):
            self._arc_kernel = layers.variable("kernel", [ARC_WIDTH, ARC_WIDTH], glorot)
            self._arc_prior = layers.variable("head_kernel", [ARC_WIDTH, 1], glorot)
        size = RELATION_WIDTH * num_relations
        with tf.variable_scope("relation"):
            self._kernel = layers.variable("kernel", [RELATION_WIDTH, size], glorot)
            self._of_dependent = layers.dense_variables(
                "dependent", RELATION_WIDTH, num_relations, glorot
            )
            self._of_head = layers.variable(
                "head_kernel", [RELATION_WIDTH, num_relations], glorot
            )

    def arc_logits(self, possible):
        """float32 [B, S, S]: each token with each as its head.

        Args:
          possible: bool [B, S], which tokens may be heads; none its own.
        """
        scores = tf.matmul(
            tf.tensordot(self._arc_dependent, self._arc_kernel, 1),
            self._arc_head,
            transpose_b=True,
        )
        prior = tf.tensordot(self._arc_head, self._arc_prior, 1)[..., 0]
        scores += prior[:, tf.newaxis]  # tf2onnx loses the axes of a transpose here
        itself = tf.eye(tf.shape(possible)[1], dtype=tf.float32)
        allowed = tf.cast(possible, tf.float32)[:, tf.newaxis] * (1.0 - itself)
        return scores + _IMPOSSIBLE * (1.0 - allowed)

    def relation_logits(self, positions):
        """float32 [B, S, L]: each token's relation to the token at int32 [B, S]."""
        head = gather_positions(self._relation_head, positions)
        shape = tf.concat(
            [tf.shape(head)[:2], [RELATION_WIDTH, self._num_relations]], 0
        )
        bilinear = tf.reshape(
            tf.tensordot(self._relation_dependent, self._kernel, 1), shape
        )
        return (
            tf.reduce_sum(bilinear * head[..., tf.newaxis], 2)
            + layers.dense(self._relation_dependent, self._of_dependent)
            + tf.tensordot(head, self._of_head, 1)
        )


def parse(
    sequence: Tensor,
    features,
    num_relations: int,
    scope: str,
    loss_reduction: str = "mean",
    dropout: Optional[DropoutStream] = None,
) -> ParsingOutput:
    """Head and relation of each word.

    Args:
      sequence: [B, S, H].
      features: int32 [B, S]: word_mask, 1 at the first piece of each word;
        head_positions, there the position of its head's first piece, 0 for the root;
        label_ids, there 1 + its relation, 0 without one.
      num_relations: L.
      scope: the task's name in those of the variables, `task_specific/<scope>/...`.
      loss_reduction: "mean" over all words of the batch, or their "sum".
      dropout: DropoutStream while training.
    """
    with tf.variable_scope(heads.TASK_SPECIFIC + scope):
        parser = _Parser(sequence, num_relations, dropout)
    words = features["word_mask"] > 0
    first = tf.one_hot(tf.zeros_like(features["word_mask"][:, 0]), tf.shape(words)[1])
    arcs = parser.arc_logits(words | (first > 0))
    found = tf.argmax(arcs, -1, output_type=tf.int32)
    relations = parser.relation_logits(features["head_positions"])
    labels = features["label_ids"]
    weights = tf.cast(labels > 0, tf.float32)
    losses = weights * (
        position_loss(arcs, features["head_positions"])
        + heads.cross_entropy(relations, tf.maximum(labels - 1, 0))
    )
    total = tf.reduce_sum(losses)
    count = tf.reduce_sum(weights)
    return ParsingOutput(
        heads.reduce_loss(total, count, loss_reduction),
        tf.reduce_sum(losses, -1) / tf.maximum(tf.reduce_sum(weights, -1), 1.0),
        found,
        tf.argmax(parser.relation_logits(found), -1, output_type=tf.int32),
    )
