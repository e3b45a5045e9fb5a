"""From losses to updates: order, clipping, replicas."""

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.optimization import schedules, updates
from encoder_ko.optimization.optimizers import AdamWeightDecay
from encoder_ko.replicas import distribution, engines


def test_update_t_uses_the_rate_of_step_t():
    """Upstream has a race here and mostly used the rate of step t + 1."""
    with tf.Graph().as_default(), tf.Session() as session:
        weight = tf.get_variable("output_bias", initializer=[1.0], use_resource=True)
        step = tf.train.get_or_create_global_step()
        rate = schedules.polynomial_decay(step, 1.0, 4)
        train = updates.train_op(3.0 * weight[0], AdamWeightDecay(rate))
        session.run(tf.global_variables_initializer())
        rates = [session.run([train.learning_rate, train.op])[0] for _ in range(4)]
        assert session.run(step) == 4
    np.testing.assert_allclose(rates, [1.0, 0.75, 0.5, 0.25])


@pytest.mark.parametrize("size,scale", [(3.0, 1 / 5.0), (0.3, 1.0)])
def test_gradients_are_clipped_to_norm_1_before_the_moments(size, scale):
    """Gradients (3, 4) have norm 5; m = 0.1 times the clipped gradient."""
    with tf.Graph().as_default(), tf.Session() as session:
        weights = tf.get_variable("kernel", initializer=[1.0, 1.0], use_resource=True)
        loss = tf.reduce_sum(weights * [size, size * 4 / 3])
        train = updates.train_op(loss, AdamWeightDecay(0.1))
        session.run(tf.global_variables_initializer())
        norm, _ = session.run([train.gradient_norm, train.op])
        m = session.run([v for v in tf.global_variables() if "adam_m" in v.name][0])
    assert norm == pytest.approx(size * 5 / 3)
    np.testing.assert_allclose(m, 0.1 * scale * np.array([size, size * 4 / 3]), 1e-6)


def test_sparse_gradients_count_by_slices_as_upstream():
    """A row looked up twice: slices (1, 1) have norm sqrt 2, their sum 2 has norm 2."""
    for one_hot, expected in ((False, np.sqrt(2.0)), (True, 2.0)):
        with tf.Graph().as_default(), tf.Session() as session:
            table = tf.get_variable("table", [3, 1], use_resource=True)
            rows = tf.matmul(tf.one_hot([1, 1], 3), table) if one_hot else None
            looked_up = tf.gather(table, [1, 1]) if rows is None else rows
            gradients, norm = updates.gradients_and_norm(
                tf.reduce_sum(looked_up), [table]
            )
            session.run(tf.global_variables_initializer())
            assert session.run(norm) == pytest.approx(expected)
            assert session.run(gradients[0]).tolist() == [[0.0], [2.0], [0.0]]


def test_bfloat16_gradients_are_not_cast_before_the_optimizer():
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable("kernel", initializer=[[2.0]], use_resource=True)
        product = tf.matmul(
            tf.constant([[3.0]], tf.bfloat16), tf.cast(kernel, "bfloat16")
        )
        gradients, norm = updates.gradients_and_norm(
            tf.reduce_sum(tf.cast(product, tf.float32)), [kernel]
        )
        assert gradients[0].dtype == tf.bfloat16
        session.run(tf.global_variables_initializer())
        assert session.run(norm) == pytest.approx(3.0)


def test_tpu_cores_share_the_mean_gradient():
    cores = distribution.training_graph(engines.TpuCores(8))
    with tf.Graph().as_default() as graph, cores:
        weight = tf.get_variable("kernel", initializer=[1.0], use_resource=True)
        updates.gradients_and_norm(weight[0], [weight])
        kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("CrossReplicaSum") == 1


def run_updates(batches, options, weight=(1.0, -2.0)):
    """Weights, steps and norms after feeding gradients one call at a time."""
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable("kernel", initializer=weight, use_resource=True)
        fed = tf.placeholder(tf.float32, [2])
        train = updates.train_op(
            tf.reduce_sum(kernel * fed), AdamWeightDecay(0.1), options=options
        )
        session.run(tf.global_variables_initializer())
        session.run(tf.local_variables_initializer())
        norms = [
            session.run([train.gradient_norm, train.op], {fed: batch})[0]
            for batch in batches
        ]
        step = session.run(tf.train.get_global_step())
        saved = sorted(v.op.name for v in tf.global_variables())
        return session.run(kernel), step, norms, saved


def test_accumulated_batches_make_the_update_of_their_mean():
    """Two updates of three micro-batches, against two of their means."""
    micro = np.random.RandomState(0).randn(6, 2).astype(np.float32)
    options = updates.UpdateOptions(accumulation_steps=3)
    weights, step, norms, saved = run_updates(micro, options)
    means = micro.reshape(2, 3, 2).mean(1)
    expected, _, expected_norms, names = run_updates(means, updates.UpdateOptions())
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert step == 2
    np.testing.assert_allclose(norms[2::3], expected_norms, rtol=1e-6)
    assert norms[0] == norms[1] == norms[3] == 0
    assert saved == names == ["global_step", "kernel", "kernel/adam_m", "kernel/adam_v"]


@pytest.mark.parametrize("lost", [np.nan, np.inf])
@pytest.mark.parametrize("steps", [1, 2])
def test_updates_that_are_not_finite_are_skipped(lost, steps):
    """They leave weights and moments alone; the step goes on."""
    good, bad = [[0.5, -0.25]] * steps, [[0.5, lost]] * steps
    options = updates.UpdateOptions(accumulation_steps=steps, skip_nonfinite=True)
    weights, step, _, saved = run_updates(good + bad + good, options)
    expected, _, _, _ = run_updates(good + good, options)
    np.testing.assert_array_equal(weights, expected)
    assert step == 3
    assert "skipped_updates" in saved


def test_skipped_updates_are_counted():
    with tf.Graph().as_default(), tf.Session() as session:
        kernel = tf.get_variable("kernel", initializer=[1.0], use_resource=True)
        fed = tf.placeholder(tf.float32, [1])
        train = updates.train_op(
            tf.reduce_sum(kernel * fed),
            AdamWeightDecay(0.1),
            options=updates.UpdateOptions(skip_nonfinite=True),
        )
        session.run(tf.global_variables_initializer())
        counts = [
            session.run([train.skipped, train.op], {fed: [value]})[0]
            for value in (1.0, np.nan, 1.0, np.inf)
        ]
    assert counts == [0, 1, 1, 2]
