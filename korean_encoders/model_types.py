"""The one table of model types: what each sibling gives to the commands."""

from typing import Any, Dict, NamedTuple, Tuple

from albert_ko import finetuning as albert_finetuning
from albert_ko import hugging_face as albert_names
from albert_ko import pretraining as albert_pretraining
from bert_ko import finetuning as bert_finetuning
from bert_ko import hugging_face as bert_names
from bert_ko import pretraining as bert_pretraining
from electra_ko import hugging_face as electra_names
from electra_ko.finetune import finetuning as electra_finetuning
from electra_ko.pretrain import pretraining as electra_pretraining
from encoder_ko.finetuning.family import Family
from encoder_ko.hub.weight_map import ModelNames
from encoder_ko.pretraining.trainer import Recipe


class ModelType(NamedTuple):
    """A value of --model_type.

    Attributes:
      family: its configuration and model classes, and how it is fine-tuned.
      recipe: how it is pre-trained.
      networks: names of its variables at Hugging Face, a table for each network.
    """

    family: Family
    recipe: Recipe
    networks: Tuple[ModelNames, ...]

    @property
    def config_class(self) -> Any:
        return self.family.config_class

    @property
    def model_class(self) -> Any:
        return self.family.model_class


MODEL_TYPES: Dict[str, ModelType] = {
    "bert": ModelType(
        bert_finetuning.FAMILY, bert_pretraining.RECIPE, (bert_names.NAMES,)
    ),
    "albert": ModelType(
        albert_finetuning.FAMILY, albert_pretraining.RECIPE, (albert_names.NAMES,)
    ),
    "electra": ModelType(
        electra_finetuning.FAMILY,
        electra_pretraining.RECIPE,
        electra_names.NETWORKS,
    ),
}

FAMILIES: Dict[str, Family] = {
    name: model_type.family for name, model_type in MODEL_TYPES.items()
}
