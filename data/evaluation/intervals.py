"""How far chance reaches: 95% intervals of metrics, and which slices are worse.

Examples are what is drawn at random; a sentence or a question is one example.
"""

import math
from typing import Callable, Dict, NamedTuple, Optional, Sequence, Tuple

import numpy as np

_Z = 1.959964  # of the normal distribution at 97.5%
_RESAMPLES = 1000
_SEED = 12345

Interval = Tuple[float, float]


def share_interval(hits: int, count: int) -> Interval:
    """Wilson's interval of hits / count: 8 of 10 is 0.490 to 0.943.

    Source: E. B. Wilson, 1927. Without an example it is 0 to 1.
    """
    if not count:
        return 0.0, 1.0
    share, spread = hits / count, _Z * _Z / count
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread)
    half *= math.sqrt(share * (1 - share) / count + spread / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def bootstrap_interval(
    sums: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    counts: Optional[np.ndarray] = None,
) -> Interval:
    """The middle 95% of a statistic over 1,000 samples drawn with replacement.

    Args:
      sums: float [N, K], what each example (or each sort of them) adds to the sums.
      statistic: float [K, R], the sums of R samples -> its values [R].
      counts: int [N], how many examples are of each sort; None = one.

    Returns:
      The percentiles 2.5 and 97.5; the same at each call.
    """
    random = np.random.RandomState(_SEED)
    sums = np.asarray(sums, np.float64)
    if counts is None:
        drawn = np.empty([_RESAMPLES, sums.shape[1]])
        for row in drawn:
            chosen = random.randint(0, len(sums), len(sums))
            row[:] = np.bincount(chosen, minlength=len(sums)) @ sums
    else:
        total = int(np.sum(counts))
        drawn = random.multinomial(total, counts / total, _RESAMPLES) @ sums
    low, high = np.percentile(statistic(drawn.T), [2.5, 97.5])
    return float(low), float(high)


class Ratio(NamedTuple):
    """A metric that is a quotient of sums over examples.

    It is a share, 0 to 1, or an error of 0 and more. Accuracy: 1 or 0 over 1. F1 of
    entities: twice the right ones over predicted and true ones. Mean error: the error
    over 1.

    Attributes:
      numerators, denominators: float [N].
      higher_is_better: whether a lower value is the worse one.
    """

    numerators: np.ndarray
    denominators: np.ndarray
    higher_is_better: bool = True

    def value(self, chosen: Optional[np.ndarray] = None) -> float:
        """Of the chosen examples (bool [N]), or of all; 0 where nothing counts."""
        chosen = slice(None) if chosen is None else chosen
        below = float(np.sum(self.denominators[chosen]))
        return float(np.sum(self.numerators[chosen])) / below if below else 0.0

    def interval(self, chosen: np.ndarray) -> Interval:
        """Of the chosen examples: Wilson's for shares, else by linearisation.

        The residuals a - r * b of a ratio r = sum(a) / sum(b) have the mean 0, and
        their deviation is that of r times the mean of b.
        """
        above, below = self.numerators[chosen], self.denominators[chosen]
        if np.all(below == 1) and np.all((above == 0) | (above == 1)):
            return share_interval(int(above.sum()), len(above))
        value = self.value(chosen)
        if len(above) < 2 or not below.sum():
            return value, value
        residuals = above - value * below
        half = _Z * residuals.std(ddof=1) / math.sqrt(len(above)) / below.mean()
        highest = 1.0 if self.higher_is_better else math.inf
        return max(0.0, value - half), min(highest, value + half)

    def worse_by_chance(self, chosen: np.ndarray) -> float:
        """How likely as many examples drawn from the whole are as bad or worse.

        The residuals against the whole's ratio have the mean 0 in a random part of m
        of N examples, with the variance s^2 / m * (N - m) / (N - 1); the probability is
        the normal distribution's. 1 for a part of fewer than 10 examples, of which
        this says nothing, and for the whole.
        """
        residuals = self.numerators - self.value() * self.denominators
        size, total = int(np.sum(chosen)), len(residuals)
        deviation = float(residuals.std())
        if size < 10 or size == total or not deviation:
            return 1.0
        deviation *= math.sqrt((total - size) / (total - 1) / size)
        z = float(residuals[chosen].mean()) / deviation
        return 0.5 * math.erfc((-z if self.higher_is_better else z) / math.sqrt(2))


class SliceResult(NamedTuple):
    """A part of the examples: its name, size, metric, interval, verdict."""

    name: str
    size: int
    value: float
    interval: Interval
    is_worse: bool


def slice_results(ratio: Ratio, slices: Dict[str, np.ndarray]) -> Sequence[SliceResult]:
    """Each slice beside the whole.

    One is called worse where that comes of chance with a probability below 0.05 over
    all the slices together (Bonferroni: below 0.05 divided by their number).

    Args:
      slices: name -> bool [N]; empty ones are left out.
    """
    slices = {name: chosen for name, chosen in slices.items() if np.any(chosen)}
    return [
        SliceResult(
            name,
            int(chosen.sum()),
            ratio.value(chosen),
            ratio.interval(chosen),
            ratio.worse_by_chance(chosen) < 0.05 / len(slices),
        )
        for name, chosen in slices.items()
    ]
