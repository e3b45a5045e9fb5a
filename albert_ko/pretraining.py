"""ALBERT's objectives: masked language model, sentence order and word order.

Source: google-research/albert, run_pretraining.py; word order prediction (WOP) in
StructBERT's form, arXiv:1908.04577.
"""

from albert_ko.modeling import AlbertConfig, AlbertModel
from albert_ko.optimization import create_train_op
from encoder_ko.pretraining import objectives, trainer
from encoder_ko.pretraining.args import OptimizerArgs
from encoder_ko.training import restoring


def build(config, features, options) -> objectives.PretrainingOutput:
    """The pre-training graph of one batch; total = MLM + SOP + weight x WOP.

    Args:
      config: AlbertConfig.
      features: int32 input_ids, input_mask, segment_ids [B, S], masked_lm_positions,
        masked_lm_ids [B, P], float32 masked_lm_weights [B, P], int32
        next_sentence_labels [B, 1] (upstream's name; 1 = swapped), and, for WOP,
        wop_... like masked_lm_...
      options: objectives.GraphOptions.
    """
    predicted = objectives.predicted_tokens(features)
    model = options.encoder(AlbertModel, config, features, **predicted)
    return objectives.combine(
        {
            **objectives.token_objectives(model, features),
            "sentence_order": objectives.sentence_objective(
                "sentence_order", model, features
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
        poly_power=options.power,
        start_warmup_step=options.start_warmup_step,
        update=update,
        weight_decay_rate=options.weight_decay_rate,
        adam=options.adam,
    )


RECIPE = trainer.Recipe(
    name="albert",
    config_class=AlbertConfig,
    defaults=dict(
        max_seq_length=512,
        train_batch_size=4096,
        eval_batch_size=64,
        optimizer="lamb",
        learning_rate=0.00176,
        num_train_steps=125000,
        num_warmup_steps=3125,
        save_checkpoints_steps=5000,
        iterations_per_loop=1000,
    ),
    build=build,
    create_optimizer=_create_optimizer,
    group_0=restoring.StandIn(r"/group_\d+/", "/group_0/"),
)
