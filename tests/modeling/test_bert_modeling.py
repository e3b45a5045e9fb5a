"""BERT against Google's numbers: variables, forward pass, training trajectories."""

import numpy as np
import pytest

from bert_ko import optimization
from bert_ko.modeling import BertConfig, BertModel
from data.io.errors import InputError
from encoder_ko.compat import plain_ops, tf
from encoder_ko.modeling import heads
from tests.support.reference_graphs import (
    check_final_values,
    head_start,
    load_parameters,
    recorded_batch,
    recorded_graph,
    recorded_head,
    relative,
    trainable_shapes,
    variables_below,
)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["base", "large"])
def test_variables_are_upstreams(golden, size):
    recorded = recorded_graph(golden, f"bert_{size}")
    with tf.Graph().as_default(), plain_ops():
        config = BertConfig.from_dict(recorded["config"])
        BertModel(config, False, tf.placeholder(tf.int32, [None, None]))
        assert trainable_shapes() == variables_below(recorded, "bert/")


@pytest.mark.parametrize("dynamic", [False, True])
def test_forward_equals_upstream(golden, dynamic):
    inputs = np.load(golden("bert", "inputs.npz"))
    expected = np.load(golden("bert", "outputs.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    names = ("input_ids", "input_mask", "segment_ids")
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [
            tf.placeholder(tf.int32, [None, None] if dynamic else inputs[name].shape)
            for name in names
        ]
        model = BertModel(config, False, *fed)
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("bert", "params.npz")))
        outputs = session.run(
            {
                "embedding_output": model.get_embedding_output(),
                "all_encoder_layers": model.get_all_encoder_layers(),
                "sequence_output": model.get_sequence_output(),
                "pooled_output": model.get_pooled_output(),
            },
            {tensor: inputs[name] for tensor, name in zip(fed, names)},
        )
    for name, value in outputs.items():
        assert relative(np.asarray(value), expected[name]) < 2e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "one_hot, only_first", [(False, False), (True, False), (False, True)]
)
def test_classifier_trajectory_equals_upstream(golden, one_hot, only_first):
    """Losses, gradient norms and final weights.

    The key biases have an exact gradient of 0, so Adam amplifies rounding noise there.
    """
    recorded = np.load(golden("bert", "classifier_trajectory.npz"))
    curve = recorded
    if one_hot:
        curve = np.load(golden("bert", "classifier_trajectory_onehot.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config_nodropout.json"))
    names = ("input_ids", "input_mask", "segment_ids", "label_ids")
    _, num_labels = recorded_head(recorded)
    start = head_start(recorded, np.load(golden("bert", "params.npz")))
    with tf.Graph().as_default(), tf.Session() as session:
        ids, mask, segments, labels = fed = [
            tf.placeholder(tf.int32, recorded["batch/" + name].shape[1:])
            for name in names
        ]
        model = BertModel(
            config, False, ids, mask, segments, one_hot, only_first_token=only_first
        )
        head = heads.classification(
            heads.classifier_logits(model.get_pooled_output(), num_labels), labels
        )
        train = optimization.create_train_op(
            head.loss,
            float(recorded["init_lr"]),
            int(recorded["num_train_steps"]),
            int(recorded["num_warmup_steps"]),
        )
        session.run(tf.global_variables_initializer())
        load_parameters(session, start)
        for step, loss in enumerate(curve["loss"]):
            batch = recorded_batch(recorded, step, dict(zip(names, fed)))
            actual, rate, norm, _ = session.run(
                [head.loss, train.learning_rate, train.gradient_norm, train.op], batch
            )
            assert actual == pytest.approx(loss, rel=1e-5), step
            assert rate == pytest.approx(
                curve["learning_rate"][step], rel=1e-6, abs=1e-12
            )
            assert norm == pytest.approx(curve["grad_global_norm"][step], rel=1e-4)
        check_final_values(session, curve)


def test_bfloat16_stays_near_float32(golden):
    inputs = np.load(golden("bert", "inputs.npz"))
    expected = np.load(golden("bert", "outputs.npz"))["sequence_output"]
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    with tf.Graph().as_default(), tf.Session() as session:
        model = BertModel(
            config,
            False,
            inputs["input_ids"],
            inputs["input_mask"],
            inputs["segment_ids"],
            dtype=tf.bfloat16,
        )
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("bert", "params.npz")))
        assert model.get_sequence_output().dtype == tf.bfloat16
        assert {v.dtype.base_dtype for v in tf.trainable_variables()} == {tf.float32}
        actual = session.run(tf.cast(model.get_sequence_output(), tf.float32))
    real = inputs["input_mask"][:, :, None] == 1
    assert np.abs((actual - expected) * real).max() < 0.15
    assert np.abs((actual - expected) * real).mean() < 0.02


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_first_token_alone_is_as_with_the_others(golden, dynamic):
    inputs = np.load(golden("bert", "inputs.npz"))
    expected = np.load(golden("bert", "outputs.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    names = ("input_ids", "input_mask", "segment_ids")
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [
            tf.placeholder(tf.int32, [None, None] if dynamic else inputs[name].shape)
            for name in names
        ]
        model = BertModel(config, False, *fed, only_first_token=True)
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("bert", "params.npz")))
        sequence, pooled = session.run(
            [model.get_sequence_output(), model.get_pooled_output()],
            {tensor: inputs[name] for tensor, name in zip(fed, names)},
        )
    assert relative(sequence, expected["sequence_output"][:, :1]) < 2e-5
    assert relative(pooled, expected["pooled_output"]) < 2e-5


def test_predicted_positions_alone_are_as_with_the_others(golden):
    """Also where a position comes twice; other positions are refused."""
    inputs = np.load(golden("bert", "inputs.npz"))
    expected = np.load(golden("bert", "outputs.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    rows = np.arange(len(inputs["input_ids"]))[:, None]
    chosen = np.tile([[5, 2, 0, 2]], rows.shape).astype(np.int32)
    fed = [inputs[name] for name in ("input_ids", "input_mask", "segment_ids")]
    with tf.Graph().as_default(), tf.Session() as session:
        positions = tf.constant(chosen)
        model = BertModel(config, False, *fed, predicted_positions=positions)
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("bert", "params.npz")))
        output, pooled = session.run(
            [model.get_output_at(positions), model.get_pooled_output()]
        )
        with pytest.raises(ValueError, match="other positions"):
            model.get_output_at(positions + 1)
    assert relative(output, expected["sequence_output"][rows, chosen]) < 2e-5
    assert relative(pooled, expected["pooled_output"]) < 2e-5


def test_padding_does_not_change_real_tokens(golden):
    inputs = np.load(golden("bert", "inputs.npz"))
    config = BertConfig.from_json_file(golden("bert", "bert_config.json"))
    room = config.max_position_embeddings - inputs["input_ids"].shape[1]
    assert room > 0
    wider = {
        n: np.pad(inputs[n], [(0, 0), (0, min(room, 8))])
        for n in ("input_ids", "input_mask", "segment_ids")
    }
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [tf.placeholder(tf.int32, [None, None]) for _ in range(3)]
        model = BertModel(config, False, *fed)
        session.run(tf.global_variables_initializer())
        load_parameters(session, np.load(golden("bert", "params.npz")))
        pooled = [
            session.run(
                model.get_pooled_output(),
                dict(zip(fed, (b["input_ids"], b["input_mask"], b["segment_ids"]))),
            )
            for b in (inputs, wider)
        ]
    np.testing.assert_allclose(pooled[0], pooled[1], atol=1e-6)


def test_keys_of_the_multilingual_model_load():
    """Those of its bert_config.json that upstream's code never reads."""
    unread = {
        "directionality": "bidi",
        "pooler_fc_size": 768,
        "pooler_num_attention_heads": 12,
        "pooler_num_fc_layers": 3,
        "pooler_size_per_head": 128,
        "pooler_type": "first_token_transform",
    }
    config = BertConfig.from_dict(dict(unread, vocab_size=119547, type_vocab_size=2))
    assert config == BertConfig(vocab_size=119547, type_vocab_size=2)


def test_configuration_errors_say_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="'hidden_sizes'.*did you mean 'hidden_size'"):
        BertConfig.from_dict({"vocab_size": 10, "hidden_sizes": 3})
    with pytest.raises(InputError, match="lacks the key 'vocab_size'"):
        BertConfig.from_dict({"hidden_size": 32})
    with pytest.raises(InputError, match="hidden_size=30 is not a multiple"):
        BertConfig.from_dict(dict(vocab_size=10, hidden_size=30, num_attention_heads=4))
    with pytest.raises(InputError, match="no model configuration"):
        BertConfig.from_json_file(str(tmp_path / "none.json"))
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="broken.json, line 1, character 2: not JSON"):
        BertConfig.from_json_file(str(broken))
    with tf.Graph().as_default(), pytest.raises(InputError, match="max_position"):
        small = BertConfig(vocab_size=10, max_position_embeddings=4)
        BertModel(small, False, tf.zeros([1, 5], tf.int32))


def test_configuration_round_trip(tmp_path):
    config = BertConfig(vocab_size=77, hidden_size=24, num_attention_heads=2)
    path = tmp_path / "bert_config.json"
    path.write_text(config.to_json_string(), encoding="utf-8")
    assert BertConfig.from_json_file(str(path)) == config
