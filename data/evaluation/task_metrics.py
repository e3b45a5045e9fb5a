"""All metrics of a task's examples: those of its type, and what its papers report."""

from typing import Any, Dict, Mapping, Optional, Sequence

import numpy as np

from ..tasks.declarations import Task
from ..tasks.question_answering import Question
from ..tasks.tag_schemes import TYPE_FIRST, scheme_of_labels, type_and_position
from . import answer_metrics, klue_metrics, squad2_metrics
from .metrics import classification_metrics, entity_metrics, regression_metrics


def of_classes(
    task: Task, labels: Sequence[int], probabilities: np.ndarray
) -> Dict[str, Any]:
    """Classification; `probabilities` float [N, L]."""
    predictions = probabilities.argmax(1)
    metrics = classification_metrics(labels, predictions, task.label_names)
    if task.negative_label:
        without = task.label_values.index(task.negative_label)
        metrics["micro_f1"] = klue_metrics.micro_f1(labels, predictions, without)
        metrics["auprc"] = klue_metrics.auprc(labels, probabilities)
    return metrics


def of_scores(
    task: Task, scores: Sequence[float], predictions: Sequence[float]
) -> Dict[str, Any]:
    """Regression."""
    metrics = regression_metrics(scores, predictions)
    if task.score_threshold is not None:
        metrics["f1"] = klue_metrics.binary_f1(
            scores, predictions, task.score_threshold
        )
    return metrics


def of_tags(
    task: Task, tags: Sequence[Sequence[str]], predictions: Sequence[Sequence[str]]
) -> Dict[str, Any]:
    """Tagging; tags as the task has them, of words, or of characters but spaces."""
    scheme = scheme_of_labels(task.label_values)

    def type_first(names):
        return [TYPE_FIRST.tag(type_and_position(name, scheme)) for name in names]

    tags, predictions = ([type_first(x) for x in each] for each in (tags, predictions))
    metrics = entity_metrics(tags, predictions)
    if task.by_character:
        names = type_first(task.label_values)
        metrics.update(klue_metrics.entity_metrics(tags, predictions, names))
    return metrics


def of_answers(
    task: Task,
    questions: Sequence[Question],
    predictions: Mapping[str, str],
    scores: Optional[Mapping[str, float]] = None,
    threshold: float = 0.0,
) -> Dict[str, Any]:
    """Question answering.

    Args:
      predictions: question id -> the best text.
      scores: question id -> how much speaks for "no answer"; above `threshold` there is
        none. None where every question has an answer.
    """
    accepted = {
        question.example_id: [answer.text for answer in question.answers]
        for question in questions
    }
    if scores is None:
        return answer_metrics.answer_metrics(accepted, predictions)
    metrics = squad2_metrics.squad2_metrics(accepted, predictions, scores, threshold)
    if "rouge_w" in task.reported:
        chosen = {
            name: "" if scores[name] > threshold else text
            for name, text in predictions.items()
        }
        metrics.update(klue_metrics.answer_metrics(accepted, chosen))
    return metrics
