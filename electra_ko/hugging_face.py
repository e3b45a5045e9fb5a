"""ELECTRA's variables and their names in Hugging Face's ElectraModel and its heads.

A pre-training checkpoint holds two networks that share their embeddings; Hugging Face
keeps them as two models. Where masked words were learnt by the network itself
(--electra_objective=false, --untied_generator=false), it is a model of its own, with
the generator's head, that has no generator.

Google's classifier is one dense layer on the first token. Hugging Face's has two with
GELU between them, which can say the same: gelu(z) - gelu(-z) = z. The first layer
computes z and -z, the second takes the difference, so 2 L of its H units are used. The
two ends of an answer have a layer each there, and one together here.
"""

import numpy as np

from data.io.errors import InputError
from electra_ko.model.modeling import ElectraConfig, heads_of_width
from encoder_ko.hub.weight_map import Architecture, ModelNames, Pair, dense, norm

_SINGLE = "classifier.single"
_TWO_LAYERS = [
    f"classifier.{layer}.{name}"
    for layer in ("dense", "out_proj")
    for name in ("weight", "bias")
]
_FIRST, _LAST = "qa_outputs.first", "qa_outputs.last"


def _encoder(scope):
    """Embeddings and layers; the layers' scope is the network's own."""
    tf, hf = scope + "/encoder/layer_{layer}/", "electra.encoder.layer.{layer}."
    embeddings = "electra/embeddings/", "electra.embeddings."
    return [
        Pair(
            embeddings[0] + "word_embeddings",
            embeddings[1] + "word_embeddings.weight",
            "VE",
        ),
        Pair(
            embeddings[0] + "position_embeddings",
            embeddings[1] + "position_embeddings.weight",
            "PE",
        ),
        Pair(
            embeddings[0] + "token_type_embeddings",
            embeddings[1] + "token_type_embeddings.weight",
            "TE",
        ),
        *norm(embeddings[0] + "LayerNorm", embeddings[1] + "LayerNorm", "E"),
        *dense(tf + "attention/self/query", hf + "attention.self.query", "HH"),
        *dense(tf + "attention/self/key", hf + "attention.self.key", "HH"),
        *dense(tf + "attention/self/value", hf + "attention.self.value", "HH"),
        *dense(tf + "attention/output/dense", hf + "attention.output.dense", "HH"),
        *norm(
            tf + "attention/output/LayerNorm", hf + "attention.output.LayerNorm", "H"
        ),
        *dense(tf + "intermediate/dense", hf + "intermediate.dense", "HI"),
        *dense(tf + "output/dense", hf + "output.dense", "IH"),
        *norm(tf + "output/LayerNorm", hf + "output.LayerNorm", "H"),
    ]


def _projection(scope):
    return dense(scope + "/embeddings_project", "electra.embeddings_project", "EH")


def _placeholders(config):
    return {"layer": config.num_hidden_layers}


def _needs(config):
    return ("projection",) if config.embedding_size != config.hidden_size else ()


def _generator_config(config, variables):
    """The generator that goes with a discriminator, as its variables tell."""
    kernels = [
        variable
        for name, variable in variables.items()
        if name.startswith("generator/encoder/") and name.endswith("/query/kernel")
    ]
    if "generator/embeddings/word_embeddings" in variables:
        raise InputError(
            "The generator has embeddings of its own (--untied_generator_embeddings), "
            "for which there is no conversion. Convert what is fine-tuned from it."
        )
    width = kernels[0].shape[0]
    inner = variables["generator/encoder/layer_0/intermediate/dense/bias"].shape[0]
    return config.replace(
        hidden_size=width,
        num_hidden_layers=len(kernels),
        intermediate_size=inner,
        num_attention_heads=heads_of_width(width),
    )


# --- Heads -----------------------------------------------------------------------


def _complete(tensors, config):
    """The heads as Hugging Face's classes have them."""
    rest = dict(tensors)
    if _SINGLE + ".weight" in rest:
        weight, bias = rest.pop(_SINGLE + ".weight"), rest.pop(_SINGLE + ".bias")
        labels, width = weight.shape
        if 2 * labels > width:
            raise InputError(
                f"{labels} labels with hidden_size={width}: Hugging Face's "
                "ElectraForSequenceClassification can only stand for ELECTRA's "
                f"classifier with up to {width // 2} labels."
            )
        rest.update(_two_layers(weight, bias))
    if _FIRST + ".weight" in rest:  # of the two ends of an answer
        for name in (".weight", ".bias"):
            ends = [rest.pop(end + name) for end in (_FIRST, _LAST)]
            rest["qa_outputs" + name] = np.concatenate(ends)
    return rest


def _scores(tensors, lowest, highest):
    """Lets a regression answer in scores; upstream's network has them from 0 to 1."""
    rest = dict(tensors)
    rest["classifier.out_proj.weight"] *= np.float32(highest - lowest)
    rest["classifier.out_proj.bias"] += np.float32(lowest)
    return rest


def _score_range(tensors):
    """What `_scores` put into the tensors and `_one_layer` takes out again."""
    if "classifier.out_proj.weight" not in tensors:
        return 0.0, 1.0
    lowest = float(tensors["classifier.out_proj.bias"][0])
    return lowest, lowest + float(tensors["classifier.out_proj.weight"][0, 0])


def _two_layers(weight, bias):
    labels, width = weight.shape
    first = np.zeros([width, width], np.float32)
    first[:labels], first[labels : 2 * labels] = weight, -weight
    first_bias = np.zeros(width, np.float32)
    first_bias[:labels], first_bias[labels : 2 * labels] = bias, -bias
    last = np.zeros([labels, width], np.float32)
    last[:, :labels] = np.eye(labels)
    last[:, labels : 2 * labels] = -np.eye(labels)
    return {
        "classifier.dense.weight": first,
        "classifier.dense.bias": first_bias,
        "classifier.out_proj.weight": last,
        "classifier.out_proj.bias": np.zeros(labels, np.float32),
    }


def _reduce(tensors, config):
    """The heads as Google's have them, to the bit."""
    rest = dict(tensors)
    if "classifier.out_proj.weight" in rest:
        rest.update(_one_layer(rest, config.hidden_size))
        rest = {n: value for n, value in rest.items() if n not in _TWO_LAYERS}
    if "qa_outputs.weight" in rest:
        for name in (".weight", ".bias"):
            both = rest.pop("qa_outputs" + name)
            rest[_FIRST + name], rest[_LAST + name] = both[:1], both[1:]
    return rest


def _one_layer(tensors, width):
    labels = len(tensors["classifier.out_proj.weight"])
    weight = tensors["classifier.dense.weight"][:labels]
    bias = tensors["classifier.dense.bias"][:labels]
    expected = _two_layers(weight, bias) if 2 * labels <= width else {}
    if labels == 1:  # perhaps one of scores
        expected["classifier.out_proj.weight"] *= tensors["classifier.out_proj.weight"][
            0, 0
        ]
        expected.pop("classifier.out_proj.bias")
    same = [np.array_equal(value, tensors[name]) for name, value in expected.items()]
    if not same or not all(same):
        raise InputError(
            "The classifier of this ElectraForSequenceClassification has two layers "
            "that were trained as such; ELECTRA's has one. Pass --encoder_only to "
            "convert the encoder and to fine-tune it anew."
        )
    return {_SINGLE + ".weight": weight, _SINGLE + ".bias": bias}


# --- The tables ------------------------------------------------------------------

_TASK = "task_specific/{task}/dense"

DISCRIMINATOR = ModelNames(
    model_type="electra",
    config_class=ElectraConfig,
    base_prefix="electra.",
    parts={
        "encoder": _encoder("electra"),
        "projection": _projection("electra"),
        "discriminator": [
            *dense(
                "discriminator_predictions/dense",
                "discriminator_predictions.dense",
                "HH",
            ),
            *dense(
                "discriminator_predictions/dense_1",
                "discriminator_predictions.dense_prediction",
                "H1",
            ),
        ],
        "classifier": dense(_TASK, _SINGLE, "HL"),
        "tagger": dense(_TASK, "classifier", "HL"),
        "answers": [*dense(_TASK, _FIRST, "H1"), *dense(_TASK + "_1", _LAST, "H1")],
    },
    architectures=(
        Architecture(
            "ElectraForPreTraining", "pretraining", ("encoder", "discriminator")
        ),
        Architecture(
            "ElectraForSequenceClassification",
            "classification",
            ("encoder", "classifier"),
        ),
        Architecture("ElectraForTokenClassification", "tagging", ("encoder", "tagger")),
        Architecture(
            "ElectraForQuestionAnswering", "question_answering", ("encoder", "answers")
        ),
        Architecture("ElectraModel", "encoder", ("encoder",)),
    ),
    placeholders=_placeholders,
    copies={},
    adapters=("projection",),
    needs=_needs,
    folder="discriminator",
    owns="(?!generator)",
    complete=_complete,
    reduce=_reduce,
    scores=_scores,
    score_range=_score_range,
)

_MASKED_LM = [
    *dense("generator_predictions/dense", "generator_predictions.dense", "HE"),
    *norm("generator_predictions/LayerNorm", "generator_predictions.LayerNorm", "E"),
    Pair("generator_predictions/output_bias", "generator_lm_head.bias", "V"),
]

GENERATOR = ModelNames(
    model_type="electra",
    config_class=ElectraConfig,
    base_prefix="electra.",
    parts={
        "encoder": _encoder("generator"),
        "projection": _projection("generator"),
        "masked_lm": _MASKED_LM,
    },
    architectures=(
        Architecture("ElectraForMaskedLM", "pretraining", ("encoder", "masked_lm")),
    ),
    placeholders=_placeholders,
    copies={
        "generator_lm_head.weight": "electra.embeddings.word_embeddings.weight",
    },
    adapters=("projection",),
    needs=_needs,
    folder="generator",
    owns="generator|electra/embeddings/",
    config_file="generator_config.json",
    config_of=_generator_config,
)


def _is_without_generator(names):
    scopes = {name.split("/")[0] for name in names}
    return "generator_predictions" in scopes and "generator" not in scopes


MASKED_WORDS = GENERATOR._replace(
    parts={
        "encoder": _encoder("electra"),
        "projection": _projection("electra"),
        "masked_lm": _MASKED_LM,
    },
    folder="masked_words",
    owns="electra/|generator_predictions/",
    is_in=_is_without_generator,
    config_file=DISCRIMINATOR.config_file,
    config_of=DISCRIMINATOR.config_of,
    marks={"electra_objective": False},
)

# Of the two with the same class, the one that config.json marks is looked for first.
NETWORKS = (DISCRIMINATOR, MASKED_WORDS, GENERATOR)
