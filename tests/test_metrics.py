import json
import warnings

import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from data.errors import InputError
from data.metrics import classification_metrics, confusion_matrix

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
