"""Progress lines with rate and time left, and the stop at a lost loss."""

import re
import shutil

import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.replicas import distribution
from encoder_ko.training import hooks
from encoder_ko.training.run_folder import RunFolder


@pytest.mark.parametrize(
    "seconds, expected",
    [
        (0, "0:00"),
        (59.4, "0:59"),
        (59.6, "1:00"),
        (65, "1:05"),
        (3599.7, "1:00:00"),
        (3725, "1:02:05"),
        (360000, "100:00:00"),
    ],
)
def test_duration(seconds, expected):
    assert hooks.duration(seconds) == expected


def test_a_stopwatch_stands_still_meanwhile(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(hooks.time, "time", lambda: now[0])
    clock = hooks.Stopwatch()
    now[0] += 5
    assert clock() == 105
    with pytest.raises(ValueError), clock.stopped():
        now[0] += 60
        raise ValueError
    now[0] += 1
    assert clock() == 106


def test_checkpoints_are_also_saved_at_the_steps_that_are_due(tmp_path):
    saved, due = [], [4, 5, 11]

    class Listener(tf.train.CheckpointSaverListener):
        def after_save(self, session, step):
            saved.append(int(step))
            if step == due[0]:
                del due[0]
            return not due  # ends training

    with tf.Graph().as_default():
        update = tf.assign_add(tf.train.get_or_create_global_step(), 1)
        tf.add_to_collection(tf.GraphKeys.SAVERS, tf.train.Saver())
        saver = hooks.SaverHook(str(tmp_path), 6, lambda step: step >= due[0])
        saver._listeners.append(Listener())
        with tf.train.MonitoredSession(hooks=[saver]) as session:
            while not session.should_stop():
                session.run(update)
    # Six steps after the checkpoint before, whatever that was for.
    assert saved == [0, 4, 5, 11]


def lines(
    capsys,
    losses,
    seconds_per_step=2.0,
    first_step=0,
    total=None,
    gradient_norm=None,
    **options,
):
    """What the hook prints while steps with these losses take so many seconds each."""
    total = total or first_step + len(losses)
    clock = iter(seconds_per_step * i for i in range(len(losses)))
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        loss = tf.gather(tf.constant(losses), step - first_step)
        with tf.control_dependencies([loss]):
            train = tf.assign_add(step, 1)
        values = {"loss": loss, "learning_rate": tf.constant(5e-5)}
        if gradient_norm is not None:
            values["gradient_norm"] = tf.constant(gradient_norm)
        steps = hooks.StepHook()
        hook = hooks.ProgressHook(
            steps,
            total,
            32,
            values,
            tokens=tf.constant(640),
            clock=lambda: next(clock),
            **options,
        )
        start = tf.assign(step, first_step)
        scaffold = tf.train.Scaffold(init_fn=lambda _, session: session.run(start))
        creator = tf.train.ChiefSessionCreator(scaffold)
        capsys.readouterr()
        with tf.train.MonitoredSession(creator, [steps, hook]) as session:
            for _ in losses:
                session.run(train)
    return capsys.readouterr().err.splitlines()


def test_rate_and_time_left(capsys):
    """One step of 32 examples and 640 tokens in 2 seconds; a line every 20 seconds."""
    printed = lines(capsys, [0.5] * 25, total=1000)
    assert printed == [
        "step 11/1000  loss 0.5000  learning_rate 5e-05  16.0 examples/s  320 tokens/s"
        "  32:58 left",
        "step 21/1000  loss 0.5000  learning_rate 5e-05  16.0 examples/s  320 tokens/s"
        "  32:38 left",
    ]


def test_the_last_step_is_shown(capsys):
    printed = lines(capsys, [3.0, 2.0, 1.0], first_step=97)
    assert printed == [
        "step 100/100  loss 1.0000  learning_rate 5e-05  16.0 examples/s  320 tokens/s"
        "  0:00 left"
    ]


def test_a_single_step_has_no_rate(capsys):
    """It is the step that compiles, and there is no interval to measure."""
    printed = lines(capsys, [1.0], first_step=11)
    assert printed == ["step 12/12  loss 1.0000  learning_rate 5e-05"]


@pytest.mark.parametrize("lost", [float("nan"), float("inf")])
def test_a_lost_loss_ends_training_at_its_step(capsys, lost):
    with pytest.raises(InputError) as raised:
        lines(capsys, [1.0, 0.9, lost, 1.0])
    assert str(raised.value).startswith(
        f"The loss is not finite at step 3 (loss={lost}, learning_rate=5e-05). Lower "
        "--learning_rate"
    )


def test_a_lost_gradient_ends_training(capsys):
    with pytest.raises(InputError) as raised:
        lines(capsys, [1.0], first_step=6, gradient_norm=float("inf"))
    assert str(raised.value).startswith(
        "The gradient norm is not finite at step 7 (loss=1, learning_rate=5e-05, "
        "gradient_norm=inf). Lower --learning_rate"
    )


def test_what_is_lost_can_be_passed_over(capsys):
    lost = float("nan")
    printed = lines(capsys, [lost], gradient_norm=lost, lost_loss_advice=None)
    assert printed == ["step 1/1  loss nan  learning_rate 5e-05  gradient_norm nan"]


def train_and_save(folder, delete_at, moment):
    """Three steps with a checkpoint after each; the folder is deleted at one."""

    class Saver(tf.train.Saver):
        def save(self, session, path, global_step=None, **options):
            is_time = global_step == delete_at
            if is_time and moment == "just before it":
                shutil.rmtree(folder.path)
            prefix = super().save(session, path, global_step, **options)
            if is_time and moment == "while it is written":
                for name in tf.gfile.ListDirectory(folder.path):
                    if not name.startswith("model.ckpt"):
                        tf.gfile.Remove(folder(name))
            return prefix

    class Delete(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            if moment == "between two" and run_values.results == delete_at:
                shutil.rmtree(folder.path)

        def before_run(self, run_context):
            return tf.train.SessionRunArgs(train)

    with tf.Graph().as_default():
        train = tf.assign_add(tf.train.get_or_create_global_step(), 1)
        scaffold = tf.train.Scaffold(saver=Saver())
        with hooks.guarded(folder, distribution.OneReplica()) as listeners:
            saver_hook = tf.train.CheckpointSaverHook(
                folder.path, save_steps=1, scaffold=scaffold, listeners=listeners
            )
            creator = tf.train.ChiefSessionCreator(scaffold)
            with tf.train.MonitoredSession(creator, [Delete(), saver_hook]) as session:
                for _ in range(3):
                    session.run(train)


@pytest.mark.parametrize("step", [0, 2])
@pytest.mark.parametrize("moment", ["just before it", "while it is written"])
def test_a_folder_that_is_deleted_while_it_is_saved_to_is_no_strangers(
    tmp_path, step, moment
):
    folder = RunFolder(str(tmp_path / "run"))
    folder.claim({"seed": 1}, overwrite=False)
    said = re.escape(f"{folder.path} was moved or deleted while this run was writing")
    with pytest.raises(InputError, match=said):
        train_and_save(folder, step, moment)
    assert not folder.files()
    RunFolder(folder.path).claim({"seed": 1}, overwrite=False)


def test_what_is_put_in_place_of_a_deleted_folder_is_left_alone(tmp_path):
    folder = RunFolder(str(tmp_path / "run"))
    folder.claim({"seed": 1}, overwrite=False)

    with pytest.raises(InputError, match="was moved or deleted"):
        train_and_save(folder, 2, "between two")
    assert not folder.files(), "nothing is saved there"

    folder.claim({"seed": 1}, overwrite=False)
    mine = tmp_path / "run" / "model.ckpt-7.index"
    log = tmp_path / "run" / "training_log.jsonl"
    with pytest.raises(InputError, match="was moved or deleted"):
        with hooks.FolderGuard(folder) as guard:
            guard.before_save(None, 1)
            guard.after_save(None, 1)
            tf.gfile.Remove(folder("run_config.json"))
            mine.write_bytes(b"mine")
            log.write_bytes(b"the next line of this run")
            guard.before_save(None, 2)
    assert mine.read_bytes() == b"mine"
    assert not log.exists()


def test_a_run_that_saves_in_its_folder_is_not_disturbed(tmp_path):
    folder = RunFolder(str(tmp_path / "run"))
    folder.claim({"seed": 1}, overwrite=False)
    train_and_save(folder, None, None)
    assert tf.train.latest_checkpoint(folder.path) == folder("model.ckpt-3")
