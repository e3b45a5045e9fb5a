"""What a pre-training graph answers, and the objectives that models share.

Letters: B batch, S sequence, P predicted positions.
"""

import dataclasses
from typing import Callable, Dict, NamedTuple, Optional

from encoder_ko.compat import tf
from encoder_ko.modeling import heads
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.replicas import distribution

# Upstream: BERT and ALBERT, run_pretraining.py.
_MASKED_LM_EPSILON = 1e-5
_NO_WEIGHT = 1e-9  # a mean over nothing is 0


@dataclasses.dataclass(frozen=True)
class GraphOptions:
    """How a pre-training graph is built.

    Attributes:
      is_training: False switches dropout off.
      random: of dropout and of what is masked or sampled in the graph.
      dtype: compute type.
      use_one_hot_embeddings: see `embeddings.lookup`.
      skip_padding: see EncoderModel; no objective reads padding.
      wop_weight: factor on the loss of word order prediction.
    """

    is_training: bool
    random: DropoutStream
    dtype: object = tf.float32
    use_one_hot_embeddings: bool = False
    skip_padding: bool = True
    wop_weight: float = 1.0

    def encoder(self, model_class, config, features, **arguments):
        """The encoder over `input_ids`, `input_mask` and `segment_ids`."""
        return model_class(
            config,
            self.is_training,
            features["input_ids"],
            features["input_mask"],
            features["segment_ids"],
            self.use_one_hot_embeddings,
            dtype=self.dtype,
            dropout=self.random,
            skip_padding=self.skip_padding,
            **arguments,
        )


class WeightedMean(NamedTuple):
    """A metric: the mean of values over all batches; both float32, one shape."""

    values: object
    weights: object


class Ranking(NamedTuple):
    """A metric: the area under the ROC curve; labels 0 or 1, scores from 0 to 1."""

    labels: object
    scores: object
    weights: object


class PretrainingOutput(NamedTuple):
    """Losses and metrics of one batch.

    Attributes:
      loss: float32 scalar that is minimised.
      losses: float32 scalars, the loss of each objective, by name.
      metrics: WeightedMean or Ranking by name, `<objective>_loss`, `..._accuracy`.
      predictions: tensors by name, for inspection.
      guesses: objective -> function of K that adds heads.TokenGuesses to the graph, for
        inspection, too.
    """

    loss: object
    losses: Dict[str, object]
    metrics: Dict[str, object]
    predictions: Dict[str, object]
    guesses: Dict[str, Callable[[int], heads.TokenGuesses]]


def batch_metrics(metrics) -> Dict[str, object]:
    """name -> float32 scalar, the means of one batch over all replicas.

    Rankings need more than one batch.
    """
    shown = {
        name: metric
        for name, metric in metrics.items()
        if isinstance(metric, WeightedMean) and not name.endswith("_loss")
    }
    sums = distribution.means(
        [tf.reduce_sum(metric.weights * metric.values) for metric in shown.values()]
        + [tf.reduce_sum(metric.weights) for metric in shown.values()]
    )
    return {
        name: values / (weights + _NO_WEIGHT)
        for name, values, weights in zip(shown, sums, sums[len(shown) :])
    }


def streaming_metrics(metrics):
    """`eval_metrics` of a TPUEstimatorSpec: (function, its arguments by name)."""
    parts = {
        f"{name}/{part}": value
        for name, metric in metrics.items()
        for part, value in metric._asdict().items()
    }

    def metric_fn(**found):
        def of(name, kind):
            return kind(*[found[f"{name}/{part}"] for part in kind._fields])

        return {
            name: _streaming(of(name, type(metric))) for name, metric in metrics.items()
        }

    return metric_fn, parts


def _streaming(metric):
    if isinstance(metric, Ranking):
        return tf.metrics.auc(metric.labels, metric.scores, metric.weights)
    return tf.metrics.mean(metric.values, metric.weights)


class Objective(NamedTuple):
    """One objective's part of a PretrainingOutput.

    Attributes:
      weight: float32 scalar, the tokens that `loss` is the mean of; None = of examples.
      guesses: as in PretrainingOutput; None = it predicts no tokens.
    """

    loss: object
    metrics: Dict[str, object]
    predictions: Dict[str, object]
    weight: object = None
    guesses: Optional[Callable[[int], heads.TokenGuesses]] = None


def combine(objectives: Dict[str, Objective], weights=None) -> PretrainingOutput:
    """The weighted sum of objectives; weight 1 where `weights` has no name.

    In training each replica has its share of the losses (`share_of_loss`).
    """
    weights = weights or {}
    losses = {
        name: distribution.share_of_loss(objective.loss, objective.weight)
        for name, objective in objectives.items()
    }
    metrics, predictions = {}, {}
    for objective in objectives.values():
        metrics.update(objective.metrics)
        predictions.update(objective.predictions)
    return PretrainingOutput(
        loss=tf.add_n([loss * weights.get(n, 1.0) for n, loss in losses.items()]),
        losses={name + "_loss": loss for name, loss in losses.items()},
        metrics=metrics,
        predictions=predictions,
        guesses={
            name: objective.guesses
            for name, objective in objectives.items()
            if objective.guesses
        },
    )


def accuracy(predictions, labels, weights) -> WeightedMean:
    """The weighted share of predictions that equal the labels."""
    return WeightedMean(tf.cast(tf.equal(predictions, labels), tf.float32), weights)


class TokenTargets(NamedTuple):
    """What is to be predicted of a batch.

    Attributes:
      input_ids: int32 [B, S], what the encoder reads.
      positions: int32 [B, P]. ids: int32 [B, P], the tokens that belong there.
      weights: float32 [B, P], 0 = padding.
    """

    input_ids: object
    positions: object
    ids: object
    weights: object


def token_objective(
    name, losses, tokens, targets: TokenTargets, epsilon, guesses=None
) -> Objective:
    """Loss and accuracy of predicted tokens.

    Args:
      name: prefix of the metrics.
      losses: float32 [B, P], -log probability of the targets.
      tokens: int32 [B, P], the most probable tokens.
      epsilon: added to the sum of the weights.
      guesses: see Objective.
    """
    ids, weights = targets.ids, targets.weights
    return Objective(
        loss=heads.weighted_mean(losses, weights, epsilon),
        metrics={
            name + "_loss": WeightedMean(losses, weights),
            name + "_accuracy": accuracy(tokens, ids, weights),
        },
        predictions={
            name + "_predictions": tokens,
            name + "_losses": losses,
            **{f"{name}_{key}": value for key, value in targets._asdict().items()},
        },
        weight=tf.reduce_sum(weights),
        guesses=guesses,
    )


def real_examples(features):
    """float32 [B], 0 for examples that only fill up a batch of evaluation."""
    if "is_real_example" in features:
        return features["is_real_example"]
    return tf.ones_like(features["input_ids"][:, 0], tf.float32)


def predicted_tokens(features):
    """What EncoderModel has to know of the tokens that `token_objectives` predicts.

    Returns:
      its arguments: predicted_positions int32 [B, P], predicted_weights float32 [B, P].
    """
    return {
        "predicted_positions": _joined(features, "positions"),
        "predicted_weights": _joined(features, "weights"),
    }


def _joined(features, kind):
    return tf.concat([features[f"{name}_{kind}"] for name in _predicted(features)], 1)


def _predicted(features):
    return [name for name in ("masked_lm", "wop") if name + "_positions" in features]


def token_objectives(model, features) -> Dict[str, Objective]:
    """Masked language model and, where records have it, word order prediction.

    Both go through one head, `cls/predictions`, in one product: the moved tokens are
    predicted at their positions as masked ones are, so WOP adds no variable.

    Args:
      model: EncoderModel over the masked (and shuffled) tokens, built for the
        `predicted_tokens` of the features.
      features: int32 masked_lm_positions, masked_lm_ids [B, P], float32
        masked_lm_weights [B, P], and wop_... in the same way.
    """
    names = _predicted(features)
    with tf.variable_scope("cls/predictions"):
        predicted = heads.predict_tokens(
            model, model.predicted_positions, _joined(features, "ids")
        )
    sizes = [features[name + "_ids"].shape.as_list()[1] for name in names]
    losses = tf.split(predicted.losses, sizes, 1)
    tokens = tf.split(predicted.predictions(), sizes, 1)

    def guesses_of(place):
        def guesses(count):
            parts = [tf.split(each, sizes, 1) for each in predicted.guesses(count)]
            return heads.TokenGuesses(*(part[place] for part in parts))

        return guesses

    return {
        name: token_objective(
            name,
            losses[i],
            tokens[i],
            TokenTargets(
                features["input_ids"],
                *(features[f"{name}_{key}"] for key in TokenTargets._fields[1:]),
            ),
            _MASKED_LM_EPSILON,
            guesses_of(i),
        )
        for i, name in enumerate(names)
    }


def sentence_objective(name, model, features) -> Objective:
    """Next sentence prediction, or sentence order: two classes of the pooled token.

    Args:
      name: prefix of the metrics.
      model: EncoderModel with a pooler.
      features: int32 next_sentence_labels [B, 1] or [B] and, in evaluation on a TPU,
        float32 is_real_example [B].
    """
    with tf.variable_scope("cls/seq_relationship"):
        logits = heads.classifier_logits(
            model.get_pooled_output(),
            2,
            initializer_range=model.config.initializer_range,
        )
    labels = tf.reshape(features["next_sentence_labels"], [-1])
    weights = real_examples(features)
    result = heads.classification(logits, labels, weights)
    classes = tf.argmax(logits, -1, output_type=tf.int32)
    return Objective(
        loss=result.loss,
        metrics={
            name + "_loss": WeightedMean(result.per_example_loss, weights),
            name + "_accuracy": accuracy(classes, labels, weights),
        },
        predictions={
            name + "_labels": labels,
            name + "_classes": classes,
            name + "_probabilities": result.probabilities,
        },
    )
