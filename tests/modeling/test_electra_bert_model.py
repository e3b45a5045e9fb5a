"""ELECTRA's BertConfig and BertModel, as programs written for google-research/electra
call them."""

import numpy as np
import pytest

from data.io.errors import InputError
from electra_ko.model import modeling
from encoder_ko.compat import tf
from tests.support.reference_graphs import relative
from tests.support.shared_data import OWN as golden

TINY = dict(
    vocab_size=11,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=16,
)
IDS = np.array([[2, 5, 6, 7, 3, 0]], np.int32)
MASK = np.array([[1, 1, 1, 1, 1, 0]], np.int32)


def recorded_config(name):
    """Google's configuration, which has no width of the embeddings."""
    full = modeling.ElectraConfig.from_json_file(golden("electra", name))
    settings = full.to_dict()
    del settings["embedding_size"]
    return modeling.BertConfig.from_dict(settings)


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize(
    "prefix, arguments", [("gen", {"scope": "generator"}), ("disc", {})]
)
def test_forward_equals_upstream(prefix, arguments, one_hot):
    inputs = np.load(golden("electra", "inputs.npz"))
    expected = np.load(golden("electra", "outputs.npz"))
    files = {"gen": "generator_config.json", "disc": "discriminator_config.json"}
    read = {"gen": "input_ids", "disc": "corrupted_input_ids"}[prefix]
    with tf.Graph().as_default(), tf.Session() as session:
        model = modeling.BertModel(
            bert_config=recorded_config(files[prefix]),
            is_training=False,
            input_ids=tf.constant(inputs[read]),
            input_mask=tf.constant(inputs["input_mask"]),
            token_type_ids=tf.constant(inputs["segment_ids"]),
            use_one_hot_embeddings=one_hot,
            embedding_size=16,
            **arguments,
        )
        checkpoint = golden("electra", "model.ckpt.index")[: -len(".index")]
        assigned, _ = modeling.get_assignment_map_from_checkpoint(
            tf.trainable_variables(), checkpoint
        )
        assert len(assigned) == len(tf.trainable_variables())
        tf.train.init_from_checkpoint(checkpoint, assigned)
        session.run(tf.global_variables_initializer())
        outputs = {
            "embedding_output": model.get_embedding_output(),
            "all_encoder_layers": model.get_all_encoder_layers(),
            "sequence_output": model.get_sequence_output(),
        }
        if prefix == "disc":
            outputs["pooled_output"] = model.get_pooled_output()
        outputs = session.run(outputs)
    for name, value in outputs.items():
        assert relative(np.asarray(value), expected[f"{prefix}_{name}"]) < 2e-5, name


def test_a_model_for_each_direction():
    """Token 2 is changed: those that cannot see it stay as they are."""
    changed = IDS.copy()
    changed[0, 2] = 9
    differs = {}
    for direction in ("both", "ltr", "rtl"):
        with tf.Graph().as_default(), tf.Session() as session:
            fed = tf.placeholder(tf.int32, [None, None])
            model = modeling.BertModel(
                modeling.BertConfig(**TINY),
                False,
                fed,
                tf.constant(MASK),
                tf.zeros([1, 6], tf.int32),
                **({} if direction == "both" else {direction: True}),
            )
            session.run(tf.global_variables_initializer())
            before, after = (
                session.run(model.get_sequence_output(), {fed: ids})[0]
                for ids in (IDS, changed)
            )
        differs[direction] = (np.abs(before - after).max(-1) > 1e-6)[:5].tolist()
    assert differs == {
        "both": [True] * 5,
        "ltr": [False, False, True, True, True],
        "rtl": [True, True, True, False, False],
    }


def test_embeddings_can_be_ones_own():
    def names(**arguments):
        with tf.Graph().as_default():
            modeling.BertModel(
                modeling.BertConfig(**TINY),
                False,
                tf.constant(IDS),
                scope="generator",
                embedding_size=4,
                **arguments,
            )
            variables = tf.trainable_variables()
            return {v.op.name for v in variables if "/embeddings/" in v.op.name}

    tied, untied = names(), names(untied_embeddings=True)
    assert {n.replace("electra/", "generator/", 1) for n in tied} == untied
    assert "electra/embeddings/word_embeddings" in tied


def test_embeddings_may_be_given():
    """As a whole, or in place of the words; then as if they had been looked up."""
    with tf.Graph().as_default(), tf.Session() as session:
        arguments = [modeling.BertConfig(**TINY), False, tf.constant(IDS)]

        def build(**given):
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                return modeling.BertModel(
                    *arguments, scope="electra", embedding_size=4, **given
                )

        model = build()
        words = tf.gather(model.get_embedding_table(), IDS)
        by_words = build(input_embeddings=words)
        half_way = build(input_reprs=model.get_embedding_output())
        session.run(tf.global_variables_initializer())
        expected, actual, reprs, first = session.run(
            [
                model.get_sequence_output(),
                by_words.get_sequence_output(),
                half_way.get_embedding_output(),
                model.get_embedding_output(),
            ]
        )
    np.testing.assert_allclose(actual, expected, atol=1e-6)
    np.testing.assert_array_equal(reprs, first)


def test_embeddings_may_stay_as_they_are():
    for update in (True, False):
        with tf.Graph().as_default():
            model = modeling.BertModel(
                modeling.BertConfig(**TINY),
                False,
                tf.constant(IDS),
                use_one_hot_embeddings=False,
                update_embeddings=update,
            )
            loss = tf.reduce_sum(model.get_sequence_output())
            (gradient,) = tf.gradients(loss, [model.embedding_table])
            assert (gradient is not None) == update


def test_configurations_as_upstreams_generator_makes_them():
    config = modeling.BertConfig(vocab_size=9, hidden_size=256)
    small = modeling.BertConfig.from_dict(dict(config.to_dict(), hidden_size=96))
    small.hidden_size = 64
    with tf.Graph().as_default():
        with pytest.raises(
            InputError, match="hidden_size=64 is not a multiple of num_a"
        ):
            modeling.BertModel(small, False, tf.constant(IDS))
        small.num_attention_heads, small.num_hidden_layers = 1, 1
        model = modeling.BertModel(small, False, tf.constant(IDS))
        assert model.get_embedding_table().shape.as_list() == [9, 64]
    own = modeling.ElectraConfig(embedding_size=4, **TINY)
    with tf.Graph().as_default():
        model = modeling.BertModel(own, False, tf.constant(IDS))
        assert model.get_embedding_table().shape.as_list() == [11, 4]
