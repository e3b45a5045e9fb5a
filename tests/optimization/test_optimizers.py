"""Optimisers and schedules against Google's recorded updates."""

import re

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.optimization import schedules
from encoder_ko.optimization.optimizers import AdamWeightDecay, Lamb

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
def test_updates_equal_upstream(golden, name):
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
        for step in range(len(recorded["global_step_before"])):
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


def curve(function, steps, **settings):
    with tf.Graph().as_default(), tf.Session() as session:
        step = tf.placeholder(tf.int64, [])
        rate = function(step, **settings)
        return [session.run(rate, {step: s}) for s in steps]


def recorded_schedules(path):
    """Key, settings and rates: lr1e-3_train20_warm5 is {lr: 0.001, train: 20, ...}."""
    recorded = np.load(path)
    keys = [key for key in recorded.files if key.startswith("lr")]
    assert keys
    for key in keys:
        found = re.findall("([a-z]+)([0-9.]+(?:e-?[0-9]+)?)", key)
        yield key, {n: float(v) for n, v in found}, recorded["steps"], recorded[key]


def test_bert_schedules_equal_upstream(golden):
    path = golden("optimizers", "bert_lr_schedules.npz")
    for key, given, steps, expected in recorded_schedules(path):
        actual = curve(
            lambda step, lr, train, warm: schedules.warmup_replacing(
                step, schedules.polynomial_decay(step, lr, train), lr, warm
            ),
            steps,
            **given,
        )
        np.testing.assert_allclose(actual, expected, 2e-6, 1e-10, err_msg=key)


def test_albert_schedules_equal_upstream(golden):
    """Upstream's rate is negative before the warm-up starts; here it is 0."""
    path = golden("optimizers", "albert_lr_schedules.npz")
    for key, given, steps, expected in recorded_schedules(path):
        actual = curve(
            lambda step, lr, train, warm, pow, start: schedules.warmup_replacing(
                step, schedules.polynomial_decay(step, lr, train, pow), lr, warm, start
            ),
            steps,
            **given,
        )
        expected = np.maximum(expected, 0)
        np.testing.assert_allclose(actual, expected, 5e-6, 1e-10, err_msg=key)


def test_electra_schedules_equal_upstream(golden):
    """The warm-up is a number of steps or a share of all, whichever is longer."""
    path = golden("optimizers", "electra_lr_schedules.npz")
    for key, given, steps, expected in recorded_schedules(path):
        actual = curve(
            lambda step, lr, train, warm=0, prop=0, pow=1: schedules.warmup_multiplying(
                step,
                schedules.polynomial_decay(step, lr, train, pow),
                max(train * prop, warm),
            ),
            steps,
            **given,
        )
        np.testing.assert_allclose(actual, expected, 5e-6, 1e-10, err_msg=key)


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
