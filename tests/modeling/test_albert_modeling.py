"""ALBERT against Google's numbers: variables, forward pass, classifier trajectory."""

import numpy as np
import pytest

from albert_ko import optimization
from albert_ko.modeling import AlbertConfig, AlbertModel
from data.io.errors import InputError
from encoder_ko.compat import plain_ops, tf
from encoder_ko.modeling import heads, transformer
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

INPUTS = ("input_ids", "input_mask", "segment_ids")
TINY = dict(
    vocab_size=30,
    embedding_size=8,
    hidden_size=16,
    num_attention_heads=2,
    intermediate_size=32,
)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["base", "large", "xlarge", "xxlarge"])
def test_variables_are_upstreams(golden, size):
    recorded = recorded_graph(golden, f"albert_{size}")
    with tf.Graph().as_default(), plain_ops():
        config = AlbertConfig.from_dict(recorded["config"])
        AlbertModel(config, False, tf.placeholder(tf.int32, [None, None]))
        assert trainable_shapes() == variables_below(recorded, "bert/")


@pytest.mark.parametrize("dynamic", [False, True])
def test_forward_equals_upstream(golden, dynamic):
    inputs = np.load(golden("albert", "inputs.npz"))
    expected = np.load(golden("albert", "outputs.npz"))
    config = AlbertConfig.from_json_file(golden("albert", "albert_config.json"))
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [
            tf.placeholder(tf.int32, [None, None] if dynamic else inputs[name].shape)
            for name in INPUTS
        ]
        model = AlbertModel(config, False, *fed)
        session.run(tf.global_variables_initializer())
        tf.train.Saver(tf.trainable_variables()).restore(
            session, golden("albert", "model.ckpt.index")[: -len(".index")]
        )
        outputs = session.run(
            {
                "word_embedding_output": model.get_word_embedding_output(),
                "embedding_output": model.get_embedding_output(),
                "embedding_mapped": model.get_encoder_input(),
                "all_encoder_layers": model.get_all_encoder_layers(),
                "sequence_output": model.get_sequence_output(),
                "pooled_output": model.get_pooled_output(),
            },
            {tensor: inputs[name] for tensor, name in zip(fed, INPUTS)},
        )
    for name, value in outputs.items():
        assert relative(value, expected[name]) < 2e-5, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "one_hot, only_first", [(False, False), (True, False), (False, True)]
)
def test_classifier_trajectory_equals_upstream(golden, one_hot, only_first):
    recorded = np.load(golden("albert", "classifier_trajectory.npz"))
    suffix = "_onehot" if one_hot else ""
    curve = np.load(golden("albert", f"classifier_trajectory{suffix}.npz"))
    config = AlbertConfig.from_json_file(
        golden("albert", "albert_config_nodropout.json")
    )
    names = INPUTS + ("label_ids",)
    _, num_labels = recorded_head(recorded)
    start = head_start(recorded, np.load(golden("albert", "params.npz")))
    with tf.Graph().as_default(), tf.Session() as session:
        ids, mask, segments, labels = fed = [
            tf.placeholder(tf.int32, recorded["batch/" + name].shape[1:])
            for name in names
        ]
        model = AlbertModel(
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
            optimizer="adamw",
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


def test_layers_share_the_variables_of_their_group():
    """Six layers in two groups of two blocks: twelve blocks, four sets of variables."""
    config = AlbertConfig(
        num_hidden_layers=6, num_hidden_groups=2, inner_group_num=2, **TINY
    )
    assert [config.group_of_layer(layer) for layer in range(6)] == [0, 0, 0, 1, 1, 1]
    with tf.Graph().as_default():
        model = AlbertModel(config, False, tf.zeros([1, 4], tf.int32))
        blocks = {n.rsplit("/attention_1", 1)[0] for n in trainable_shapes()}
        blocks = {n for n in blocks if "/inner_group_" in n and n.endswith("_group_1")}
        assert blocks == {
            f"bert/encoder/transformer/group_{group}/inner_group_1" for group in (0, 1)
        }
        assert len(model.get_all_encoder_layers()) == 12


def test_gradients_of_shared_weights_add_in_float32():
    """In bfloat16 256 + 1 is 256: one after the other 1 and 1 would be lost."""
    config = AlbertConfig(**TINY)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = transformer.layer_variables(config, transformer.ALBERT_SCOPES)
        weights = transformer.layer_weights(variables, tf.bfloat16)
        uses = transformer.shared_weights(weights, 3)
        losses = [
            tf.reduce_sum(tf.cast(use.output, tf.float32)) * factor
            for use, factor in zip(uses, [256.0, 1.0, 1.0])
        ]
        gradient = tf.gradients(losses, weights.output)[0]
        assert gradient.dtype == tf.bfloat16
        session.run(tf.global_variables_initializer())
        values = session.run(tf.cast(gradient, tf.float32))
    np.testing.assert_array_equal(values, np.full([32, 16], 258.0))


def test_embeddings_of_the_hidden_width_are_not_mapped():
    config = AlbertConfig.from_dict(dict(TINY, embedding_size=16, num_hidden_layers=1))
    with tf.Graph().as_default():
        AlbertModel(config, False, tf.zeros([1, 4], tf.int32))
        assert not [n for n in trainable_shapes() if "mapping_in" in n]


def test_layer_depth_of_shared_layers():
    """A group is as deep as the last layer that uses it."""
    config = AlbertConfig(num_hidden_layers=6, num_hidden_groups=2, **TINY)
    depths = {
        "bert/embeddings/word_embeddings": 0,
        "bert/encoder/embedding_hidden_mapping_in/kernel": 0,
        "bert/encoder/transformer/group_0/inner_group_0/LayerNorm/beta": 3,
        "bert/encoder/transformer/group_1/inner_group_0/LayerNorm/beta": 6,
        "bert/pooler/dense/bias": 7,
        "output_weights": 8,
        "cls/predictions/output_bias": 8,
    }
    assert {name: config.layer_depth(name) for name in depths} == depths
    with pytest.raises(InputError, match="group_2/x belongs to no layer of Albert"):
        config.layer_depth("bert/encoder/transformer/group_2/x")


def test_configuration_errors_say_what_is_wrong():
    published = dict(TINY, net_structure_type=0, gap_size=0, num_memory_blocks=0)
    assert AlbertConfig.from_dict(published) == AlbertConfig(**TINY)
    with pytest.raises(InputError, match="net_structure_type=1; only 0 is implemented"):
        AlbertConfig.from_dict(dict(TINY, net_structure_type=1))
    with pytest.raises(InputError, match="num_hidden_groups=13 is above num_hidden_la"):
        AlbertConfig.from_dict(dict(TINY, num_hidden_groups=13))
