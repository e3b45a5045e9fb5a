"""ELECTRA's ablations: other generators, temperature, originals out of reach."""

import math

import numpy as np
import pytest

from electra_ko.model.modeling import GENERATOR_SCOPE
from electra_ko.pretrain import masking, pretraining
from encoder_ko.compat import plain_ops, tf
from encoder_ko.modeling import heads
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.random_stream import RandomStream
from encoder_ko.pretraining import objectives
from tests.support import tiny_networks
from tests.support.reference_graphs import load_parameters

pytestmark = pytest.mark.slow

MASKING = masking.GeneratorMasking(4, (2, 3, 4))
VOCABULARY = tiny_networks.VOCABULARY
WIDTH = 16
CONFIG = tiny_networks.config_of("electra", hidden_size=WIDTH, num_hidden_layers=2)


def is_plausible(counts, shares):
    """Chi-squared; where nothing is expected, nothing may have been drawn."""
    expected = shares * counts.sum() / shares.sum()
    assert (counts[expected == 0] == 0).all()
    kept = expected > 1
    statistic = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    degrees = kept.sum()
    return statistic < degrees + 4 * np.sqrt(2 * degrees)


def draw(logits, bias, correct, draws=20000, **options):
    """Counts of the samples for one row of logits."""
    with tf.Graph().as_default(), tf.Session() as session, plain_ops():
        products = tf.tile(tf.constant(logits[None]), [draws, 1])
        predicted = heads.TokenPredictions(
            losses=tf.zeros([draws // 4, 4]),
            products=products,
            bias=tf.constant(bias),
            exponents=heads.exponents_of(products, tf.constant(bias)),
        )
        ids = tf.fill([draws // 4, 4], correct)
        predicted = masking.adjusted(predicted, ids, **options)
        random = RandomStream(11, tf.constant(0))
        sampled = session.run(masking.sample_tokens(predicted, random))
    return np.bincount(sampled.ravel(), minlength=len(logits))


@pytest.mark.parametrize("vocab_size", [5, 300])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("disallow_correct", [False, True])
def test_samples_follow_upstreams_distribution(
    vocab_size, temperature, disallow_correct
):
    """softmax(logits / temperature - 1000 for the original)."""
    logits = np.random.RandomState(1).randn(vocab_size).astype(np.float32)
    correct = vocab_size // 2
    logits[correct] = 12.0  # nearly certain
    bias = np.linspace(0, 1, vocab_size, dtype=np.float32)
    counts = draw(
        logits,
        bias,
        correct,
        temperature=temperature,
        disallow_correct=disallow_correct,
    )
    wanted = (logits + bias).astype(np.float64) / temperature
    wanted[correct] -= 1000.0 * disallow_correct
    assert is_plausible(counts, np.exp(wanted))
    assert (counts[correct] == 0) == disallow_correct


def test_nothing_changes_without_options():
    predicted = heads.TokenPredictions(None, None, None, None)
    assert masking.adjusted(predicted, None, 1.0, False) is predicted


@pytest.mark.parametrize("disallow_correct", [False, True])
@pytest.mark.parametrize("correct", [0, 3, 6])
def test_uniform_samples(correct, disallow_correct):
    with tf.Graph().as_default(), tf.Session() as session:
        random = RandomStream(5, tf.constant(0))
        ids = tf.fill([5000, 2], correct)
        sampled = session.run(
            masking.sample_uniformly(ids, 7, disallow_correct, random)
        )
    shares = np.ones(7)
    shares[correct] = not disallow_correct
    assert is_plausible(np.bincount(sampled.ravel(), minlength=7), shares)


def batch():
    generator = np.random.RandomState(0)
    ids = generator.randint(5, VOCABULARY, [3, 16]).astype(np.int32)
    mask = (np.arange(16) < [[9], [16], [12]]).astype(np.int32)
    ids[:, 0] = 2
    segments = np.zeros_like(ids)
    return {"input_ids": ids * mask, "input_mask": mask, "segment_ids": segments}


def build(weights=None, config=CONFIG, **changes):
    """(values of the output, {trainable variable: value}), no dropout."""
    with tf.Graph().as_default(), tf.Session() as session, plain_ops():
        tf.set_random_seed(3)
        step = tf.train.get_or_create_global_step()
        options = objectives.GraphOptions(False, RandomStream(7, step))
        fed = {name: tf.constant(value) for name, value in batch().items()}
        electra = pretraining.ElectraOptions(MASKING, **changes)
        output = pretraining.build(config, fed, options, electra)
        session.run(tf.global_variables_initializer())
        if weights:
            load_parameters(session, weights)
        values = {v.op.name: session.run(v) for v in tf.trainable_variables()}
        shown = dict(loss=output.loss, **output.losses)
        found, predictions = session.run([shown, output.predictions])
    return found, predictions, values


def test_a_tied_generator_is_the_discriminator():
    """One network, whose masked words cost what they cost with BERT's objective."""
    losses, _, weights = build(untied_generator=False)
    assert not [name for name in weights if name.startswith(GENERATOR_SCOPE + "/")]
    assert {name.split("/")[0] for name in weights} == {
        "electra",
        "generator_predictions",
        "discriminator_predictions",
    }
    of_bert, _, its_weights = build(weights, electra_objective=False)
    assert set(weights) - set(its_weights) == {
        f"discriminator_predictions/{layer}/{part}"
        for layer in ("dense", "dense_1")
        for part in ("kernel", "bias")
    }
    expected = of_bert["masked_lm_loss"]
    assert losses["masked_lm_loss"] == pytest.approx(expected, rel=1e-6)
    total = losses["masked_lm_loss"] + 50 * losses["disc_loss"]
    assert losses["loss"] == pytest.approx(total, rel=1e-6)


def test_gradients_of_both_losses_reach_a_tied_generator():
    with tf.Graph().as_default(), plain_ops():
        step = tf.train.get_or_create_global_step()
        options = objectives.GraphOptions(True, DropoutStream(7, step))
        fed = {name: tf.constant(value) for name, value in batch().items()}
        electra = pretraining.ElectraOptions(MASKING, untied_generator=False)
        output = pretraining.build(CONFIG, fed, options, electra)
        layers = tf.trainable_variables("electra/encoder")
        for name in ("masked_lm_loss", "disc_loss"):
            assert None not in tf.gradients(output.losses[name], layers), name


def test_untied_embeddings_are_the_generators_own():
    """Upstream: of the generator's width, so that nothing is projected."""
    _, _, shared = build(generator_hidden_size=0.5)
    _, _, own = build(generator_hidden_size=0.5, untied_generator_embeddings=True)
    table = own["generator/embeddings/word_embeddings"]
    assert table.shape == (VOCABULARY, WIDTH // 2)
    added = {n.replace("electra/", "generator/") for n in own if "embeddings/" in n}
    assert set(own) - set(shared) == {n for n in added if "project" not in n}
    assert set(shared) - set(own) == {
        "generator/embeddings_project/kernel",
        "generator/embeddings_project/bias",
    }
    kernel = own["generator_predictions/dense/kernel"]
    assert kernel.shape == (WIDTH // 2, WIDTH // 2)


def test_a_uniform_generator_has_no_variables_and_a_constant_loss():
    losses, predictions, weights = build(uniform_generator=True)
    assert not [name for name in weights if name.startswith("generator")]
    assert losses["masked_lm_loss"] == pytest.approx(math.log(VOCABULARY), rel=1e-5)
    total = losses["masked_lm_loss"] + 50 * losses["disc_loss"]
    assert losses["loss"] == pytest.approx(total, rel=1e-6)
    assert predictions["disc_labels"].sum() > 0


def test_every_masked_token_is_replaced_where_originals_are_out_of_reach():
    """But for positions drawn twice, which get the mean of two samples."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.constant(value) for name, value in batch().items()}
        random = RandomStream(7, tf.constant(0))  # as in `build`
        positions = session.run(masking.mask(fed, MASKING, random).positions)
    for changes in (dict(uniform_generator=True), dict(untied_generator=False)):
        _, predictions, _ = build(disallow_correct=True, **changes)
        for labels, row in zip(predictions["disc_labels"], positions.tolist()):
            once = [p for p in row if p and row.count(p) == 1]
            assert once and labels[once].all()
            assert set(np.flatnonzero(labels)) <= set(row)
