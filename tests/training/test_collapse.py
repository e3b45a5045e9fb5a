"""The entropy of masked tokens, and the warning of a loss that stays there."""

import numpy as np
import pytest

from encoder_ko.training import collapse


def test_entropy_of_counts_by_hand():
    """G(1) = -gamma - log 2, G(2) = G(3) = 2 + G(1), G(4) = 2 + 2/3 + G(1)."""
    g1 = -np.euler_gamma - np.log(2)
    assert collapse.entropy_of_counts(np.array([0, 1, 0])) == pytest.approx(-g1)
    expected = np.log(9) - (2 * (2 + g1) + 3 * (2 + g1) + 4 * (8 / 3 + g1)) / 9
    found = collapse.entropy_of_counts(np.array([3, 0, 2, 4]))
    assert found == pytest.approx(expected)
    assert collapse.entropy_of_counts(np.zeros(5, np.int64)) == 0.0


def test_entropy_is_nearly_free_of_the_bias_of_few_draws():
    """Zipf's frequencies of 8,000 words; the observed shares are 0.25 nats too low."""
    shares = 1 / (np.arange(8000) + 2.7)
    shares /= shares.sum()
    entropy = -(shares * np.log(shares)).sum()
    counts = np.random.RandomState(0).multinomial(16000, shares)
    observed = counts[counts > 0] / counts.sum()
    assert -(observed * np.log(observed)).sum() < entropy - 0.2
    assert collapse.entropy_of_counts(counts) == pytest.approx(entropy, abs=0.08)


@pytest.mark.parametrize("per_update", [1, 2])
def test_frequencies_are_those_of_the_last_updates(per_update):
    unigrams = collapse.UnigramEntropy(4, per_update)
    weights = np.array([[1.0, 1.0, 0.0]], np.float32)

    def add(updates, *ids):
        for _ in range(updates * per_update):
            unigrams.add(np.array([ids], np.int32), weights)

    add(99, 0, 1, 3)
    assert unigrams.value() is None
    add(1, 0, 1, 3)
    # Two tokens, equally frequent; the third has no weight.
    assert unigrams.value() == pytest.approx(np.log(2), abs=0.01)
    add(500, 2, 2, 3)  # all that was before is forgotten
    assert unigrams.value() == pytest.approx(0.0, abs=0.01)


def log(*losses, first=200, entropy=7.5, rates=None):
    """Lines every 100 steps."""
    rates = rates or [1.0 - 0.01 * i for i in range(len(losses))]
    return [
        {
            "step": first + 100 * i,
            "masked_lm_loss": loss,
            "unigram_entropy": entropy,
            "learning_rate": rate,
        }
        for i, (loss, rate) in enumerate(zip(losses, rates))
    ]


STUCK = [7.66, 7.61, 7.57, 7.57, 7.46, 7.5]  # steps 200 to 700


def test_a_loss_at_the_entropy_for_500_steps_is_said_once():
    said = [collapse.warning(log(*(STUCK * 2)[:n])) for n in range(1, 13)]
    assert [n for n, message in enumerate(said, 1) if message] == [6]
    assert said[5] == (
        "The masked-LM loss (7.50) has not been below the entropy of the masked "
        "tokens' frequencies (7.50) since step 200: the network predicts tokens by how "
        "frequent they are, whatever stands around them. It rarely leaves this state: "
        "begin again in another --output_dir with a lower --learning_rate, a longer "
        "warm-up (--num_warmup_steps) or --adam_bias_correction."
    )


def test_a_loss_that_leaves_the_entropy_or_falls_back_later():
    assert collapse.steps_at_entropy(log(*STUCK, 7.2)) == 0
    assert not any(collapse.warning(log(*STUCK[:5], 7.2)[:n]) for n in range(1, 7))
    fallen = log(*STUCK, 7.2, 6.9, *STUCK)
    assert collapse.steps_at_entropy(fallen) == 500
    assert "since step 1000" in collapse.warning(fallen)


def test_the_warm_up_does_not_count():
    """A rate that rises to step 400: 300 steps of the 500 have passed at 700."""
    rates = [0.2, 0.3, 0.4, 0.39, 0.38, 0.37]
    lines = log(*STUCK, rates=rates)
    assert collapse.steps_at_entropy(lines) == 200
    assert collapse.warning(lines) is None


def test_lines_without_a_comparison_are_none():
    assert collapse.steps_at_entropy([]) == 0
    lines = log(*STUCK)
    del lines[2]["unigram_entropy"], lines[1]["masked_lm_loss"]
    assert collapse.steps_at_entropy(lines) == 200
    assert collapse.steps_at_entropy([{"step": 100, "learning_rate": 1.0}]) == 0
    assert collapse.summary([{"step": 100, "learning_rate": 1.0}]) == {}


def test_the_summary_is_the_last_comparison():
    assert collapse.summary(log(*STUCK)) == {
        "step": 700,
        "masked_lm_loss": 7.5,
        "unigram_entropy": 7.5,
        "steps_at_entropy": 500,
    }
