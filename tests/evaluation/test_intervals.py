"""Intervals of metrics and the comparison of slices, against values known elsewhere."""

import math

import numpy as np
import pytest

from data.evaluation import intervals
from data.evaluation.intervals import Ratio


def test_wilsons_interval():
    """8 of 10: Wilson's bounds as in tables (and statsmodels' proportion_confint)."""
    low, high = intervals.share_interval(8, 10)
    assert low == pytest.approx(0.490162, abs=1e-5)
    assert high == pytest.approx(0.943318, abs=1e-5)
    assert intervals.share_interval(0, 0) == (0.0, 1.0)
    assert intervals.share_interval(0, 5)[0] == pytest.approx(0.0)
    assert intervals.share_interval(5, 5)[1] == pytest.approx(1.0)


def test_bootstrap_of_a_mean_is_that_of_the_normal_distribution():
    values = np.random.RandomState(0).normal(3.0, 2.0, [400, 1])
    low, high = intervals.bootstrap_interval(values, lambda sums: sums[0] / 400)
    half = 1.96 * values.std(ddof=1) / math.sqrt(400)
    assert low == pytest.approx(values.mean() - half, abs=0.03)
    assert high == pytest.approx(values.mean() + half, abs=0.03)
    again = intervals.bootstrap_interval(values, lambda sums: sums[0] / 400)
    assert again == (low, high)


def test_bootstrap_of_sorts_is_that_of_single_examples():
    rows = np.array([[1.0]] * 60 + [[0.0]] * 40)
    single = intervals.bootstrap_interval(rows, lambda sums: sums[0] / 100)
    sorts = intervals.bootstrap_interval(
        np.array([[1.0], [0.0]]), lambda sums: sums[0] / 100, np.array([60, 40])
    )
    assert single == pytest.approx(sorts, abs=0.021)
    assert single == pytest.approx(intervals.share_interval(60, 100), abs=0.03)


def test_ratio_of_shares_and_of_means():
    shares = Ratio(np.array([1.0, 1.0, 0.0, 1.0]), np.ones(4))
    assert shares.value() == 0.75
    assert shares.interval(np.ones(4, bool)) == intervals.share_interval(3, 4)
    f1 = Ratio(np.array([2.0, 4.0]), np.array([4.0, 4.0]))
    assert f1.value() == 0.75
    chosen = np.array([True, False])
    assert f1.value(chosen) == 0.5
    assert f1.interval(chosen) == (0.5, 0.5)  # one example says nothing of chance


def test_a_worse_slice_is_told_from_chance():
    """100 of 1,000 with 60% instead of 90%, and 100 drawn evenly."""
    right = np.ones(1000)
    right[:40] = 0  # 40 of the first 100 are wrong
    right[100:1000:15] = 0  # 60 of the other 900
    bad = np.arange(1000) < 100
    even = np.arange(1000) % 10 == 3
    ratio = Ratio(right, np.ones(1000))
    found = {r.name: r for r in intervals.slice_results(ratio, {"a": bad, "b": even})}
    assert found["a"].is_worse and not found["b"].is_worse
    assert (found["a"].size, found["a"].value) == (100, 0.6)


def test_probability_of_a_slice_is_that_of_the_hypergeometric_distribution():
    from scipy import stats

    right = np.array([1.0] * 800 + [0.0] * 200)
    chosen = np.zeros(1000, bool)
    chosen[650:850] = True  # 150 right, 50 wrong
    exact = stats.hypergeom.cdf(150, 1000, 800, 200)
    assert Ratio(right, np.ones(1000)).worse_by_chance(chosen) == pytest.approx(
        exact, abs=0.01
    )


def test_errors_are_worse_where_they_are_larger():
    errors = np.concatenate([np.full(50, 2.0), np.full(950, 1.0)])
    large = np.arange(1000) < 50
    ratio = Ratio(errors, np.ones(1000), higher_is_better=False)
    assert ratio.worse_by_chance(large) < 1e-6
    assert ratio.worse_by_chance(~large) > 0.99


def test_few_examples_are_not_judged():
    ratio = Ratio(np.array([0.0] * 9 + [1.0] * 991), np.ones(1000))
    assert ratio.worse_by_chance(np.arange(1000) < 9) == 1.0
    assert ratio.worse_by_chance(np.ones(1000, bool)) == 1.0


def test_empty_slices_are_left_out():
    ratio = Ratio(np.ones(20), np.ones(20))
    assert intervals.slice_results(ratio, {"none": np.zeros(20, bool)}) == []
