"""Networks of one narrow layer, for graphs that are built and compiled, not learnt."""

import functools

import numpy as np

from data.pretraining import masking
from electra_ko.pretrain.masking import GeneratorMasking
from electra_ko.pretrain.pretraining import ElectraOptions
from encoder_ko.pretraining import trainer as pretraining
from encoder_ko.pretraining.args import OptimizerArgs
from korean_encoders.model_types import MODEL_TYPES

LENGTH, PREDICTIONS, VOCABULARY = 16, 3, 40

CONFIG = {
    "vocab_size": VOCABULARY,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": LENGTH,
    "type_vocab_size": 2,
}
OWN_KEYS = {"albert": {"embedding_size": 4}, "electra": {"embedding_size": 4}}


def config_of(model_type):
    keys = dict(CONFIG, **OWN_KEYS.get(model_type, {}))
    return MODEL_TYPES[model_type].config_class.from_dict(keys)


def network_of(model_type, wop_prob=None, **electra):
    found = MODEL_TYPES[model_type].recipe
    masker, build = None, found.build
    if model_type == "electra":
        options = ElectraOptions(GeneratorMasking(4, (2, 3, 4)), **electra)
        build = functools.partial(build, electra=options)
    elif wop_prob is not None:
        is_special = np.arange(VOCABULARY) < 5
        masker = pretraining.Masker(
            masking.MaskingOptions(
                max_predictions_per_seq=PREDICTIONS, wop_prob=wop_prob
            ),
            masking.VocabularyTraits(4, is_special, np.zeros_like(is_special)),
        )
    options = OptimizerArgs("adamw", 0.1, 10, 2)
    return pretraining.PretrainingNetwork(
        config_of(model_type),
        build,
        lambda loss, update: found.create_optimizer(loss, options, update),
        masker,
    )
