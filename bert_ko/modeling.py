"""BertConfig and BertModel on the shared encoder, and upstream's functions.

Source: google-research/bert, modeling.py; arXiv:1810.04805.
"""

import dataclasses

from encoder_ko.modeling import functional, transformer
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
    "BertConfig",
    "BertModel",
    "assert_rank",
    "create_attention_mask_from_input_mask",
    "create_initializer",
    "dropout",
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


@dataclasses.dataclass
class BertConfig(EncoderConfig):
    """Keys of upstream's bert_config.json; see EncoderConfig."""

    # The multilingual and the Chinese model have these.
    unread_keys = {
        "directionality": None,
        "pooler_fc_size": None,
        "pooler_num_attention_heads": None,
        "pooler_num_fc_layers": None,
        "pooler_size_per_head": None,
        "pooler_type": None,
    }


class BertModel(EncoderModel):
    """BERT encoder; arguments and getters as in EncoderModel."""

    default_scope = "bert"

    def weights_of_blocks(self, dtype):
        return transformer.unshared_weights(self.config, transformer.BERT_SCOPES, dtype)


def get_activation(activation_string):
    """The function that a name means, with this model's GELU; None = linear.

    Raises:
      ValueError: an unknown name.
    """
    return functional.activation_of(activation_string, gelu)


def get_assignment_map_from_checkpoint(tvars, init_checkpoint):
    """Which of the variables a checkpoint has.

    Returns:
      ({name: name} for tf.train.init_from_checkpoint, {name: 1, name + ":0": 1}).
    """
    stored = functional.checkpoint_names(init_checkpoint)
    names = [name for name in functional.variable_names(tvars) if name in stored]
    return dict(zip(names, names)), functional.initialized_names(names)
