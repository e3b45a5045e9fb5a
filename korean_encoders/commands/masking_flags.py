"""How pre-training masks tokens, by the flags of run_pretraining.py."""

from typing import Any

from absl import flags

from data.io.errors import InputError
from data.pretraining.masking import MaskingOptions
from data.records.dataset import RecordFiles
from data.tokenization import Tokenizer
from electra_ko.pretrain.masking import GeneratorMasking
from electra_ko.pretrain.pretraining import ElectraOptions
from encoder_ko.pretraining import graph_masking


def electra_options(values: flags.FlagValues, tokenizer: Tokenizer) -> Any:
    """What ELECTRA's generator and discriminator learn.

    Raises:
      InputError: no token of a row would be masked.
    """
    never_masked = (tokenizer.cls_id, tokenizer.sep_id, tokenizer.mask_id)
    masking = GeneratorMasking(tokenizer.mask_id, never_masked, values.mask_prob)
    if not masking.slots(values.max_seq_length):
        raise InputError(
            f"--mask_prob={values.mask_prob:g} of --max_seq_length="
            f"{values.max_seq_length} tokens is less than one: nothing would be learnt."
        )
    return ElectraOptions.from_flags(values, masking)


def dynamic_options(values: flags.FlagValues, data: RecordFiles) -> MaskingOptions:
    """What --dynamic_masking masks: as flags say, else as the records were built."""
    has_word_order = any(f.name == "wop_positions" for f in data.features)
    usual = {
        "masked_lm_prob": 0.15,
        "do_whole_word_mask": False,
        "ngram": 3 if values.model_type == "albert" else 1,
        "favor_shorter_ngram": True,
        "wop_prob": 0.15 if has_word_order else 0.0,
        "wop_ngram": 3,
    }
    given = {name: values[name].value for name in usual}
    return graph_masking.options_for(
        values.max_predictions_per_seq, usual, data.settings, given
    )
