"""AlbertConfig and AlbertModel, with upstream's names, on the shared encoder.

Source: google-research/albert, modeling.py; arXiv:1909.11942. ALBERT is BERT with
narrow embeddings that are mapped to the hidden width and with layers that share their
variables; its root scope is `bert`, too.
"""

import dataclasses

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.modeling import embeddings, layers, transformer
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.model import EncoderModel


@dataclasses.dataclass(frozen=True)
class AlbertConfig(EncoderConfig):
    """Keys of upstream's albert_config.json; see EncoderConfig.

    The defaults are those of xxlarge, as upstream's are.

    Attributes:
      embedding_size: width E of the embeddings, mapped to `hidden_size` if they differ.
      num_hidden_groups: sets of layer variables; layer l of L uses set
        int(l / L * groups).
      inner_group_num: blocks in each layer, each with variables of its own.

    Raises:
      InputError: more groups than layers; also as EncoderConfig.
    """

    hidden_size: int = 4096
    num_attention_heads: int = 64
    intermediate_size: int = 16384
    hidden_dropout_prob: float = 0.0
    attention_probs_dropout_prob: float = 0.0
    type_vocab_size: int = 2
    embedding_size: int = 128
    num_hidden_groups: int = 1
    inner_group_num: int = 1

    unread_keys = {
        "down_scale_factor": 1,
        "net_structure_type": 0,
        "gap_size": 0,
        "num_memory_blocks": 0,
        "ln_type": "postln",
    }

    def __post_init__(self):
        super().__post_init__()
        if self.num_hidden_groups > self.num_hidden_layers:
            raise InputError(
                f"num_hidden_groups={self.num_hidden_groups} is above "
                f"num_hidden_layers={self.num_hidden_layers}: some groups would have "
                "no layer. Lower it in the model configuration."
            )

    @property
    def embedding_width(self) -> int:
        return self.embedding_size

    def group_of_layer(self, layer: int) -> int:
        """Which set of variables layer `layer` (from 0) uses."""
        return int(layer / self.num_hidden_layers * self.num_hidden_groups)

    def _depths(self):
        """A group is as deep as the last of the layers that share it."""
        groups = {
            f"/transformer/group_{self.group_of_layer(layer)}/": layer + 1
            for layer in range(self.num_hidden_layers)
        }
        return {"/embedding_hidden_mapping_in/": 0, **groups, **super()._depths()}


class AlbertModel(EncoderModel):
    """ALBERT encoder; arguments and getters as in EncoderModel."""

    default_scope = "bert"

    def look_up_token_types(self, token_type_ids, use_one_hot_embeddings):
        """Upstream: unlike BERT, ALBERT gathers token types outside TPU."""
        return embeddings.lookup(
            self._tables.token_type, token_type_ids, use_one_hot_embeddings
        )

    def encoder_input(self, embedding_output):
        """Maps [B, S, E] to [B, S, H] where the widths differ."""
        config = self.config
        if config.embedding_size == config.hidden_size:
            return embedding_output
        with tf.variable_scope("encoder"):
            mapping = layers.dense_variables(
                "embedding_hidden_mapping_in",
                config.embedding_size,
                config.hidden_size,
                layers.truncated_normal(config.initializer_range),
            )
        return layers.dense(embedding_output, mapping)

    def weights_of_blocks(self, dtype):
        config = self.config
        group_of = [config.group_of_layer(n) for n in range(config.num_hidden_layers)]
        groups = []
        for group in range(config.num_hidden_groups):
            blocks = []
            for inner in range(config.inner_group_num):
                scope = f"transformer/group_{group}/inner_group_{inner}"
                with tf.variable_scope(scope):
                    variables = transformer.layer_variables(
                        config, transformer.ALBERT_SCOPES
                    )
                weights = transformer.layer_weights(variables, dtype)
                uses = group_of.count(group)
                blocks.append(iter(transformer.shared_weights(weights, uses)))
            groups.append(blocks)
        return [next(block) for group in group_of for block in groups[group]]
