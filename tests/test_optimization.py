"""From losses to updates: order, clipping, replicas."""

import numpy as np
import pytest
from tensorflow.python.tpu import tpu_function

from encoder_ko import optimization, schedules
from encoder_ko.compat import tf
from encoder_ko.optimizers import AdamWeightDecay


def test_update_t_uses_the_rate_of_step_t():
    """Upstream has a race here and mostly used the rate of step t + 1."""
    with tf.Graph().as_default(), tf.Session() as session:
        weight = tf.get_variable("output_bias", initializer=[1.0], use_resource=True)
        step = tf.train.get_or_create_global_step()
        rate = schedules.polynomial_decay(step, 1.0, 4)
        train = optimization.train_op(3.0 * weight[0], AdamWeightDecay(rate))
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
        train = optimization.train_op(loss, AdamWeightDecay(0.1))
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
            gradients, norm = optimization.gradients_and_norm(
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
        gradients, norm = optimization.gradients_and_norm(
            tf.reduce_sum(tf.cast(product, tf.float32)), [kernel]
        )
        assert gradients[0].dtype == tf.bfloat16
        session.run(tf.global_variables_initializer())
        assert session.run(norm) == pytest.approx(3.0)


def test_tpu_cores_share_the_mean_gradient():
    with tf.Graph().as_default() as graph, tpu_function.tpu_shard_context(8):
        weight = tf.get_variable("kernel", initializer=[1.0], use_resource=True)
        optimization.gradients_and_norm(weight[0], [weight])
        kinds = [operation.type for operation in graph.get_operations()]
    assert kinds.count("CrossReplicaSum") == 1
