"""What fine-tuning needs to know of ELECTRA.

Source: google-research/electra, configure_finetuning.py and finetune/.
"""

from typing import Any, Dict

from electra_ko.model.modeling import ElectraConfig, ElectraModel
from electra_ko.model.optimization import create_train_op
from encoder_ko.finetuning.family import Family, Hyperparameters
from encoder_ko.modeling import heads
from encoder_ko.modeling.token_heads import ELECTRA_HEADS
from encoder_ko.optimization import optimizers

_WIDTH_OF_LARGE = 1024


def _defaults(config: ElectraConfig) -> Dict[str, Any]:
    """Upstream's, which depend on the size: small and base, or large."""
    every_size = {"null_score_diff_threshold": -2.75}  # upstream: qa_na_threshold
    if config.hidden_size >= _WIDTH_OF_LARGE:
        return {"learning_rate": 5e-5, "layerwise_lr_decay": 0.9, **every_size}
    return {"learning_rate": 1e-4, "layerwise_lr_decay": 0.8, **every_size}


def _create_optimizer(loss, config, settings: Hyperparameters):
    return create_train_op(
        loss,
        settings.learning_rate,
        settings.train_steps,
        optimizer=settings.optimizer,
        weight_decay_rate=settings.weight_decay_rate,
        adam=settings.adam,
        update=settings.update,
        warmup_steps=settings.warmup_steps,
        rate_of=optimizers.layerwise_rate(config, settings.layerwise_lr_decay),
    )


FAMILY = Family(
    name="electra",
    config_class=ElectraConfig,
    model_class=ElectraModel,
    logits=heads.task_specific_logits,
    create_optimizer=_create_optimizer,
    loss_reduction="sum",
    unit_scores=True,
    token_heads=ELECTRA_HEADS,
    heads_have_task_name=True,
    fractional_warmup=True,
    defaults=_defaults,
)
