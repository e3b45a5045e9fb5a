"""Exact match and F1 where questions may have no answer, as SQuAD 2.0 counts them.

Source: the official script, evaluate-v2.0.py. A question without an answer is right if
none is given. How texts are compared is a choice: as SQuAD does, by words, or as
KorQuAD does, by characters.
"""

import re
import string
from typing import Any, Callable, Dict, Mapping, NamedTuple, Sequence

from ..io.errors import InputError
from . import answer_metrics

_REMOVED = str.maketrans(dict.fromkeys(string.punctuation, None))


class Comparison(NamedTuple):
    """How a predicted text is compared with an answer.

    Attributes:
      normalize: text -> the form in which texts are equal.
      f1: (prediction, answer) -> 0 to 1; not asked where one of them is empty.
    """

    normalize: Callable[[str], str]
    f1: Callable[[str, str], float]


def normalize_english(text: str) -> str:
    """Lower case, without ASCII punctuation and the articles a, an, the."""
    text = re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_REMOVED))
    return " ".join(text.split())


def word_f1(prediction: str, answer: str) -> float:
    """Harmonic mean of the shares of words that both have; the order does not count."""
    return answer_metrics.overlap_f1(
        normalize_english(prediction).split(), normalize_english(answer).split()
    )


SQUAD = Comparison(normalize_english, word_f1)
KORQUAD = Comparison(answer_metrics.normalize_answer, answer_metrics.character_f1)


def squad2_metrics(
    answers: Mapping[str, Sequence[str]],
    predictions: Mapping[str, str],
    scores: Mapping[str, float],
    threshold: float = 0.0,
    comparison: Comparison = KORQUAD,
) -> Dict[str, Any]:
    """Exact match and F1 of all questions, of those with and of those without answer.

    Args:
      answers: question id -> its accepted answers; none where there is no answer.
      predictions: question id -> the best text, also where none may be the better one.
      scores: question id -> how much speaks for "no answer".
      threshold: above it a question is answered with nothing.
      comparison: SQUAD or KORQUAD.

    Returns:
      ``num_examples``, ``exact_match`` and ``f1``; the official script's HasAns_exact,
      HasAns_f1, HasAns_total and NoAns_exact, NoAns_f1, NoAns_total, where there are
      such questions; best_exact, best_f1, which the best threshold would give, and that
      threshold, best_exact_thresh, best_f1_thresh. Shares are 0 to 1.

    Raises:
      InputError: there is no question.
    """
    if not answers:
        raise InputError("There is no question to evaluate, expected at least one.")
    has_answer = {name: bool(accepted) for name, accepted in answers.items()}
    raw = {
        name: _scores_of(predictions[name], accepted, comparison)
        for name, accepted in answers.items()
    }
    found = {
        name: (float(not has_answer[name]),) * 2 if scores[name] > threshold else values
        for name, values in raw.items()
    }
    exact, f1 = _means(list(found.values()))
    metrics = {"num_examples": len(answers), "exact_match": exact, "f1": f1}
    for prefix, wanted in (("HasAns", True), ("NoAns", False)):
        chosen = [found[name] for name in found if has_answer[name] == wanted]
        if chosen:
            exact, f1 = _means(chosen)
            metrics[f"{prefix}_exact"], metrics[f"{prefix}_f1"] = exact, f1
            metrics[f"{prefix}_total"] = len(chosen)
    for column, name in enumerate(("best_exact", "best_f1")):
        of_questions = {name: values[column] for name, values in raw.items()}
        best, at = _best_threshold(of_questions, predictions, scores, has_answer)
        metrics[name], metrics[f"{name}_thresh"] = best, at
    return metrics


def _scores_of(prediction, accepted, comparison):
    """(exact match, F1) of one text, each the best over the accepted ones."""
    accepted = [text for text in accepted if comparison.normalize(text)] or [""]
    found = comparison.normalize(prediction)
    exact = max(float(found == comparison.normalize(text)) for text in accepted)
    f1 = max(
        comparison.f1(prediction, text) if found and text else float(found == text)
        for text in accepted
    )
    return exact, f1


def _means(pairs):
    return [sum(column) / len(pairs) for column in zip(*pairs)]


def _best_threshold(of_questions, predictions, scores, has_answer):
    """The best mean that a threshold gives, and that threshold.

    From the question that most surely has an answer on, each is answered in turn. A
    threshold is the score of the last one that is; 0 where answering none is the best.
    """
    current = best = sum(not each for each in has_answer.values())
    threshold = 0.0
    for name in sorted(scores, key=lambda each: scores[each]):
        if has_answer[name]:
            current += of_questions[name]
        elif predictions[name]:
            current -= 1
        if current > best:
            best, threshold = current, scores[name]
    return best / len(of_questions), threshold
