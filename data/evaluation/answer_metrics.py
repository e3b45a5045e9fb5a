"""Exact match and F1 of answers, as KorQuAD 1.0 counts them.

Source: the description and results of the official script (korquad.github.io). It
differs from SQuAD's in two ways: brackets and quotation marks become spaces before
punctuation is removed, and F1 is over characters, since a Korean word carries its
particles with it.
"""

import collections
import string
from typing import Any, Dict, Mapping, Sequence

from ..io.errors import InputError

# Replaced by a space, so that they part words: "《토지》와" becomes "토지 와".
_SPACED = "'\"《》<>〈〉()‘’"
_SPACES = str.maketrans(dict.fromkeys(_SPACED, " "))
# Removed, so that words grow together: "1,000" becomes "1000". ASCII only.
_REMOVED = str.maketrans(dict.fromkeys(string.punctuation, None))


def normalize_answer(text: str) -> str:
    """The form in which answers are compared.

    In this order: brackets and quotation marks become spaces, letters lower case, ASCII
    punctuation goes, every run of blanks becomes one space, none at the ends.
    "《The 토지》, 1부" becomes "the 토지 1부".
    """
    text = text.translate(_SPACES).lower().translate(_REMOVED)
    return " ".join(text.split())


def exact_match(prediction: str, answer: str) -> bool:
    """True if both normalise to the same text, spaces between words included."""
    return normalize_answer(prediction) == normalize_answer(answer)


def character_f1(prediction: str, answer: str) -> float:
    """Harmonic mean of the shares of characters, spaces left out, that both have.

    Characters are counted, their order is not looked at. "서울은" for the answer "서울"
    has two of its three characters right: 2 * (2/3) * 1 / (2/3 + 1) = 0.8. No common
    character gives 0, also where both are empty.
    """
    return overlap_f1(
        normalize_answer(prediction).replace(" ", ""),
        normalize_answer(answer).replace(" ", ""),
    )


def overlap_f1(prediction: Sequence[str], answer: Sequence[str]) -> float:
    """Harmonic mean of the shares of units that both have; the order does not count."""
    predicted, expected = collections.Counter(prediction), collections.Counter(answer)
    common = sum((predicted & expected).values())
    if not common:
        return 0.0
    precision = common / sum(predicted.values())
    recall = common / sum(expected.values())
    return 2.0 * precision * recall / (precision + recall)


def answer_metrics(
    answers: Mapping[str, Sequence[str]], predictions: Mapping[str, str]
) -> Dict[str, Any]:
    """Exact match and F1, for each question the best over its answers.

    Args:
      answers: question id -> its accepted answers, at least one.
      predictions: question id -> the predicted text. A question that has none counts
        as wrong, as in the official script.

    Returns:
      ``num_examples``, ``exact_match`` and ``f1`` (0 to 1 as all metrics here; times
      100 they are the official script's metrics), ``num_unanswered``.

    Raises:
      InputError: there is no question, or one without an answer to compare with.
    """
    if not answers:
        raise InputError("There is no question to evaluate, expected at least one.")
    matches = f1 = 0.0
    unanswered = 0
    for example_id, accepted in answers.items():
        if not accepted:
            raise InputError(
                f"Question {example_id} has no answer to compare with: the file is "
                "unlabelled, expected one answer or more per question."
            )
        if example_id not in predictions:
            unanswered += 1
            continue
        prediction = predictions[example_id]
        matches += max(exact_match(prediction, each) for each in accepted)
        f1 += max(character_f1(prediction, each) for each in accepted)
    return {
        "num_examples": len(answers),
        "exact_match": matches / len(answers),
        "f1": f1 / len(answers),
        "num_unanswered": unanswered,
    }
