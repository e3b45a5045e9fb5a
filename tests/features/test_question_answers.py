"""Scores of tokens to answers, cut from the passage."""

import itertools

import numpy as np
import pytest

from data.features import question_answers
from data.features.question_answers import AnswerOptions, best_answers
from data.features.question_windows import Window
from data.io.errors import InputError
from data.tasks.question_answering import Question

CONTEXT = "수도는  서울은 아니다"
SPANS = [[0, 2], [2, 3], [5, 7], [7, 8], [9, 12]]
QUESTION = Question("q1", "수도는?", CONTEXT, (), "")


def window(spans=SPANS, first=2, is_best=None, question_index=0):
    size = len(spans)
    return Window(
        question_index,
        [7] * (first + size + 1),
        [0] * first + [1] * (size + 1),
        first,
        np.array(spans).reshape(-1, 2),
        np.ones(size, bool) if is_best is None else np.array(is_best),
        (0, 0),
    )


def logits(*values, first=2):
    """Tokens outside the passage score highest and must not be chosen."""
    return np.array([99.0] * first + list(values) + [99.0], np.float32)


def texts(answers, name="q1"):
    return [candidate.text for candidate in answers[name]]


def test_the_best_span_is_cut_from_the_passage():
    found = best_answers(
        [QUESTION], [window()], [logits(1, 0, 5, 0, 0)], [logits(0, 2, 4, 3, 1)]
    )
    best = found["q1"][0]
    assert best == ("서울", 5, 5.0, 4.0) and best.score == 9.0
    assert texts(found)[:3] == ["서울", "서울은", "서울은 아니다"]
    assert question_answers.predictions(found) == {"q1": "서울"}


def test_white_space_of_the_passage_stays_as_it_is():
    found = best_answers(
        [QUESTION], [window()], [logits(9, 0, 0, 0, 0)], [logits(0, 0, 9, 0, 0)]
    )
    assert texts(found)[0] == CONTEXT[0:7] == "수도는  서울"


def test_every_span_is_compared():
    """Against all spans in a plain loop, for several limits."""
    generator = np.random.RandomState(0)
    starts, ends = generator.randn(2, 8).astype(np.float32)
    is_best = [True, False, True, True, True]
    for longest, count in itertools.product((1, 2, 5, 30), (1, 3, 20)):
        expected = sorted(
            (
                (float(starts[2 + i]) + float(ends[2 + j]), SPANS[i][0], SPANS[j][1])
                for i in range(5)
                for j in range(i, min(i + longest, 5))
                if is_best[i]
            ),
            reverse=True,
        )[:count]
        found = best_answers(
            [QUESTION],
            [window(is_best=is_best)],
            [starts],
            [ends],
            AnswerOptions(longest, count),
        )
        assert texts(found) == [CONTEXT[start:end] for _, start, end in expected]
        scores = [candidate.score for candidate in found["q1"]]
        np.testing.assert_allclose(scores, [score for score, _, _ in expected])


def test_windows_of_a_question_compete_and_equal_texts_count_once():
    context = "서울은 서울은"
    question = Question("q1", "?", context, (), "")
    windows = [window([[0, 2], [2, 3]]), window([[4, 6], [6, 7]])]
    found = best_answers(
        [question],
        windows,
        [logits(3, 0), logits(4, 0)],
        [logits(3, 0), logits(3, 2.5)],
    )
    assert [(each.text, each.start) for each in found["q1"]] == [
        ("서울", 4),
        ("서울은", 4),
        ("은", 6),
    ]


def test_every_question_has_an_answer():
    questions = [QUESTION, QUESTION._replace(example_id="q2", context="\u200b")]
    windows = [window(), window([], question_index=1)]
    found = best_answers(
        questions,
        windows,
        [logits(1, 0, 0, 0, 0), logits()],
        [logits(1, 0, 0, 0, 0)] * 2,
    )
    assert question_answers.predictions(found) == {"q1": "수도", "q2": ""}


def test_spaces_at_the_ends_go_and_the_start_moves_along():
    found = best_answers(
        [QUESTION], [window([[3, 8]])], [logits(1)], [logits(1)], AnswerOptions(3, 3)
    )
    assert found["q1"][0][:2] == ("서울은", 5)


def test_nbest_has_probabilities_over_what_is_listed():
    found = best_answers(
        [QUESTION],
        [window([[0, 2], [2, 3]])],
        [logits(1, 0)],
        [logits(1, np.log(3) + 1)],
    )
    listed = question_answers.nbest_predictions(found)["q1"]
    assert [each["text"] for each in listed] == ["수도는", "는", "수도"]
    e = np.e  # scores 2 + log 3, 2 and 1 + log 3
    expected = np.array([3 * e, 3, e]) / (4 * e + 3)
    np.testing.assert_allclose([each["probability"] for each in listed], expected, 1e-6)
    assert listed[0]["start_logit"] == 1.0 and listed[0]["answer_start"] == 0


@pytest.mark.parametrize("options", [(0, 20), (30, 0)])
def test_limits_below_one(options):
    with pytest.raises(InputError, match="=0, expected at least 1"):
        AnswerOptions(*options)


@pytest.mark.parametrize(
    "head, expected",
    [
        (None, {"q1": 3.0 + 1.0 - 9.0, "q2": 2.0 - 9.0}),
        ([0.5, -0.25, 4.0], {"q1": -0.25, "q2": 4.0}),
    ],
)
def test_no_answer_is_scored_by_its_least_window(head, expected):
    questions = [QUESTION, QUESTION._replace(example_id="q2")]
    windows = [window(), window(), window(question_index=1)]
    starts = [logits(1, 0, 5, 0, 0), logits(1, 0, 5, 0, 0), logits(1, 0, 5, 0, 0)]
    ends = [logits(0, 2, 4, 3, 1)] * 3
    starts, ends = np.array(starts), np.array(ends)
    starts[:, 0], ends[:, 0] = [6.0, 3.0, 2.0], [1.0, 1.0, 0.0]
    outputs = {"start_logits": starts, "end_logits": ends}
    if head is not None:
        outputs["no_answer_logits"] = np.array(head)
    answers = best_answers(questions, windows, starts, ends)
    assert answers["q1"][0].score == 9.0
    found = question_answers.no_answer_scores(questions, windows, outputs, answers)
    assert found == pytest.approx(expected)


def test_above_the_threshold_there_is_no_answer():
    found = best_answers(
        [QUESTION], [window()], [logits(1, 0, 5, 0, 0)], [logits(0, 2, 4, 3, 1)]
    )
    for score, text in ((-1.0, "서울"), (0.5, "서울"), (0.75, "")):
        assert question_answers.predictions(found, {"q1": score}, 0.5) == {"q1": text}
