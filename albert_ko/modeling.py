"""AlbertConfig and AlbertModel on the shared encoder, and upstream's functions.

Source: google-research/albert, modeling.py; arXiv:1909.11942. ALBERT is BERT with
narrow embeddings that are mapped to the hidden width and with layers that share their
variables; its root scope is `bert`, too.
"""

import dataclasses
import re

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.modeling import embeddings, functional, layers, transformer
from encoder_ko.modeling.activations import gelu_tanh as gelu
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
    "AlbertConfig",
    "AlbertModel",
    "assert_rank",
    "create_attention_mask_from_input_mask",
    "create_initializer",
    "dropout",
    "einsum_via_matmul",
    "embedding_lookup",
    "embedding_postprocessor",
    "gelu",
    "get_activation",
    "get_assignment_map_from_checkpoint",
    "get_shape_list",
    "layer_norm",
    "layer_norm_and_dropout",
    "reshape_from_matrix",
    "reshape_to_matrix",
]


@dataclasses.dataclass(init=False)
class AlbertConfig(EncoderConfig):
    """Keys of upstream's albert_config.json, in upstream's order; see EncoderConfig.

    The defaults are those of xxlarge, as upstream's are. `down_scale_factor` is
    accepted and dropped: upstream's code does not read it either.

    Attributes:
      embedding_size: width E of the embeddings, mapped to `hidden_size` if they differ.
      num_hidden_groups: sets of layer variables; layer l of L uses set
        int(l / L * groups).
      inner_group_num: blocks in each layer, each with variables of its own.
    """

    embedding_size: int
    num_hidden_groups: int
    inner_group_num: int

    unread_keys = {
        "down_scale_factor": None,
        "net_structure_type": 0,
        "gap_size": 0,
        "num_memory_blocks": 0,
        "ln_type": "postln",
    }

    def __init__(
        self,
        vocab_size,
        embedding_size=128,
        hidden_size=4096,
        num_hidden_layers=12,
        num_hidden_groups=1,
        num_attention_heads=64,
        intermediate_size=16384,
        inner_group_num=1,
        down_scale_factor=1,
        hidden_act="gelu",
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=512,
        type_vocab_size=2,
        initializer_range=0.02,
    ):
        del down_scale_factor
        self.embedding_size = embedding_size
        self.num_hidden_groups = num_hidden_groups
        self.inner_group_num = inner_group_num
        super().__init__(
            vocab_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            hidden_act,
            hidden_dropout_prob,
            attention_probs_dropout_prob,
            max_position_embeddings,
            type_vocab_size,
            initializer_range,
        )

    def check(self) -> None:
        """As EncoderConfig; also raises InputError for more groups than layers."""
        super().check()
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

    def __init__(
        self,
        config,
        is_training,
        input_ids,
        input_mask=None,
        token_type_ids=None,
        use_one_hot_embeddings=False,
        use_einsum=True,
        scope=None,
        **options,
    ):
        """Upstream's `use_einsum` chooses between two ways to the same product."""
        del use_einsum
        super().__init__(
            config,
            is_training,
            input_ids,
            input_mask,
            token_type_ids,
            use_one_hot_embeddings,
            scope,
            **options,
        )

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


def get_activation(activation_string):
    """The function that a name means, with this model's GELU; None = linear.

    Raises:
      ValueError: an unknown name.
    """
    return functional.activation_of(activation_string, gelu)


def get_assignment_map_from_checkpoint(tvars, init_checkpoint, num_of_group=0):
    """Which of the variables a checkpoint has.

    With `num_of_group` above 1, variables of a group that the checkpoint lacks start
    from those of its group 0.

    Args:
      tvars: variables of the graph.
      init_checkpoint: prefix of the files, or a folder.
      num_of_group: above 0 = one map for each group, since a name there can be wanted
        several times.

    Returns:
      ({name there: name} for tf.train.init_from_checkpoint, or a list of `num_of_group`
      of them; {name: 1, name + ":0": 1}).
    """
    stored = functional.checkpoint_names(init_checkpoint)
    maps, names = [{} for _ in range(max(1, num_of_group))], []
    for name in functional.variable_names(tvars):
        candidates = [name]
        if num_of_group > 1:
            candidates += [
                re.sub(f"/{part}_\\d+/", f"/{part}_{first}/", name)
                for part, first in (("group", 0), ("ffn", 1), ("attention", 1))
            ]
        there = next((known for known in candidates if known in stored), None)
        if there is not None:
            names.append(name)
            for group in _groups_in(name, num_of_group):
                maps[group][there] = name
    found = maps if num_of_group > 0 else maps[0]
    return found, functional.initialized_names(names)


def _groups_in(name, num_of_group):
    """Upstream: ffn_1 and attention_1, which are in every layer, count as group 1."""
    return [
        group
        for group in range(1, num_of_group)
        if re.search(f"/(group|ffn|attention)_{group}/", name)
    ] or [0]


def einsum_via_matmul(input_tensor, w, num_inner_dims):
    """Sums products over the last axes of one tensor and the first of another.

    Args:
      input_tensor: float [batch axes ..., inner axes ...].
      w: float [inner axes ..., outer axes ...], of known shape.
      num_inner_dims: how many axes the two have in common.

    Returns:
      float [batch axes ..., outer axes ...].
    """
    axes = list(range(num_inner_dims))
    return tf.tensordot(input_tensor, w, [[a - num_inner_dims for a in axes], axes])
