"""BERT's objectives: masked language model and next sentence prediction.

Source: google-research/bert, run_pretraining.py.
"""

from bert_ko.modeling import BertConfig, BertModel
from bert_ko.optimization import create_train_op
from encoder_ko.pretraining import objectives, trainer
from encoder_ko.pretraining.args import OptimizerArgs


def build(config, features, options) -> objectives.PretrainingOutput:
    """The pre-training graph of one batch; total = MLM + NSP (+ WOP if asked for).

    Args:
      config: BertConfig.
      features: int32 input_ids, input_mask, segment_ids [B, S], masked_lm_positions,
        masked_lm_ids [B, P], float32 masked_lm_weights [B, P], int32
        next_sentence_labels [B, 1] (1 = random next), and wop_... like masked_lm_...
      options: objectives.GraphOptions.
    """
    predicted = objectives.predicted_tokens(features)
    model = options.encoder(BertModel, config, features, **predicted)
    return objectives.combine(
        {
            **objectives.token_objectives(model, features),
            "next_sentence": objectives.sentence_objective(
                "next_sentence", model, features
            ),
        },
        {"wop": options.wop_weight},
    )


def _create_optimizer(loss, options: OptimizerArgs, update):
    return create_train_op(
        loss,
        options.learning_rate,
        options.train_steps,
        options.warmup_steps,
        optimizer=options.optimizer,
        update=update,
        weight_decay_rate=options.weight_decay_rate,
        adam=options.adam,
    )


RECIPE = trainer.Recipe(
    name="bert",
    config_class=BertConfig,
    defaults=dict(
        max_seq_length=128,
        train_batch_size=32,
        eval_batch_size=8,
        optimizer="adamw",
        learning_rate=5e-5,
        num_train_steps=100000,
        num_warmup_steps=10000,
        save_checkpoints_steps=1000,
        iterations_per_loop=1000,
    ),
    build=build,
    create_optimizer=_create_optimizer,
)
