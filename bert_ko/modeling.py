"""BertConfig and BertModel, with upstream's names, on the shared encoder.

Source: google-research/bert, modeling.py; arXiv:1810.04805.
"""

import dataclasses

from encoder_ko import transformer
from encoder_ko.config import EncoderConfig
from encoder_ko.model import EncoderModel


@dataclasses.dataclass(frozen=True)
class BertConfig(EncoderConfig):
    """Keys of upstream's bert_config.json; see EncoderConfig."""


class BertModel(EncoderModel):
    """BERT encoder; arguments and getters as in EncoderModel."""

    default_scope = "bert"

    def weights_of_blocks(self, dtype):
        return transformer.unshared_weights(self.config, transformer.BERT_SCOPES, dtype)
