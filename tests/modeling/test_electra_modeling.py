"""ELECTRA against Google's numbers: variables, forward pass, classifier, rates."""

import json

import numpy as np
import pytest

from data.io.errors import InputError
from electra_ko.model import optimization
from electra_ko.model.modeling import (
    GENERATOR_SCOPE,
    ElectraConfig,
    ElectraModel,
    generator_config,
)
from encoder_ko.compat import tf
from encoder_ko.modeling import heads
from encoder_ko.optimization import optimizers
from tests.support.reference_graphs import (
    check_final_values,
    generator_share,
    head_start,
    load_parameters,
    recorded_batch,
    recorded_graph,
    recorded_head,
    relative,
)

SIZES = ("small_gen0.25", "small_gen1.0_released", "base", "large")


@pytest.mark.parametrize("size", SIZES)
def test_generators_have_upstreams_sizes(golden, size):
    recorded = recorded_graph(golden, f"electra_{size}")
    config = ElectraConfig.from_dict(recorded["discriminator_config"])
    small = generator_config(config, generator_share(recorded))
    assert small.to_dict() == recorded["generator_config"]


@pytest.mark.parametrize("dynamic", [False, True])
def test_forward_equals_upstream(golden, dynamic):
    inputs = np.load(golden("electra", "inputs.npz"))
    expected = np.load(golden("electra", "outputs.npz"))
    configs = [
        ElectraConfig.from_json_file(golden("electra", name + "_config.json"))
        for name in ("generator", "discriminator")
    ]
    with tf.Graph().as_default(), tf.Session() as session:
        shape = [None, None] if dynamic else inputs["input_ids"].shape
        masked, corrupted, mask, segments = fed = [
            tf.placeholder(tf.int32, shape) for _ in range(4)
        ]
        generator = ElectraModel(
            configs[0], False, masked, mask, segments, scope=GENERATOR_SCOPE
        )
        discriminator = ElectraModel(configs[1], False, corrupted, mask, segments)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(
            session, golden("electra", "model.ckpt.index")[: -len(".index")]
        )
        outputs = {"disc_pooled_output": discriminator.get_pooled_output()}
        for name, model in (("gen", generator), ("disc", discriminator)):
            outputs[name + "_embedding_output"] = model.get_embedding_output()
            outputs[name + "_all_encoder_layers"] = model.get_all_encoder_layers()
            outputs[name + "_sequence_output"] = model.get_sequence_output()
        names = ("input_ids", "corrupted_input_ids", "input_mask", "segment_ids")
        outputs = session.run(outputs, {t: inputs[n] for t, n in zip(fed, names)})
    for name, value in outputs.items():
        assert relative(value, expected[name]) < 2e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "one_hot, only_first", [(False, False), (True, False), (False, True)]
)
def test_classifier_trajectory_equals_upstream(golden, one_hot, only_first):
    """Layer-wise rates, summed loss, a padding example where task_id is 1."""
    recorded = np.load(golden("electra", "classifier_trajectory.npz"))
    suffix = "_onehot" if one_hot else ""
    curve = np.load(golden("electra", f"classifier_trajectory{suffix}.npz"))
    config = ElectraConfig.from_json_file(
        golden("electra", "discriminator_config.json")
    )
    task_name, num_labels = recorded_head(recorded)
    names = ("input_ids", "input_mask", "segment_ids", f"{task_name}_label_ids")
    names += ("task_id",)
    start = head_start(recorded, np.load(golden("electra", "params.npz")))
    with tf.Graph().as_default(), tf.Session() as session:
        ids, mask, segments, labels, task = fed = [
            tf.placeholder(tf.int32, recorded["batch/" + name].shape[1:])
            for name in names
        ]
        model = ElectraModel(
            config, False, ids, mask, segments, one_hot, only_first_token=only_first
        )
        head = heads.classification(
            heads.task_specific_logits(
                model.get_pooled_output(), num_labels, task_name
            ),
            labels,
            tf.cast(tf.equal(task, 0), tf.float32),
            loss_reduction="sum",
        )
        train = optimization.create_train_op(
            head.loss,
            float(recorded["init_lr"]),
            int(recorded["num_train_steps"]),
            weight_decay_rate=float(recorded["weight_decay_rate"]),
            warmup_proportion=float(recorded["warmup_proportion"]),
            rate_of=optimizers.layerwise_rate(
                config, float(recorded["layerwise_lr_decay"])
            ),
        )
        session.run(tf.global_variables_initializer())
        load_parameters(session, start)
        placeholders = dict(zip(names, fed))
        for i, expected in enumerate(recorded["eval_before/loss"]):
            batch = recorded_batch(recorded, i, placeholders)
            loss, per_example = session.run([head.loss, head.per_example_loss], batch)
            assert loss == pytest.approx(expected, rel=1e-5)
            np.testing.assert_allclose(
                per_example, recorded["eval_before/per_example_loss"][i], rtol=1e-4
            )
        for step, loss in enumerate(curve["loss"]):
            actual, rate, norm, _ = session.run(
                [head.loss, train.learning_rate, train.gradient_norm, train.op],
                recorded_batch(recorded, step, placeholders),
            )
            assert actual == pytest.approx(loss, rel=1e-5), step
            assert rate == pytest.approx(
                curve["learning_rate"][step], rel=1e-6, abs=1e-12
            )
            assert norm == pytest.approx(curve["grad_global_norm"][step], rel=1e-4)
        check_final_values(session, curve)


def test_layerwise_rates_equal_upstream(golden):
    with open(golden("electra", "layerwise_lr_multipliers.json")) as reader:
        recorded = json.load(reader)
    for name, case in recorded.items():
        config = ElectraConfig(vocab_size=10, num_hidden_layers=case["n_layers"])
        rate_of = optimizers.layerwise_rate(config, case["decay"])
        actual = {variable: rate_of(variable) for variable in case["by_variable"]}
        assert actual == pytest.approx(case["by_variable"], rel=1e-12), name


def test_variables_without_a_depth_are_refused():
    config = ElectraConfig(vocab_size=10)
    message = "electra/encoder/layer_12/x belongs to no layer of ElectraConfig"
    with pytest.raises(InputError, match=message):
        config.layer_depth("electra/encoder/layer_12/x")
    with pytest.raises(InputError, match="without --layerwise_lr_decay"):
        config.layer_depth("discriminator_predictions/dense/kernel")


def test_embedding_size_is_the_hidden_size_by_default():
    assert ElectraConfig(vocab_size=10, hidden_size=36).embedding_width == 36
    small = ElectraConfig(vocab_size=10, hidden_size=36, embedding_size=8)
    assert small.embedding_width == 8
    assert generator_config(small).embedding_width == 8


def test_generator_sizes_round_half_to_even():
    """12 x 0.375 = 4.5 -> 4 layers; 20 x 0.125 = 2.5 -> 2 units, at least one head."""
    config = ElectraConfig(vocab_size=10, hidden_size=20, num_attention_heads=4)
    small = generator_config(config, 0.125, 0.375)
    assert (small.hidden_size, small.num_hidden_layers) == (2, 4)
    assert (small.intermediate_size, small.num_attention_heads) == (8, 1)
