"""Steps that a TPU makes in loops, as the hooks see them afterwards."""

import json

import numpy as np
import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.training import hooks, tpu_loop
from encoder_ko.training.training_log import FILE_NAME, TrainingLogHook

CORES, PER_LOOP = 8, 4
LOSSES = [5.0, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5, 1.0, 0.5, 0.25]


def train_hooks(folder, loss, norm, clock, advice="Lower it."):
    steps = hooks.StepHook()
    return [
        steps,
        hooks.ProgressHook(
            steps,
            len(LOSSES),
            32,
            {"loss": loss, "gradient_norm": norm},
            tokens=None,
            lost_loss_advice=advice,
            clock=clock,
        ),
        TrainingLogHook(
            steps,
            str(folder / FILE_NAME),
            3,
            1000,
            {"loss": loss},
            {"learning_rate": norm},
            {},
            32,
            clock=clock,
        ),
    ]


def run_loops(folder, losses, loops, advice="Lower it."):
    """Runs loops of steps whose values the host gets from eight cores."""
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        fed = tf.placeholder(tf.float32, [])
        table = tpu_loop.StepTable(["loss", "gradient_norm"], PER_LOOP)
        write, sent = table.host_call(
            step + 1, {"loss": fed, "gradient_norm": 2.0 * fed}
        )
        assert all(t.shape.as_list() == [1] for t in sent.values())
        from_cores = {name: tf.tile(t, [CORES]) for name, t in sent.items()}
        with tf.control_dependencies([write(**from_cores)]):
            host = tf.assign_add(step, 1)
        replay = tpu_loop.ReplayHook(
            table,
            lambda clock: train_hooks(folder, "loss", "gradient_norm", clock, advice),
        )
        with tf.train.SingularMonitoredSession(hooks=[replay]) as session:
            raw, done = session.raw_session(), 0
            for size in loops:  # a call of the session runs `size` steps
                for loss in losses[done : done + size]:
                    raw.run(host, {fed: loss})
                done += size
                session.run([])


def log_of(folder):
    text = (folder / FILE_NAME).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_log_is_that_of_single_steps(tmp_path, capfd):
    run_loops(tmp_path, LOSSES, [4, 4, 2])
    log = log_of(tmp_path)
    assert [line["step"] for line in log] == [3, 6, 9]
    expected = [np.mean(LOSSES[i : i + 3]) for i in (0, 3, 6)]
    assert [line["loss"] for line in log] == pytest.approx(expected)
    assert [line["learning_rate"] for line in log] == [7.0, 4.0, 1.0]
    shown = capfd.readouterr().err.splitlines()
    assert shown[-1].startswith("step 10/10  loss 0.2500  gradient_norm 0.5000")


def test_rates_are_by_the_time_of_the_steps(tmp_path, monkeypatch):
    """Not by when the loop ended, at which all its steps are seen at once."""
    times = iter(np.arange(100.0, 200.0, 0.5))
    monkeypatch.setattr(
        tf, "timestamp", lambda: tf.py_func(lambda: next(times), [], tf.float64)
    )
    run_loops(tmp_path, LOSSES, [4, 4, 2])
    rates = [line["sequences_per_second"] for line in log_of(tmp_path)]
    assert rates[1:] == pytest.approx([64.0, 64.0])  # 32 sequences in half a second


def test_a_lost_norm_stops_after_its_loop(tmp_path):
    losses = LOSSES[:5] + [float("inf")] + LOSSES[6:]
    with pytest.raises(
        InputError, match="The loss is not finite at step 6 .* Lower it"
    ):
        run_loops(tmp_path, losses, [4, 4, 2])
    assert [line["step"] for line in log_of(tmp_path)] == [3]


def test_a_lost_norm_is_counted_where_that_was_asked_for(tmp_path):
    losses = LOSSES[:5] + [float("inf")] + LOSSES[6:]
    run_loops(tmp_path, losses, [4, 4, 2], advice=None)
    assert [line.get("loss_nonfinite") for line in log_of(tmp_path)] == [None, 1, None]
