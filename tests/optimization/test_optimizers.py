"""Optimisers and schedules against Google's recorded updates."""

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.optimization import schedules
from encoder_ko.optimization.optimizers import AdamWeightDecay, Lamb
from tests.support.shared_data import golden

RECORDED = {
    "bert_adamw": AdamWeightDecay,
    "bert_adamw_noclip": AdamWeightDecay,
    "albert_adamw": AdamWeightDecay,
    "albert_adamw_noclip": AdamWeightDecay,
    "albert_lamb": Lamb,
    "albert_lamb_noclip": Lamb,
    "electra_adamw": AdamWeightDecay,
    "electra_adamw_noclip": AdamWeightDecay,
    "electra_adamw_layerwise": AdamWeightDecay,
}


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_updates_equal_upstream(name):
    recorded = np.load(golden("optimizers", name + ".npz"))
    names = [str(n) for n in recorded["names"]]
    clip = float(recorded["clip_global_norm"])
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [
            tf.get_variable(n, initializer=recorded["init/" + n], use_resource=True)
            for n in names
        ]
        rate = tf.placeholder(tf.float32, [])
        fed = [tf.placeholder(tf.float32, v.shape) for v in variables]
        scale = 1.0
        if clip:
            scale = clip / tf.maximum(tf.linalg.global_norm(fed), clip)
        optimizer = RECORDED[name](rate, rate_of=rates(recorded))
        update = optimizer.apply_gradients(fed, variables, scale)
        session.run(tf.global_variables_initializer())
        for step in range(15):
            feed = {f: recorded["grad/" + n][step] for f, n in zip(fed, names)}
            feed[rate] = base_rate(recorded, step)
            session.run(update, feed)
            for variable, n in zip(variables, names):
                np.testing.assert_allclose(
                    session.run(variable),
                    recorded["value/" + n][step],
                    rtol=0,
                    atol=1e-6,
                )
        for n in names:
            for moment in ("adam_m", "adam_v"):
                slot = [
                    v for v in tf.global_variables() if v.op.name == f"{n}/{moment}"
                ]
                assert len(slot) == 1 and slot[0] not in tf.trainable_variables()
                np.testing.assert_allclose(
                    session.run(slot[0]),
                    recorded[f"final_{moment}/{n}"],
                    rtol=1e-5,
                    atol=1e-8,
                )


def base_rate(recorded, step):
    if "learning_rate" in recorded.files:
        return recorded["learning_rate"][step]
    return recorded["lr_by_key"][step].max()


def rates(recorded):
    """Layer-wise: a variable has the rate of the key that is part of its name."""
    if "lr_keys" not in recorded.files:
        return None
    by_key = recorded["lr_by_key"]
    step = int(by_key.max(axis=1).argmax())
    factors = {
        str(key): by_key[step, i] / by_key[step].max()
        for i, key in enumerate(recorded["lr_keys"])
    }
    return lambda name: next(f for key, f in factors.items() if key in name)


def curve(function, steps):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = function(step)
        return [session.run(rate, {step: s}) for s in steps]


@pytest.mark.parametrize(
    "key,peak,total,warm",
    [
        ("lr1e-3_train20_warm5", 1e-3, 20, 5),
        ("lr5e-5_train22_warm0", 5e-5, 22, 0),
        ("lr2e-4_train24_warm24", 2e-4, 24, 24),
        ("lr1e-3_train10_warm15", 1e-3, 10, 15),
    ],
)
def test_bert_schedule_equals_upstream(key, peak, total, warm):
    recorded = np.load(golden("optimizers", "bert_lr_schedules.npz"))
    actual = curve(
        lambda step: schedules.warmup_replacing(
            step, schedules.polynomial_decay(step, peak, total), peak, warm
        ),
        recorded["steps"],
    )
    np.testing.assert_allclose(actual, recorded[key], rtol=2e-6, atol=1e-10)


@pytest.mark.parametrize("power,start", [(1, 0), (2, 0), (0.5, 0), (1, 3)])
def test_albert_schedule_equals_upstream(power, start):
    """Upstream's rate is negative before the warm-up starts; here it is 0."""
    recorded = np.load(golden("optimizers", "albert_lr_schedules.npz"))
    expected = recorded[f"lr1e-3_train20_warm5_pow{power:g}_start{start}"]
    actual = curve(
        lambda step: schedules.warmup_replacing(
            step, schedules.polynomial_decay(step, 1e-3, 20, power), 1e-3, 5, start
        ),
        recorded["steps"],
    )
    np.testing.assert_allclose(actual, np.maximum(expected, 0), rtol=5e-6, atol=1e-10)


@pytest.mark.parametrize(
    "key,total,warm,power",
    [
        ("lr1e-3_train20_warm5_pow1", 20, 5, 1),
        ("lr1e-3_train20_warm5_pow2", 20, 5, 2),
        ("lr1e-3_train22_prop0.1", 22, 2.2, 1),
        ("lr1e-3_train20_prop0.5_warm3", 20, 10, 1),
        ("lr1e-3_train20_warm0", 20, 0, 1),
    ],
)
def test_electra_schedule_equals_upstream(key, total, warm, power):
    recorded = np.load(golden("optimizers", "electra_lr_schedules.npz"))
    actual = curve(
        lambda step: schedules.warmup_multiplying(
            step, schedules.polynomial_decay(step, 1e-3, total, power), warm
        ),
        recorded["steps"],
    )
    np.testing.assert_allclose(actual, recorded[key], rtol=5e-6, atol=1e-10)


def test_first_update_by_hand():
    """m = 0.1 g, v = 0.001 g^2, u = m / (sqrt v + 1e-6) + 0.01 w, w -= rate u."""
    weight, gradient, rate = 2.0, 0.5, 0.1
    u = 0.05 / (np.sqrt(0.00025) + 1e-6) + 0.02
    with tf.Graph().as_default(), tf.Session() as session:
        decayed = tf.get_variable("kernel", initializer=[weight], use_resource=True)
        spared = tf.get_variable("output_bias", initializer=[weight], use_resource=True)
        op = AdamWeightDecay(rate).apply_gradients(
            [tf.constant([gradient])] * 2, [decayed, spared]
        )
        session.run(tf.global_variables_initializer())
        session.run(op)
        assert session.run(decayed)[0] == pytest.approx(weight - rate * u, rel=1e-6)
        assert session.run(spared)[0] == pytest.approx(
            weight - rate * (u - 0.02), rel=1e-6
        )
