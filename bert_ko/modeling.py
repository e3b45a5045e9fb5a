"""BertConfig and BertModel, with upstream's names, on the shared encoder.

Source: google-research/bert, modeling.py; arXiv:1810.04805.
"""

import dataclasses

from encoder_ko.modeling import transformer
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.model import EncoderModel


@dataclasses.dataclass(frozen=True)
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
