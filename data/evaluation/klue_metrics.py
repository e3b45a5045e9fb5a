"""The metrics of KLUE that the other tasks do not have.

Source: KLUE-benchmark/KLUE-baseline (metrics/); defined for degenerate input, too.
"""

import difflib
import string
from typing import Any, Dict, List, Mapping, Sequence, Tuple

import numpy as np

from .metrics import check_paired

_REMOVED = str.maketrans(dict.fromkeys(string.punctuation, None))
# Relations from this one on are one class in LAS macro F1.
NAMED_RELATIONS = 15
_OTHER_RELATION, _WRONG_HEAD = -3, -2


# --- Classes and scores ------------------------------------------------------------


def binary_f1(
    scores: Sequence[float], predictions: Sequence[float], threshold: float
) -> float:
    """F1 of pairs that are alike: those with a score of ``threshold`` or more.

    Scores [4, 3, 1] and predictions [3.5, 2, 3] at 3: one of two is found, one of two
    found ones is right, F1 is 1/2. Without any such pair 0.
    """
    alike = np.asarray(scores) >= threshold
    found = np.asarray(predictions) >= threshold
    check_paired(alike, found)
    return _f1(np.sum(alike & found), np.sum(found), np.sum(alike))


def micro_f1(labels: Sequence[int], predictions: Sequence[int], without: int) -> float:
    """F1 over all classes but one, their hits and errors added up.

    Labels [0, 1, 2, 2], predictions [1, 1, 2, 0], without 0: two hits, three predicted,
    three there, F1 2/3.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    check_paired(labels, predictions)
    hits = np.sum((labels == predictions) & (labels != without))
    return _f1(hits, np.sum(predictions != without), np.sum(labels != without))


def _f1(hits: int, found: int, expected: int) -> float:
    return float(2.0 * hits / (found + expected)) if found + expected else 0.0


def auprc(labels: Sequence[int], probabilities: np.ndarray) -> float:
    """Area under the curve of precision and recall, the mean over the classes.

    The curve is joined by straight lines, as scikit-learn's ``auc`` of its
    ``precision_recall_curve``. A class without an example is left out (upstream: 0.5,
    or an error).

    Args:
      labels: int [N].
      probabilities: float [N, L].
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    areas = [
        _area(labels == label, probabilities[:, label]) for label in np.unique(labels)
    ]
    return float(np.mean(areas))


def _area(is_class: np.ndarray, scores: np.ndarray) -> float:
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_class[order])
    # A threshold lies behind the last of equal scores.
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    precision = np.append(1.0, hits[ends] / (ends + 1.0))
    recall = np.append(0.0, hits[ends] / float(hits[-1]))
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


# --- Entities over characters ------------------------------------------------------


def entity_metrics(
    tags: Sequence[Sequence[str]],
    predictions: Sequence[Sequence[str]],
    tag_names: Sequence[str],
) -> Dict[str, float]:
    """Macro F1 of entities by their types, and of characters by their tags.

    An entity begins with B alone (IOB2, strict); its F1 is averaged over the types that
    occur. That of characters is averaged over all tags, "O" too; one that occurs
    nowhere counts 1, as upstream.

    Args:
      tags: of each character, type first ("PS-B"), without those of spaces.
      predictions: the same.
      tag_names: all tags.

    Returns:
      ``entity_macro_f1``, ``character_macro_f1``.
    """
    expected, found = (_strict_entities(each) for each in (tags, predictions))
    types = sorted({entity[1] for entity in expected | found})
    by_type = []
    for name in types:
        one, other = ({e for e in each if e[1] == name} for each in (expected, found))
        by_type.append(_f1(len(one & other), len(other), len(one)))
    pairs = [pair for both in zip(tags, predictions) for pair in zip(*both)]
    by_tag = []
    for name in tag_names:
        hits = sum(tag == name == other for tag, other in pairs)
        there = sum(tag == name for tag, _ in pairs)
        given = sum(other == name for _, other in pairs)
        by_tag.append(_f1(hits, given, there) if there or given else 1.0)
    return {
        "entity_macro_f1": float(np.mean(by_type)) if by_type else 0.0,
        "character_macro_f1": float(np.mean(by_tag)),
    }


def _strict_entities(sentences) -> set:
    """(sentence, type, first, last) of the entities that begin with B."""
    found = set()
    for number, tags in enumerate(sentences):
        current = None
        for place, tag in enumerate(list(tags) + ["O"]):
            name, _, position = tag.rpartition("-")
            if current and not (position == "I" and name == current[0]):
                found.add((number, current[0], current[1], place - 1))
                current = None
            if position == "B":
                current = (name, place)
    return found


# --- Answers -----------------------------------------------------------------------


def normalize_answer(text: str) -> str:
    """Lower case, without ASCII punctuation, single spaces.

    Upstream: the pattern that should make brackets spaces matches nothing, so that
    《》 stay.
    """
    return " ".join(text.lower().translate(_REMOVED).split())


def rouge_w(prediction: str, answer: str) -> float:
    """F1 of the longest run of characters that both have, of normalised texts.

    "세종 대왕" for "세종대왕은": "대왕" is shared, 2 of 5 and 2 of 5 characters, 0.4.
    """
    if not answer:
        return float(prediction == answer)
    matcher = difflib.SequenceMatcher(None, prediction, answer)
    size = matcher.find_longest_match(0, len(prediction), 0, len(answer)).size
    return _f1(size, len(prediction), len(answer))


def answer_metrics(
    answers: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> Dict[str, float]:
    """Exact match and ROUGE-W, for each question the best over its answers.

    Args:
      answers: question id -> its accepted answers; none where there is no answer.
      predictions: question id -> the predicted text, "" for none.

    Returns:
      ``exact_match``, ``rouge_w``.
    """
    exact, rouge = [], []
    for name, accepted in answers.items():
        found = normalize_answer(predictions[name])
        texts = [normalize_answer(text) for text in accepted] or [""]
        exact.append(float(found in texts))
        rouge.append(max(rouge_w(found, text) for text in texts))
    return {"exact_match": float(np.mean(exact)), "rouge_w": float(np.mean(rouge))}


# --- Dependencies ------------------------------------------------------------------

Arcs = Sequence[Tuple[Sequence[int], Sequence[int]]]


def parsing_metrics(arcs: Arcs, predictions: Arcs) -> Dict[str, Any]:
    """How many words have the right head (UAS), and the right relation too (LAS).

    Beside these shares there are KLUE's macro F1. UAS: over the heads' numbers. LAS:
    over the relations, of which the first 15 have a class of their own and the others
    one; where the head is wrong, the predicted relation is a class of its own that is
    never right.

    Args:
      arcs: heads and relations of each sentence, a number for each word.
      predictions: the same.

    Returns:
      ``num_examples`` (sentences), ``uas``, ``las``, ``uas_macro_f1``,
      ``las_macro_f1``.
    """
    heads, relations = _joined(arcs)
    found_heads, found_relations = _joined(predictions)
    check_paired(heads, found_heads)
    right = heads == found_heads
    classes, found_classes = relation_classes(relations, found_relations, right)
    return {
        "num_examples": len(arcs),
        "uas": float(np.mean(right)),
        "las": float(np.mean(right & (relations == found_relations))),
        "uas_macro_f1": _macro_f1(heads, found_heads),
        "las_macro_f1": _macro_f1(classes, found_classes),
    }


def relation_classes(
    relations: np.ndarray, found_relations: np.ndarray, head_is_right: np.ndarray
) -> Tuple[np.ndarray, np.ndarray]:
    """True and predicted classes of words for the macro F1 of `parsing_metrics`."""
    named = [
        np.where(each >= NAMED_RELATIONS, _OTHER_RELATION, each)
        for each in (relations, found_relations)
    ]
    return named[0], np.where(head_is_right, named[1], _WRONG_HEAD)


def _joined(arcs: Arcs) -> List[np.ndarray]:
    return [
        np.concatenate([np.asarray(each, np.int64) for each in column])
        for column in zip(*arcs)
    ]


def _macro_f1(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Over the values that occur, as scikit-learn's."""
    values = np.unique(np.concatenate([labels, predictions]))
    return float(
        np.mean(
            [
                _f1(
                    np.sum((labels == value) & (predictions == value)),
                    np.sum(predictions == value),
                    np.sum(labels == value),
                )
                for value in values
            ]
        )
    )
