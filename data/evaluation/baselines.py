"""What is reached without looking at the text: the least that a model has to beat."""

from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np

from ..tasks.classification import Example
from ..tasks.declarations import (
    CLASSIFICATION,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    Task,
)
from ..tasks.question_answering import Question
from ..tasks.regression import ScoredPair
from ..tasks.tagging import TaggedSentence
from . import answer_metrics
from .metrics import classification_metrics, entity_metrics, regression_metrics

_OUTSIDE = "O"


class Baseline(NamedTuple):
    """A rule that knows the training labels alone, and what it reaches.

    Attributes:
      rule: in a few words, such as "always positive".
      metrics: name -> value, by the names of the task's metrics.
    """

    rule: str
    metrics: Dict[str, float]


def baseline(task: Task, train: Sequence[Any], evaluated: Sequence[Any]) -> Baseline:
    """The baseline of a task's type.

    Classification: the most frequent class of train. Regression: the mean of train,
    whose correlation is 0. Tagging: no entity anywhere. Question answering: the first
    words of the passage, as many as the answers of train have on average.

    Args:
      task: names type and labels.
      train: labelled examples to learn the constant from, at least one.
      evaluated: labelled examples to score, at least one.
    """
    return _BASELINES[task.task_type](task, train, evaluated)


def is_labelled(task: Task, example: Any) -> bool:
    """Whether an example of this task can be scored."""
    if task.task_type == QUESTION_ANSWERING:
        return example.is_labelled
    return getattr(example, _LABELS[task.task_type]) is not None


_LABELS = {CLASSIFICATION: "label", REGRESSION: "score", TAGGING: "tags"}


def _most_frequent_class(
    task: Task, train: Sequence[Example], evaluated: Sequence[Example]
) -> Baseline:
    counts = np.bincount([example.label for example in train])
    label = int(counts.argmax())
    labels = [example.label for example in evaluated]
    found = classification_metrics(labels, [label] * len(labels), task.label_names)
    metrics = {name: found[name] for name in ("accuracy", "macro_f1")}
    return Baseline(f"always “{task.label_names[label]}”", metrics)


def _mean_score(
    task: Task, train: Sequence[ScoredPair], evaluated: Sequence[ScoredPair]
) -> Baseline:
    mean = float(np.mean([pair.score for pair in train]))
    scores = [pair.score for pair in evaluated]
    found = regression_metrics(scores, [mean] * len(scores))
    metrics = {name: found[name] for name in ("pearson", "spearman")}
    return Baseline(f"always {mean:.2f}, the mean of train", metrics)


def _no_entity(
    task: Task, train: Sequence[TaggedSentence], evaluated: Sequence[TaggedSentence]
) -> Baseline:
    tags = [[task.label_values[tag] for tag in each.tags] for each in evaluated]
    found = entity_metrics(tags, [[_OUTSIDE] * len(each) for each in tags])
    metrics = {name: found[name] for name in ("f1", "precision", "recall")}
    return Baseline("no entity anywhere", metrics)


def _first_words(
    task: Task, train: Sequence[Question], evaluated: Sequence[Question]
) -> Baseline:
    sizes = [len(answer.text.split()) for each in train for answer in each.answers]
    count = max(1, int(round(float(np.mean(sizes)))))
    found = answer_metrics.answer_metrics(
        {each.example_id: [a.text for a in each.answers] for each in evaluated},
        {each.example_id: _beginning(each.context, count) for each in evaluated},
    )
    metrics = {name: found[name] for name in ("exact_match", "f1")}
    words = "word" if count == 1 else f"{count} words"
    return Baseline(f"the first {words} of the passage", metrics)


def _beginning(text: str, count: int) -> str:
    return " ".join(text.split(None, count)[:count])


_BASELINES: Dict[str, Callable[[Task, List[Any], List[Any]], Baseline]] = {
    CLASSIFICATION: _most_frequent_class,
    REGRESSION: _mean_score,
    TAGGING: _no_entity,
    QUESTION_ANSWERING: _first_words,
}


def characters(examples: Sequence[Any]) -> int:
    """The characters of all texts, with which the time of training grows."""
    return sum(
        len(value) if isinstance(value, str) else sum(map(len, value))
        for example in examples
        for value in _texts(example)
    )


def _texts(example: Any) -> List[Any]:
    if isinstance(example, TaggedSentence):
        return [example.words]
    if isinstance(example, Question):
        return [example.question, example.context]
    return [text for text in (example.text_a, example.text_b) if text is not None]
