"""What fine-tuning needs to know of a model type, and how it is to train."""

import dataclasses
from typing import Any, Callable, Dict, NamedTuple

from encoder_ko.modeling.token_heads import BERT_HEADS, TokenHeads
from encoder_ko.optimization.optimizers import AdamOptions
from encoder_ko.optimization.updates import PLAIN_UPDATE, UpdateOptions


class Family(NamedTuple):
    """What fine-tuning needs to know of BERT, ALBERT or ELECTRA.

    Attributes:
      name: value of --model_type.
      config_class, model_class: EncoderConfig and EncoderModel of the sibling.
      logits: (inputs [B, H], width, task name, dropout or None) -> float32 [B, width],
        the output layer on the first token.
      create_optimizer: (loss, config, Hyperparameters) -> TrainOp.
      loss_reduction: "mean" or "sum", how the losses of a batch become one.
      unit_scores: whether scores are learnt as shares of the greatest, 0 to 1.
      token_heads: the output layers on every token.
      heads_have_task_name: whether it is in the names of a head's variables.
      fractional_warmup: whether a warm-up may last a fraction of an update.
      defaults: config -> values of flags where upstream's differ from BERT's.
    """

    name: str
    config_class: Any
    model_class: Any
    logits: Callable[..., Any]
    create_optimizer: Callable[..., Any]
    loss_reduction: str = "mean"
    unit_scores: bool = False
    token_heads: TokenHeads = BERT_HEADS
    heads_have_task_name: bool = False
    fractional_warmup: bool = False
    defaults: Callable[[Any], Dict[str, Any]] = lambda config: {}


@dataclasses.dataclass(frozen=True)
class Hyperparameters:
    """How to train.

    Attributes:
      learning_rate: peak.
      train_steps: updates of the whole run.
      warmup_steps: updates of the warm-up; a fraction counts for ELECTRA.
      eval_every_steps: updates between evaluations on dev; a fraction where they
        follow the epochs.
      patience: evaluations without a better result before training stops; 0 = never.
      seed: decides initial values, order of examples and dropout.
      weight_decay_rate: decoupled weight decay.
      layerwise_lr_decay: factor on the learning rate from layer to layer downwards.
      optimizer: a name in `optimizers.OPTIMIZERS`.
      adam: the constants of the moments.
      update: what else there is to say of updates.
    """

    learning_rate: float
    train_steps: int
    warmup_steps: float
    eval_every_steps: float
    patience: int = 0
    seed: int = 12345
    weight_decay_rate: float = 0.01
    layerwise_lr_decay: float = 1.0
    optimizer: str = "adamw"
    adam: AdamOptions = AdamOptions()
    update: UpdateOptions = PLAIN_UPDATE

    def evaluation_step(self, number: int) -> int:
        """The step of an evaluation, counted from 0; the last is at `train_steps`.

        Every 5.5 steps of 11: at 5 and 11.
        """
        return min(int((number + 1) * self.eval_every_steps), self.train_steps)
