"""BERT's variables and their names in Hugging Face's BertModel and its heads."""

from bert_ko.modeling import BertConfig
from encoder_ko.hub.weight_map import (
    Architecture,
    ModelNames,
    Pair,
    dense,
    norm,
    output_layer,
)

_LAYER = "bert/encoder/layer_{layer}/", "bert.encoder.layer.{layer}."


def _layer(tf, hf, shape, pair_of=dense):
    return pair_of(_LAYER[0] + tf, _LAYER[1] + hf, shape)


_EMBEDDINGS = [
    Pair("bert/embeddings/" + name, f"bert.embeddings.{name}.weight", shape)
    for name, shape in (
        ("word_embeddings", "VE"),
        ("position_embeddings", "PE"),
        ("token_type_embeddings", "TE"),
    )
]
_ENCODER = [
    *_EMBEDDINGS,
    *norm("bert/embeddings/LayerNorm", "bert.embeddings.LayerNorm", "E"),
    *_layer("attention/self/query", "attention.self.query", "HH"),
    *_layer("attention/self/key", "attention.self.key", "HH"),
    *_layer("attention/self/value", "attention.self.value", "HH"),
    *_layer("attention/output/dense", "attention.output.dense", "HH"),
    *_layer("attention/output/LayerNorm", "attention.output.LayerNorm", "H", norm),
    *_layer("intermediate/dense", "intermediate.dense", "HI"),
    *_layer("output/dense", "output.dense", "IH"),
    *_layer("output/LayerNorm", "output.LayerNorm", "H", norm),
]
_TRANSFORM = "cls/predictions/transform/", "cls.predictions.transform."

NAMES = ModelNames(
    model_type="bert",
    config_class=BertConfig,
    base_prefix="bert.",
    parts={
        "encoder": _ENCODER,
        "pooler": dense("bert/pooler/dense", "bert.pooler.dense", "HH"),
        "masked_lm": [
            *dense(_TRANSFORM[0] + "dense", _TRANSFORM[1] + "dense", "HH"),
            *norm(_TRANSFORM[0] + "LayerNorm", _TRANSFORM[1] + "LayerNorm", "H"),
            Pair("cls/predictions/output_bias", "cls.predictions.bias", "V"),
        ],
        "next_sentence": output_layer(
            "cls/seq_relationship/", "cls.seq_relationship", "2"
        ),
        "classifier": output_layer("", "classifier"),
        "answers": output_layer("cls/squad/", "qa_outputs", "2"),
    },
    architectures=(
        Architecture(
            "BertForPreTraining",
            "pretraining",
            ("encoder", "pooler", "masked_lm", "next_sentence"),
        ),
        Architecture(
            "BertForMaskedLM", "masked_lm", ("encoder", "masked_lm"), ("pooler",)
        ),
        Architecture(
            "BertForSequenceClassification",
            "classification",
            ("encoder", "pooler", "classifier"),
        ),
        Architecture(
            "BertForTokenClassification",
            "tagging",
            ("encoder", "classifier"),
            ("pooler",),
        ),
        Architecture(
            "BertForQuestionAnswering",
            "question_answering",
            ("encoder", "answers"),
            ("pooler",),
        ),
        Architecture("BertModel", "encoder", ("encoder",), ("pooler",)),
    ),
    placeholders=lambda config: {"layer": config.num_hidden_layers},
    copies={
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
)
