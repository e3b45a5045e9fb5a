"""The course of a pre-training run: a line of figures every so many steps.

`training_log.jsonl` holds one JSON object a line; the same figures go to TensorBoard.
A run that was killed goes on at its last checkpoint, and so does its log.
"""

import json
import math
import os
import time
from typing import Any, Dict, List

from data.io import files
from data.io.errors import InputError
from encoder_ko.compat import tf

FILE_NAME = "training_log.jsonl"


def read_log(path: str) -> List[Dict[str, Any]]:
    """The entries of a log, in order; [] where there is none.

    A last line that is cut off is left out.
    """
    if not files.exists(path):
        return []
    entries = []
    lines = files.read_text(path).split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            entries.append(json.loads(line))
        except ValueError as error:
            raise InputError(
                f"{path}, line {number}: not JSON ({error}). Delete the line."
            ) from None
    return entries


class TrainingLogHook(tf.train.SessionRunHook):
    """Writes the log; see the module.

    Args:
      path: of the log.
      every_steps: steps between two lines.
      losses: name -> float32 scalar; the log has the mean of each over the steps
        since the line before.
      figures: name -> scalar, read at the step of the line.
      metrics: name -> scalar that only the step of a line should compute.
      batch_size: sequences per step.
      runs_per_step: micro-batches whose gradients make one update.
    """

    def __init__(
        self,
        path: str,
        every_steps: int,
        losses: Dict[str, object],
        figures: Dict[str, object],
        metrics: Dict[str, object],
        batch_size: int,
        runs_per_step: int = 1,
    ):
        self._path = path
        self._every = every_steps
        self._losses, self._figures, self._metrics = losses, figures, metrics
        self._batch_size = batch_size
        self._runs_per_step = runs_per_step

    def begin(self):
        # The Estimator's writer: two writers of one file would garble it.
        self._writer = tf.summary.FileWriterCache.get(os.path.dirname(self._path))

    def after_create_session(self, session, coord):
        self._step = int(session.run(tf.train.get_global_step(session.graph)))
        self._runs = 0
        kept = [entry for entry in read_log(self._path) if entry["step"] <= self._step]
        files.write_text(self._path, "".join(map(_line, kept)))
        self._restart()

    def _restart(self):
        self._values = {name: [] for name in self._losses}
        self._started = time.time()
        self._first_step = self._step

    def before_run(self, run_context):
        fetches = {"losses": self._losses}
        if self._ends_line():
            fetches.update(figures=self._figures, metrics=self._metrics)
        return tf.train.SessionRunArgs(fetches)

    def _ends_line(self):
        """Whether the next run makes an update whose step has a line."""
        updates = (self._runs + 1) % self._runs_per_step == 0
        return updates and (self._step + 1) % self._every == 0

    def after_run(self, run_context, run_values):
        found = run_values.results
        for name, value in found["losses"].items():
            if math.isfinite(value):
                self._values[name].append(value)
        self._runs += 1
        self._step += self._runs % self._runs_per_step == 0
        if "figures" in found:
            self._add_line(dict(found["figures"], **found["metrics"]))

    def end(self, session):
        self._writer.flush()

    def _add_line(self, figures):
        seconds = max(time.time() - self._started, 1e-9)
        steps = self._step - self._first_step
        means = {
            name: sum(values) / len(values)
            for name, values in self._values.items()
            if values
        }
        entry = {name: float(value) for name, value in dict(means, **figures).items()}
        entry["sequences_per_second"] = steps * self._batch_size / seconds
        with files.open_file(self._path, "ab") as writer:
            writer.write(_line(dict(entry, step=self._step)).encode("utf-8"))
        values = [tf.Summary.Value(tag=n, simple_value=v) for n, v in entry.items()]
        self._writer.add_summary(tf.Summary(value=values), self._step)
        self._restart()


def _line(entry):
    return json.dumps(entry, sort_keys=True) + "\n"
