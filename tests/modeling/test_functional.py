"""Upstream's functions of modeling.py, called as programs written for it call them."""

import collections

import numpy as np
import pytest

from albert_ko import modeling as albert
from bert_ko import modeling as bert
from data.io.errors import InputError
from electra_ko.model import modeling as electra
from encoder_ko.compat import tf
from tests.support.shared_data import OWN as golden

SIBLINGS = {"bert": bert, "albert": albert, "electra": electra}
each = pytest.mark.parametrize("modeling", SIBLINGS.values(), ids=list(SIBLINGS))


def run(*tensors, feed=None):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(list(tensors), feed)


@pytest.fixture(autouse=True)
def own_graph():
    with tf.Graph().as_default():
        yield


# --- Shapes ----------------------------------------------------------------------


@each
def test_get_shape_list_prefers_known_sizes(modeling):
    tensor = tf.placeholder(tf.float32, [None, 7, 3], name="x")
    batch, *known = modeling.get_shape_list(tensor, expected_rank=3)
    assert known == [7, 3]
    assert run(batch, feed={tensor: np.zeros([2, 7, 3])}) == [2]
    assert modeling.get_shape_list(tf.zeros([2, 5]), expected_rank=[1, 2]) == [2, 5]


@each
def test_another_rank_is_named_with_its_tensor_and_scope(modeling):
    tensor = tf.placeholder(tf.float32, [2, 7], name="x")
    message = (
        r"For the tensor `x:0` in scope `head`, the actual rank `2` \(shape = "
        r"\(2, 7\)\) is not equal to the expected rank `3`"
    )
    with tf.variable_scope("head"), pytest.raises(ValueError, match=message):
        modeling.get_shape_list(tensor, expected_rank=3)
    with pytest.raises(ValueError, match="For the tensor `ids`"):
        modeling.assert_rank(tensor, [1, 3], name="ids")


@each
def test_matrices_and_back(modeling):
    tensor = tf.reshape(tf.range(24), [2, 3, 4])
    matrix = modeling.reshape_to_matrix(tensor)
    assert matrix.shape.as_list() == [6, 4]
    back = modeling.reshape_from_matrix(matrix, [2, 3, 4])
    assert run(back)[0].tolist() == np.arange(24).reshape(2, 3, 4).tolist()
    assert modeling.reshape_to_matrix(matrix) is matrix
    assert modeling.reshape_from_matrix(matrix, [6, 4]) is matrix
    with pytest.raises(ValueError, match="at least rank 2"):
        modeling.reshape_to_matrix(tf.zeros([3]))


@each
def test_attention_mask_repeats_the_input_mask_for_each_position(modeling):
    mask = modeling.create_attention_mask_from_input_mask(
        tf.zeros([2, 3], tf.int32), tf.constant([[1, 1, 0, 0], [1, 1, 1, 1]])
    )
    rows = [[[1, 1, 0, 0]] * 3, [[1, 1, 1, 1]] * 3]
    assert mask.dtype == tf.float32
    assert run(mask)[0].tolist() == rows


# --- Activations, dropout, normalisation -----------------------------------------


@each
def test_get_activation(modeling):
    assert modeling.get_activation("relu") is tf.nn.relu
    assert modeling.get_activation("TANH") is tf.tanh
    assert modeling.get_activation("gelu") is modeling.gelu
    assert modeling.get_activation(tf.sigmoid) is tf.sigmoid
    assert [modeling.get_activation(name) for name in ("linear", "", None)] == [
        None
    ] * 3
    with pytest.raises(ValueError, match="Unsupported activation: swish"):
        modeling.get_activation("swish")


def test_gelu_is_each_models_own():
    """At 1: 0.5 (1 + tanh(sqrt(2/pi) 1.044715)) and 0.5 (1 + erf(1/sqrt 2))."""
    one = tf.constant(1.0)
    values = run(bert.gelu(one), albert.gelu(one), electra.gelu(one))
    assert values == pytest.approx([0.841192, 0.841192, 0.841345], abs=1e-6)


@each
def test_dropout_drops_with_the_probability_and_scales_the_rest(modeling):
    ones = tf.ones([100, 100])
    (dropped,) = run(modeling.dropout(ones, 0.25))
    kept = dropped[dropped != 0]
    assert kept == pytest.approx(np.full(kept.shape, 1 / 0.75))
    assert kept.size == pytest.approx(7500, abs=250)  # nearly six standard deviations
    assert modeling.dropout(ones, 0.0) is modeling.dropout(ones, None) is ones


@each
def test_layer_norm_normalises_the_last_axis(modeling):
    """1 2 3 6 has mean 3 and variance 3.5."""
    tensor = tf.constant([[[1.0, 2.0, 3.0, 6.0]]])
    (normalized,) = run(modeling.layer_norm(tensor))
    assert normalized[0, 0] == pytest.approx(np.array([-2, -1, 0, 3]) / 3.5**0.5)
    assert [v.op.name for v in tf.trainable_variables()] == [
        "LayerNorm/beta",
        "LayerNorm/gamma",
    ]


@each
def test_layer_norms_have_upstreams_variables(modeling):
    with tf.variable_scope("transform"):
        output = modeling.layer_norm(tf.zeros([2, 4]))
        modeling.layer_norm_and_dropout(tf.zeros([2, 4]), 0.1)
        modeling.layer_norm(tf.zeros([2, 4]), name="named")
    assert output.shape.as_list() == [2, 4]
    scopes = [v.op.name.split("/")[1] for v in tf.trainable_variables()]
    assert scopes == ["LayerNorm"] * 2 + ["LayerNorm_1"] * 2 + ["named"] * 2


@each
def test_create_initializer_is_a_truncated_normal(modeling):
    (values,) = run(
        tf.get_variable("w", [100, 100], initializer=modeling.create_initializer(0.5))
    )
    assert np.abs(values).max() < 1.0  # two standard deviations
    assert values.std() == pytest.approx(0.5 * 0.8796, rel=0.05)
    assert modeling.create_initializer().get_config()["stddev"] == 0.02


# --- Embeddings ------------------------------------------------------------------


@each
@pytest.mark.parametrize("one_hot", [False, True])
def test_embedding_lookup_returns_rows_and_table(modeling, one_hot):
    ids = tf.constant([[3, 0], [1, 1]])
    rows, table = modeling.embedding_lookup(
        ids,
        vocab_size=5,
        embedding_size=4,
        word_embedding_name="words",
        use_one_hot_embeddings=one_hot,
    )
    assert rows.shape.as_list() == [2, 2, 4]
    assert [v.op.name for v in tf.trainable_variables()] == ["words"]
    found, all_rows = run(rows, table)
    np.testing.assert_array_equal(found, all_rows[np.array([[3, 0], [1, 1]])])


@each
def test_embedding_lookup_of_several_columns(modeling):
    columns = tf.constant([[[3, 0], [1, 1]]])
    rows, table = modeling.embedding_lookup(columns, vocab_size=5, embedding_size=4)
    found, all_rows = run(rows, table)
    np.testing.assert_array_equal(
        found, all_rows[np.array([[3, 0], [1, 1]])].reshape(1, 2, 8)
    )


def test_embeddings_of_the_parts_equal_upstreams_model():
    inputs = np.load(golden("bert", "inputs.npz"))
    config = bert.BertConfig.from_json_file(golden("bert", "bert_config.json"))
    with tf.variable_scope("bert/embeddings"):
        words, _ = bert.embedding_lookup(
            tf.constant(inputs["input_ids"]), config.vocab_size, config.hidden_size
        )
        output = bert.embedding_postprocessor(
            words,
            use_token_type=True,
            token_type_ids=tf.constant(inputs["segment_ids"]),
            token_type_vocab_size=config.type_vocab_size,
            max_position_embeddings=config.max_position_embeddings,
            dropout_prob=0.0,
        )
    with tf.Session() as session:
        checkpoint = golden("bert", "model.ckpt.index")[: -len(".index")]
        tf.train.Saver().restore(session, checkpoint)
        actual = session.run(output)
    expected = np.load(golden("bert", "outputs.npz"))["embedding_output"]
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


@each
def test_embedding_postprocessor_says_what_it_lacks(modeling):
    words = tf.zeros([1, 6, 4])
    with pytest.raises(ValueError, match="needs `token_type_ids`"):
        modeling.embedding_postprocessor(words, use_token_type=True)
    with pytest.raises(ValueError, match="length 6 is above max_position_embeddings=5"):
        modeling.embedding_postprocessor(words, max_position_embeddings=5)


@pytest.mark.parametrize("inner", [1, 2])
def test_einsum_via_matmul(inner):
    left, right = np.random.RandomState(0).rand(2, 3, 4, 5), np.zeros(0)
    shape = {1: [5, 6, 7], 2: [4, 5, 6]}[inner]
    right = np.random.RandomState(1).rand(*shape)
    (product,) = run(
        albert.einsum_via_matmul(tf.constant(left), tf.constant(right), inner)
    )
    np.testing.assert_allclose(product, np.tensordot(left, right, inner))


# --- Checkpoints -----------------------------------------------------------------


@pytest.fixture
def checkpoint(tmp_path):
    """Writes variables of 1 of the given names."""

    def write(*names):
        with tf.Graph().as_default(), tf.Session() as session:
            for name in names:
                tf.get_variable(name, initializer=[1.0])
            session.run(tf.global_variables_initializer())
            return tf.train.Saver().save(session, str(tmp_path / "model.ckpt"))

    return write


def test_bert_maps_the_names_that_a_checkpoint_has(checkpoint):
    path = checkpoint("bert/kernel", "cls/kernel")
    known = tf.get_variable("bert/kernel", initializer=[0.0])
    new = tf.get_variable("output_weights", initializer=[0.0])
    assigned, initialized = bert.get_assignment_map_from_checkpoint(
        tf.trainable_variables(), path
    )
    assert assigned == {"bert/kernel": "bert/kernel"}
    assert initialized == {"bert/kernel": 1, "bert/kernel:0": 1}
    tf.train.init_from_checkpoint(path, assigned)
    assert run(known, new) == [[1.0], [0.0]]


def test_electra_maps_names_below_a_prefix(checkpoint):
    path = checkpoint("electra/kernel", "generator/kernel")
    known = tf.get_variable("tower/electra/kernel", initializer=[0.0])
    assigned, initialized = electra.get_assignment_map_from_checkpoint(
        tf.trainable_variables(), path, prefix="tower/"
    )
    assert assigned == {"electra/kernel": "tower/electra/kernel"}
    assert initialized == {"electra/kernel": 1, "electra/kernel:0": 1}
    tf.train.init_from_checkpoint(path, assigned)
    assert run(known)[0] == [1.0]
    assigned, _ = electra.get_assignment_map_from_checkpoint([known], path)
    assert assigned == {}


def test_albert_starts_further_groups_from_group_0(checkpoint):
    there = "bert/encoder/transformer/group_0/inner_group_0/LayerNorm/beta"
    path = checkpoint(there, "bert/pooler/dense/bias")
    names = [there, there.replace("group_0/inner", "group_1/inner")]
    names += ["bert/pooler/dense/bias", "output_bias"]
    variables = [tf.get_variable(name, initializer=[0.0]) for name in names]
    maps, initialized = albert.get_assignment_map_from_checkpoint(
        variables, path, num_of_group=2
    )
    assert maps == [{there: there, names[2]: names[2]}, {there: names[1]}]
    assert sorted(initialized) == sorted(n + s for n in names[:3] for s in ("", ":0"))
    for assigned in maps:
        tf.train.init_from_checkpoint(path, assigned)
    assert run(*variables) == [[1.0], [1.0], [1.0], [0.0]]
    alone, _ = albert.get_assignment_map_from_checkpoint(variables, path)
    assert alone == maps[0]


# --- Configurations and models ---------------------------------------------------


def test_albert_configuration_in_upstreams_order():
    config = albert.AlbertConfig(100, 32, 64, 3, 2, 4, 128, 1, 1, "relu", 0.1, 0.2, 40)
    assert config.to_dict() == {
        "vocab_size": 100,
        "embedding_size": 32,
        "hidden_size": 64,
        "num_hidden_layers": 3,
        "num_hidden_groups": 2,
        "num_attention_heads": 4,
        "intermediate_size": 128,
        "inner_group_num": 1,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.2,
        "max_position_embeddings": 40,
        "type_vocab_size": 2,
        "initializer_range": 0.02,
    }
    published = dict(config.to_dict(), down_scale_factor=1)
    assert albert.AlbertConfig.from_dict(published) == config


def test_a_configuration_may_be_changed_before_use():
    """A model keeps what it was built with, and finds what does not go together."""
    config = bert.BertConfig(vocab_size=9, hidden_size=37)
    ids = tf.zeros([1, 4], tf.int32)
    with pytest.raises(InputError, match="hidden_size=37 is not a multiple of num_att"):
        bert.BertModel(config, False, ids)
    config.hidden_size, config.num_attention_heads = 8, 2
    config.num_hidden_layers, config.intermediate_size = 1, 16
    model = bert.BertModel(config=config, is_training=False, input_ids=ids)
    config.hidden_size = 4
    assert model.get_sequence_output().shape.as_list() == [1, 4, 8]
    assert model.config.hidden_size == 8
    config.hidden_act = "swish"
    with pytest.raises(
        InputError, match="hidden_act of the model configuration is 'sw"
    ):
        bert.BertModel(config, False, ids)


def test_models_have_upstreams_attributes():
    config = bert.BertConfig(9, 8, 2, 2, 16)
    model = bert.BertModel(config, False, tf.zeros([1, 4], tf.int32))
    assert model.all_encoder_layers is model.get_all_encoder_layers()
    assert len(model.all_encoder_layers) == 2
    assert model.sequence_output is model.get_sequence_output()
    assert model.pooled_output is model.get_pooled_output()


def test_albert_model_takes_upstreams_arguments():
    config = albert.AlbertConfig(9, 4, 8, 2, 1, 2, 16)
    ids = tf.zeros([1, 4], tf.int32)
    albert.AlbertModel(config, False, ids, None, None, False, True, "first")
    albert.AlbertModel(
        config=config,
        is_training=False,
        input_ids=ids,
        use_one_hot_embeddings=True,
        use_einsum=False,
        scope="second",
    )
    roots = collections.Counter(
        v.op.name.split("/")[0] for v in tf.trainable_variables()
    )
    assert roots["first"] == roots["second"] > 0
    assert set(roots) == {"first", "second"}
