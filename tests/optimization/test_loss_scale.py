"""Dynamic loss scaling: what it leaves as it is, and what it does at an overflow."""

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.optimization import loss_scale, updates
from encoder_ko.optimization.optimizers import AdamWeightDecay

OVERFLOWS = 1e35  # times 2^15 it is beyond float32
SCALED = updates.UpdateOptions(loss_scaling=True)


def run(gradients, options):
    """(weights, scales, shown norms) after updates with these gradients."""
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable("kernel", initializer=[1.0, -2.0], use_resource=True)
        fed = tf.placeholder(tf.float32, [2])
        train = updates.train_op(
            tf.reduce_sum(kernel * fed), AdamWeightDecay(0.1), options=options
        )
        saved = {v.op.name: v for v in tf.global_variables()}
        session.run(tf.global_variables_initializer())
        session.run(tf.local_variables_initializer())
        scales, norms = [], []
        for gradient in gradients:
            fetched = [train.gradient_norm, train.skipped, train.op]
            norm, skipped, _ = session.run(fetched, {fed: gradient})
            norms.append(norm)
            if "loss_scale" in saved:
                scales.append(session.run(saved["loss_scale"]))
        step = session.run(saved["global_step"])
        return session.run(kernel), scales, norms, skipped, step


@pytest.mark.parametrize("steps", [1, 2])
def test_finite_updates_are_those_without_a_scale(steps):
    gradients = np.random.RandomState(0).randn(6, 2)
    plain = run(gradients, updates.UpdateOptions(accumulation_steps=steps))
    scaled = run(
        gradients, updates.UpdateOptions(accumulation_steps=steps, loss_scaling=True)
    )
    np.testing.assert_allclose(scaled[0], plain[0], rtol=1e-6)
    np.testing.assert_allclose(scaled[2], plain[2], rtol=1e-6)
    assert set(scaled[1]) == {loss_scale.INITIAL}
    assert scaled[4] == 6 // steps


def test_an_overflow_leaves_the_update_out_and_halves_the_scale():
    good, bad = [0.5, -0.25], [OVERFLOWS, 0.0]
    weights, scales, norms, skipped, step = run([good, bad, bad, good], SCALED)
    expected, _, _, _, _ = run([good, good], SCALED)
    np.testing.assert_array_equal(weights, expected)
    first = loss_scale.INITIAL
    assert scales == [first, first / 2, first / 4, first / 4]
    assert norms[1] == norms[2] == 0.0 and norms[0] == norms[3] > 0
    assert skipped == 2 and step == 4


def test_finite_updates_in_a_row_double_the_scale(monkeypatch):
    monkeypatch.setattr(loss_scale, "UPDATES_TO_DOUBLE", 3)
    good, bad = [0.5, -0.25], [OVERFLOWS, 0.0]
    _, scales, _, _, _ = run([good, good, bad, good, good, good, good], SCALED)
    first = loss_scale.INITIAL
    assert scales == [first, first] + [first / 2] * 3 + [first, first]


def test_a_gradient_that_no_scale_makes_finite_is_shown(monkeypatch):
    monkeypatch.setattr(loss_scale, "INITIAL", 2.0)
    _, scales, norms, _, _ = run([[np.inf, 0.0]] * 3, SCALED)
    assert scales == [1.0, 1.0, 1.0]
    assert norms == [0.0, np.inf, np.inf]


def test_without_a_scale_there_is_no_variable_of_it():
    assert run([[0.5, -0.25]], updates.UpdateOptions(skip_nonfinite=True))[1] == []
