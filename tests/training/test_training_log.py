"""Lines of the log: means of losses, and those that are not finite as they are."""

import math

import numpy as np
import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.training import collapse, hooks
from encoder_ko.training.training_log import TrainingLogHook, read_log

NAN, INF = float("nan"), float("inf")


def train(
    folder,
    losses,
    every_steps=2,
    runs_per_step=1,
    first_step=0,
    masked=None,
    last_step=1000,
):
    """Trains a step for each loss, or for each `runs_per_step` of them.

    Returns:
      (entries of the log, {(tag, step): value} of TensorBoard).
    """
    path = str(folder / "training_log.jsonl")
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        runs = tf.get_local_variable("runs", initializer=0, use_resource=True)
        with tf.control_dependencies([tf.assign_add(runs, 1)]):
            run = runs.read_value()
        loss = tf.gather(tf.constant(losses), run - 1)
        with tf.control_dependencies([loss]):
            due = tf.cast(tf.equal(run % runs_per_step, 0), step.dtype)
            update = tf.assign_add(step, due)
        steps = hooks.StepHook(runs_per_step)
        log = TrainingLogHook(
            steps,
            path,
            every_steps,
            last_step,
            {"loss": loss, "masked_lm_loss": loss},
            {"learning_rate": tf.constant(0.5)},
            {"accuracy": tf.constant(0.25)},
            batch_size=8,
            tokens=tf.constant(60),
            masked_tokens=masked and {n: tf.constant(v) for n, v in masked.items()},
            unigrams=masked and collapse.UnigramEntropy(5),
        )
        start = tf.assign(step, first_step)
        scaffold = tf.train.Scaffold(init_fn=lambda _, session: session.run(start))
        creator = tf.train.ChiefSessionCreator(scaffold)
        with tf.train.MonitoredSession(creator, [steps, log]) as session:
            for _ in losses:
                session.run(update)
    return read_log(path), summaries(folder)


def summaries(folder):
    found = {}
    for path in folder.glob("events.out.*"):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found[value.tag, event.step] = value.simple_value
    return found


def test_a_line_has_means_of_losses_and_the_metrics_of_its_step(tmp_path):
    entries, summary = train(tmp_path, [4.0, 2.0, 3.0, 1.0, 9.0])
    assert [(e["step"], e["loss"]) for e in entries] == [(2, 3.0), (4, 2.0)]
    assert all(e["learning_rate"] == 0.5 and e["accuracy"] == 0.25 for e in entries)
    for entry in entries:  # 60 tokens in 8 sequences
        rate = entry["tokens_per_second"] / entry["sequences_per_second"]
        assert rate == pytest.approx(7.5)
    assert summary["loss", 4] == 2.0


def test_the_last_step_has_a_line(tmp_path):
    entries, _ = train(tmp_path, [4.0, 2.0, 3.0], last_step=3)
    assert [(e["step"], e["loss"]) for e in entries] == [(2, 3.0), (3, 3.0)]
    entries, _ = train(tmp_path, [9.0] * 4, every_steps=100, last_step=5, first_step=3)
    assert [(e["step"], e["loss"]) for e in entries] == [(2, 3.0), (3, 3.0), (5, 9.0)]


def test_losses_that_are_not_finite_are_shown_as_they_are(tmp_path):
    """Not as 0: counted in the line, with a summary of their own at their step."""
    entries, summary = train(tmp_path, [4.0, NAN, INF, NAN, 1.0, 3.0])
    assert [entry.get("loss") for entry in entries] == [4.0, None, 2.0]
    assert [entry.get("loss_nonfinite") for entry in entries] == [1, 2, None]
    own = {step: value for (tag, step), value in summary.items() if "nonf" in tag}
    assert set(own) == {2, 3, 4}
    assert math.isnan(own[2]) and own[3] == INF and math.isnan(own[4])
    assert ("nonfinite/loss", 2) in summary
    assert 0.0 not in summary.values()


def test_steps_are_updates_not_micro_batches(tmp_path):
    """Two batches an update, a line every two updates: the mean of four batches."""
    entries, _ = train(tmp_path, [1.0, 2.0, 3.0, 4.0, 5.0, 5.0], runs_per_step=2)
    assert [(e["step"], e["loss"]) for e in entries] == [(2, 2.5)]


def test_a_resumed_log_forgets_lines_after_its_checkpoint(tmp_path):
    train(tmp_path, [1.0, 1.0, 2.0, 2.0])
    entries, _ = train(tmp_path, [3.0], first_step=3)
    assert [(e["step"], e["loss"]) for e in entries] == [(2, 1.0), (4, 3.0)]


def test_the_entropy_of_masked_tokens_stands_beside_their_loss(tmp_path, caplog):
    """From step 200 on and after 100 updates; a loss that stays there is said once."""
    ids, weights = np.array([[3, 3, 4]], np.int32), np.ones([1, 3], np.float32)
    entries, summary = train(
        tmp_path,
        [7.0] * 700,
        every_steps=50,
        first_step=120,
        masked={"ids": ids, "weights": weights},
    )
    assert [e["step"] for e in entries if "unigram_entropy" in e][:2] == [250, 300]
    entropy = np.log(3) - 2 / 3 * np.log(2)
    assert entries[-1]["unigram_entropy"] == pytest.approx(entropy, abs=0.01)
    assert summary["unigram_entropy", 800] == pytest.approx(entropy, abs=0.01)
    said = [r.getMessage() for r in caplog.records if "masked-LM" in r.getMessage()]
    assert len(said) == 1 and "since step 250" in said[0]


@pytest.mark.parametrize("runs_per_step", [1, 3])
def test_the_step_is_that_of_the_update_under_way(runs_per_step):
    found = []
    steps = hooks.StepHook(runs_per_step)

    class Reader(tf.train.SessionRunHook):
        def before_run(self, run_context):
            found.append((steps.step, steps.ends_step, steps.steps_done))

        def after_run(self, run_context, run_values):
            assert found[-1] == (steps.step, steps.ends_step, steps.steps_done)

    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        start = tf.assign(step, 7)
        scaffold = tf.train.Scaffold(init_fn=lambda _, session: session.run(start))
        creator = tf.train.ChiefSessionCreator(scaffold)
        with tf.train.MonitoredSession(creator, [steps, Reader()]) as session:
            for _ in range(4):
                session.run(step)
    if runs_per_step == 1:
        assert found == [(n, True, n) for n in (8, 9, 10, 11)]
    else:
        assert found == [(8, False, 7), (8, False, 7), (8, True, 8), (9, False, 8)]


@pytest.mark.parametrize(
    "line, problem",
    [
        (b'{"step"', "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[" * 10**5, "not JSON"),
        (b"5", "no step"),
        (b'{"loss": 1.0}', "no step"),
    ],
    ids=["cut", "encoding", "deep", "number", "no step"],
)
def test_a_damaged_line_is_named(tmp_path, line, problem):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n' + line + b'\n{"step": 3}\n')
    with pytest.raises(InputError) as raised:
        read_log(str(path))
    assert f"{path}, line 2: {problem}" in str(raised.value)
    assert "Delete the line." in str(raised.value)
