"""What fine-tuning needs to know of ALBERT. Source: albert, classifier_utils.py."""

from albert_ko.modeling import AlbertConfig, AlbertModel
from albert_ko.optimization import create_train_op
from encoder_ko.finetuning.family import Family, Hyperparameters
from encoder_ko.modeling import heads
from encoder_ko.modeling.token_heads import ALBERT_HEADS
from encoder_ko.optimization import optimizers


def _create_optimizer(loss, config, settings: Hyperparameters):
    return create_train_op(
        loss,
        settings.learning_rate,
        settings.train_steps,
        int(settings.warmup_steps),
        optimizer=settings.optimizer,
        weight_decay_rate=settings.weight_decay_rate,
        adam=settings.adam,
        update=settings.update,
        rate_of=optimizers.layerwise_rate(config, settings.layerwise_lr_decay),
    )


FAMILY = Family(
    name="albert",
    config_class=AlbertConfig,
    model_class=AlbertModel,
    logits=heads.classifier_logits,
    create_optimizer=_create_optimizer,
    token_heads=ALBERT_HEADS,
)
