"""What is reached without looking at the text: the least that a model has to beat."""

from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import numpy as np

from ..tasks.classification import Example
from ..tasks.declarations import (
    CLASSIFICATION,
    DEPENDENCY_PARSING,
    QUESTION_ANSWERING,
    REGRESSION,
    TAGGING,
    Task,
)
from ..tasks.dependency_parsing import ParsedSentence
from ..tasks.question_answering import Question
from ..tasks.regression import ScoredPair
from ..tasks.tag_schemes import OUTSIDE
from ..tasks.tagging import TaggedSentence
from . import klue_metrics, task_metrics

_OF_ENTITIES = ("f1", "precision", "recall")


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
    words of the passage, as many as the answers of train have on average, or no answer
    at all where that may be right. Dependency parsing: each word on the next one.

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


_LABELS = {
    CLASSIFICATION: "label",
    REGRESSION: "score",
    TAGGING: "tags",
    DEPENDENCY_PARSING: "heads",
}


def _chosen(task: Task, found: Dict[str, Any], *usual: str) -> Dict[str, float]:
    """The usual metrics of the task's type, and those that the task reports."""
    return {name: found[name] for name in dict.fromkeys(task.reported + usual)}


def _most_frequent_class(
    task: Task, train: Sequence[Example], evaluated: Sequence[Example]
) -> Baseline:
    counts = np.bincount([example.label for example in train])
    label = int(counts.argmax())
    probabilities = np.zeros([len(evaluated), task.num_labels])
    probabilities[:, label] = 1.0
    labels = [example.label for example in evaluated]
    found = task_metrics.of_classes(task, labels, probabilities)
    metrics = _chosen(task, found, "accuracy", "macro_f1")
    return Baseline(f"always “{task.label_names[label]}”", metrics)


def _mean_score(
    task: Task, train: Sequence[ScoredPair], evaluated: Sequence[ScoredPair]
) -> Baseline:
    mean = float(np.mean([pair.score for pair in train]))
    scores = [pair.score for pair in evaluated]
    found = task_metrics.of_scores(task, scores, [mean] * len(scores))
    metrics = _chosen(task, found, "pearson", "spearman")
    return Baseline(f"always {mean:.2f}, the mean of train", metrics)


def _no_entity(
    task: Task, train: Sequence[TaggedSentence], evaluated: Sequence[TaggedSentence]
) -> Baseline:
    tags = [
        [
            task.label_values[tag]
            for tag, word in zip(each.tags, each.words)
            if not (task.by_character and word == " ")
        ]
        for each in evaluated
    ]
    found = task_metrics.of_tags(task, tags, [[OUTSIDE] * len(each) for each in tags])
    return Baseline("no entity anywhere", _chosen(task, found, *_OF_ENTITIES))


def _first_words(
    task: Task, train: Sequence[Question], evaluated: Sequence[Question]
) -> Baseline:
    if task.unanswerable:
        nothing = {each.example_id: "" for each in evaluated}
        scores = dict.fromkeys(nothing, 1.0)
        found = task_metrics.of_answers(task, evaluated, nothing, scores)
        return Baseline("no answer to any question", _chosen(task, found))
    sizes = [len(answer.text.split()) for each in train for answer in each.answers]
    count = max(1, int(round(float(np.mean(sizes)))))
    beginnings = {
        each.example_id: _beginning(each.context, count) for each in evaluated
    }
    found = task_metrics.of_answers(task, evaluated, beginnings)
    words = "word" if count == 1 else f"{count} words"
    return Baseline(f"the first {words} of the passage", _chosen(task, found))


def _beginning(text: str, count: int) -> str:
    return " ".join(text.split(None, count)[:count])


def _next_word(
    task: Task, train: Sequence[ParsedSentence], evaluated: Sequence[ParsedSentence]
) -> Baseline:
    relations = np.concatenate([each.relations for each in train])
    relation = int(np.bincount(relations).argmax())
    arcs = [(each.heads, each.relations) for each in evaluated]
    guesses = [
        (list(range(2, len(heads) + 1)) + [0], [relation] * len(heads))
        for heads, _ in arcs
    ]
    found = klue_metrics.parsing_metrics(arcs, guesses)
    rule = f"each word on the next one, as “{task.label_values[relation]}”"
    return Baseline(rule, _chosen(task, found, "uas", "las"))


_BASELINES: Dict[str, Callable[[Task, List[Any], List[Any]], Baseline]] = {
    CLASSIFICATION: _most_frequent_class,
    REGRESSION: _mean_score,
    TAGGING: _no_entity,
    QUESTION_ANSWERING: _first_words,
    DEPENDENCY_PARSING: _next_word,
}


def characters(examples: Sequence[Any]) -> int:
    """The characters of all texts, with which the time of training grows."""
    return sum(
        len(value) if isinstance(value, str) else sum(map(len, value))
        for example in examples
        for value in _texts(example)
    )


def _texts(example: Any) -> List[Any]:
    if isinstance(example, (TaggedSentence, ParsedSentence)):
        return [example.words]
    if isinstance(example, Question):
        return [example.question, example.context]
    return [text for text in (example.text_a, example.text_b) if text is not None]
