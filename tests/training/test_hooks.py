"""Progress lines with rate and time left, and the stop at a lost loss."""

import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.training import hooks


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
