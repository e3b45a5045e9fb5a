"""Upstream's create_optimizer and optimiser classes against Google's recorded updates.

On reference variables, which tf.get_variable makes under TensorFlow 1, and on resource
variables.
"""

import numpy as np
import pytest

from albert_ko import lamb_optimizer
from albert_ko import optimization as albert
from bert_ko import optimization as bert
from data.io.errors import InputError
from electra_ko.model import optimization as electra
from encoder_ko import compat
from encoder_ko.compat import tf
from tests.support.reference_variables import variables_of_client  # noqa: F401
from tests.support.shared_data import OWN as golden

# (loss, peak rate, steps, warm-up) as upstream's programs call them.
PROGRAMS = {
    "bert_adamw": lambda *args: bert.create_optimizer(*args, False),
    "albert_adamw": lambda *args: albert.create_optimizer(*args, False),
    "albert_lamb": lambda *args: albert.create_optimizer(*args, False, "lamb"),
    "electra_adamw": lambda loss, rate, steps, warmup: electra.create_optimizer(
        loss, rate, steps, weight_decay_rate=0.01, warmup_steps=warmup
    ),
    "electra_adamw_layerwise": lambda loss, rate, steps, warmup: (
        electra.create_optimizer(
            loss,
            rate,
            steps,
            weight_decay_rate=0.01,
            use_tpu=False,
            warmup_steps=warmup,
            warmup_proportion=0,
            lr_decay_power=1.0,
            layerwise_lr_decay_power=0.8,
            n_transformer_layers=2,
        )
    ),
}


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_create_optimizer_equals_upstream(name, variables_of_client):  # noqa: F811
    recorded = np.load(golden("optimizers", name + ".npz"))
    with tf.Graph().as_default(), tf.Session() as session:
        weights, gradients = given(recorded)
        loss = tf.add_n([tf.reduce_sum(w * g) for w, g in zip(weights, gradients)])
        train_op = PROGRAMS[name](loss, 1e-2, 40, 4)
        assert isinstance(train_op, tf.Operation)
        assert compat.is_resource_variable(weights[0]) is variables_of_client
        session.run(tf.global_variables_initializer())
        check_updates(session, recorded, train_op, weights, gradients)
        assert session.run(tf.train.get_global_step()) == 15


CLASSES = {
    "bert_adamw_noclip": bert.AdamWeightDecayOptimizer,
    "albert_adamw_noclip": albert.AdamWeightDecayOptimizer,
    "albert_lamb_noclip": lamb_optimizer.LAMBOptimizer,
    "electra_adamw_noclip": electra.AdamWeightDecayOptimizer,
}


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_optimizer_classes_equal_upstream(name, variables_of_client):  # noqa: F811
    recorded = np.load(golden("optimizers", name + ".npz"))
    with tf.Graph().as_default(), tf.Session() as session:
        weights, gradients = given(recorded)
        optimizer = CLASSES[name](
            learning_rate=0.01,
            weight_decay_rate=0.01,
            beta_1=0.9,
            beta_2=0.999,
            epsilon=1e-6,
            exclude_from_weight_decay=["LayerNorm", "layer_norm", "bias"],
        )
        assert isinstance(optimizer, tf.train.Optimizer)
        step = tf.train.get_or_create_global_step()
        pairs = list(zip(gradients, weights)) + [(None, weights[0])]
        train_op = optimizer.apply_gradients(pairs, global_step=step, name="train")
        assert train_op.name == "train"
        session.run(tf.global_variables_initializer())
        check_updates(session, recorded, train_op, weights, gradients)
        assert session.run(step) == 0  # upstream's callers increment it themselves


def given(recorded):
    """The recorded variables, and placeholders for their gradients."""
    names = [str(name) for name in recorded["names"]]
    weights = [tf.get_variable(n, initializer=recorded["init/" + n]) for n in names]
    return weights, [tf.placeholder(tf.float32, w.shape) for w in weights]


def check_updates(session, recorded, train_op, weights, gradients):
    names = [str(name) for name in recorded["names"]]
    for step in range(15):
        session.run(
            train_op,
            {g: recorded["grad/" + n][step] for g, n in zip(gradients, names)},
        )
        for value, name in zip(session.run(weights), names):
            expected = recorded["value/" + name][step]
            np.testing.assert_allclose(value, expected, rtol=0, atol=2e-6)


def test_minimize_sums_the_rows_of_a_sparse_gradient(variables_of_client):  # noqa: F811
    """Row 1 is looked up twice: its gradient is 2, and m = 0.1 x 2."""
    with tf.Graph().as_default(), tf.Session() as session:
        table = tf.get_variable("table", initializer=[[1.0], [1.0], [1.0]])
        loss = tf.reduce_sum(tf.gather(table, [1, 1]))
        train_op = bert.AdamWeightDecayOptimizer(0.5).minimize(loss)
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        slots = {v.op.name: v for v in tf.global_variables()}
        assert session.run(slots["table/adam_m"]).tolist() == [
            [0],
            [pytest.approx(0.2)],
            [0],
        ]
        # 0.5 x 0.2 / (sqrt(0.001 x 4) + 1e-6)
        assert session.run(table)[:, 0] == pytest.approx([1, 1 - 1.581114, 1], abs=1e-5)


def test_electra_takes_a_rate_for_each_group_of_variables():
    """The first update without decay is rate x 0.1 / sqrt(0.001), the sign of g."""
    with tf.Graph().as_default(), tf.Session() as session:
        low = tf.get_variable("electra/encoder/layer_0/kernel", initializer=[0.0])
        high = tf.get_variable("electra/encoder/layer_1/kernel", initializer=[0.0])
        rates = {"encoder/layer_0/": 0.1, "encoder/layer_1/": tf.constant(0.2)}
        optimizer = electra.AdamWeightDecayOptimizer(rates)
        train_op = optimizer.minimize(tf.reduce_sum(low + high))
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        unit = 0.1 / (np.sqrt(0.001) + 1e-6)
        assert session.run([low, high]) == [
            pytest.approx([-0.1 * unit], rel=1e-5),
            pytest.approx([-0.2 * unit], rel=1e-5),
        ]
        other = tf.get_variable("task_specific/kernel", initializer=[0.0])
        with pytest.raises(ValueError, match="No learning rate .*task_specific/kernel"):
            optimizer.minimize(other[0])


def test_albert_leaves_excluded_variables_alone():
    with tf.Graph().as_default(), tf.Session() as session:
        kept = tf.get_variable("kept", initializer=[1.0])
        trained = tf.get_variable("trained", initializer=[1.0])
        train_op = albert.create_optimizer(
            tf.reduce_sum(kept + trained), 0.1, 10, 0, False, excluded_tvars=["kept:0"]
        )
        session.run(tf.global_variables_initializer())
        session.run(train_op)
        assert session.run(kept).tolist() == [1.0]
        assert session.run(trained)[0] < 1.0


def test_albert_names_the_optimizers_it_knows():
    with pytest.raises(InputError, match="'sgd' is unknown. Use one of: adamw, lamb."):
        albert.create_optimizer(None, 0.1, 10, 0, False, optimizer="sgd")
