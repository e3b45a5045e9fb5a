"""Heads on every token: values worked out by hand, names and losses of upstream."""

import math

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.modeling import heads, token_heads
from encoder_ko.modeling.dropout import DropoutStream

B, S, H = 2, 5, 4


def run(build, **variables):
    """The value of `build()` and the names of the variables that it created."""
    with tf.Graph().as_default(), tf.Session() as session:
        fetched = build()
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            if variable.op.name in variables:
                variable.load(variables[variable.op.name], session)
        shapes = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
        return session.run(fetched), shapes


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_tagging_loss_is_the_mean_over_labelled_tokens_or_their_sum():
    generator = np.random.RandomState(0)
    logits = generator.randn(B, S, 3).astype(np.float32)
    labels = np.array([[0, 1, 0, 3, 0], [0, 2, 0, 0, 0]], np.int32)
    chosen = [(0, 1, 0), (0, 3, 2), (1, 1, 1)]
    losses = [-log_softmax(logits)[place] for place in chosen]
    (mean, total), _ = run(
        lambda: [
            token_heads.tagging_loss(
                tf.constant(logits), tf.constant(labels), reduction
            )
            for reduction in ("mean", "sum")
        ]
    )
    assert mean.loss == pytest.approx(sum(losses) / 3, rel=1e-5)
    assert total.loss == pytest.approx(sum(losses), rel=1e-5)
    expected = [(losses[0] + losses[1]) / 2, losses[2]]
    np.testing.assert_allclose(mean.per_example_loss, expected, 1e-5)


def test_tagging_loss_without_labels_is_0():
    result, _ = run(
        lambda: token_heads.tagging_loss(tf.ones([B, S, 3]), tf.zeros([B, S], tf.int32))
    )
    assert result.loss == 0.0 and result.per_example_loss.tolist() == [0.0, 0.0]


def span_features(**changes):
    features = {
        "input_mask": [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]],
        "segment_ids": [[0, 0, 1, 1, 0], [0, 0, 0, 1, 1]],
        "start_positions": [2, 0],
        "end_positions": [3, 0],
    }
    features = {name: tf.constant(value) for name, value in features.items()}
    features["is_real_example"] = tf.constant([1.0, 1.0])
    features.update(changes)
    return features


@pytest.mark.parametrize(
    "family, possible",
    [
        (token_heads.BERT_HEADS, [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]),
        (token_heads.ELECTRA_HEADS, [[1, 0, 1, 1, 0], [1, 0, 0, 1, 1]]),
    ],
)
def test_where_answers_can_be(family, possible):
    found, _ = run(lambda: family.possible(span_features()))
    assert found.tolist() == possible


def test_span_loss_is_the_mean_of_both_ends_over_possible_tokens():
    generator = np.random.RandomState(1)
    logits = generator.randn(B, S, 2).astype(np.float32)
    possible = np.array([[1, 0, 1, 1, 0], [1, 0, 0, 1, 1]], np.float32)

    def loss(row, column, position):
        chosen = logits[row, possible[row] > 0, column]
        return math.log(np.exp(chosen).sum()) - logits[row, position, column]

    expected = [
        (loss(0, 0, 2) + loss(0, 1, 3)) / 2,
        (loss(1, 0, 0) + loss(1, 1, 0)) / 2,
    ]
    (mean, total), _ = run(
        lambda: [
            token_heads.spans(
                tf.constant(logits), tf.constant(possible), span_features(), reduction
            )
            for reduction in ("mean", "sum")
        ]
    )
    np.testing.assert_allclose(mean.per_example_loss, expected, 1e-5)
    assert mean.loss == pytest.approx(sum(expected) / 2, rel=1e-5)
    assert total.loss == pytest.approx(sum(expected), rel=1e-5)
    np.testing.assert_allclose(mean.start_logits[0, 2], logits[0, 2, 0], 1e-5)


def test_filling_examples_do_not_count():
    logits = np.random.RandomState(2).randn(B, S, 2).astype(np.float32)
    result, _ = run(
        lambda: token_heads.spans(
            tf.constant(logits),
            tf.ones([B, S]),
            span_features(is_real_example=tf.constant([1.0, 0.0])),
        )
    )
    assert result.loss == pytest.approx(result.per_example_loss[0], rel=1e-6)


def test_variables_have_upstreams_names():
    sequence = np.ones([B, S, H], np.float32)
    _, bert = run(
        lambda: token_heads.BERT_HEADS.span_logits(tf.constant(sequence), "korquad")
    )
    assert bert == {"cls/squad/output_weights": [2, H], "cls/squad/output_bias": [2]}
    _, electra = run(
        lambda: token_heads.ELECTRA_HEADS.span_logits(tf.constant(sequence), "korquad")
    )
    assert electra == {
        "task_specific/korquad/dense/kernel": [H, 1],
        "task_specific/korquad/dense/bias": [1],
        "task_specific/korquad/dense_1/kernel": [H, 1],
        "task_specific/korquad/dense_1/bias": [1],
    }
    _, tags = run(
        lambda: token_heads.ELECTRA_HEADS.tag_logits(
            tf.constant(sequence), 3, "naverner"
        )
    )
    assert tags == {
        "task_specific/naverner/dense/kernel": [H, 3],
        "task_specific/naverner/dense/bias": [3],
    }
    _, tags = run(
        lambda: token_heads.BERT_HEADS.tag_logits(tf.constant(sequence), 3, "x")
    )
    assert tags == {"output_weights": [3, H], "output_bias": [3]}


def gelu(x):
    return np.array([0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel()])


def softmax(logits):
    return np.exp(log_softmax(logits))


@pytest.mark.parametrize(
    "family, names",
    [
        (
            token_heads.ALBERT_HEADS,
            {
                "answer_class/dense_0/kernel": [2 * H, H],
                "answer_class/dense_0/bias": [H],
                "answer_class/dense_1/kernel": [H, 1],
            },
        ),
        (
            token_heads.ELECTRA_HEADS,
            {
                "task_specific/q/dense_2/kernel": [2 * H, 512],
                "task_specific/q/dense_2/bias": [512],
                "task_specific/q/dense_3/kernel": [512, 1],
                "task_specific/q/dense_3/bias": [1],
            },
        ),
    ],
    ids=["albert", "electra"],
)
def test_heads_for_questions_without_an_answer(family, names):
    """Upstream's names; the numbers by its formulas, written out in NumPy."""
    generator = np.random.RandomState(4)
    sequence = generator.randn(B, S, H).astype(np.float32)
    start_logits = generator.randn(B, S).astype(np.float32)
    values = {name: generator.randn(*shape) for name, shape in names.items()}
    found, variables = run(
        lambda: family.no_answer_logits(
            tf.constant(sequence), tf.constant(start_logits), "q"
        ),
        **values,
    )
    assert variables == names
    start = np.einsum("bs,bsh->bh", softmax(start_logits), sequence)
    kernels = list(values.values())
    if family is token_heads.ALBERT_HEADS:
        hidden = np.concatenate([start, sequence[:, 0]], -1) @ kernels[0] + kernels[1]
        expected = np.tanh(hidden) @ kernels[2]
    else:
        hidden = np.concatenate([sequence[:, 0], start], -1) @ kernels[0] + kernels[1]
        expected = gelu(hidden).reshape(hidden.shape) @ kernels[2] + kernels[3]
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-4, atol=1e-5)


def test_half_of_the_loss_of_having_no_answer_is_added():
    logits = np.random.RandomState(5).randn(B, S, 2).astype(np.float32)

    def build():
        features = span_features(is_impossible=tf.constant([0, 1]))
        plain = token_heads.spans(tf.constant(logits), tf.ones([B, S]), features, "sum")
        answerable = tf.constant([0.0, math.log(3.0)])
        return plain, token_heads.with_no_answer_loss(
            plain, answerable, features, "sum"
        )

    (plain, added_to), _ = run(build)
    added = [0.5 * math.log(2.0), 0.5 * math.log(4 / 3)]
    difference = added_to.per_example_loss - plain.per_example_loss
    np.testing.assert_allclose(difference, added, rtol=1e-4)
    assert added_to.loss - plain.loss == pytest.approx(sum(added), rel=1e-4)


def test_bert_tells_by_the_first_token():
    assert token_heads.BERT_HEADS.no_answer_logits is None


@pytest.mark.parametrize("family", [token_heads.BERT_HEADS, token_heads.ELECTRA_HEADS])
def test_each_token_is_multiplied_by_the_same_weights(family):
    generator = np.random.RandomState(3)
    sequence = generator.randn(B, S, H).astype(np.float32)
    weights, bias = generator.randn(H, 2), generator.randn(2)
    values = {
        "cls/squad/output_weights": weights.T,
        "cls/squad/output_bias": bias,
        "task_specific/q/dense/kernel": weights[:, :1],
        "task_specific/q/dense/bias": bias[:1],
        "task_specific/q/dense_1/kernel": weights[:, 1:],
        "task_specific/q/dense_1/bias": bias[1:],
    }

    def build():
        inputs = tf.placeholder_with_default(sequence, [None, None, H])
        return family.span_logits(inputs, "q")

    found, _ = run(build, **values)
    np.testing.assert_allclose(found, sequence @ weights + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "family, drops",
    [(token_heads.BERT_HEADS, True), (token_heads.ELECTRA_HEADS, False)],
)
def test_dropout_on_tokens_before_tags(family, drops):
    """BERT's tokens as its classifier's vector; ELECTRA's have none upstream."""

    def build():
        dropout = DropoutStream(1, tf.constant(3))
        sequence = tf.ones([B, S, 64])
        return family.tag_logits(sequence, 2, "ner", dropout)

    found, _ = run(build)
    assert (len(np.unique(found.round(5)[..., 0])) > 1) == drops
    assert heads.CLASSIFIER_DROPOUT == 0.1


def test_another_reduction_is_refused():
    with tf.Graph().as_default(), pytest.raises(ValueError) as raised:
        heads.total_loss(tf.constant([1.0]), loss_reduction="none")
    assert str(raised.value) == "loss_reduction='none', expected 'mean' or 'sum'."
