"""Names and tensors of TensorFlow and Hugging Face: tables, round trips, leftovers."""

import math

import numpy as np
import pytest

from albert_ko.modeling import AlbertConfig
from bert_ko.modeling import BertConfig
from data.io.errors import InputError
from electra_ko.model.modeling import ElectraConfig
from encoder_ko.hub import weights
from encoder_ko.hub.weight_map import expand, sizes
from tests.support.hf_reference import CONFIGS, HEADS, NETWORKS, TASK, batch, run
from tests.support.reference_graphs import recorded_graph

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("quickly")]

BERT, ALBERT, ELECTRA = (NETWORKS[n][0] for n in ("bert", "albert", "electra"))


def head_type_of(head):
    return "classification" if head == "regression" else head


def variables_of(model_type, head):
    config = CONFIGS[model_type]
    return run(model_type, head, config, batch(config.vocab_size))[0]


def to_hugging_face(model_type, variables, head="", config=None):
    return weights.to_hugging_face(
        NETWORKS[model_type],
        config or CONFIGS[model_type],
        variables,
        head_type_of(head),
        "model.ckpt",
    )


def back(models):
    variables = {}
    for model in models:
        tensors = weights.plain_tensors(model.names, model.tensors, "folder")
        architecture = model.names.architecture(model.architecture.name)
        variables.update(
            weights.to_tensorflow(
                model.names, model.config, tensors, architecture, model.task, "folder"
            )
        )
    return variables


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("model_type", sorted(NETWORKS))
def test_there_and_back_is_equal_to_the_bit(model_type, head):
    variables = variables_of(model_type, head)
    returned = back(to_hugging_face(model_type, variables, head))
    assert set(returned) == set(variables)
    for name, value in variables.items():
        assert returned[name].tobytes() == value.tobytes(), name


@pytest.mark.parametrize(
    "recorded, network, config_class, scopes",
    [
        ("bert_base", BERT, BertConfig, ("bert/", "cls/")),
        ("bert_large", BERT, BertConfig, ("bert/", "cls/")),
        ("albert_base", ALBERT, AlbertConfig, ("bert/", "cls/")),
        ("albert_xxlarge", ALBERT, AlbertConfig, ("bert/", "cls/")),
        ("electra_base", ELECTRA, ElectraConfig, ("electra/", "discriminator")),
        (
            "electra_small_gen0.25",
            ELECTRA,
            ElectraConfig,
            ("electra/", "discriminator"),
        ),
    ],
)
def test_tables_have_upstreams_names_and_shapes(
    golden, recorded, network, config_class, scopes
):
    graph = recorded_graph(golden, recorded)
    settings = graph.get("config") or graph["discriminator_config"]
    config = config_class.from_dict(settings)
    theirs = {n: s for n, s in graph["variables"] if n.startswith(scopes)}
    architecture = network.architectures[0]
    parts = architecture.parts + tuple(network.needs(config))
    pairs = [p for part in parts for p in network.parts[part]]
    numbers = dict(sizes(config), **{"1": 1, "2": 2})
    ours = {
        pair.tf: [numbers[letter] for letter in pair.shape]
        for pair in expand(pairs, network.placeholders(config))
    }
    assert ours == theirs


def test_a_checkpoint_of_electra_is_two_models():
    models = to_hugging_face("electra", variables_of("electra", "pretraining"))
    assert [(m.names.folder, m.architecture.name) for m in models] == [
        ("discriminator", "ElectraForPreTraining"),
        ("generator", "ElectraForMaskedLM"),
    ]
    generator = models[1].config
    assert generator.hidden_size == 16
    assert generator.intermediate_size == 64
    assert generator.num_attention_heads == 1


@pytest.mark.parametrize(
    "with_discriminator, expected",
    [
        (False, [("masked_words", "ElectraForMaskedLM")]),
        (
            True,
            [
                ("discriminator", "ElectraForPreTraining"),
                ("masked_words", "ElectraForMaskedLM"),
            ],
        ),
    ],
)
def test_masked_words_by_the_network_itself_there_and_back(
    with_discriminator, expected
):
    """--electra_objective=false and --untied_generator=false: there is no generator."""
    left_out = ("generator/",) + ("discriminator_predictions/",) * (
        not with_discriminator
    )
    variables = {
        name: value
        for name, value in variables_of("electra", "pretraining").items()
        if not name.startswith(left_out)
    }
    kernel = np.random.RandomState(1).randn(32, 16).astype(np.float32)
    variables["generator_predictions/dense/kernel"] = kernel  # as wide as the network
    models = to_hugging_face("electra", variables)
    assert [(m.names.folder, m.architecture.name) for m in models] == expected
    masked_words = models[-1]
    assert masked_words.config == CONFIGS["electra"]
    np.testing.assert_array_equal(
        masked_words.tensors["generator_predictions.dense.weight"], kernel.T
    )
    returned = back(models)
    assert set(returned) == set(variables)
    for name, value in variables.items():
        assert returned[name].tobytes() == value.tobytes(), name


def test_what_no_table_knows_is_listed():
    variables = variables_of("bert", "pretraining")
    variables["bert/extra/kernel"] = np.zeros([1], np.float32)
    with pytest.raises(InputError, match="does not know: bert/extra/kernel"):
        to_hugging_face("bert", variables)


def test_what_is_missing_is_listed():
    variables = variables_of("bert", "pretraining")
    del variables["bert/encoder/layer_1/output/dense/bias"]
    with pytest.raises(InputError) as caught:
        to_hugging_face("bert", variables)
    assert "1 missing: bert/encoder/layer_1/output/dense/bias" in str(caught.value)


def test_a_layer_too_many_is_left_over():
    variables = variables_of("bert", "pretraining")
    config = CONFIGS["bert"].replace(num_hidden_layers=2)
    with pytest.raises(InputError, match="16 left over: bert/encoder/layer_2/"):
        to_hugging_face("bert", variables, config=config)


@pytest.mark.parametrize(
    "change, named",
    [
        (dict(max_position_embeddings=41), "position_embeddings has shape"),
        (dict(vocab_size=91), r"word_embeddings has shape \[90, 32\]"),
    ],
)
def test_positions_and_vocabulary_are_those_of_the_configuration(change, named):
    config = CONFIGS["bert"].replace(**change)
    with pytest.raises(InputError, match=named):
        to_hugging_face("bert", variables_of("bert", "pretraining"), config=config)


def test_heads_of_several_types_have_the_same_names():
    variables = variables_of("bert", "tagging")
    assert (
        to_hugging_face("bert", variables)[0].architecture.head_type == "classification"
    )
    found = to_hugging_face("bert", variables, "tagging")[0]
    assert found.architecture.name == "BertForTokenClassification"
    with pytest.raises(InputError, match="make no question answering model"):
        to_hugging_face("bert", variables, "question_answering")


def test_the_task_of_electras_head_is_in_its_name():
    (model,) = to_hugging_face("electra", variables_of("electra", "classification"))
    assert model.task == TASK
    assert model.num_labels == 3


# --- What Hugging Face has more of ------------------------------------------------


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def test_electras_one_layer_as_two_with_gelu_between():
    variables = variables_of("electra", "classification")
    (model,) = to_hugging_face("electra", variables)
    tensors = model.tensors
    first = np.random.RandomState(0).randn(7, 32).astype(np.float32)
    hidden = gelu(
        first @ tensors["classifier.dense.weight"].T + tensors["classifier.dense.bias"]
    )
    theirs = (
        hidden @ tensors["classifier.out_proj.weight"].T
        + tensors["classifier.out_proj.bias"]
    )
    scope = f"task_specific/{TASK}/dense/"
    ours = first @ variables[scope + "kernel"] + variables[scope + "bias"]
    assert np.abs(theirs - ours).max() < 1e-6


def test_a_regression_of_electra_answers_in_scores():
    variables = variables_of("electra", "regression")
    (model,) = to_hugging_face("electra", variables)
    tensors = model.names.scores(model.tensors, 1.0, 5.0)
    assert tensors["classifier.out_proj.weight"][0, :3].tolist() == [4.0, -4.0, 0.0]
    assert tensors["classifier.out_proj.bias"].tolist() == [1.0]
    returned = back([model._replace(tensors=tensors)])
    assert all(np.array_equal(returned[n], v) for n, v in variables.items())


def test_a_trained_second_layer_is_refused():
    (model,) = to_hugging_face("electra", variables_of("electra", "classification"))
    model.tensors["classifier.out_proj.weight"][0, 1] = 0.5
    with pytest.raises(InputError, match="--encoder_only"):
        back([model])


def test_more_labels_than_the_second_layer_has_room_for():
    names = NETWORKS["electra"][0]
    tensors = {
        "classifier.single.weight": np.zeros([17, 32], np.float32),
        "classifier.single.bias": np.zeros([17], np.float32),
    }
    with pytest.raises(InputError, match="up to 16 labels"):
        names.complete(tensors, CONFIGS["electra"])


def test_alberts_mapping_is_the_identity_where_the_widths_are_the_same():
    config = CONFIGS["albert"].replace(embedding_size=32)
    variables, _ = run("albert", "pretraining", config, batch(config.vocab_size))
    (model,) = to_hugging_face("albert", variables, config=config)
    name = "albert.encoder.embedding_hidden_mapping_in.weight"
    assert np.array_equal(model.tensors[name], np.eye(32))
    assert set(back([model])) == set(variables)
    model.tensors[name][0, 1] = 0.1
    with pytest.raises(InputError, match="is a learned mapping"):
        back([model])


def test_copies_of_tied_tables_may_be_there():
    variables = variables_of("bert", "pretraining")
    (model,) = to_hugging_face("bert", variables)
    table = model.tensors["bert.embeddings.word_embeddings.weight"]
    model.tensors["cls.predictions.decoder.weight"] = table.copy()
    model.tensors["bert.embeddings.position_ids"] = np.arange(40)[None]
    assert set(back([model])) == set(variables)
    model.tensors["cls.predictions.decoder.weight"][3, 3] += 1
    with pytest.raises(InputError, match="tied embeddings"):
        back([model])


def test_the_file_of_an_encoder_alone_has_shorter_names():
    variables = variables_of("bert", "encoder")
    (model,) = to_hugging_face("bert", variables)
    short = {n[len("bert.") :]: value for n, value in model.tensors.items()}
    assert set(back([model._replace(tensors=short)])) == set(variables)
