import pytest

from data.evaluation.answer_metrics import (
    answer_metrics,
    character_f1,
    exact_match,
    normalize_answer,
)
from data.io.errors import InputError


@pytest.mark.parametrize(
    "text, normalized",
    [
        # Each bracket and quotation mark of the official list becomes a space.
        ("《토지》와", "토지 와"),
        ("〈봄날〉의", "봄날 의"),
        ("<무정>은", "무정 은"),
        ("헤이그(Haig)는", "헤이그 haig 는"),
        ("'가'나", "가 나"),
        ('"가"나', "가 나"),
        ("‘가’나", "가 나"),
        # These marks are not in its list, and not ASCII punctuation: they stay.
        ("“가”나", "“가”나"),
        ("「가」·나", "「가」·나"),
        # ASCII punctuation is removed, and what it parted grows together.
        ("1,000원", "1000원"),
        ("A.B-C", "abc"),
        ("30%!?", "30"),
        ("[가]나", "가나"),
        # Letters are lower-cased; Hangul has no case and is not taken apart.
        ("ABC 방송", "abc 방송"),
        ("각하", "각하"),
        # Runs of any blanks become one space, none at the ends.
        (" 1989년  2월\t15일\u3000", "1989년 2월 15일"),
        ("가\n나", "가 나"),
        # English articles stay, unlike in SQuAD.
        ("The Beatles", "the beatles"),
        ("", ""),
        ("...", ""),
    ],
)
def test_each_rule_of_the_normalisation(text, normalized):
    assert normalize_answer(text) == normalized


def test_exact_match_looks_at_spaces_between_words():
    assert exact_match("《 토지 》", "토지")
    assert exact_match("1,000원", "1000 원") is False
    assert exact_match("서울은", "서울") is False


def test_character_f1_worked_by_hand():
    assert character_f1("서울", "서울") == 1.0
    assert character_f1("서울은", "서울") == pytest.approx(0.8)
    assert character_f1("대한민국 서울", "서울") == pytest.approx(2 / (1 + 6 / 2))
    # Spaces do not count, nor does the order of characters.
    assert character_f1("1989년 2월", "1989년2월") == 1.0
    assert character_f1("가나다", "다나가") == 1.0
    # A character counts as often as both have it: 2 of 3 and 2 of 2.
    assert character_f1("가가가", "가가") == pytest.approx(0.8)


def test_no_common_character_is_zero():
    assert character_f1("부산", "서울") == 0.0
    assert character_f1("", "서울") == 0.0
    assert character_f1("...", "!!!") == 0.0
    assert exact_match("...", "!!!") is True


def test_the_best_answer_counts_and_an_unanswered_question_is_wrong():
    answers = {"q1": ["서울"], "q2": ["부산", "부산광역시"], "q3": ["대구"]}
    found = answer_metrics(answers, {"q1": "서울은", "q2": "부산광역시"})
    assert found["num_examples"] == 3
    assert found["exact_match"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx((0.8 + 1.0) / 3)
    assert found["num_unanswered"] == 1


def test_questions_without_answers_cannot_be_scored():
    with pytest.raises(InputError, match="Question q1 has no answer to compare with"):
        answer_metrics({"q1": []}, {"q1": "서울"})
    with pytest.raises(InputError, match="no question to evaluate"):
        answer_metrics({}, {})
