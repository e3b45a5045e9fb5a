import json
import warnings

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sklearn_metrics

from data.evaluation.metrics import (
    classification_metrics,
    confusion_matrix,
    entity_metrics,
    regression_metrics,
)
from data.io.errors import InputError

NAMES = ("none", "offensive", "hate")


def test_classification_metrics_worked_by_hand():
    found = classification_metrics([0, 0, 1], [0, 1, 1], ("부정", "긍정"))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["macro_f1"] == pytest.approx(2 / 3)
    assert found["confusion_matrix"] == [[1, 1], [0, 1]]
    negative = found["per_class"]["부정"]
    assert negative["precision"] == 1.0
    assert negative["recall"] == 0.5
    assert negative["f1"] == pytest.approx(2 / 3)
    assert negative["support"] == 2
    assert found["num_examples"] == 3


@pytest.mark.parametrize("seed", range(5))
def test_classification_metrics_equal_scikit_learn(seed):
    generator = np.random.RandomState(seed)
    labels = generator.randint(0, 3, size=200)
    predictions = generator.randint(0, 3, size=200)
    found = classification_metrics(labels, predictions, NAMES)
    expected = sklearn_metrics.precision_recall_fscore_support(labels, predictions)
    for index, name in enumerate(NAMES):
        row = found["per_class"][name]
        got = (row["precision"], row["recall"], row["f1"], row["support"])
        assert got == pytest.approx([column[index] for column in expected])
    macro = sklearn_metrics.f1_score(labels, predictions, average="macro")
    assert found["macro_f1"] == pytest.approx(macro)
    matrix = sklearn_metrics.confusion_matrix(labels, predictions)
    assert found["confusion_matrix"] == matrix.tolist()


def test_a_class_never_predicted_counts_as_zero_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = classification_metrics([0, 1, 2, 2], [0, 0, 0, 0], NAMES)
    assert found["per_class"]["hate"] == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 2,
    }
    assert found["macro_f1"] == pytest.approx((2 * 1 / 5) / 3)


def test_a_class_that_does_not_occur_is_left_out_of_the_macro_average():
    found = classification_metrics([0, 1], [0, 1], NAMES)
    assert found["macro_f1"] == 1.0
    assert found["per_class"]["hate"]["support"] == 0


def test_classification_metrics_are_plain_json():
    found = classification_metrics(np.array([0, 1]), np.array([1, 1]), ("a", "b"))
    assert json.loads(json.dumps(found)) == found


def test_unusable_input_is_named():
    with pytest.raises(InputError, match="no example to evaluate"):
        classification_metrics([], [], NAMES)
    with pytest.raises(InputError, match=r"shape \[2\] and predictions \[1\]"):
        classification_metrics([0, 1], [0], NAMES)
    with pytest.raises(InputError, match="prediction is outside .* 0 to 3, .* 0 to 2"):
        confusion_matrix([0, 1], [0, 3], 3)


def test_regression_metrics_worked_by_hand():
    found = regression_metrics([1, 2, 3], [1, 4, 9])
    assert found["spearman"] == pytest.approx(1.0)
    # Deviations (-1, 0, 1) and (-11/3, -2/3, 13/3): 8 / sqrt(2 * 98/3).
    assert found["pearson"] == pytest.approx(8 / np.sqrt(2 * 98 / 3))
    assert found["mean_squared_error"] == pytest.approx(40 / 3)
    assert found["num_examples"] == 3
    assert regression_metrics([1, 2, 3], [3, 2, 1])["spearman"] == pytest.approx(-1)


@pytest.mark.parametrize("seed", range(5))
def test_correlations_equal_scipy_with_ties(seed):
    generator = np.random.RandomState(seed)
    scores = generator.randint(0, 6, size=150)
    predictions = np.round(scores + generator.normal(size=150), 1)
    found = regression_metrics(scores, predictions)
    assert found["pearson"] == pytest.approx(stats.pearsonr(scores, predictions)[0])
    assert found["spearman"] == pytest.approx(stats.spearmanr(scores, predictions)[0])


def test_constant_predictions_correlate_with_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = regression_metrics([1.0, 2.0, 5.0], [3.0, 3.0, 3.0])
    assert (found["pearson"], found["spearman"]) == (0.0, 0.0)
    assert regression_metrics([2.0], [3.0])["pearson"] == 0.0


def test_scores_that_are_not_numbers_are_refused():
    with pytest.raises(InputError, match="not a number"):
        regression_metrics([1.0, 2.0], [1.0, float("nan")])


def test_entities_count_whole_or_not_at_all():
    tags = [["PER-B", "O", "LOC-B", "LOC-I"], ["DAT-B"]]
    predictions = [["PER-B", "O", "LOC-B", "O"], ["ORG-B"]]
    found = entity_metrics(tags, predictions)
    # One of three predicted entities is right, and one of three true ones found.
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 3)
    assert found["f1"] == pytest.approx(1 / 3)
    assert found["num_examples"] == 2
    assert sorted(found["per_class"]) == ["DAT", "LOC", "ORG", "PER"]
    perfect = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1}
    assert found["per_class"]["PER"] == perfect
    assert found["per_class"]["LOC"]["f1"] == 0.0
    assert found["per_class"]["ORG"]["support"] == 0
    assert json.loads(json.dumps(found)) == found


def test_neighbouring_entities_and_a_stray_inside_tag():
    tags = [["PER-B", "PER-B", "ORG-I"]]
    assert entity_metrics(tags, [["PER-B", "PER-I", "ORG-I"]])["per_class"] == {
        "ORG": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1},
        "PER": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 2},
    }
    assert entity_metrics(tags, tags)["f1"] == 1.0


def test_an_entity_does_not_cross_sentences():
    tags = [["PER-B"], ["PER-I"]]
    assert entity_metrics(tags, tags)["per_class"]["PER"]["support"] == 2


def test_sentences_without_entities_score_zero_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = entity_metrics([["O", "O"]], [["O", "O"]])
        none_found = entity_metrics([["PER-B", "O"]], [["O", "O"]])
    assert (found["f1"], found["per_class"]) == (0.0, {})
    assert (none_found["precision"], none_found["recall"]) == (0.0, 0.0)


def test_tags_of_other_lengths_are_refused():
    with pytest.raises(InputError, match="more or fewer predicted tags than words"):
        entity_metrics([["O", "O"]], [["O"]])
    with pytest.raises(InputError, match="no example to evaluate"):
        entity_metrics([], [])
