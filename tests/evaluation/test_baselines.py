"""Baselines against metrics worked out by hand."""

import pytest

from data import tasks
from data.evaluation import baselines
from data.tasks.classification import Example
from data.tasks.dependency_parsing import ParsedSentence
from data.tasks.question_answering import Answer, Question
from data.tasks.regression import ScoredPair
from data.tasks.tagging import TaggedSentence


def reviews(*labels):
    return [Example(str(n), "재밌다", None, label) for n, label in enumerate(labels)]


def test_the_class_is_that_of_train_not_of_the_scored_examples():
    found = baselines.baseline(
        tasks.get_task("HATE"), reviews(0, 0, 0, 1, 2), reviews(0, 1, 1, 2)
    )
    assert found.rule == "always “none”"
    # F1 of "none" is 2 * 1/4 / (1/4 + 1) = 0.4, that of the others 0.
    assert found.metrics == {
        "accuracy": 0.25,
        "macro_f1": pytest.approx(0.4 / 3),
    }


def test_a_constant_score_has_no_correlation():
    pairs = [ScoredPair(str(n), "가", "나", float(n)) for n in range(5)]
    found = baselines.baseline(tasks.get_task("KorSTS"), pairs, pairs)
    assert found.rule == "always 2.00, the mean of train"
    assert found.metrics == {"pearson": 0.0, "spearman": 0.0}


def test_no_entity():
    sentences = [TaggedSentence("1", ("철수는", "갔다"), (1, 0))]
    found = baselines.baseline(tasks.get_task("NaverNER"), sentences, sentences)
    assert found.metrics == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


def test_the_first_words_of_the_passage():
    def question(name, context, *answers):
        return Question(name, "누구?", context, tuple(answers), "글")

    train = [question("t", "", Answer("철수", 0), Answer("큰 집 앞", 0))]  # 2 words
    scored = [
        question("1", "김 철수는 갔다", Answer("김 철수는", 0)),
        question("2", "김 철수는 갔다", Answer("영희", 0)),
        question("3", "", Answer("영희", 0)),
    ]
    found = baselines.baseline(tasks.get_task("KorQuAD"), train, scored)
    assert found.rule == "the first 2 words of the passage"
    assert found.metrics == pytest.approx({"exact_match": 1 / 3, "f1": 1 / 3})


@pytest.mark.parametrize(
    "name, labelled, unlabelled",
    [
        ("NSMC", Example("1", "가", None, 0), Example("1", "가", None, None)),
        ("KorSTS", ScoredPair("1", "가", "나", 0.0), ScoredPair("1", "가", "", None)),
        (
            "NaverNER",
            TaggedSentence("1", ("가",), (0,)),
            TaggedSentence("1", ("가",), None),
        ),
        (
            "KorQuAD",
            Question("1", "가", "나", (Answer("나", 0),), "글"),
            Question("1", "가", "나", (), "글"),
        ),
    ],
)
def test_labels_and_characters(name, labelled, unlabelled):
    task = tasks.get_task(name)
    assert baselines.is_labelled(task, labelled)
    assert not baselines.is_labelled(task, unlabelled)
    pairs = name in ("KorSTS", "KorQuAD")
    assert baselines.characters([labelled, labelled]) == 2 * (1 + pairs)


def test_no_answer_is_what_questions_without_one_are_measured_by():
    questions = [
        Question("1", "?", "가 나", (Answer("가", 0),), "", False),
        Question("2", "?", "가 나", (), "", True),
    ]
    found = baselines.baseline(tasks.get_task("KLUE-MRC"), questions, questions)
    assert found.rule == "no answer to any question"
    assert found.metrics == {"exact_match": 0.5, "rouge_w": 0.5}


def test_each_word_on_the_next_one():
    sentences = [ParsedSentence("1", ("새", "책을", "샀다"), (2, 3, 0), (10, 5, 2))]
    task = tasks.get_task("KLUE-DP")
    train = sentences + [ParsedSentence("2", ("왔다",), (0,), (2,))]
    found = baselines.baseline(task, train, sentences)
    assert found.rule == "each word on the next one, as “VP”"
    assert (found.metrics["uas"], found.metrics["las"]) == (1.0, 1 / 3)


def test_spaces_do_not_count_among_characters():
    task = tasks.get_task("KLUE-NER")
    tags = [task.label_values.index(tag) for tag in ("B-PS", "I-PS", "I-PS", "O")]
    sentences = [TaggedSentence("1", ("조", " ", "지", "는"), tuple(tags))]
    found = baselines.baseline(task, sentences, sentences)
    # O: 1 of 1, given three times. B-PS, I-PS: never given. The ten others nowhere.
    assert found.metrics["character_macro_f1"] == pytest.approx((0.5 + 10) / 13)


def test_the_negative_class_is_left_out():
    task = tasks.get_task("KLUE-RE")
    found = baselines.baseline(task, reviews(0, 0, 1), reviews(0, 1))
    assert found.metrics["micro_f1"] == 0.0 and found.metrics["accuracy"] == 0.5
