"""Watches for the collapse of a masked language model to the frequencies of tokens.

A network that has lost, or never found, what a context says predicts every masked
token by its frequency, and its loss is the entropy of these frequencies. Too high a
rate while Adam's moments are new is the usual cause, and the loss then stays there: a
falling rate does not bring it back.
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy as np

FIRST_STEP = 200  # before it, nothing is expected of a network
PATIENCE = 500  # steps at the entropy after which it is said

# A loss above the entropy less this is "at" it, in nats: positions alone, such as the
# full stop at the end, are worth some hundredths, contexts 0.2 after 200 good steps.
_MARGIN = 0.1

_BLOCK = 250  # updates; the frequencies are those of the last one or two blocks
_LEAST = 100  # updates from which frequencies are taken


class UnigramEntropy:
    """The entropy of masked tokens by their frequencies in the last 250 to 500 updates.

    Args:
      vocab_size: ids are below it.
      batches_per_update: micro-batches whose gradients make one update.
    """

    def __init__(self, vocab_size: int, batches_per_update: int = 1):
        self._block = _BLOCK * batches_per_update
        self._least = _LEAST * batches_per_update
        self._recent = np.zeros(vocab_size, np.int64)
        self._earlier = np.zeros(vocab_size, np.int64)
        self._batches, self._batches_earlier = 0, 0

    def add(self, ids: np.ndarray, weights: np.ndarray) -> None:
        """Counts a batch: int32 and float32 of one shape, weight 0 = no token."""
        if self._batches == self._block:
            self._earlier, self._batches_earlier = self._recent, self._batches
            self._recent, self._batches = np.zeros_like(self._recent), 0
        self._recent += np.bincount(ids[weights > 0], minlength=len(self._recent))
        self._batches += 1

    def value(self) -> Optional[float]:
        """Nats; None after fewer than 100 updates."""
        if self._batches + self._batches_earlier < self._least:
            return None
        return entropy_of_counts(self._recent + self._earlier)


def entropy_of_counts(counts: np.ndarray) -> float:
    """The entropy, in nats, of the distribution that counts were drawn from.

    The entropy of the observed shares is too low, by 0.2 to 0.6 nats for twice as many
    draws as there are tokens, because rare tokens have not come up yet. Grassberger's
    estimate is nearly free of that:

        log n - 1/n sum over tokens of c G(c)
        G(1) = -gamma - log 2, G(2) = 2 + G(1), G(2k + 1) = G(2k),
        G(2k + 2) = G(2k) + 2 / (2k + 1)

    Source: P. Grassberger, Entropy estimates from insufficient samplings (2003),
    arXiv:physics/0307138, equation 35. 0.0 where there are no counts.
    """
    counts = counts[counts > 0]
    if not len(counts):
        return 0.0
    total = counts.sum()
    steps = 2.0 / (2.0 * np.arange(counts.max() // 2) + 1.0)
    g_of_pairs = np.concatenate([[0.0], np.cumsum(steps)]) - np.euler_gamma - np.log(2)
    return float(np.log(total) - (counts * g_of_pairs[counts // 2]).sum() / total)


def steps_at_entropy(entries: Sequence[Dict[str, Any]]) -> int:
    """For how many steps the last lines of a log show no better loss than the entropy.

    Lines of the warm-up, whose rate is above that of the line before, do not count: a
    slow start is no collapse.

    Args:
      entries: lines of the log, with step, learning_rate and, where they are known,
        masked_lm_loss and unigram_entropy.
    """
    first = None
    rates = [None] + [entry["learning_rate"] for entry in entries[:-1]]
    for entry, rate_before in zip(reversed(entries), reversed(rates)):
        loss, entropy = entry.get("masked_lm_loss"), entry.get("unigram_entropy")
        if loss is None or entropy is None or loss < entropy - _MARGIN:
            break
        if rate_before is not None and entry["learning_rate"] > rate_before:
            break
        first = entry["step"]
    return 0 if first is None else entries[-1]["step"] - first


def warning(entries: List[Dict[str, Any]]) -> Optional[str]:
    """What to say at the last line of a log: once, when the patience is over."""
    steps = steps_at_entropy(entries)
    if steps < PATIENCE or steps_at_entropy(entries[:-1]) >= PATIENCE:
        return None
    last = entries[-1]
    return (
        f"The masked-LM loss ({last['masked_lm_loss']:.2f}) has not been below the "
        f"entropy of the masked tokens' frequencies ({last['unigram_entropy']:.2f}) "
        f"since step {last['step'] - steps}: the network predicts tokens by how "
        "frequent they are, whatever stands around them. It rarely leaves this state: "
        "begin again in another --output_dir with a lower --learning_rate, a longer "
        "warm-up (--num_warmup_steps) or --adam_bias_correction."
    )


def summary(entries: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """For the results: the last comparison, and for how long it has been like this."""
    compared = [entry for entry in entries if "unigram_entropy" in entry]
    if not compared:
        return {}
    names = ("step", "masked_lm_loss", "unigram_entropy")
    return dict(
        {name: compared[-1][name] for name in names if name in compared[-1]},
        steps_at_entropy=steps_at_entropy(entries),
    )
