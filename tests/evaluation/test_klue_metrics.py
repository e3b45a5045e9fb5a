"""KLUE's metrics: worked by hand, and beside scikit-learn and seqeval."""

import numpy as np
import pytest

from data.evaluation import klue_metrics

sklearn_metrics = pytest.importorskip("sklearn.metrics")


def test_f1_of_pairs_that_are_alike():
    scores, predictions = [4, 3, 1, 2.9], [3.5, 2, 3, 0]
    assert klue_metrics.binary_f1(scores, predictions, 3.0) == 0.5
    assert klue_metrics.binary_f1([1, 2], [0, 1], 3.0) == 0.0
    generator = np.random.RandomState(0)
    scores, predictions = generator.uniform(0, 5, [2, 200])
    expected = sklearn_metrics.f1_score(scores >= 3, predictions >= 3)
    assert klue_metrics.binary_f1(scores, predictions, 3.0) == pytest.approx(expected)


def test_micro_f1_without_a_class():
    labels, predictions = [0, 1, 2, 2], [1, 1, 2, 0]
    assert klue_metrics.micro_f1(labels, predictions, 0) == pytest.approx(2 / 3)
    labels, predictions = np.random.RandomState(1).randint(0, 5, [2, 300])
    expected = sklearn_metrics.f1_score(
        labels, predictions, labels=[1, 2, 3, 4], average="micro"
    )
    assert klue_metrics.micro_f1(labels, predictions, 0) == pytest.approx(expected)
    assert klue_metrics.micro_f1([0, 0], [0, 0], 0) == 0.0


def test_area_under_precision_and_recall():
    # Of class 1: ranks right, wrong, right. Points (0, 1), (1/2, 1), (1/2, 1/2), (1,
    # 2/3): 1/2 + 1/2 * (1/2 + 2/3) / 2. Of class 0: (0, 1), (0, 0), (1, 1/2), (1, 1/3).
    probabilities = np.array([[0.1, 0.9], [0.4, 0.6], [0.7, 0.3]])
    first = 1 / 2 + (1 / 2 + 2 / 3) / 4
    second = 1 / 4
    found = klue_metrics.auprc([1, 0, 1], probabilities)
    assert found == pytest.approx((first + second) / 2)


@pytest.mark.parametrize("decimals", [8, 1])
def test_areas_are_those_of_scikit_learn(decimals):
    generator = np.random.RandomState(2)
    labels = generator.randint(0, 4, 120)
    probabilities = generator.dirichlet(np.ones(4), 120).round(decimals)  # with ties
    expected = []
    for label in range(4):
        precision, recall, _ = sklearn_metrics.precision_recall_curve(
            labels == label, probabilities[:, label]
        )
        expected.append(sklearn_metrics.auc(recall, precision))
    found = klue_metrics.auprc(labels, probabilities)
    assert found == pytest.approx(np.mean(expected))


NAMES = ["O", "PS-B", "PS-I", "LC-B", "LC-I"]


def test_entities_worked_by_hand():
    tags = [["PS-B", "PS-I", "O", "LC-B"]]
    predictions = [["PS-B", "PS-I", "LC-I", "LC-B"]]
    found = klue_metrics.entity_metrics(tags, predictions, NAMES)
    assert found["entity_macro_f1"] == 1.0  # a stray I begins nothing
    # O: 0 of 1. PS-B, PS-I, LC-B: 1. LC-I: never there, once given.
    assert found["character_macro_f1"] == pytest.approx(3 / 5)


def test_a_tag_that_occurs_nowhere_counts_1():
    found = klue_metrics.entity_metrics([["O"]], [["O"]], NAMES)
    assert found == {"entity_macro_f1": 0.0, "character_macro_f1": 1.0}


def test_entities_are_those_of_seqeval_and_characters_those_of_scikit_learn():
    seqeval = pytest.importorskip("seqeval.metrics.v1")
    scheme = pytest.importorskip("seqeval.scheme").IOB2
    generator = np.random.RandomState(3)
    tags, predictions = (
        [[NAMES[tag] for tag in row] for row in generator.randint(0, 5, [40, 9])]
        for _ in range(2)
    )
    found = klue_metrics.entity_metrics(tags, predictions, NAMES)
    expected = seqeval.precision_recall_fscore_support(
        tags, predictions, average="macro", scheme=scheme, suffix=True, zero_division=0
    )
    assert found["entity_macro_f1"] == pytest.approx(expected[2])
    joined = [sum(each, []) for each in (tags, predictions)]
    expected = sklearn_metrics.f1_score(
        *joined, labels=NAMES, average="macro", zero_division=1
    )
    assert found["character_macro_f1"] == pytest.approx(expected)


@pytest.mark.parametrize(
    "text, normalized",
    [
        ("《토지》 1부", "《토지》 1부"),  # upstream: its pattern matches nothing
        ("1,000원  입니다.", "1000원 입니다"),
        ("The KBS", "the kbs"),
        ("(가)나", "가나"),
    ],
)
def test_answers_are_normalised_as_upstream_does(text, normalized):
    assert klue_metrics.normalize_answer(text) == normalized


@pytest.mark.parametrize(
    "prediction, answer, expected",
    [
        ("세종 대왕", "세종대왕은", 0.4),
        ("세종대왕", "세종대왕", 1.0),
        ("대왕 세종", "세종대왕", 0.444444),
        ("이순신", "세종대왕", 0.0),
        ("", "세종대왕", 0.0),
        ("", "", 1.0),
        ("세종", "", 0.0),
    ],
)
def test_rouge_w(prediction, answer, expected):
    found = klue_metrics.rouge_w(prediction, answer)
    assert found == pytest.approx(expected, abs=1e-5)


def test_answers_and_none():
    answers = {"a": ["서울", "서울시"], "b": [], "c": []}
    found = klue_metrics.answer_metrics(answers, {"a": "서울시", "b": "", "c": "부산"})
    assert found == pytest.approx({"exact_match": 2 / 3, "rouge_w": 2 / 3})
    found = klue_metrics.answer_metrics(answers, {"a": "서울특", "b": "", "c": ""})
    assert found == pytest.approx({"exact_match": 2 / 3, "rouge_w": (0.8 + 2) / 3})


def test_dependencies_worked_by_hand():
    arcs = [((2, 0), (3, 2)), ((3, 3, 0), (3, 20, 2))]
    predictions = [((2, 0), (3, 9)), ((2, 3, 0), (3, 30, 2))]
    found = klue_metrics.parsing_metrics(arcs, predictions)
    assert (found["num_examples"], found["uas"], found["las"]) == (2, 0.8, 0.4)
    # Heads 0: 2 of 2. 2: 1 of 1, given twice. 3: 1 of 2, given once.
    assert found["uas_macro_f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    # 2: 1 of 2. 3: 1 of 2, given once. 9: wrong. Others: 20 and 30 are one. Wrong head.
    expected = (2 / 3 + 2 / 3 + 0 + 1 + 0) / 5
    assert found["las_macro_f1"] == pytest.approx(expected)


def test_dependencies_beside_scikit_learn():
    """As KLUE's baseline computes them."""
    generator = np.random.RandomState(4)
    heads, found_heads = generator.randint(0, 6, [2, 400])
    relations, found = generator.randint(0, 20, [2, 400])
    metrics = klue_metrics.parsing_metrics(
        [(heads[:150], relations[:150]), (heads[150:], relations[150:])],
        [(found_heads[:150], found[:150]), (found_heads[150:], found[150:])],
    )
    expected = sklearn_metrics.f1_score(heads, found_heads, average="macro")
    assert metrics["uas_macro_f1"] == pytest.approx(expected)
    expected = sklearn_metrics.f1_score(heads, found_heads, average="micro")
    assert metrics["uas"] == pytest.approx(expected)
    relations, found = (np.where(x >= 15, -3, x) for x in (relations, found))
    found = np.where(heads == found_heads, found, -2)
    expected = sklearn_metrics.f1_score(relations, found, average="macro")
    assert metrics["las_macro_f1"] == pytest.approx(expected)
