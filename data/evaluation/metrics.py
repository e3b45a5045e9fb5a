"""Figures on whole arrays of labels and predictions, on the host.

Nothing here knows a model or a graph. Every function is defined for degenerate input
(a class that is never predicted, constant predictions) and warns of nothing.
"""

from typing import Any, Dict, Sequence

import numpy as np

from ..io.errors import InputError


def classification_metrics(
    labels: Sequence[int], predictions: Sequence[int], label_names: Sequence[str]
) -> Dict[str, Any]:
    """Accuracy, precision, recall and F1 of each class, macro F1, confusion matrix.

    For the classes 부정 (0) and 긍정 (1), labels [0, 0, 1] and predictions [0, 1, 1]:
    accuracy 2/3; 부정 has precision 1, recall 1/2, F1 2/3; so has 긍정 with precision
    and recall exchanged; macro F1 2/3; matrix [[1, 1], [0, 1]].

    Precision is 0 for a class that is never predicted, recall 0 for one that never
    occurs, F1 0 where both are. The macro average is over the classes that occur in
    the labels or the predictions, as scikit-learn's ``f1_score(average="macro")``.

    Args:
      labels: int [N], the true classes.
      predictions: int [N].
      label_names: one name per class, in the order of the class ids.

    Returns:
      Plain Python numbers, ready for JSON: ``num_examples``, ``accuracy``,
      ``macro_f1``, ``macro_precision``, ``macro_recall``, ``per_class`` (name ->
      precision, recall, f1, support), ``confusion_matrix`` (rows are true classes,
      columns predicted ones).

    Raises:
      InputError: no examples, different lengths, or an id that has no name.
    """
    matrix = confusion_matrix(labels, predictions, len(label_names))
    hits = np.diag(matrix).astype(np.float64)
    support = matrix.sum(axis=1)
    predicted = matrix.sum(axis=0)
    precision = _ratio(hits, predicted)
    recall = _ratio(hits, support)
    f1 = _ratio(2.0 * hits, support + predicted)
    occurs = support + predicted > 0
    return {
        "num_examples": int(matrix.sum()),
        "accuracy": float(hits.sum() / matrix.sum()),
        "macro_f1": float(f1[occurs].mean()),
        "macro_precision": float(precision[occurs].mean()),
        "macro_recall": float(recall[occurs].mean()),
        "per_class": {
            name: {
                "precision": float(precision[index]),
                "recall": float(recall[index]),
                "f1": float(f1[index]),
                "support": int(support[index]),
            }
            for index, name in enumerate(label_names)
        },
        "confusion_matrix": matrix.tolist(),
    }


def confusion_matrix(
    labels: Sequence[int], predictions: Sequence[int], num_classes: int
) -> np.ndarray:
    """Counts [num_classes, num_classes] int64: row = true class, column = predicted.

    Raises:
      InputError: no examples, different lengths, or an id outside the classes.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_paired(labels, predictions)
    for name, ids in (("label", labels), ("prediction", predictions)):
        if ids.min() < 0 or ids.max() >= num_classes:
            raise InputError(
                f"A {name} is outside the classes: ids go from {ids.min()} to "
                f"{ids.max()}, expected 0 to {num_classes - 1}."
            )
    cells = labels.astype(np.int64) * num_classes + predictions.astype(np.int64)
    counts = np.bincount(cells, minlength=num_classes * num_classes)
    return counts.reshape(num_classes, num_classes)


def regression_metrics(
    scores: Sequence[float], predictions: Sequence[float]
) -> Dict[str, Any]:
    """Pearson's and Spearman's correlation, and the mean squared error.

    For scores [1, 2, 3] and predictions [1, 4, 9]: Spearman 1 (same order), Pearson
    0.9897, mean squared error (0 + 4 + 36) / 3. A correlation with constant scores or
    predictions is undefined; it is 0 here, as of a model that has learnt nothing.

    Args:
      scores: float [N], the true scores.
      predictions: float [N].

    Returns:
      ``num_examples``, ``pearson``, ``spearman``, ``mean_squared_error``.

    Raises:
      InputError: no examples, different lengths, or a value that is not finite.
    """
    scores = np.asarray(scores, np.float64)
    predictions = np.asarray(predictions, np.float64)
    check_paired(scores, predictions)
    if not (np.isfinite(scores).all() and np.isfinite(predictions).all()):
        raise InputError("A score or prediction is infinite or not a number (NaN).")
    return {
        "num_examples": int(scores.size),
        "pearson": _correlation(scores, predictions),
        "spearman": _correlation(_ranks(scores), _ranks(predictions)),
        "mean_squared_error": float(np.mean((scores - predictions) ** 2)),
    }


def _correlation(left: np.ndarray, right: np.ndarray) -> float:
    """Pearson's r; 0 where one side is constant."""
    if np.ptp(left) == 0.0 or np.ptp(right) == 0.0:
        return 0.0
    left, right = left - left.mean(), right - right.mean()
    product = np.linalg.norm(left) * np.linalg.norm(right)
    return float(np.clip(np.dot(left, right) / product, -1.0, 1.0))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share their mean rank: [5, 7, 7] is [1, 2.5, 2.5]."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[inverse]


def entity_metrics(
    tags: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> Dict[str, Any]:
    """Precision, recall and F1 of whole entities, as seqeval counts them.

    Tags are type first: "PER-B PER-I O" is one entity of the type PER over two words.
    An entity is right if its type and both its ends are; half of it counts as nothing.
    As the CoNLL script, seqeval also begins an entity at a stray "PER-I".

    Args:
      tags: a tag per word, for each sentence.
      predictions: the same, of the same lengths.

    Returns:
      ``num_examples`` (sentences), ``precision``, ``recall``, ``f1`` over all
      entities, ``per_class`` (type -> precision, recall, f1, support).

    Raises:
      InputError: no sentences, or a sentence with another number of tags.
    """
    # Imported here: seqeval loads scikit-learn, which takes a second.
    from seqeval.metrics.sequence_labeling import (
        get_entities,
        precision_recall_fscore_support,
    )

    tags = [list(sentence) for sentence in tags]
    predictions = [list(sentence) for sentence in predictions]
    lengths, predicted = [list(map(len, each)) for each in (tags, predictions)]
    check_paired(np.asarray(lengths), np.asarray(predicted))
    if lengths != predicted:
        raise InputError("A sentence has more or fewer predicted tags than words.")
    found = get_entities(tags, suffix=True) + get_entities(predictions, suffix=True)
    types = sorted({entity[0] for entity in found})
    result = {"num_examples": len(tags), "precision": 0.0, "recall": 0.0, "f1": 0.0}
    result["per_class"] = {}
    if not types:
        return result
    options = {"suffix": True, "zero_division": 0}
    total = precision_recall_fscore_support(
        tags, predictions, average="micro", **options
    )
    result.update(zip(("precision", "recall", "f1"), map(float, total)))
    columns = precision_recall_fscore_support(tags, predictions, **options)
    for name, precision, recall, f1, support in zip(types, *columns):
        result["per_class"][name] = {
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
    return result


def check_paired(labels: np.ndarray, predictions: np.ndarray) -> None:
    """Raises InputError unless both are one-dimensional, equally long and not empty."""
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise InputError(
            f"Labels have shape {list(labels.shape)} and predictions "
            f"{list(predictions.shape)}, expected one of each per example."
        )
    if not labels.size:
        raise InputError("There is no example to evaluate, expected at least one.")


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Elementwise quotient; 0 where the denominator is 0."""
    result = np.zeros(numerator.shape, np.float64)
    return np.divide(numerator, denominator, out=result, where=denominator > 0)
