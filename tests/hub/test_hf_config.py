"""config.json: what both sides call by the same name must be the same."""

import pytest

from data.io.errors import InputError
from encoder_ko.hub.config import (
    HeadDescription,
    encoder_config,
    head_of,
    hugging_face_config,
)
from tests.support.hf_reference import CONFIGS, NETWORKS

FIRST = {"bert": "BertModel", "albert": "AlbertModel", "electra": "ElectraModel"}


def content_of(model_type, head=HeadDescription(), **changes):  # noqa: B008 (immutable)
    config = CONFIGS[model_type].replace(**changes)
    return hugging_face_config(config, model_type, FIRST[model_type], 0, head)


def read(model_type, content):
    return encoder_config(content, NETWORKS[model_type][0], "config.json")


@pytest.mark.parametrize("model_type", sorted(CONFIGS))
def test_there_and_back(model_type):
    assert read(model_type, content_of(model_type)) == CONFIGS[model_type]


@pytest.mark.parametrize(
    "model_type, theirs",
    [("bert", "gelu_new"), ("albert", "gelu_new"), ("electra", "gelu")],
)
def test_the_form_of_gelu_has_a_name_of_its_own(model_type, theirs):
    assert content_of(model_type)["hidden_act"] == theirs


def test_the_erf_form_in_bert_stays_the_erf_form():
    content = dict(content_of("bert"), hidden_act="gelu")
    assert read("bert", content).hidden_act == "gelu_erf"
    assert content_of("bert", hidden_act="gelu_erf")["hidden_act"] == "gelu"


def test_the_tanh_form_in_electra_is_refused():
    content = dict(content_of("electra"), hidden_act="gelu_new")
    with pytest.raises(InputError, match="the tanh form of GELU"):
        read("electra", content)


@pytest.mark.parametrize(
    "key, value",
    [
        ("layer_norm_eps", 1e-5),
        ("tie_word_embeddings", False),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
    ],
)
def test_what_googles_networks_cannot_do_is_refused(key, value):
    with pytest.raises(InputError, match=f"has {key}={value!r}"):
        read("bert", dict(content_of("bert"), **{key: value}))


def test_another_model_type_is_refused():
    with pytest.raises(InputError, match="model_type='electra' but --model_type is"):
        read("bert", content_of("electra"))


def test_electras_generator_has_the_erf_form_in_its_head():
    config = CONFIGS["electra"].replace(hidden_act="relu")
    with pytest.raises(InputError, match="always has the erf form"):
        hugging_face_config(
            config, "electra", "ElectraForMaskedLM", 0, HeadDescription()
        )


def test_label_names_and_task():
    head = HeadDescription("classification", ("부정", "긍정"), "NSMC")
    content = content_of("bert", head)
    assert content["id2label"] == {"0": "부정", "1": "긍정"}
    assert content["label2id"] == {"부정": 0, "긍정": 1}
    assert content["problem_type"] == "single_label_classification"
    architecture = NETWORKS["bert"][0].architecture("BertForSequenceClassification")
    assert head_of(content, architecture) == head


def test_regression_has_one_output():
    head = HeadDescription("classification", ("LABEL_0",), "KORSTS", is_regression=True)
    content = content_of("bert", head)
    assert content["problem_type"] == "regression"
    architecture = NETWORKS["bert"][0].architecture("BertForSequenceClassification")
    assert head_of(content, architecture).is_regression


def test_the_id_of_padding_is_the_vocabularys():
    content = hugging_face_config(
        CONFIGS["bert"], "bert", "BertModel", 7, HeadDescription()
    )
    assert content["pad_token_id"] == 7


def test_an_unknown_class_is_named_with_the_known_ones():
    with pytest.raises(InputError, match="BertLMHeadModel.*BertForPreTraining"):
        NETWORKS["bert"][0].architecture("BertLMHeadModel")
