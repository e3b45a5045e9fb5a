"""Session hooks: the step, progress with rate and time left, when and why to stop."""

import contextlib
import math
import numbers
import os
import signal
import sys
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Union

from absl import logging

from data.io.errors import InputError, StoppedBySignal
from encoder_ko.compat import Tensor, tf
from encoder_ko.replicas import distribution
from encoder_ko.training.run_folder import RunFolder

LOST_LOSS_ADVICE = (
    "Lower --learning_rate or lengthen the warm-up, and pass --overwrite or another "
    "--output_dir."
)


def duration(seconds: float) -> str:
    """3725 -> "1:02:05", 65 -> "1:05"."""
    minutes, seconds = divmod(int(round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"


class Stopwatch:
    """A clock, in seconds, that stands still while something else is done."""

    def __init__(self) -> None:
        self._stopped_for = 0.0

    def __call__(self) -> float:
        return time.time() - self._stopped_for

    @contextlib.contextmanager
    def stopped(self) -> Iterator[None]:
        """What is done inside takes no time; not to be nested."""
        started = time.time()
        try:
            yield
        finally:
            self._stopped_for += time.time() - started


class StepHook(tf.train.SessionRunHook):
    """Counts updates, for the hooks after it in their list.

    The one place where a step is counted: fetched with an update, the global step could
    be from before or after it.

    Args:
      runs_per_step: micro-batches whose gradients make one update.

    Attributes:
      step: number of the update, from 1, that the run of the session is part of.
      ends_step: whether this run makes that update: its last micro-batch.
    """

    def __init__(self, runs_per_step: int = 1):
        self._runs_per_step = runs_per_step

    def after_create_session(self, session, coord):
        self.step = int(session.run(tf.train.get_global_step(session.graph)))
        self.ends_step = True
        self._runs = 0

    def before_run(self, run_context):
        self.step += self.ends_step
        self._runs += 1
        self.ends_step = self._runs % self._runs_per_step == 0

    @property
    def steps_done(self) -> int:
        """Updates made when this run is over."""
        return self.step if self.ends_step else self.step - 1


class ProgressHook(tf.train.SessionRunHook):
    """Prints step, rate, time left and values every few seconds; stops at NaN or inf.

    The rate is that of the steps since the last line; the first step of a session,
    which also compiles, does not count. A later step may compile, too, for a new shape.

    Args:
      steps: counts the updates.
      total_steps: the last step of the run.
      batch_size: examples per step.
      values: name -> float32 scalar tensor to show; "loss" is among them, and
        "gradient_norm" if it is to be finite, too.
      unit: what an example is called.
      tokens: int scalar tensor, tokens in the batch, or None.
      every_seconds: least time between two lines.
      lost_loss_advice: what to do where one of the two is not finite, or a function
        that says it; None = nothing, go on.
      quiet: whether nothing is printed.
      clock: seconds.
    """

    def __init__(
        self,
        steps: StepHook,
        total_steps: int,
        batch_size: int,
        values: Dict[str, Tensor],
        unit: str = "examples",
        tokens=None,
        every_seconds: float = 5.0,
        lost_loss_advice: Union[None, str, Callable[[], str]] = LOST_LOSS_ADVICE,
        quiet: bool = False,
        clock: Callable[[], float] = time.time,
    ):
        self._steps = steps
        self._total = total_steps
        self._batch_size = batch_size
        self._fetches = dict(values)
        if tokens is not None:
            self._fetches["tokens"] = tokens
        self._unit = unit
        self._every = every_seconds if sys.stderr.isatty() else 4 * every_seconds
        self._advice = lost_loss_advice
        self._quiet = quiet
        self._clock = clock

    def after_create_session(self, session, coord):
        self._mark = None

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        values = dict(run_values.results)
        tokens = int(values.pop("tokens", 0))
        now = self._clock()
        self._require_finite(values, self._steps.step)
        if self._mark is None:
            self._start_interval(now)
        else:
            self._tokens += tokens
        is_last = self._steps.step >= self._total
        is_time = is_last or now - self._mark[0] >= self._every
        if self._steps.ends_step and is_time:
            self._show(values, now)
            self._start_interval(now)

    def _require_finite(self, values, step):
        checked = [name for name in ("loss", "gradient_norm") if name in values]
        lost = [name for name in checked if not math.isfinite(values[name])]
        if self._advice is None or not lost:
            return
        shown = ", ".join(f"{name}={float(v):.6g}" for name, v in values.items())
        advice = self._advice() if callable(self._advice) else self._advice
        raise InputError(
            f"The {lost[0].replace('_', ' ')} is not finite at step {step} ({shown}). "
            f"{advice}"
        )

    def _start_interval(self, now):
        self._mark, self._tokens = (now, self._steps.steps_done), 0

    def _show(self, values, now):
        step = self._steps.step
        parts = [f"step {step}/{self._total}"]
        parts += [_shown(name, value) for name, value in values.items()]
        steps = step - self._mark[1]
        if steps:
            seconds = max(now - self._mark[0], 1e-9)
            parts.append(f"{steps * self._batch_size / seconds:.1f} {self._unit}/s")
            if self._tokens:
                parts.append(f"{self._tokens / seconds:.0f} tokens/s")
            left = (self._total - step) * seconds / steps
            parts.append(f"{duration(left)} left")
        if not self._quiet:
            print("  ".join(parts), file=sys.stderr, flush=True)


def _shown(name, value):
    if isinstance(value, numbers.Integral):
        return f"{name} {value}"
    return f"{name} {float(value):.3g}" if "rate" in name else f"{name} {value:.4f}"


class StopOnSignalHook(tf.train.SessionRunHook):
    """Ends training after the update that runs when SIGTERM or Ctrl-C comes.

    The Estimator then saves a checkpoint as at any end, so that a preempted run loses
    nothing. Of several processes all end after the same update, when one gets it. A
    second Ctrl-C ends the process at once.

    Args:
      runs_per_step: micro-batches whose gradients make one update.
      replicas: what trains; None = one replica.

    Attributes:
      stopped: whether a signal ended training.
    """

    def __init__(
        self,
        runs_per_step: int = 1,
        replicas: Optional[distribution.OneReplica] = None,
    ):
        self.stopped = False
        self._runs_per_step = runs_per_step
        self._replicas = replicas or distribution.OneReplica()
        self._asked = False
        self._number = signal.SIGTERM
        self._previous: Dict[int, Any] = {}

    def begin(self):
        self._runs = 0
        if self._replicas.processes > 1:
            self._own = tf.placeholder(tf.float32, [])
            self._all = self._replicas.sums([self._own])[0]
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._previous[number] = signal.signal(number, self._note)

    def _note(self, number, frame):
        self._asked, self._number = True, number
        if number == signal.SIGINT:
            signal.signal(number, self._previous.pop(number))
            # The log may be in the midst of a line.
            os.write(2, b"\nStopping after this step. Ctrl-C again loses it.\n")
        if self._replicas.processes == 1:
            self.stopped = True

    def before_run(self, run_context):
        if self._replicas.processes > 1:
            return tf.train.SessionRunArgs(self._all, {self._own: float(self._asked)})

    def after_run(self, run_context, run_values):
        self._runs += 1
        if self._replicas.processes > 1:
            self.stopped |= run_values.results > 0
        if self.stopped and self._runs % self._runs_per_step == 0:
            run_context.request_stop()

    def end(self, session):
        self.restore()

    def restore(self):
        """Gives the signal back to whoever had it; also after an error."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def raise_if_stopped(self, step: int) -> None:
        """Raises StoppedBySignal if a signal ended training.

        Args:
          step: that is saved.
        """
        if self.stopped:
            logging.info(
                "Stopped by a signal; step %d is saved. The same command resumes "
                "there.",
                step,
            )
            raise StoppedBySignal(self._number)


class SaverHook(tf.train.CheckpointSaverHook):
    """Saves every so many steps, and at the steps that somebody waits for.

    Args:
      folder: of the checkpoints.
      every_steps: steps between two checkpoints.
      is_due: whether a step is one of the others.
    """

    def __init__(
        self, folder: str, every_steps: int, is_due: Callable[[int], bool]
    ) -> None:
        super().__init__(folder, save_steps=every_steps)
        self._timer = _SaverTimer(every_steps, is_due)


class _SaverTimer(tf.train.SecondOrStepTimer):
    def __init__(self, every_steps, is_due):
        super().__init__(every_steps=every_steps)
        self._is_due = is_due

    def should_trigger_for_step(self, step):
        is_new = step != self.last_triggered_step()
        return super().should_trigger_for_step(step) or (is_new and self._is_due(step))


class EvaluationListener(tf.train.CheckpointSaverListener):
    """Evaluates in the midst of training, once the checkpoint of a step is saved.

    So there is one graph and one session for all of a training.

    Args:
      is_due: whether there is to be an evaluation at a step.
      evaluate: step -> whether training is to end.
      clock: of the time that training takes; stands still meanwhile.
    """

    def __init__(
        self,
        is_due: Callable[[int], bool],
        evaluate: Callable[[int], bool],
        clock: Stopwatch,
    ):
        self._is_due, self._evaluate, self._clock = is_due, evaluate, clock

    def after_save(self, session, step):
        if not self._is_due(step):
            return False
        with self._clock.stopped():
            return self._evaluate(int(step))


class FolderGuard(tf.train.CheckpointSaverListener):
    """Notices that the folder of a run was deleted; also a context around training.

    To write into a folder that is gone, TensorFlow makes it anew, without the settings
    that say whose it is: the next run would take it for somebody else's. So nothing is
    saved there, and what TensorFlow wrote when it happened is deleted.

    Args:
      folder: RunFolder, already claimed.
    """

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._writing = False  # whether TensorFlow may make the folder now

    def __enter__(self):
        self._require_folder()
        self._writing = True
        return self

    def before_save(self, session, global_step_value):
        self._require_folder()
        self._writing = True

    def after_save(self, session, global_step_value):
        self._require_folder()
        self._writing = False

    def __exit__(self, error_type, error, trace):
        if error is None or isinstance(error, Exception):
            self._require_folder()
        self._writing = False

    def _require_folder(self):
        if not self._folder.is_deleted():
            return
        self._folder.delete_remade(by_tensorflow=self._writing)
        raise self._folder.deleted_error()


@contextlib.contextmanager
def guarded(
    folder: RunFolder, replicas: distribution.OneReplica
) -> Iterator[List[tf.train.CheckpointSaverListener]]:
    """Listeners for training in a folder, which the chief alone writes to."""
    if not replicas.is_chief:
        yield []
        return
    with FolderGuard(folder) as guard:
        yield [guard]
