"""SQuAD 2.0's metrics: worked by hand, and by the definition in a plain loop."""

import pytest

from data.evaluation.squad2_metrics import (
    KORQUAD,
    SQUAD,
    normalize_english,
    squad2_metrics,
    word_f1,
)
from data.io.errors import InputError

# The last two have no answer; texts are the best ones, none given or not.
ANSWERS = {
    "a": ["the Normans", "Normans"],
    "b": ["10th century", "in the 10th century"],
    "c": ["Denmark, Iceland and Norway"],
    "d": [],
    "e": [],
}
PREDICTIONS = {
    "a": "Normans.",
    "b": "the 10th and 11th century",
    "c": "Rollo",
    "d": "Norway",
    "e": "a duke",
}
SCORES = {"a": -5.0, "b": -1.0, "c": -2.0, "d": 0.5, "e": -3.0}


def test_text_is_compared_as_squad_does():
    assert normalize_english("The  U.S. Army, a unit") == "us army unit"
    assert word_f1("the 10th and 11th century", "10th century") == pytest.approx(2 / 3)
    assert word_f1("Rollo", "Norway") == 0.0


def test_metrics_worked_by_hand():
    """At 0: a right, b 2/3 of F1, c wrong, d rightly none, e wrongly something."""
    found = squad2_metrics(ANSWERS, PREDICTIONS, SCORES, 0.0, SQUAD)
    assert found == {
        "num_examples": 5,
        "exact_match": pytest.approx(2 / 5),
        "f1": pytest.approx((1 + 2 / 3 + 1) / 5),
        "HasAns_exact": pytest.approx(1 / 3),
        "HasAns_f1": pytest.approx((1 + 2 / 3) / 3),
        "HasAns_total": 3,
        "NoAns_exact": 0.5,
        "NoAns_f1": 0.5,
        "NoAns_total": 2,
        # None answered: 2 of 5. Up to a: 3. Up to e: 2. c: 2. b: 2 (F1 2 2/3). d: 1.
        "best_exact": pytest.approx(3 / 5),
        "best_exact_thresh": -5.0,
        "best_f1": pytest.approx(3 / 5),
        "best_f1_thresh": -5.0,
    }


@pytest.mark.parametrize("threshold", [-9.0, -5.0, -4.0, -2.75, -1.0, 0.4, 0.5, 9.0])
@pytest.mark.parametrize("comparison", [SQUAD, KORQUAD])
def test_every_threshold_by_the_definition(threshold, comparison):
    found = squad2_metrics(ANSWERS, PREDICTIONS, SCORES, threshold, comparison)
    exact = 0
    for name, accepted in ANSWERS.items():
        text = PREDICTIONS[name] if SCORES[name] <= threshold else ""
        forms = [comparison.normalize(each) for each in accepted or [""]]
        exact += comparison.normalize(text) in forms
    assert found["exact_match"] == pytest.approx(exact / 5)
    assert found["best_exact"] >= found["exact_match"]
    assert found["best_f1"] >= found["f1"]


def test_the_best_threshold_gives_the_best():
    scores = {"a": -5.0, "b": -4.0, "c": 1.0, "d": 2.0, "e": 3.0}
    found = squad2_metrics(ANSWERS, PREDICTIONS, scores, 0.0, SQUAD)
    assert found["best_f1_thresh"] == -4.0
    again = squad2_metrics(ANSWERS, PREDICTIONS, scores, -4.0, SQUAD)
    assert again["f1"] == found["best_f1"] == pytest.approx((1 + 2 / 3 + 2) / 5)


def test_korean_answers_are_compared_by_characters():
    found = squad2_metrics({"q": ["서울"]}, {"q": "서울은"}, {"q": -1.0})
    assert found["f1"] == pytest.approx(0.8) and found["exact_match"] == 0.0
    assert "NoAns_exact" not in found


def test_an_answer_of_punctuation_alone_counts_as_none():
    """As in the official script: its questions count as answered all the same."""
    found = squad2_metrics({"q": ["..."]}, {"q": ""}, {"q": -1.0}, 0.0, SQUAD)
    assert found["exact_match"] == 1.0 and found["HasAns_total"] == 1


def test_no_question_is_an_error():
    with pytest.raises(InputError, match="There is no question to evaluate"):
        squad2_metrics({}, {}, {})
