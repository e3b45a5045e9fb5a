"""ElectraConfig and ElectraModel, generator and discriminator, on the shared encoder.

Source: google-research/electra, model/modeling.py and util/training_utils.py;
arXiv:2003.10555. ELECTRA is BERT with the exact GELU, without a pooler, and with
embeddings that both networks share and project to their own width.
"""

import dataclasses
from typing import Optional

from encoder_ko.compat import tf
from encoder_ko.modeling import layers, transformer
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.model import EncoderModel

GENERATOR_SCOPE = "generator"
_SHARED_SCOPE = "electra"
_HEAD_WIDTH = 64


@dataclasses.dataclass(frozen=True)
class ElectraConfig(EncoderConfig):
    """Keys of upstream's configuration; see EncoderConfig.

    Attributes:
      embedding_size: width E of the embeddings, projected to `hidden_size` if they
        differ; None = `hidden_size`. Upstream sets 128 for small models only.
    """

    type_vocab_size: int = 2
    embedding_size: Optional[int] = None

    def __post_init__(self):
        super().__post_init__()
        if self.embedding_size is None:
            object.__setattr__(self, "embedding_size", self.hidden_size)

    @property
    def embedding_width(self) -> int:
        return self.embedding_size


_SIZES = {
    # layers, width, heads, embedding width where it is not the same
    "small": (12, 256, 4, 128),
    "base": (12, 768, 12, None),
    "large": (24, 1024, 16, None),
}


def config_of_size(
    size: str, vocab_size: int, embedding_size: Optional[int] = None
) -> ElectraConfig:
    """The discriminator that upstream's `model_size` means: small, base or large."""
    layers_, width, heads, narrow = _SIZES[size]
    return ElectraConfig(
        vocab_size=vocab_size,
        num_hidden_layers=layers_,
        hidden_size=width,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        embedding_size=embedding_size or narrow,
    )


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

    def embedding_scope(self):
        """The same variables for every ElectraModel of a graph."""
        root = tf.VariableScope(reuse=tf.AUTO_REUSE, name=_SHARED_SCOPE + "/embeddings")
        return tf.variable_scope(root, auxiliary_name_scope=False)

    def encoder_input(self, embedding_output):
        """Projects [B, S, E] to [B, S, H] where the widths differ."""
        config = self.config
        if config.embedding_size == config.hidden_size:
            return embedding_output
        projection = layers.dense_variables(
            "embeddings_project",
            config.embedding_size,
            config.hidden_size,
            layers.glorot_uniform(),
        )
        return layers.dense(embedding_output, projection)

    def get_embedding_output(self):
        """[B, S, H]. Upstream: after the projection, unlike ALBERT's."""
        return self.get_encoder_input()

    def weights_of_blocks(self, dtype):
        return transformer.unshared_weights(self.config, transformer.BERT_SCOPES, dtype)
