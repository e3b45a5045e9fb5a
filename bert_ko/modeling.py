"""BertConfig and BertModel, with upstream's names, on the shared encoder.

Source: google-research/bert, modeling.py; arXiv:1810.04805.
"""

import dataclasses

from encoder_ko import transformer
from encoder_ko.config import EncoderConfig
from encoder_ko.model import EncoderModel

# Keys of the multilingual and the Chinese model that upstream's code never reads.
_UNREAD_KEYS = (
    "directionality",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
)


@dataclasses.dataclass(frozen=True)
class BertConfig(EncoderConfig):
    """Keys of upstream's bert_config.json; see EncoderConfig."""

    @classmethod
    def from_dict(cls, json_object, source="configuration"):
        """As EncoderConfig; keys that upstream never reads may be there."""
        read = {k: v for k, v in json_object.items() if k not in _UNREAD_KEYS}
        return super().from_dict(read, source)


class BertModel(EncoderModel):
    """BERT encoder; arguments and getters as in EncoderModel."""

    default_scope = "bert"

    def weights_of_blocks(self, dtype):
        return transformer.unshared_weights(self.config, transformer.BERT_SCOPES, dtype)
