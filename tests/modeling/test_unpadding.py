"""Layers without padding: the same tokens, the same gradients as with it."""

import functools

import numpy as np
import pytest

from bert_ko.modeling import BertConfig, BertModel
from encoder_ko.compat import tf
from encoder_ko.modeling import heads
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.unpadding import bands_of, unpadding_of

CONFIG = BertConfig(
    vocab_size=50,
    hidden_size=16,
    num_hidden_layers=3,
    num_attention_heads=2,
    intermediate_size=32,
    max_position_embeddings=32,
)


def mask_of(*lengths, width):
    return (np.arange(width) < np.array(lengths)[:, None]).astype(np.int32)


def run(fetches, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(fetches, feed)


def test_rows_and_places_by_hand():
    """The example of `unpadding_of`: 3 tokens of 8, and one row of padding."""
    with tf.Graph().as_default():
        rows, places = run(
            tuple(unpadding_of(tf.constant([[1, 1, 0, 0], [1, 0, 0, 0]])))
        )
    assert rows.tolist() == [0, 1, 4, 2]
    assert places.tolist() == [0, 1, 3, 3, 2, 3, 3, 3]


@pytest.mark.parametrize(
    "lengths, kept",
    [
        ([64, 64], 128),  # no padding
        ([64, 63], 128),  # padding, and no room for less
        ([64, 60], 128),  # a multiple of 4 above the number of tokens
        ([64, 59], 124),
        ([1, 1], 4),
        ([64, 0], 68),
    ],
)
def test_few_sizes_all_tokens_and_at_least_one_row_of_padding(lengths, kept):
    mask = mask_of(*lengths, width=64)
    with tf.Graph().as_default():
        fed = tf.placeholder(tf.int32, [None, None])
        unpadding = unpadding_of(fed)
        x = tf.range(mask.size)
        rows, unpadded, back = run(
            [unpadding.rows, unpadding.unpad(x), unpadding.pad(unpadding.unpad(x))],
            {fed: mask},
        )
    tokens = np.flatnonzero(mask)
    assert len(rows) == kept
    assert unpadded.tolist() == rows.tolist()
    assert rows[: len(tokens)].tolist() == tokens.tolist()
    assert len(set(rows)) == kept
    assert back[tokens].tolist() == tokens.tolist()
    assert not set(back) - set(rows)


@pytest.mark.parametrize(
    "sequences, lengths",
    [
        ([[0, 1, 2, 3]], [16]),
        ([[3, 1], [2, 0]], [4, 16]),
        ([[3], [1], [2, 0]], [2, 4, 16]),
        ([[], [3], [1], [], [2], [0]], [1, 2, 4, 1, 10, 16]),
    ],
)
def test_heads_split_and_join_as_by_transposing(sequences, lengths):
    """B 4, S 16, 2 parts of 3 heads of 5 values; 29 tokens and one row of padding."""
    mask = mask_of(16, 3, 9, 1, width=16)
    with_padding = np.random.RandomState(1).randn(4 * 16, 2 * 3 * 5).astype(np.float32)
    with tf.Graph().as_default():
        unpadding = unpadding_of(tf.constant(mask))
        bands = bands_of(tf.constant(mask), unpadding, len(sequences))
        unpadded = unpadding.unpad(tf.constant(with_padding))
        split = bands.split_heads(unpadded, 2, 3, 5)
        joined = [bands.join_heads(part) for part in zip(*split)]
        squares = [tf.reduce_sum(x * x) for parts in split for x in parts]
        (gradient,) = tf.gradients(squares, unpadded)
        numbers = bands.split_batch(tf.range(4))
        batch = bands.join_batch([tf.identity(part) for part in numbers])
        found = [tf.stack(bands.lengths), numbers, batch, unpadding.rows]
        found, tensors = run([found, [unpadded, split, joined, gradient]])
    found_lengths, numbers, batch, rows = found
    unpadded, split, joined, gradient = tensors
    assert found_lengths.tolist() == lengths
    assert [part.tolist() for part in numbers] == sequences
    assert batch.tolist() == [0, 1, 2, 3]
    assert len(rows) == 30
    heads = with_padding.reshape(4, 16, 2, 3, 5).transpose(2, 0, 3, 1, 4)
    for numbers, length, parts in zip(sequences, lengths, split):
        is_token = np.repeat(mask[numbers, None, :length] > 0, 3, 1)
        for part, expected in zip(parts, heads):
            expected = expected[numbers, :, :length]
            np.testing.assert_array_equal(part[is_token], expected[is_token])
    kept = 30 if len(sequences) == 1 else 29  # tokens alone: padding has no meaning
    np.testing.assert_array_equal(np.concatenate(joined, 1)[:kept], unpadded[:kept])
    np.testing.assert_allclose(gradient[:kept], 2 * unpadded[:kept])


def outputs_and_gradients(
    mask, skip_padding, positions=None, dtype=tf.float32, attention_dropout=0.1
):
    """A loss over hidden states of tokens, and its gradient by every variable."""
    generator = np.random.RandomState(3)
    ids = generator.randint(0, 50, mask.shape)
    weights = generator.randn(*mask.shape, CONFIG.hidden_size) * mask[:, :, None]
    if positions is not None:
        weights = np.take_along_axis(weights, positions[:, :, None], 1)
    session, fed, fetched = graph_of(
        skip_padding, positions is not None, dtype, attention_dropout
    )
    values = dict(ids=ids, mask=mask, weights=weights, positions=positions)
    return session.run(fetched, {fed[name]: values[name] for name in fed})


@functools.lru_cache(maxsize=None)
def graph_of(skip_padding, with_positions, dtype, attention_dropout):
    """A session with initial values, its placeholders by name, what it computes."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        fed = {name: tf.placeholder(tf.int32, [None, None]) for name in ("ids", "mask")}
        fed["weights"] = tf.placeholder(tf.float32, [None, None, CONFIG.hidden_size])
        if with_positions:
            fed["positions"] = tf.placeholder(tf.int32, [None, None])
        model = BertModel(
            CONFIG.replace(
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=attention_dropout,
            ),
            True,
            fed["ids"],
            fed["mask"],
            dtype=dtype,
            dropout=DropoutStream(1, tf.constant(1)),
            predicted_positions=fed.get("positions"),
            skip_padding=skip_padding,
        )
        middle = tf.cast(model.get_all_encoder_layers()[1], tf.float32)
        middle *= tf.cast(fed["mask"], tf.float32)[:, :, tf.newaxis]
        if with_positions:
            last = model.get_output_at(fed["positions"])
        else:
            last = model.get_sequence_output()
        pooled = tf.cast(model.get_pooled_output(), tf.float32)
        loss = tf.reduce_sum(tf.cast(last, tf.float32) * fed["weights"])
        loss += tf.reduce_sum(pooled)
        session, gradients = with_gradients(loss)
        return session, fed, [loss, middle, pooled, *gradients]


def with_gradients(loss):
    """A session with initial values, and the loss's gradient by every variable."""
    gradients = tf.gradients(loss, tf.trainable_variables())
    assert all(gradient is not None for gradient in gradients)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    return session, [tf.convert_to_tensor(gradient) for gradient in gradients]


FULL = mask_of(16, 16, 16, 16, width=16)
RAGGED = mask_of(16, 3, 9, 1, width=16)
SHORT = mask_of(2, 1, 1, 1, width=16)
WITH_HOLES = RAGGED * (np.arange(16) % 3 != 1)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [FULL, RAGGED, SHORT, WITH_HOLES])
@pytest.mark.parametrize("positions", [None, [[0, 3], [2, 0], [3, 3], [0, 0]]])
@pytest.mark.parametrize("attention_dropout", [0.1, 0.0])  # in one band, in several
def test_outputs_and_gradients_are_those_with_padding(
    mask, positions, attention_dropout
):
    if positions is not None:
        positions = np.array(positions, np.int32) * mask[:, :4].min(1, keepdims=True)
    settings = dict(positions=positions, attention_dropout=attention_dropout)
    whole = outputs_and_gradients(mask, False, **settings)
    unpadded = outputs_and_gradients(mask, True, **settings)
    assert len(whole) == len(unpadded)
    for expected, actual in zip(whole, unpadded):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5)


def head_and_gradients(weights, skip_padding):
    """Losses of predicted tokens, what is most probable, and all gradients."""
    generator = np.random.RandomState(4)
    mask = mask_of(16, 3, 9, 4, width=16)
    values = {
        "mask": mask,
        "ids": generator.randint(0, 50, mask.shape),
        "positions": generator.randint(1, 3, weights.shape) * (weights > 0),
        "labels": generator.randint(0, 50, weights.shape),
        "weights": weights,
    }
    session, fed, fetched = graph_of_head(skip_padding)
    return session.run(fetched, {fed[name]: values[name] for name in fed})


@functools.lru_cache(maxsize=None)
def graph_of_head(skip_padding):
    """As `graph_of`."""
    with tf.Graph().as_default():
        tf.set_random_seed(1)
        names = ("ids", "mask", "positions", "labels")
        fed = {name: tf.placeholder(tf.int32, [None, None]) for name in names}
        fed["weights"] = tf.placeholder(tf.float32, [None, None])
        model = BertModel(
            CONFIG.replace(hidden_dropout_prob=0.0),
            True,
            fed["ids"],
            fed["mask"],
            dropout=DropoutStream(1, tf.constant(1)),
            predicted_positions=fed["positions"],
            predicted_weights=fed["weights"],
            skip_padding=skip_padding,
        )
        predicted = heads.predict_tokens(
            model, model.predicted_positions, fed["labels"]
        )
        pooled = tf.cast(model.get_pooled_output(), tf.float32)
        loss = tf.reduce_sum(predicted.losses * fed["weights"]) + tf.reduce_sum(pooled)
        tokens, probabilities = predicted.guesses(3)
        found = {
            "losses": predicted.losses,
            "logits": predicted.logits(),
            "predictions": predicted.predictions(),
            "tokens": tokens,
            "probabilities": probabilities,
        }
        rows = tf.shape(predicted.products)[0]
        session, gradients = with_gradients(loss)
        return session, fed, [found, [loss, pooled, *gradients], rows]


@pytest.mark.slow
@pytest.mark.parametrize(
    "weights, rows",
    [
        ([[1, 1, 1], [1, 1, 0], [1, 0, 0], [0, 0, 0]], 7),
        ([[1, 1, 1]] * 4, 12),  # none to leave out
        ([[0, 0, 0]] * 3 + [[0, 2, 0]], 2),  # weights are no mask, holes are allowed
    ],
)
def test_predicted_tokens_are_those_with_the_padding_of_predictions(weights, rows):
    weights = np.array(weights, np.float32)
    whole, expected_gradients, all_rows = head_and_gradients(weights, False)
    unpadded, gradients, few_rows = head_and_gradients(weights, True)
    assert (all_rows, few_rows) == (12, rows)
    for name, expected in whole.items():
        actual = unpadded[name][weights > 0]
        np.testing.assert_allclose(
            actual, expected[weights > 0], rtol=1e-4, atol=2e-5, err_msg=name
        )
    for expected, actual in zip(expected_gradients, gradients):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=2e-5)


@pytest.mark.slow
def test_bfloat16_differs_by_its_rounding_alone():
    whole = outputs_and_gradients(RAGGED, False, dtype=tf.bfloat16)
    unpadded = outputs_and_gradients(RAGGED, True, dtype=tf.bfloat16)
    for expected, actual in zip(whole, unpadded):
        difference = np.abs(actual - expected).max()
        assert difference <= 0.02 * np.abs(expected).max()


def test_padding_is_left_out_and_has_no_gradient():
    """8 and 2 tokens of 16: 11 rows are computed, what is left out stands for none."""
    mask = mask_of(8, 2, width=8)
    config = CONFIG.replace(hidden_dropout_prob=0.5)
    with tf.Graph().as_default():
        model = BertModel(
            config,
            True,
            tf.ones([2, 8], tf.int32),
            mask,
            dropout=DropoutStream(1, tf.constant(1)),
            skip_padding=True,
        )
        gradient = tf.gradients(
            tf.reduce_sum(model.get_pooled_output()), model.get_encoder_input()
        )[0]
        output, by_input = run([model.get_sequence_output(), gradient])
    assert np.isfinite(output).all()
    assert len(np.unique(output.reshape(16, -1), axis=0)) == 11
    assert np.abs(by_input[0]).sum(-1).all()  # every token has a part in [CLS]
    assert not by_input[1, 2:].any()  # padding has none
