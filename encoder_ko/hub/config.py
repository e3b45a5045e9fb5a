"""config.json of Hugging Face from an EncoderConfig, and back.

What the two sides call by the same name but compute differently is checked here: the
form of GELU, the epsilon of the layer norm, tied embeddings, positions, padding.
"""

from typing import Any, Dict, NamedTuple, Sequence

from absl import logging

from data.io.errors import InputError

LAYER_NORM_EPSILON = 1e-12
CLASSIFIER_DROPOUT = 0.1

# Activations by what they compute: our name, then those of Hugging Face, of which the
# first is written.
_ACTIVATIONS = {
    "gelu_tanh": ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"),
    "gelu_erf": ("gelu", "gelu_python"),
    "relu": ("relu",),
    "tanh": ("tanh",),
    "linear": ("linear",),
}
# What Google's code means by "gelu".
_GELU = {"bert": "gelu_tanh", "albert": "gelu_tanh", "electra": "gelu_erf"}

_SHARED_KEYS = (
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
    "hidden_dropout_prob attention_probs_dropout_prob max_position_embeddings "
    "type_vocab_size initializer_range"
).split()
_OWN_KEYS = {
    "bert": [],
    "albert": ["embedding_size", "num_hidden_groups", "inner_group_num"],
    "electra": ["embedding_size"],
}
# Keys that must have this value, which is also what Hugging Face takes without them.
_REQUIRED = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "tie_word_embeddings": True,
    "layer_norm_eps": LAYER_NORM_EPSILON,
}
# In `activations.ACTIVATIONS`, "gelu" is the tanh form.
_NAMES_IN_LAYERS = {"gelu_tanh": "gelu"}


class HeadDescription(NamedTuple):
    """What config.json says of the head.

    Attributes:
      head_type: Architecture.head_type; "" = unknown.
      labels: names in the order of the logits; empty where there are none.
      task: name of the task it was fine-tuned on, or "".
      is_regression: whether its one output is a number.
    """

    head_type: str = ""
    labels: Sequence[str] = ()
    task: str = ""
    is_regression: bool = False


def hugging_face_config(
    config, model_type: str, architecture: str, pad_id: int, head: HeadDescription
) -> Dict[str, Any]:
    """The content of config.json.

    Args:
      config: EncoderConfig.
      architecture: name of the class.
      pad_id: of the vocabulary.
      head: labels and task.

    Raises:
      InputError: Hugging Face's class computes something else.
    """
    activation = _computed(config.hidden_act, model_type)
    if architecture == "ElectraForMaskedLM" and activation != "gelu_erf":
        raise InputError(
            f"hidden_act={config.hidden_act!r}: Hugging Face's {architecture} always "
            "has the erf form of GELU in its head, so it would compute something else."
        )
    content = {
        "architectures": [architecture],
        "model_type": model_type,
        **{key: getattr(config, key) for key in _SHARED_KEYS + _OWN_KEYS[model_type]},
        "hidden_act": _ACTIVATIONS[activation][0],
        "layer_norm_eps": LAYER_NORM_EPSILON,
        "pad_token_id": pad_id,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        _dropout_key(model_type): CLASSIFIER_DROPOUT,
    }
    if model_type == "albert":
        content.update(bos_token_id=None, eos_token_id=None)
    if head.labels:
        content["id2label"] = {str(i): name for i, name in enumerate(head.labels)}
        content["label2id"] = {name: i for i, name in enumerate(head.labels)}
    if head.head_type == "classification":
        content["problem_type"] = (
            "regression" if head.is_regression else "single_label_classification"
        )
    if head.task:
        content["finetuning_task"] = head.task
    return content


def _dropout_key(model_type):
    return "classifier_dropout_prob" if model_type == "albert" else "classifier_dropout"


def _computed(hidden_act, model_type):
    """The key of `_ACTIVATIONS` that a configuration of ours means."""
    if hidden_act == "gelu":
        return _GELU[model_type]
    return hidden_act


def encoder_config(content: Dict[str, Any], names, source: str):
    """The EncoderConfig that config.json describes.

    Args:
      content: config.json.
      names: ModelNames of the model.
      source: names the file in messages.

    Raises:
      InputError: another model type, or something that Google's network cannot do.
    """
    model_type = names.model_type
    if content.get("model_type", model_type) != model_type:
        raise InputError(
            f"{source} says model_type={content['model_type']!r} but --model_type is "
            f"{model_type}."
        )
    for key, value in _REQUIRED.items():
        found = content.get(key, value)
        if found != value:
            raise InputError(
                f"{source} has {key}={found!r}; Google's networks, and this project, "
                f"have {value!r} only. The converted model would compute other numbers."
            )
    keys = _SHARED_KEYS + _OWN_KEYS[model_type]
    settings = {key: content[key] for key in keys if key in content}
    missing = [key for key in _SHARED_KEYS if key not in content]
    if "vocab_size" in missing or "hidden_size" in missing:
        raise InputError(f"{source} lacks {', '.join(missing)}: is it a config.json?")
    settings = dict(_hugging_face_defaults(model_type), **settings)
    settings["hidden_act"] = _activation(content, model_type, source)
    return names.config_class.from_dict(settings, source)


def _hugging_face_defaults(model_type):
    """Hugging Face's defaults that differ from Google's, which are ours."""
    defaults = {"type_vocab_size": 2, "max_position_embeddings": 512}
    if model_type == "electra":
        defaults.update(
            embedding_size=128,
            num_attention_heads=4,
            intermediate_size=1024,
        )
    return defaults


def _activation(content, model_type, source):
    name = content.get("hidden_act", "gelu_new" if model_type == "albert" else "gelu")
    computed = next(
        (known for known, names in _ACTIVATIONS.items() if name in names), None
    )
    if computed is None:
        raise InputError(
            f"{source} has hidden_act={name!r}. Known are "
            f"{', '.join(each for names in _ACTIVATIONS.values() for each in names)}."
        )
    if computed == _GELU[model_type]:
        return "gelu"
    if model_type == "electra" and computed == "gelu_tanh":
        raise InputError(
            f"{source} has hidden_act={name!r}, the tanh form of GELU, which this "
            "project's ELECTRA does not have: Google's has the erf form."
        )
    if computed == "gelu_erf":
        logging.warning(
            "%s says hidden_act=%r, the erf form of GELU; Google's %s computes the "
            "tanh form. The erf form is kept, so that the numbers stay those of "
            "Hugging Face. If the model was trained with Google's code, write "
            '"gelu" for "gelu_erf" in the configuration.',
            source,
            name,
            model_type.upper(),
        )
    return _NAMES_IN_LAYERS.get(computed, computed)


def head_of(content: Dict[str, Any], architecture) -> HeadDescription:
    """What config.json says of labels and task."""
    labels = content.get("id2label") or {}
    ordered = tuple(labels[key] for key in sorted(labels, key=int))
    return HeadDescription(
        head_type=architecture.head_type,
        labels=ordered,
        task=content.get("finetuning_task") or "",
        is_regression=content.get("problem_type") == "regression"
        or (architecture.head_type == "classification" and len(ordered) == 1),
    )
