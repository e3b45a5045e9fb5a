"""Pre-training of BERT and ALBERT against Google's losses and weights."""

import numpy as np
import pytest

import albert_ko.optimization
import albert_ko.pretraining
import bert_ko.optimization
import bert_ko.pretraining
from albert_ko.modeling import AlbertConfig
from bert_ko.modeling import BertConfig
from encoder_ko.compat import plain_ops, tf
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.pretraining import objectives
from tests.support.reference_graphs import (
    check_final_values,
    load_parameters,
    load_values,
    recorded_batch,
    recorded_graph,
    relative,
    trainable_shapes,
)

FEATURES = (
    "input_ids",
    "input_mask",
    "segment_ids",
    "masked_lm_positions",
    "masked_lm_ids",
    "masked_lm_weights",
    "next_sentence_labels",
)
SENTENCE = {"bert": "next_sentence", "albert": "sentence_order"}
MODULES = {
    "bert": (bert_ko.pretraining, bert_ko.optimization, BertConfig),
    "albert": (albert_ko.pretraining, albert_ko.optimization, AlbertConfig),
}


def options(is_training, **changes):
    step = tf.train.get_or_create_global_step()
    return objectives.GraphOptions(is_training, DropoutStream(1, step), **changes)


def placeholders(recorded, prefix="", names=FEATURES):
    return {
        name: tf.placeholder(
            tf.float32 if name.endswith("weights") else tf.int32,
            recorded[prefix + name].shape[1 if prefix else 0 :],
        )
        for name in names
    }


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "albert"])
@pytest.mark.parametrize("size", ["base", "large"])
def test_variables_are_upstreams(golden, family, size):
    recorded = recorded_graph(golden, f"{family}_{size}")
    module, _, config_class = MODULES[family]
    with tf.Graph().as_default(), plain_ops():
        shapes = dict.fromkeys(FEATURES, [2, 20])
        shapes["next_sentence_labels"] = [2, 1]
        features = {
            name: tf.placeholder(
                tf.float32 if name.endswith("weights") else tf.int32, shape
            )
            for name, shape in shapes.items()
        }
        config = config_class.from_dict(recorded["config"])
        module.build(config, features, options(True))
        assert trainable_shapes() == {n: s for n, s in recorded["variables"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "vocab_size,total", [(20000, 102015010), (16424, 99265066)], ids=["medium", "char"]
)
def test_parameter_totals_of_the_published_korean_models(vocab_size, total):
    """KR-BERT-MEDIUM and KR-BERT (character): encoder, MLM and NSP."""
    with tf.Graph().as_default(), plain_ops():
        features = {name: tf.zeros([1, 4], tf.int32) for name in FEATURES}
        features["masked_lm_weights"] = tf.zeros([1, 4])
        features["next_sentence_labels"] = tf.zeros([1, 1], tf.int32)
        config = BertConfig(vocab_size=vocab_size, type_vocab_size=2)
        bert_ko.pretraining.build(config, features, options(True))
        sizes = [np.prod(shape) for shape in trainable_shapes().values()]
    assert sum(sizes) == total


@pytest.mark.parametrize("family", ["bert", "albert"])
@pytest.mark.parametrize("skip_padding", [False, True])
def test_losses_equal_upstream(golden, family, skip_padding):
    """Without `skip_padding` also what it says about padding of predictions."""
    inputs = np.load(golden(family, "inputs.npz"))
    expected = np.load(golden(family, "outputs.npz"))
    module, _, config_class = MODULES[family]
    config = config_class.from_json_file(golden(family, f"{family}_config.json"))
    sentence = SENTENCE[family]
    with tf.Graph().as_default(), tf.Session() as session:
        features = placeholders(inputs)
        output = module.build(
            config, features, options(False, skip_padding=skip_padding)
        )
        session.run(tf.global_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(
            session, golden(family, "model.ckpt.index")[: -len(".index")]
        )
        loss, losses, metrics, predictions = session.run(
            [output.loss, output.losses, output.metrics, output.predictions],
            {tensor: inputs[name] for name, tensor in features.items()},
        )
    weights = inputs["masked_lm_weights"].ravel()
    assert loss == pytest.approx(expected["total_loss"], rel=1e-5)
    for name in ("masked_lm", sentence):
        assert losses[name + "_loss"] == pytest.approx(
            expected[name + "_loss"], rel=1e-5
        )
        per_example = metrics[name + "_loss"].values.ravel()
        read = weights if name == "masked_lm" and skip_padding else 1
        error = relative(per_example * read, expected[name + "_example_loss"] * read)
        assert error < 2e-5
    best = expected["masked_lm_log_probs"].argmax(-1)
    equal = predictions["masked_lm_predictions"].ravel() == best
    assert (equal[weights > 0] if skip_padding else equal).all()
    right = (best == inputs["masked_lm_ids"].ravel()) * weights
    measured = metrics["masked_lm_accuracy"]
    assert (measured.values * measured.weights).sum() == right.sum()


@pytest.mark.slow
@pytest.mark.parametrize(
    "family,optimizer,one_hot",
    [
        ("bert", "adamw", False),
        ("bert", "adamw", True),
        ("albert", "adamw", False),
        ("albert", "adamw", True),
        ("albert", "lamb", False),
        ("albert", "lamb", True),
    ],
)
def test_trajectory_equals_upstream(golden, family, optimizer, one_hot):
    """Losses, rates, gradient norms and final weights."""
    name = "pretrain_trajectory" + (f"_{optimizer}" if family == "albert" else "")
    recorded = np.load(golden(family, name + ".npz"))
    curve = np.load(golden(family, name + ("_onehot.npz" if one_hot else ".npz")))
    module, optimization, config_class = MODULES[family]
    config = config_class.from_json_file(
        golden(family, f"{family}_config_nodropout.json")
    )
    parts = ("masked_lm_loss", SENTENCE[family] + "_loss")
    with tf.Graph().as_default(), tf.Session() as session:
        features = placeholders(recorded, "batch/")
        output = module.build(
            config, features, options(True, use_one_hot_embeddings=one_hot)
        )
        power = {}
        if family == "albert":
            power["poly_power"] = float(recorded["poly_power"])
        train = optimization.create_train_op(
            output.loss,
            float(recorded["init_lr"]),
            int(recorded["num_train_steps"]),
            int(recorded["num_warmup_steps"]),
            optimizer=optimizer,
            **power,
        )
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden(family, "params.npz")))
        for step, loss in enumerate(curve["loss"]):
            batch = recorded_batch(recorded, step, features)
            actual, losses, rate, norm, _ = session.run(
                [
                    output.loss,
                    output.losses,
                    train.learning_rate,
                    train.gradient_norm,
                    train.op,
                ],
                batch,
            )
            assert actual == pytest.approx(loss, rel=1e-5), step
            for part in parts:
                assert losses[part] == pytest.approx(curve[part][step], rel=2e-5)
            assert rate == pytest.approx(
                curve["learning_rate"][step], rel=1e-6, abs=1e-12
            )
            assert norm == pytest.approx(curve["grad_global_norm"][step], rel=1e-4)
        check_final_values(session, curve)


def test_word_order_loss_by_hand():
    """The head is silenced, so its bias alone decides: probabilities .1 .2 .3 .4.

    WOP asks for tokens 3 and 1 (a third slot is padding), MLM for token 0, and the
    sentence order is a coin toss: 0.5 * -(ln .4 + ln .2) / 2 - ln .1 + ln 2.
    """
    config = AlbertConfig(
        vocab_size=4,
        embedding_size=4,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
    )
    rows = {
        "input_ids": [[0, 1, 2, 3]],
        "input_mask": [[1, 1, 1, 1]],
        "segment_ids": [[0, 0, 1, 1]],
        "masked_lm_positions": [[1, 0]],
        "masked_lm_ids": [[0, 0]],
        "masked_lm_weights": [[1.0, 0.0]],
        "wop_positions": [[2, 3, 0]],
        "wop_ids": [[3, 1, 0]],
        "wop_weights": [[1.0, 1.0, 0.0]],
        "next_sentence_labels": [[1]],
    }
    with tf.Graph().as_default(), tf.Session() as session:
        features = {name: tf.constant(value) for name, value in rows.items()}
        output = albert_ko.pretraining.build(
            config, features, options(True, wop_weight=0.5)
        )
        session.run(tf.global_variables_initializer())
        silenced = {
            v.op.name: np.zeros(v.shape, np.float32)
            for v in tf.trainable_variables("cls")
        }
        silenced["cls/predictions/output_bias"] = np.log([0.1, 0.2, 0.3, 0.4])
        load_values(
            {v: silenced[v.op.name] for v in tf.trainable_variables("cls")}, session
        )
        loss, losses, metrics = session.run(
            [output.loss, output.losses, output.metrics]
        )
    wop = -(np.log(0.4) + np.log(0.2)) / 2
    assert losses["wop_loss"] == pytest.approx(wop, rel=1e-5)
    assert losses["masked_lm_loss"] == pytest.approx(-np.log(0.1), rel=1e-4)
    assert losses["sentence_order_loss"] == pytest.approx(np.log(2), rel=1e-6)
    total = 0.5 * wop - np.log(0.1) + np.log(2)
    assert loss == pytest.approx(total, rel=1e-4)
    # Token 3 is the most probable one everywhere.
    right = metrics["wop_accuracy"]
    assert (right.values * right.weights).tolist() == [[1.0, 0.0, 0.0]]
