"""Encoder configuration: the keys of upstream's JSON files, checked on reading."""

import dataclasses
import difflib
import json
import os
import re
from typing import Any, ClassVar, Dict, Type, TypeVar

from data.io.errors import InputError
from data.io.files import read_bytes
from data.io.json_files import parse_object
from encoder_ko.modeling import activations

Config = TypeVar("Config", bound="EncoderConfig")

# Variables of heads: upstream's scopes, and the bare names of BERT's classifiers.
_HEAD_NAMES = "^(task_specific/|cls/|answer_class/|output_weights$|output_bias$)"


@dataclasses.dataclass
class EncoderConfig:
    """What BERT, ALBERT and ELECTRA configurations have in common.

    A value may be changed until a model is built, which makes a copy and checks it.

    Attributes:
      vocab_size: rows of the word embedding table.
      hidden_size: width of the encoder layers.
      num_hidden_layers: number of encoder layers.
      num_attention_heads: heads per layer; must divide `hidden_size`.
      intermediate_size: width of the feed-forward layer.
      hidden_act: activation of the feed-forward layer, a name in `ACTIVATIONS`.
      hidden_dropout_prob: dropout rate of embeddings and layer outputs.
      attention_probs_dropout_prob: dropout rate of the attention probabilities.
      max_position_embeddings: longest sequence, in tokens.
      type_vocab_size: number of token types (segments).
      initializer_range: standard deviation of the truncated normal initialiser.

    Raises:
      InputError: a value that its key cannot have, such as a size of 0.
    """

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 16
    initializer_range: float = 0.02

    # Keys of published files that upstream's code does not read, each with the only
    # value for which leaving it out changes nothing (None: any value).
    unread_keys: ClassVar[Dict[str, Any]] = {}

    def __post_init__(self):
        for field in dataclasses.fields(self):
            _check_value(field, getattr(self, field.name))

    def check(self) -> None:
        """What a model needs of its configuration.

        Raises:
          InputError: a value that its key cannot have, or values that contradict each
            other, such as heads that do not divide the hidden size.
        """
        for field in dataclasses.fields(self):
            _check_value(field, getattr(self, field.name))
        if self.hidden_size % self.num_attention_heads:
            raise InputError(
                f"hidden_size={self.hidden_size} is not a multiple of "
                f"num_attention_heads={self.num_attention_heads}: change one of them "
                "in the model configuration."
            )

    @property
    def embedding_width(self) -> int:
        """Width of the embedding tables; ALBERT and ELECTRA may make it narrower."""
        return self.hidden_size

    def layer_depth(self, variable_name: str) -> int:
        """How far above the input a variable acts, for layer-wise learning rates.

        Embeddings have depth 0, layer l (from 0) has l + 1, a pooler
        `num_hidden_layers` + 1, what stands on top `num_hidden_layers` + 2: with
        ELECTRA's variables the depths of upstream.

        Example: `bert/encoder/layer_3/output/dense/kernel` -> 4.

        Raises:
          InputError: the name belongs to no layer of this model and to no head.
        """
        for pattern, depth in self._depths().items():
            if re.search(pattern, variable_name):
                return depth
        raise InputError(
            f"The variable {variable_name} belongs to no layer of {type(self).__name__}"
            " and to no head, so it has no layer-wise learning rate: train without"
            " --layerwise_lr_decay."
        )

    def _depths(self) -> Dict[str, int]:
        """Patterns of variable names and their depths."""
        layers = range(self.num_hidden_layers)
        return {
            "/embeddings/": 0,
            "/embeddings_project/": 0,
            **{f"/encoder/layer_{layer}/": layer + 1 for layer in layers},
            "/pooler/": self.num_hidden_layers + 1,
            _HEAD_NAMES: self.num_hidden_layers + 2,
        }

    @classmethod
    def from_dict(
        cls: Type[Config], json_object: Dict[str, Any], source: str = "configuration"
    ) -> Config:
        """Builds a configuration from the keys of upstream's JSON.

        Raises:
          InputError: unknown or missing keys, values that contradict each other, or
            one of `unread_keys` that asks for another network; `source` names the file
            in the message.
        """
        if "architectures" in json_object or "transformers_version" in json_object:
            raise InputError(
                f"{source} is a configuration of Hugging Face: convert the model with "
                "`python3 convert_checkpoint.py --from hf --to tf --input_dir="
                f"{os.path.dirname(source) or '.'}` and name its --output_dir instead."
            )
        json_object = cls._without_unread_keys(json_object, source)
        known = [field.name for field in dataclasses.fields(cls)]
        for key in json_object:
            if key not in known:
                near = difflib.get_close_matches(key, known, 1)
                hint = f"; did you mean {near[0]!r}?" if near else "."
                raise InputError(
                    f"{source} has the unknown key {key!r} for {cls.__name__}{hint} "
                    f"Known keys: {', '.join(known)}."
                )
        if "vocab_size" not in json_object:
            raise InputError(f"{source} lacks the key 'vocab_size'.")
        config = cls(**json_object)
        config.check()
        return config

    @classmethod
    def _without_unread_keys(cls, json_object, source):
        for key, usual in cls.unread_keys.items():
            value = json_object.get(key, usual)
            if usual is not None and value != usual:
                raise InputError(
                    f"{source} has {key}={value!r}; only {usual!r} is implemented, as "
                    "in Google's published code. Remove the key or use a checkpoint of "
                    "the published network."
                )
        return {k: v for k, v in json_object.items() if k not in cls.unread_keys}

    @classmethod
    def from_json_file(cls: Type[Config], json_file: str) -> Config:
        """Reads a configuration file.

        Raises:
          InputError: no such file, not JSON, or keys that do not fit.
        """
        try:
            content = read_bytes(json_file)
        except FileNotFoundError:
            raise InputError(
                f"There is no model configuration {json_file!r}. Give its path, for "
                "example one of the files under configs/."
            ) from None
        except IsADirectoryError:
            raise InputError(
                f"{json_file} is a folder, expected the file of a configuration."
            ) from None
        return cls.from_dict(parse_object(content, json_file), source=json_file)

    def to_dict(self) -> Dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json_string(self) -> str:
        return json.dumps(self.to_dict(), indent=2, sort_keys=True) + "\n"

    def replace(self: Config, **changes: Any) -> Config:
        """A copy with some values changed."""
        return dataclasses.replace(self, **changes)

    def overridden(self: Config, overrides: Dict[str, Any], source: str) -> Config:
        """A copy with the values of some keys of the JSON; InputError as `from_dict`.

        Args:
          source: what says so, for the message.
        """
        return self.from_dict(dict(self.to_dict(), **overrides), source)


def _check_value(field, value):
    """Refuses a value that the key cannot have."""
    expected = None
    if field.type is int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            expected = "a whole number above 0"
    elif field.type is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value < 1:
            expected = "a number from 0 up to but not including 1"
    elif field.name == "hidden_act" and value not in list(activations.ACTIVATIONS):
        expected = "one of " + ", ".join(filter(None, activations.ACTIVATIONS))
    if expected:
        raise InputError(
            f"{field.name} of the model configuration is {value!r}, expected "
            f"{expected}."
        )
