"""The steps that a TPU makes in one call of the session, shown one after another.

Hooks see calls of the session, and on a TPU a call is a loop of many steps. So the
cores send the values of each step to their host (`host_call` of TPUEstimator), which
keeps them in a table with a row per step; after the loop the hooks are given the rows
in place of the calls that they see elsewhere.
"""

import time
from typing import Any, Callable, Dict, List, Sequence

from absl import logging

from encoder_ko.compat import tf
from encoder_ko.training.hooks import StepHook

_MOST_SECONDS_BEHIND = 60.0  # the host reads what the cores sent a moment ago


class StepTable:
    """Values of the newest steps, in a variable of the host.

    Args:
      columns: names of the values of a step.
      steps: rows, as many as a loop has steps at most.
    """

    def __init__(self, columns: Sequence[str], steps: int):
        self._columns = ("step", "time") + tuple(columns)
        self._steps = steps
        self._integers = {"step"}
        self._rows = None

    def host_call(self, step, values: Dict[str, Any]):
        """`host_call` of a TPUEstimatorSpec.

        Args:
          step: int scalar tensor, the number of the update, from 1.
          values: column -> scalar that is the same on every core.
        """
        sent = {"step": tf.cast(step, tf.int32)}
        for name, value in values.items():
            if value.dtype.is_integer:
                self._integers.add(name)
            narrow = tf.int32 if value.dtype.is_integer else tf.float32
            sent[name] = tf.cast(value, narrow)
        return self._write, {name: tf.reshape(v, [1]) for name, v in sent.items()}

    def _write(self, **of_cores):
        """Writes a row; built and run on the host.

        Args:
          of_cores: column -> [cores].
        """
        self._rows = tf.get_variable(
            "step_table",
            [self._steps, len(self._columns)],
            tf.float64,
            tf.zeros_initializer(),
            trainable=False,
            use_resource=True,
            collections=[tf.GraphKeys.LOCAL_VARIABLES],
        )
        values = {name: tf.cast(v[0], tf.float64) for name, v in of_cores.items()}
        values["time"] = tf.timestamp()
        row = tf.stack([values[name] for name in self._columns])
        place = (of_cores["step"][0] - 1) % self._steps
        return tf.scatter_update(self._rows, place, row)

    def read(self, session, first: int, last: int) -> List[Dict[str, float]]:
        """The rows of the steps `first` to `last`, once the last one has arrived."""
        deadline = time.time() + _MOST_SECONDS_BEHIND
        while True:
            rows = map(self._row, session.run(self._rows))
            rows = [row for row in rows if first <= row["step"] <= last]
            if any(row["step"] == last for row in rows):
                return sorted(rows, key=lambda row: row["step"])
            if time.time() > deadline:
                logging.warning("The TPU did not report the steps up to %d.", last)
                return []
            time.sleep(0.05)

    def _row(self, values):
        return {
            name: int(value) if name in self._integers else float(value)
            for name, value in zip(self._columns, values)
        }


class ScalarsHook(tf.train.SessionRunHook):
    """Writes columns of the table to TensorBoard, where a graph cannot on a TPU.

    Args:
      steps: counts the updates.
      columns: names of values.
      folder: of the Estimator.
      every_steps: steps between two summaries.
    """

    def __init__(
        self, steps: StepHook, columns: Sequence[str], folder: str, every_steps: int
    ):
        self._steps = steps
        self._columns = {name: name for name in columns}
        self._folder = folder
        self._every = every_steps

    def begin(self):
        self._writer = tf.summary.FileWriterCache.get(self._folder)

    def before_run(self, run_context):
        return tf.train.SessionRunArgs(self._columns)

    def after_run(self, run_context, run_values):
        if self._steps.step % self._every:
            return
        values = [
            tf.Summary.Value(tag=name, simple_value=value)
            for name, value in run_values.results.items()
        ]
        self._writer.add_summary(tf.Summary(value=values), self._steps.step)

    def end(self, session):
        self._writer.flush()


class ReplayHook(tf.train.SessionRunHook):
    """Gives each step of a loop to hooks that elsewhere see it as a call.

    Args:
      table: where the steps are.
      build: clock -> the hooks. They ask for columns of the table, by name, where they
        would for tensors; `clock()` is when the step was made, in seconds.
    """

    def __init__(
        self,
        table: StepTable,
        build: Callable[[Callable[[], float]], Sequence[tf.train.SessionRunHook]],
    ):
        self._table = table
        self._time = time.time()
        self._hooks = build(lambda: self._time)

    def begin(self):
        for hook in self._hooks:
            hook.begin()

    def after_create_session(self, session, coord):
        self._time = time.time()
        self._global_step = tf.train.get_global_step(session.graph)
        self._shown = int(session.run(self._global_step))
        for hook in self._hooks:
            hook.after_create_session(session, coord)

    def after_run(self, run_context, run_values):
        session = run_context.session
        step = int(session.run(self._global_step))
        for row in self._table.read(session, self._shown + 1, step):
            self._time = row["time"]
            self._show(row, run_context)
        self._shown = step

    def _show(self, row, run_context):
        asked = [hook.before_run(run_context) for hook in self._hooks]
        for hook, arguments in zip(self._hooks, asked):
            results = None
            if arguments is not None:
                results = tf.nest.map_structure(row.get, arguments.fetches)
            hook.after_run(run_context, tf.train.SessionRunValues(results, None, None))

    def end(self, session):
        for hook in self._hooks:
            hook.end(session)
