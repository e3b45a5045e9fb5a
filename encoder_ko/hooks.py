"""Session hooks: progress with rate and time left, and a stop at a lost loss."""

import math
import sys
import time
from typing import Dict

from data.errors import InputError
from encoder_ko.compat import tf

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


class ProgressHook(tf.train.SessionRunHook):
    """Prints step, rate, time left and values every few seconds; stops at NaN.

    The rate is that of the steps since the last line; the first step of a session,
    which also compiles, does not count.

    Args:
      total_steps: the last step of the run.
      batch_size: examples per step.
      values: name -> float32 scalar tensor to show; "loss" is among them.
      unit: what an example is called.
      tokens: int scalar tensor, tokens in the batch, or None.
      every_seconds: least time between two lines.
    """

    def __init__(
        self,
        total_steps: int,
        batch_size: int,
        values: Dict[str, object],
        unit: str = "examples",
        tokens=None,
        every_seconds: float = 5.0,
    ):
        self._total = total_steps
        self._batch_size = batch_size
        self._fetches = dict(values)
        if tokens is not None:
            self._fetches["tokens"] = tokens
        self._unit = unit
        self._every = every_seconds if sys.stderr.isatty() else 4 * every_seconds

    def after_create_session(self, session, coord):
        self._step = int(session.run(tf.train.get_global_step(session.graph)))
        self._mark = None

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context, run_values):
        values = dict(run_values.results)
        tokens = int(values.pop("tokens", 0))
        now = time.time()
        # Fetched with the update, the global step could be from before or after it.
        self._step += 1
        _require_finite(values, self._step)
        if self._mark is None:
            self._start_interval(now)
        else:
            self._tokens += tokens
        if now - self._mark[0] >= self._every or self._step >= self._total:
            self._show(values, now)
            self._start_interval(now)

    def _start_interval(self, now):
        self._mark, self._tokens = (now, self._step), 0

    def _show(self, values, now):
        parts = [f"step {self._step}/{self._total}"]
        parts += [_shown(name, value) for name, value in values.items()]
        steps = self._step - self._mark[1]
        if steps:
            seconds = max(now - self._mark[0], 1e-9)
            parts.append(f"{steps * self._batch_size / seconds:.1f} {self._unit}/s")
            if self._tokens:
                parts.append(f"{self._tokens / seconds:.0f} tokens/s")
            left = (self._total - self._step) * seconds / steps
            parts.append(f"{duration(left)} left")
        print("  ".join(parts), file=sys.stderr, flush=True)


def _shown(name, value):
    return f"{name} {float(value):.3g}" if "rate" in name else f"{name} {value:.4f}"


def _require_finite(values, step):
    if math.isfinite(values["loss"]):
        return
    shown = ", ".join(f"{name}={float(v):.6g}" for name, v in values.items())
    raise InputError(
        f"The loss is not finite at step {step} ({shown}). {LOST_LOSS_ADVICE}"
    )
