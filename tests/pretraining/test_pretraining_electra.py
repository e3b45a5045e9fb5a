"""Pre-training of ELECTRA against Google's losses, and its masking and sampling."""

import json

import numpy as np
import pytest

from electra_ko.model import optimization
from electra_ko.model.modeling import ElectraConfig
from electra_ko.pretrain import masking, pretrain_helpers, pretraining
from encoder_ko.compat import plain_ops, tf
from encoder_ko.modeling import heads
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.random_stream import RandomStream
from encoder_ko.pretraining import objectives
from tests.support.reference_graphs import (
    check_final_values,
    generator_share,
    load_parameters,
    recorded_batch,
    recorded_graph,
    relative,
    trainable_shapes,
)

CLS, SEP, MASK = 2, 3, 4
MASKING = masking.GeneratorMasking(MASK, (CLS, SEP, MASK))
FEATURES = ("input_ids", "input_mask", "segment_ids")


def options(is_training, **changes):
    step = tf.train.get_or_create_global_step()
    return objectives.GraphOptions(is_training, DropoutStream(1, step), **changes)


def rows_of_lengths(lengths, length=128, vocab_size=100):
    """[CLS] tokens [SEP] padding; row i has lengths[i] tokens."""
    ids = np.random.RandomState(0).randint(5, vocab_size, [len(lengths), length])
    mask = (np.arange(length) < np.reshape(lengths, [-1, 1])).astype(np.int32)
    ids[:, 0] = CLS
    ids[np.arange(len(lengths)), np.asarray(lengths) - 1] = SEP
    return {
        "input_ids": (ids * mask).astype(np.int32),
        "input_mask": mask,
        "segment_ids": np.zeros_like(mask),
    }


# --- Against upstream's numbers ----------------------------------------------------


def given(recorded, prefix=""):
    """Placeholders of a batch whose random stages were replaced by given tensors."""
    names = FEATURES + (
        "masked_lm_positions",
        "masked_lm_ids",
        "masked_lm_weights",
        "unmasked_input_ids",
        "corrupted_input_ids",
        "is_replaced",
    )
    return {
        name: tf.placeholder(
            tf.float32 if name.endswith("weights") else tf.int32,
            recorded[prefix + name].shape[1 if prefix else 0 :],
        )
        for name in names
    }


def recorded_options(golden):
    """The options that both networks were recorded with."""
    with open(golden("electra", "pretraining_hparams.json")) as reader:
        values = json.load(reader)
    names = ("generator_hidden_size", "generator_layers", "gen_weight", "disc_weight")
    return pretraining.ElectraOptions(MASKING, **{name: values[name] for name in names})


def both_networks(config, fed, graph_options, electra):
    masked = masking.Masked(
        fed["input_ids"],
        fed["masked_lm_positions"],
        fed["masked_lm_ids"],
        fed["masked_lm_weights"],
    )
    generator, predicted = pretraining.generate(
        config, fed, masked, graph_options, electra
    )
    replaced = pretraining.Replaced(fed["corrupted_input_ids"], fed["is_replaced"])
    discriminator = pretraining.discriminate(config, fed, replaced, graph_options)
    loss = electra.gen_weight * generator.loss
    loss += electra.disc_weight * discriminator.loss
    return loss, generator, predicted, discriminator


@pytest.mark.slow
@pytest.mark.parametrize(
    "size", ["small_gen0.25", "small_gen1.0_released", "base", "large"]
)
def test_variables_are_upstreams(golden, size):
    recorded = recorded_graph(golden, f"electra_{size}")
    config = ElectraConfig.from_dict(recorded["discriminator_config"])
    with tf.Graph().as_default(), plain_ops():
        features = {name: tf.placeholder(tf.int32, [2, 64]) for name in FEATURES}
        electra = pretraining.ElectraOptions(MASKING, generator_share(recorded))
        pretraining.build(config, features, options(True), electra)
        assert trainable_shapes() == {n: s for n, s in recorded["variables"]}


@pytest.mark.slow
@pytest.mark.parametrize("skip_padding", [False, True])
def test_losses_equal_upstream(golden, skip_padding):
    """Without `skip_padding` also what it says about padding."""
    inputs = np.load(golden("electra", "inputs.npz"))
    expected = np.load(golden("electra", "outputs.npz"))
    config = ElectraConfig.from_json_file(
        golden("electra", "discriminator_config.json")
    )
    with tf.Graph().as_default(), tf.Session() as session:
        fed = given(inputs)
        loss, generator, predicted, discriminator = both_networks(
            config,
            fed,
            options(False, skip_padding=skip_padding),
            recorded_options(golden),
        )
        session.run(tf.global_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(
            session, golden("electra", "model.ckpt.index")[: -len(".index")]
        )
        actual = session.run(
            {
                "total_loss": loss,
                "mlm_loss": generator.loss,
                "mlm_logits": predicted.logits(),
                "mlm_preds": generator.predictions["masked_lm_predictions"],
                "mlm_per_example_loss": predicted.losses,
                "disc_loss": discriminator.loss,
                "disc_probs": discriminator.predictions["disc_probabilities"],
                "disc_preds": discriminator.predictions["disc_predictions"],
                "disc_per_example_loss": discriminator.metrics["disc_loss"].values,
            },
            {tensor: inputs[name] for name, tensor in fed.items()},
        )
    factors = {}
    if skip_padding:
        used = inputs["masked_lm_weights"]
        factors = dict.fromkeys(("disc_probs", "disc_preds"), inputs["input_mask"])
        factors["mlm_logits"] = used[:, :, None]
        factors["mlm_preds"] = factors["mlm_per_example_loss"] = used
    for name, value in actual.items():
        factor = factors.get(name, 1)
        assert relative(value * factor, expected[name] * factor) < 2e-5, name


@pytest.mark.slow
@pytest.mark.parametrize("one_hot", [False, True])
def test_trajectory_equals_upstream(golden, one_hot):
    recorded = np.load(golden("electra", "pretrain_trajectory.npz"))
    suffix = "_onehot" if one_hot else ""
    curve = np.load(golden("electra", f"pretrain_trajectory{suffix}.npz"))
    config = ElectraConfig.from_json_file(
        golden("electra", "discriminator_config.json")
    ).replace(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    with tf.Graph().as_default(), tf.Session() as session:
        fed = given(recorded, "batch/")
        loss, generator, _, discriminator = both_networks(
            config,
            fed,
            options(True, use_one_hot_embeddings=one_hot),
            recorded_options(golden),
        )
        train = optimization.create_train_op(
            loss,
            float(recorded["init_lr"]),
            int(recorded["num_train_steps"]),
            weight_decay_rate=float(recorded["weight_decay_rate"]),
            warmup_steps=int(recorded["num_warmup_steps"]),
        )
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("electra", "params.npz")))
        fetches = (loss, generator.loss, discriminator.loss, train.gradient_norm)
        names = ("loss", "mlm_loss", "disc_loss", "grad_global_norm")
        for step in range(len(curve["loss"])):
            batch = recorded_batch(recorded, step, fed)
            *actual, rate, _ = session.run(
                fetches + (train.learning_rate, train.op), batch
            )
            for name, value in zip(names, actual):
                allowed = 1e-4 if name == "grad_global_norm" else 1e-5
                assert value == pytest.approx(curve[name][step], rel=allowed), name
            assert rate == pytest.approx(
                curve["learning_rate"][step], rel=1e-6, abs=1e-12
            )
        check_final_values(session, curve)


@pytest.mark.parametrize("kind", ["int", "float"])
def test_scatter_and_gather_equal_upstream(golden, kind):
    recorded = np.load(golden("electra", "helpers.npz"))
    prefix = "float_" if kind == "float" else ""
    with tf.Graph().as_default(), tf.Session() as session:
        sequence = tf.constant(recorded[prefix + "sequence"])
        updated, written, gathered = session.run(
            [
                *pretrain_helpers.scatter_update(
                    sequence, recorded[prefix + "updates"], recorded["positions"]
                ),
                pretrain_helpers.gather_positions(sequence, recorded["positions"]),
            ]
        )
    np.testing.assert_allclose(updated, recorded[f"scatter_{kind}_out"], rtol=1e-6)
    np.testing.assert_array_equal(written, recorded[f"scatter_{kind}_mask"])
    np.testing.assert_array_equal(gathered, recorded[f"gather_{kind}_out"])


def test_number_of_masked_tokens_equals_upstream(golden):
    """For every length with something to mask ([CLS] and [SEP] count)."""
    recorded = np.load(golden("electra", "mask_facts.npz"))
    lengths = recorded["lengths"]
    assert MASKING.slots(lengths.max()) == recorded["max_predictions_per_seq"]
    masked = run_mask(rows_of_lengths(lengths, lengths.max()), seed=1)
    counts = masked.weights.sum(1)
    # Upstream divides 0 by 0 where a row has no token but [CLS] and [SEP].
    expected = np.where(lengths > 2, recorded["num_to_predict"], 0)
    np.testing.assert_array_equal(counts, expected)


# --- Properties --------------------------------------------------------------------


def run_mask(features, seed, step=0, options=MASKING):
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {name: tf.constant(value) for name, value in features.items()}
        random = RandomStream(seed, tf.constant(step))
        return session.run(masking.mask(fed, options, random))


def test_masking_touches_only_ordinary_tokens():
    """85% of the slots become [MASK]; the others keep their token."""
    features = rows_of_lengths(np.tile([3, 17, 64, 128], 64))
    masked = run_mask(features, seed=3)
    rows = np.arange(256)[:, None]
    used = masked.weights == 1
    original = features["input_ids"][rows, masked.positions]
    np.testing.assert_array_equal(masked.ids, original * used)
    assert not np.isin(masked.ids[used], [0, CLS, SEP, MASK]).any()
    assert (masked.positions[~used] == 0).all()
    changed = masked.input_ids != features["input_ids"]
    assert (masked.input_ids[changed] == MASK).all()
    chosen = np.zeros_like(changed)
    chosen[np.broadcast_to(rows, used.shape)[used], masked.positions[used]] = True
    assert not (changed & ~chosen).any()
    # Drawn with replacement, so a position has one chance for each time it is drawn.
    assert 0.83 < changed.sum() / chosen.sum() < 0.89


def test_positions_are_drawn_uniformly_and_independently():
    features = rows_of_lengths([12] * 4000)
    masked = run_mask(features, seed=5)
    drawn = masked.positions[masked.weights == 1]
    counts = np.bincount(drawn, minlength=12)
    assert counts[0] == 0 and counts[11] == 0 and counts.sum() == 8000
    expected = 8000 / 10
    assert ((counts[1:11] - expected) ** 2 / expected).sum() < 27.9  # p = 0.001
    twice = (masked.positions[:, 0] == masked.positions[:, 1]).mean()
    assert 0.08 < twice < 0.12


def test_masking_depends_on_seed_and_step_alone():
    features = rows_of_lengths([128] * 8)
    first, again = (run_mask(features, 7, step=2).positions for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (run_mask(features, 7, step=3).positions != first).any()
    assert (run_mask(features, 8, step=2).positions != first).any()


@pytest.mark.parametrize("vocab_size", [5, 256, 300])
def test_samples_follow_the_softmax(vocab_size):
    """Chi-squared against the probabilities, also across blocks of the vocabulary."""
    logits = np.random.RandomState(1).randn(vocab_size).astype(np.float32)
    logits[vocab_size // 2] = -1000.0
    bias = np.linspace(0, 1, vocab_size, dtype=np.float32)
    draws = 40000
    with tf.Graph().as_default(), tf.Session() as session:
        products = tf.tile(tf.constant(logits[None]), [draws, 1])
        predicted = heads.TokenPredictions(
            losses=tf.zeros([draws // 4, 4]),
            products=products,
            bias=tf.constant(bias),
            exponents=heads.exponents_of(products, tf.constant(bias)),
        )
        random = RandomStream(11, tf.constant(0))
        sampled = session.run(masking.sample_tokens(predicted, random))
    assert sampled.shape == (draws // 4, 4)
    counts = np.bincount(sampled.ravel(), minlength=vocab_size)
    expected = np.exp(logits + bias)
    expected *= draws / expected.sum()
    assert counts[vocab_size // 2] == 0 and len(counts) == vocab_size
    kept = expected > 1
    statistic = ((counts - expected)[kept] ** 2 / expected[kept]).sum()
    degrees = kept.sum()
    assert statistic < degrees + 4 * np.sqrt(2 * degrees)


def test_replaced_tokens_by_hand():
    """Position 0 is never written; a sample equal to the original is original; a
    position drawn twice gets the floor of the mean."""
    with tf.Graph().as_default(), tf.Session() as session:
        replaced = session.run(
            pretraining.replace(
                tf.constant([[CLS, 10, 11, 12, SEP]]),
                tf.constant([[1, 2, 3, 3, 0]]),
                tf.constant([[10, 50, 20, 25, 99]]),
            )
        )
    assert replaced.input_ids.tolist() == [[CLS, 10, 50, 22, SEP]]
    assert replaced.is_replaced.tolist() == [[0, 0, 1, 1, 0]]


def tiny_config(**changes):
    sizes = dict(
        vocab_size=300,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        embedding_size=16,
    )
    return ElectraConfig(**dict(sizes, **changes))


def test_no_gradient_flows_through_the_samples():
    """The discriminator's loss does not move the generator's own variables."""
    config = tiny_config()
    features = rows_of_lengths([20, 32], length=32)
    with tf.Graph().as_default():
        fed = {name: tf.constant(value) for name, value in features.items()}
        output = pretraining.build(
            config, fed, options(True), pretraining.ElectraOptions(MASKING)
        )
        variables = tf.trainable_variables("generator")
        assert len(variables) > 10
        gradients = tf.gradients(output.losses["disc_loss"], variables)
    assert gradients == [None] * len(variables)


@pytest.mark.slow
def test_berts_objective_is_a_generator_in_the_discriminators_layers():
    """Same masks and weights as a generator of full size: same loss; nothing else."""
    config = tiny_config(num_attention_heads=1, intermediate_size=256)
    features = rows_of_lengths([20, 32], length=32, vocab_size=300)

    def losses_of(weights, **changes):
        with tf.Graph().as_default(), tf.Session() as session:
            fed = {name: tf.constant(value) for name, value in features.items()}
            electra = pretraining.ElectraOptions(MASKING, 1.0, **changes)
            output = pretraining.build(config, fed, options(False), electra)
            tf.set_random_seed(3)
            session.run(tf.global_variables_initializer())
            if weights:
                load_parameters(session, weights)
            values = session.run({v.op.name: v for v in tf.trainable_variables()})
            return session.run([output.loss, output.losses]), values

    (_, with_generator), weights = losses_of(None)
    renamed = {
        n.replace("generator/", "electra/"): v
        for n, v in weights.items()
        if n.startswith(("electra/embeddings/", "generator"))
    }
    (loss, losses), values = losses_of(renamed, electra_objective=False)
    assert all(n.startswith(("electra/", "generator_predictions/")) for n in values)
    assert list(losses) == ["masked_lm_loss"]
    assert loss == losses["masked_lm_loss"]
    assert loss == pytest.approx(with_generator["masked_lm_loss"], rel=1e-6)
