"""ELECTRA's objective: a small masked language model replaces tokens, a larger network
tells which.

Source: google-research/electra, run_pretraining.py; arXiv:2003.10555.

Letters: B batch, S sequence, N masked slots.
"""

import dataclasses
import math
from typing import NamedTuple

from absl import flags

from electra_ko.model.modeling import (
    GENERATOR_SCOPE,
    ElectraConfig,
    ElectraModel,
    generator_config,
)
from electra_ko.model.optimization import create_train_op
from electra_ko.pretrain import masking
from electra_ko.pretrain.masking import GeneratorMasking
from encoder_ko.compat import tf
from encoder_ko.modeling import heads, layers
from encoder_ko.modeling.gather import scatter_update
from encoder_ko.pretraining import objectives, trainer
from encoder_ko.pretraining.args import OptimizerArgs

_EPSILON = 1e-6


@dataclasses.dataclass(frozen=True)
class ElectraOptions:
    """What ELECTRA's pre-training has besides the discriminator's configuration.

    Attributes:
      masking: which tokens the generator has to predict.
      generator_hidden_size, generator_layers: shares of the discriminator's sizes.
      untied_generator: False makes the generator the discriminator's own layers, in
        their full size, with a head to predict words.
      untied_generator_embeddings: whether the generator has embeddings of its own, of
        its own width, rather than those of the discriminator.
      uniform_generator: in place of a generator, every token of the vocabulary is as
        probable; its loss is the constant log V.
      temperature: above 0, divides the generator's logits before it samples: the
        higher, the more uniform.
      disallow_correct: whether the original token is never sampled, so that every
        masked one is replaced.
      gen_weight, disc_weight: factors on the two losses.
      electra_objective: False trains the discriminator's own layers as a masked
        language model, BERT's objective: no generator, nothing replaced.
    """

    masking: GeneratorMasking
    generator_hidden_size: float = 0.25
    generator_layers: float = 1.0
    untied_generator: bool = True
    untied_generator_embeddings: bool = False
    uniform_generator: bool = False
    temperature: float = 1.0
    disallow_correct: bool = False
    gen_weight: float = 1.0
    disc_weight: float = 50.0
    electra_objective: bool = True

    @classmethod
    def from_flags(
        cls, values: flags.FlagValues, generator_masking: GeneratorMasking
    ) -> "ElectraOptions":
        names = {field.name for field in dataclasses.fields(cls)} - {"masking"}
        return cls(generator_masking, **{name: values[name].value for name in names})


class Replaced(NamedTuple):
    """What the discriminator reads: int32 [B, S] both.

    Attributes:
      input_ids: originals with the generator's samples in place.
      is_replaced: 1 where a sample differs from the original.
    """

    input_ids: object
    is_replaced: object


def build(config, features, options, electra) -> objectives.PretrainingOutput:
    """The pre-training graph of one batch, masked and sampled in the graph.

    Args:
      config: ElectraConfig of the discriminator.
      features: int32 input_ids (original tokens), input_mask, segment_ids [B, S].
      options: objectives.GraphOptions.
      electra: ElectraOptions.
    """
    masked = masking.mask(features, electra.masking, options.random)
    if not electra.electra_objective:
        masked_lm, _ = _masked_lm(config, features, masked, options, scope=None)
        return objectives.combine(
            {"masked_lm": masked_lm}, {"masked_lm": electra.gen_weight}
        )
    if electra.uniform_generator:
        generator = _uniform_objective(config, masked)
        sampled = masking.sample_uniformly(
            masked.ids, config.vocab_size, electra.disallow_correct, options.random
        )
    else:
        generator, predicted = generate(config, features, masked, options, electra)
        predicted = masking.adjusted(
            predicted, masked.ids, electra.temperature, electra.disallow_correct
        )
        sampled = masking.sample_tokens(predicted, options.random)
    replaced = replace(features["input_ids"], masked.positions, sampled)
    is_generator = not (electra.untied_generator or electra.uniform_generator)
    discriminator = discriminate(config, features, replaced, options, is_generator)
    output = objectives.combine(
        {"masked_lm": generator, "disc": discriminator},
        {"masked_lm": electra.gen_weight, "disc": electra.disc_weight},
    )
    output.metrics["sampled_masked_lm_accuracy"] = objectives.accuracy(
        sampled, masked.ids, masked.weights
    )
    return output


def generate(config, features, masked, options, electra):
    """The generator: a masked language model over `masked.input_ids`.

    Returns:
      (its Objective, TokenPredictions).
    """
    if not electra.untied_generator:
        return _masked_lm(config, features, masked, options, None)
    small = generator_config(
        config, electra.generator_hidden_size, electra.generator_layers
    )
    model_class = ElectraModel
    if electra.untied_generator_embeddings:
        model_class = UntiedGenerator
        small = small.replace(embedding_size=small.hidden_size)
    return _masked_lm(small, features, masked, options, GENERATOR_SCOPE, model_class)


class UntiedGenerator(ElectraModel):
    """A generator whose embeddings are not the discriminator's."""

    embeddings_of = GENERATOR_SCOPE


def _masked_lm(config, features, masked, options, scope, model_class=ElectraModel):
    inputs = dict(features, input_ids=masked.input_ids)
    model = options.encoder(
        model_class,
        config,
        inputs,
        scope=scope or ElectraModel.default_scope,
        predicted_positions=masked.positions,
        predicted_weights=masked.weights,
    )
    with tf.variable_scope("generator_predictions"):
        predicted = heads.predict_tokens(
            model, masked.positions, masked.ids, transform_scope=None
        )
    objective = _objective(
        predicted.losses, predicted.predictions(), masked, predicted.guesses
    )
    return objective, predicted


def _objective(losses, predictions, masked, guesses=None):
    targets = objectives.TokenTargets(*masked)
    return objectives.token_objective(
        "masked_lm", losses, predictions, targets, _EPSILON, guesses
    )


def _uniform_objective(config, masked):
    """Upstream: of equal logits the first counts as the prediction."""
    losses = tf.fill(tf.shape(masked.ids), math.log(config.vocab_size))
    return _objective(losses, tf.zeros_like(masked.ids), masked)


def replace(input_ids, positions, sampled) -> Replaced:
    """Writes the samples: 오늘 날씨 가 with 날씨 -> 하늘: is_replaced 0 1 0.

    A sample that equals the original counts as original.
    """
    corrupted, written = scatter_update(input_ids, sampled, positions)
    differs = tf.cast(tf.not_equal(corrupted, input_ids), tf.int32)
    return Replaced(corrupted, written * differs)


def discriminate(
    config, features, replaced, options, is_generator=False
) -> objectives.Objective:
    """The discriminator: which tokens are replaced, over all but padding.

    What it predicts for padding has no meaning.

    Args:
      is_generator: whether its layers are those that generated.
    """
    inputs = dict(features, input_ids=replaced.input_ids)
    with tf.variable_scope(tf.get_variable_scope(), reuse=is_generator or None):
        model = options.encoder(
            ElectraModel, config, inputs, scope=ElectraModel.default_scope
        )
    with tf.variable_scope("discriminator_predictions"):
        logits = _discriminator_logits(model, config)
    labels = replaced.is_replaced
    real = tf.cast(features["input_mask"], tf.float32)
    losses = real * tf.nn.sigmoid_cross_entropy_with_logits(
        logits=logits, labels=tf.cast(labels, tf.float32)
    )
    predictions = tf.cast(tf.round((tf.sign(logits) + 1) / 2), tf.int32)
    probabilities = tf.sigmoid(logits)
    per_row = tf.reduce_sum(losses, -1) / (tf.reduce_sum(real, -1) + _EPSILON)
    return objectives.Objective(
        loss=tf.reduce_sum(losses) / (tf.reduce_sum(real) + _EPSILON),
        metrics={
            "disc_loss": objectives.WeightedMean(
                per_row, objectives.real_examples(features)
            ),
            **_discriminator_metrics(labels, predictions, probabilities, real),
        },
        predictions={
            "disc_labels": labels,
            "disc_predictions": predictions,
            "disc_probabilities": probabilities,
            "disc_input_ids": replaced.input_ids,
        },
        weight=tf.reduce_sum(real),
    )


def _discriminator_logits(model, config):
    """float32 [B, S]: dense, activation, dense of one unit."""
    hidden = model.get_sequence_output()
    width = config.hidden_size
    first = layers.dense_variables(
        "dense", width, width, layers.truncated_normal(config.initializer_range)
    )
    last = layers.dense_variables("dense_1", width, 1, layers.glorot_uniform())
    shape = tf.shape(hidden)[:2]
    hidden = tf.reshape(hidden, [-1, width])
    hidden = tf.cast(layers.dense(hidden, first, model.activation), tf.float32)
    return tf.reshape(layers.dense(hidden, last), shape)


def _discriminator_metrics(labels, predictions, probabilities, real):
    """Upstream's metrics. Its AUC counts padding as original tokens; this one does not.

    Precision and recall are the accuracy over tokens taken for replaced, and over
    replaced tokens.
    """
    as_float = [tf.cast(x, tf.float32) for x in (labels, predictions)]

    def accuracy_over(weights):
        return objectives.accuracy(predictions, labels, weights)

    return {
        "disc_accuracy": accuracy_over(real),
        "disc_precision": accuracy_over(as_float[1] * real),
        "disc_recall": accuracy_over(as_float[0] * real),
        "disc_auc": objectives.Ranking(labels, probabilities, real),
    }


def _create_optimizer(loss, options: OptimizerArgs, update):
    return create_train_op(
        loss,
        options.learning_rate,
        options.train_steps,
        weight_decay_rate=options.weight_decay_rate,
        warmup_steps=options.warmup_steps,
        lr_decay_power=options.power,
        optimizer=options.optimizer,
        update=update,
        adam=options.adam,
    )


RECIPE = trainer.Recipe(
    name="electra",
    config_class=ElectraConfig,
    defaults=dict(
        max_seq_length=128,
        train_batch_size=128,
        eval_batch_size=128,
        optimizer="adamw",
        learning_rate=5e-4,
        num_train_steps=1000000,
        num_warmup_steps=10000,
        save_checkpoints_steps=1000,
        iterations_per_loop=200,
    ),
    build=build,
    create_optimizer=_create_optimizer,
    # The head follows the network that predicts words: the generator, or, without
    # `electra_objective`, the discriminator.
    resizable="^generator_predictions/",
)
