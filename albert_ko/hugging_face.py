"""ALBERT's variables and their names in Hugging Face's AlbertModel and its heads.

Hugging Face maps the embeddings to the hidden width even where the widths are the same;
Google's network then has no mapping, so it is the identity there.
"""

import numpy as np

from albert_ko.modeling import AlbertConfig
from data.io.errors import InputError
from encoder_ko.hub.weight_map import (
    Architecture,
    ModelNames,
    Pair,
    dense,
    norm,
    output_layer,
)

_LAYER = (
    "bert/encoder/transformer/group_{group}/inner_group_{inner}/",
    "albert.encoder.albert_layer_groups.{group}.albert_layers.{inner}.",
)
_MAPPING = "albert.encoder.embedding_hidden_mapping_in"


def _layer(tf, hf, shape, pair_of=dense):
    return pair_of(_LAYER[0] + tf, _LAYER[1] + hf, shape)


_ENCODER = [
    *(
        Pair("bert/embeddings/" + name, f"albert.embeddings.{name}.weight", shape)
        for name, shape in (
            ("word_embeddings", "VE"),
            ("position_embeddings", "PE"),
            ("token_type_embeddings", "TE"),
        )
    ),
    *norm("bert/embeddings/LayerNorm", "albert.embeddings.LayerNorm", "E"),
    *_layer("attention_1/self/query", "attention.query", "HH"),
    *_layer("attention_1/self/key", "attention.key", "HH"),
    *_layer("attention_1/self/value", "attention.value", "HH"),
    *_layer("attention_1/output/dense", "attention.dense", "HH"),
    *_layer("LayerNorm", "attention.LayerNorm", "H", norm),
    *_layer("ffn_1/intermediate/dense", "ffn", "HI"),
    *_layer("ffn_1/intermediate/output/dense", "ffn_output", "IH"),
    *_layer("LayerNorm_1", "full_layer_layer_norm", "H", norm),
]


def _placeholders(config):
    groups, layers = config.num_hidden_groups, config.num_hidden_layers
    hugging_face = [int(layer / (layers / groups)) for layer in range(layers)]
    google = [config.group_of_layer(layer) for layer in range(layers)]
    if hugging_face != google:
        raise InputError(
            f"num_hidden_layers={layers} with num_hidden_groups={groups}: Google's "
            f"code shares variables as {google}, Hugging Face's as {hugging_face}. "
            "No file can make up for that: choose groups that divide the layers."
        )
    return {"group": groups, "inner": config.inner_group_num}


def _needs(config):
    return ("mapping",) if config.embedding_size != config.hidden_size else ()


def _complete(tensors, config):
    """Adds the mapping that changes nothing where the widths are the same."""
    if config.embedding_size != config.hidden_size:
        return tensors
    return dict(
        tensors,
        **{
            _MAPPING + ".weight": np.eye(config.hidden_size, dtype=np.float32),
            _MAPPING + ".bias": np.zeros(config.hidden_size, np.float32),
        },
    )


def _reduce(tensors, config):
    """Drops it; a mapping that does something cannot be said in Google's network."""
    if config.embedding_size != config.hidden_size:
        return tensors
    rest = dict(tensors)
    weight, bias = rest.pop(_MAPPING + ".weight"), rest.pop(_MAPPING + ".bias")
    if bias.any() or not np.array_equal(weight, np.eye(len(bias))):
        raise InputError(
            f"{_MAPPING} is a learned mapping although embedding_size equals "
            f"hidden_size={config.hidden_size}: Google's ALBERT has none there."
        )
    return rest


NAMES = ModelNames(
    model_type="albert",
    config_class=AlbertConfig,
    base_prefix="albert.",
    parts={
        "encoder": _ENCODER,
        "mapping": dense("bert/encoder/embedding_hidden_mapping_in", _MAPPING, "EH"),
        "pooler": dense("bert/pooler/dense", "albert.pooler", "HH"),
        "masked_lm": [
            *dense("cls/predictions/transform/dense", "predictions.dense", "HE"),
            *norm("cls/predictions/transform/LayerNorm", "predictions.LayerNorm", "E"),
            Pair("cls/predictions/output_bias", "predictions.bias", "V"),
        ],
        "sentence_order": output_layer(
            "cls/seq_relationship/", "sop_classifier.classifier", "2"
        ),
        "classifier": output_layer("", "classifier"),
        "answers": output_layer("cls/squad/", "qa_outputs", "2"),
    },
    architectures=(
        Architecture(
            "AlbertForPreTraining",
            "pretraining",
            ("encoder", "pooler", "masked_lm", "sentence_order"),
        ),
        Architecture(
            "AlbertForMaskedLM",
            "masked_lm",
            ("encoder", "masked_lm"),
            ("pooler",),
        ),
        Architecture(
            "AlbertForSequenceClassification",
            "classification",
            ("encoder", "pooler", "classifier"),
        ),
        Architecture(
            "AlbertForTokenClassification",
            "tagging",
            ("encoder", "classifier"),
            ("pooler",),
        ),
        Architecture(
            "AlbertForQuestionAnswering",
            "question_answering",
            ("encoder", "answers"),
            ("pooler",),
        ),
        Architecture("AlbertModel", "encoder", ("encoder",), ("pooler",)),
    ),
    placeholders=_placeholders,
    copies={
        "predictions.decoder.weight": "albert.embeddings.word_embeddings.weight",
        "predictions.decoder.bias": "predictions.bias",
    },
    adapters=("mapping",),
    needs=_needs,
    complete=_complete,
    reduce=_reduce,
)
