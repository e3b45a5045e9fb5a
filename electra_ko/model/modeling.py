"""ElectraConfig and ElectraModel, generator and discriminator, on the shared encoder.

BertConfig, BertModel and the functions are upstream's.

Source: google-research/electra, model/modeling.py and util/training_utils.py;
arXiv:2003.10555. ELECTRA is BERT with the exact GELU, without a pooler, and with
embeddings that both networks share and project to their own width.
"""

import dataclasses
from typing import Any, Dict, Mapping, Optional

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.modeling import functional, layers, transformer
from encoder_ko.modeling.activations import gelu_erf as gelu
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.functional import (
    assert_rank,
    create_attention_mask_from_input_mask,
    create_initializer,
    dropout,
    embedding_lookup,
    embedding_postprocessor,
    get_shape_list,
    layer_norm,
    layer_norm_and_dropout,
    reshape_from_matrix,
    reshape_to_matrix,
)
from encoder_ko.modeling.model import EncoderModel

__all__ = [
    "BertConfig",
    "BertModel",
    "ElectraConfig",
    "ElectraModel",
    "GENERATOR_SCOPE",
    "assert_rank",
    "config_of_size",
    "create_attention_mask_from_input_mask",
    "create_initializer",
    "dropout",
    "embedding_lookup",
    "embedding_postprocessor",
    "gelu",
    "generator_config",
    "get_activation",
    "get_assignment_map_from_checkpoint",
    "get_shape_list",
    "heads_of_width",
    "layer_norm",
    "layer_norm_and_dropout",
    "reshape_from_matrix",
    "reshape_to_matrix",
]

GENERATOR_SCOPE = "generator"
_SHARED_SCOPE = "electra"
_HEAD_WIDTH = 64


@dataclasses.dataclass
class BertConfig(EncoderConfig):
    """Upstream's configuration: without the width of the embeddings; see BertModel."""

    type_vocab_size: int = 2


@dataclasses.dataclass
class ElectraConfig(BertConfig):
    """Keys of upstream's configuration; see EncoderConfig.

    Attributes:
      embedding_size: width E of the embeddings, projected to `hidden_size` if they
        differ; None = `hidden_size`. Upstream sets 128 for small models only.
    """

    embedding_size: Optional[int] = None

    def __post_init__(self):
        super().__post_init__()
        if self.embedding_size is None:
            self.embedding_size = self.hidden_size

    @property
    def embedding_width(self) -> int:
        return self.embedding_size


_SIZES = {
    # layers, width, embedding width where it is not the same
    "small": (12, 256, 128),
    "base": (12, 768, None),
    "large": (24, 1024, None),
}


def config_of_size(
    size: str,
    vocab_size: int,
    embedding_size: Optional[int] = None,
    overrides: Optional[Mapping[str, Any]] = None,
) -> ElectraConfig:
    """The discriminator that upstream's `model_size` means: small, base or large.

    Args:
      embedding_size: None = 128 for small, else the hidden size.
      overrides: upstream's `model_hparam_overrides`, keys of the configuration; heads
        and the feed-forward layer follow the hidden size unless they are among them.

    Raises:
      InputError: another size, or an unknown key.
    """
    if size not in _SIZES:
        raise InputError(
            f"model_size is {size!r}; expected one of {', '.join(_SIZES)}."
        )
    depth, width, narrow = _SIZES[size]
    settings = {
        "vocab_size": vocab_size,
        "num_hidden_layers": depth,
        "hidden_size": width,
        "embedding_size": embedding_size or narrow,
    }
    settings.update(overrides or {})
    width = settings["hidden_size"]
    derived: Dict[str, Any] = {}
    if isinstance(width, int):  # else it is refused below
        derived = {
            "num_attention_heads": heads_of_width(width),
            "intermediate_size": 4 * width,
        }
    return ElectraConfig.from_dict(dict(derived, **settings), "model_hparam_overrides")


def generator_config(
    config: ElectraConfig, hidden_fraction: float = 0.25, layers_fraction: float = 1.0
) -> ElectraConfig:
    """The generator that goes with a discriminator.

    Args:
      config: the discriminator.
      hidden_fraction: upstream's `generator_hidden_size`, a share of `hidden_size`.
      layers_fraction: upstream's `generator_layers`, a share of `num_hidden_layers`.

    Returns:
      Sizes rounded half to even, a feed-forward layer of 4 times the width and one head
      for every 64 units: 256 x 12 with 0.25 -> 64 x 12, one head, 256.
    """
    hidden_size = int(round(config.hidden_size * hidden_fraction))
    return config.replace(
        hidden_size=hidden_size,
        num_hidden_layers=int(round(config.num_hidden_layers * layers_fraction)),
        intermediate_size=4 * hidden_size,
        num_attention_heads=heads_of_width(hidden_size),
    )


def heads_of_width(hidden_size: int) -> int:
    """Attention heads of a generator: one for every 64 units, at least one."""
    return max(1, hidden_size // _HEAD_WIDTH)


class ElectraModel(EncoderModel):
    """ELECTRA encoder; arguments and getters as in EncoderModel.

    `scope` is "electra" (the discriminator, which is what one fine-tunes) by default
    and `GENERATOR_SCOPE` for the generator; the embeddings are `electra/embeddings` in
    both. `get_pooled_output` is the first token as the last layer leaves it.
    """

    default_scope = _SHARED_SCOPE
    gelu = "gelu_erf"
    has_pooler = False
    embeddings_of = _SHARED_SCOPE

    def embedding_scope(self):
        """The same variables for every ElectraModel of a graph."""
        name = self.embeddings_of + "/embeddings"
        root = tf.VariableScope(reuse=tf.AUTO_REUSE, name=name)
        return tf.variable_scope(root, auxiliary_name_scope=False)

    def encoder_input(self, embedding_output):
        """Projects [B, S, E] to [B, S, H] where the widths differ."""
        width, hidden_size = (
            embedding_output.shape.as_list()[-1],
            self.config.hidden_size,
        )
        if width == hidden_size:
            return embedding_output
        projection = layers.dense_variables(
            "embeddings_project", width, hidden_size, layers.glorot_uniform()
        )
        return layers.dense(embedding_output, projection)

    def get_embedding_output(self):
        """[B, S, H]. Upstream: after the projection, unlike ALBERT's."""
        return self.get_encoder_input()

    def weights_of_blocks(self, dtype):
        return transformer.unshared_weights(self.config, transformer.BERT_SCOPES, dtype)


class BertModel(ElectraModel):
    """ELECTRA's encoder with upstream's arguments; getters as in EncoderModel.

    Args:
      bert_config: BertConfig or ElectraConfig.
      is_training, input_ids, input_mask, token_type_ids, scope: as in EncoderModel.
      use_one_hot_embeddings: as in EncoderModel, but True by default.
      embedding_size: width E of the embeddings; None = the configuration's or, where it
        says nothing, `hidden_size`.
      input_embeddings: float32 [B, S, E] in place of rows of the word table.
      input_reprs: float32 [B, S, W] in place of the embeddings as a whole.
      update_embeddings: False lets no gradient through to the embeddings.
      untied_embeddings: whether the embeddings are those of `scope` alone rather than
        `electra/embeddings`.
      ltr, rtl: each token attends to itself and the tokens before (after) it only.
      dtype: compute type, tf.float32 or tf.bfloat16.
    """

    def __init__(
        self,
        bert_config,
        is_training,
        input_ids,
        input_mask=None,
        token_type_ids=None,
        use_one_hot_embeddings=True,
        scope=None,
        embedding_size=None,
        input_embeddings=None,
        input_reprs=None,
        update_embeddings=True,
        untied_embeddings=False,
        ltr=False,
        rtl=False,
        dtype=tf.float32,
    ):
        self._given_words, self._given_reprs = input_embeddings, input_reprs
        self._updates_embeddings = update_embeddings
        self._sees_left, self._sees_right = not rtl, not ltr
        if untied_embeddings:
            self.embeddings_of = scope
        if input_embeddings is not None:
            embedding_size = input_embeddings.shape.as_list()[-1]
        settings = bert_config.to_dict()
        if embedding_size is not None:
            settings["embedding_size"] = embedding_size
        super().__init__(
            ElectraConfig(**settings),
            is_training,
            input_ids,
            input_mask,
            token_type_ids,
            use_one_hot_embeddings,
            scope,
            dtype,
        )

    def look_up_words(self, input_ids, use_one_hot_embeddings):
        """float32 [B, S, E], `input_embeddings` where they are given."""
        if self._given_words is not None:
            return self._given_words
        return super().look_up_words(input_ids, use_one_hot_embeddings)

    def encoder_input(self, embedding_output):
        """What is projected to [B, S, H] is `input_reprs` where they are given."""
        if self._given_reprs is not None:
            embedding_output = tf.cast(self._given_reprs, embedding_output.dtype)
        if not self._updates_embeddings:
            embedding_output = tf.stop_gradient(embedding_output)
        return super().encoder_input(embedding_output)

    def attention_mask(self, input_mask):
        """[B, S], or [B, S, S] where tokens on one side are out of sight."""
        if self._sees_left and self._sees_right:
            return input_mask
        length = tf.shape(input_mask)[1]
        seen = tf.linalg.band_part(
            tf.ones([length, length], input_mask.dtype),
            -1 if self._sees_left else 0,
            -1 if self._sees_right else 0,
        )
        return input_mask[:, None, :] * seen


def get_activation(activation_string):
    """The function that a name means, with this model's GELU; None = linear.

    Raises:
      ValueError: an unknown name.
    """
    return functional.activation_of(activation_string, gelu)


def get_assignment_map_from_checkpoint(tvars, init_checkpoint, prefix=""):
    """Which of the variables a checkpoint has, whose names may lack a prefix.

    Returns:
      ({name there: prefix + name there} for tf.train.init_from_checkpoint;
      {name: 1, name + ":0": 1} with the names there).
    """
    ours = set(functional.variable_names(tvars))
    stored = functional.checkpoint_names(init_checkpoint)
    names = sorted(name for name in stored if prefix + name in ours)
    return {n: prefix + n for n in names}, functional.initialized_names(names)
