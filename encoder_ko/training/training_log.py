"""The course of a pre-training run: metrics every so many steps and at the last one.

`training_log.jsonl` holds one JSON object a line; the same metrics go to TensorBoard.
A run that was killed resumes at its last checkpoint, and so does its log.
"""

import collections
import json
import math
import os
import time
from typing import Any, Callable, Dict, List, Optional

from absl import logging

from data.io import files
from data.io.errors import InputError
from encoder_ko.compat import Tensor, tf
from encoder_ko.training import collapse
from encoder_ko.training.hooks import StepHook
from encoder_ko.training.run_folder import LOG

FILE_NAME = LOG


def read_log(path: str) -> List[Dict[str, Any]]:
    """The entries of a log, in order; [] where there is none.

    A last line that is cut off is left out.
    """
    if not files.exists(path):
        return []
    entries = []
    lines = files.read_bytes(path).split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{path}, line {number}: not JSON ({error}). Delete the line."
            ) from None
        if not isinstance(entry, dict) or type(entry.get("step")) is not int:
            raise InputError(f"{path}, line {number}: no step. Delete the line.")
        entries.append(entry)
    return entries


def write_evaluation(folder: str, step: int, scalars: Dict[str, float]) -> None:
    """Writes the metrics of an evaluation for TensorBoard."""
    with tf.Graph().as_default():
        # Files are named by the second, within which there may be two evaluations.
        writer = tf.summary.FileWriter(folder, filename_suffix=f".{step}")
        writer.add_summary(_summary(scalars), step)
        writer.close()


class TrainingLogHook(tf.train.SessionRunHook):
    """Writes the log; see the module.

    Args:
      steps: counts the updates.
      path: of the log.
      every_steps: steps between two lines.
      last_step: of the run; it has a line, too.
      losses: name -> float32 scalar; the log has the mean of each over the batches
        since the line before. One that is not finite has no part in the mean: it goes
        to TensorBoard as it is, as `nonfinite/<name>`, and the line counts it, as
        `<name>_nonfinite`.
      scalars: name -> scalar, read at the step of the line.
      metrics: name -> scalar that only the step of a line should compute.
      batch_size: sequences per step.
      tokens: int scalar, those of a batch that are no padding; None = not counted.
      masked_tokens: {"ids": int32, "weights": float32 of one shape, 0 = no token} of a
        batch; given, lines have `unigram_entropy` from step 200 on, and a loss that
        stays at it is mentioned once.
      unigrams: counts the masked tokens, also over several sessions.
      clock: seconds.
    """

    def __init__(
        self,
        steps: StepHook,
        path: str,
        every_steps: int,
        last_step: int,
        losses: Dict[str, Tensor],
        scalars: Dict[str, Tensor],
        metrics: Dict[str, Tensor],
        batch_size: int,
        tokens: Optional[Tensor] = None,
        masked_tokens: Optional[Dict[str, Tensor]] = None,
        unigrams: Optional[collapse.UnigramEntropy] = None,
        clock: Callable[[], float] = time.time,
    ):
        self._steps = steps
        self._path = path
        self._every, self._last = every_steps, last_step
        self._losses, self._figures, self._metrics = losses, scalars, metrics
        self._batch_size, self._tokens = batch_size, tokens
        self._masked_tokens, self._unigrams = masked_tokens, unigrams
        self._clock = clock

    def begin(self):
        # The Estimator's writer: two writers of one file would garble it.
        self._writer = tf.summary.FileWriterCache.get(os.path.dirname(self._path))

    def after_create_session(self, session, coord):
        step = self._steps.step
        self._entries = [e for e in read_log(self._path) if e["step"] <= step]
        files.write_text(self._path, "".join(map(_line, self._entries)))
        self._restart()

    def _restart(self):
        self._values = {name: [] for name in self._losses}
        self._nonfinite = collections.Counter()
        self._tokens_seen = 0
        self._started = self._clock()
        self._first_step = self._steps.step

    def before_run(self, run_context):
        fetches = {"losses": self._losses}
        if self._tokens is not None:
            fetches["tokens"] = self._tokens
        if self._masked_tokens:
            fetches["masked_tokens"] = self._masked_tokens
        if self._ends_line():
            fetches.update(scalars=self._figures, metrics=self._metrics)
        return tf.train.SessionRunArgs(fetches)

    def _ends_line(self):
        """Whether this run makes an update whose step has a line."""
        step = self._steps.step
        is_due = step % self._every == 0 or step == self._last
        return self._steps.ends_step and is_due

    def after_run(self, run_context, run_values):
        found = run_values.results
        for name, value in found["losses"].items():
            if math.isfinite(value):
                self._values[name].append(value)
            else:
                self._nonfinite[name + "_nonfinite"] += 1
                self._summarize({"nonfinite/" + name: value})
        self._tokens_seen += int(found.get("tokens", 0))
        if "masked_tokens" in found:
            self._unigrams.add(**found["masked_tokens"])
        if "scalars" in found:
            scalars = dict(found["scalars"], **found["metrics"])
            self._add_line(dict(scalars, **self._unigram_entropy()))
            self._mention_collapse()

    def end(self, session):
        self._writer.flush()

    def _unigram_entropy(self) -> Dict[str, float]:
        if not self._masked_tokens or self._steps.step < collapse.FIRST_STEP:
            return {}
        entropy = self._unigrams.value()
        return {} if entropy is None else {"unigram_entropy": entropy}

    def _mention_collapse(self):
        message = collapse.warning(self._entries)
        if message:
            logging.warning("%s", message)

    def _add_line(self, scalars):
        seconds = max(self._clock() - self._started, 1e-9)
        steps = self._steps.step - self._first_step
        means = {
            name: sum(values) / len(values)
            for name, values in self._values.items()
            if values
        }
        entry = {name: float(value) for name, value in dict(means, **scalars).items()}
        entry["sequences_per_second"] = steps * self._batch_size / seconds
        if self._tokens is not None:
            entry["tokens_per_second"] = self._tokens_seen / seconds
        self._entries.append(dict(entry, step=self._steps.step, **self._nonfinite))
        with files.open_file(self._path, "ab") as writer:
            writer.write(_line(self._entries[-1]).encode("utf-8"))
        self._summarize(entry)
        self._restart()

    def _summarize(self, scalars):
        self._writer.add_summary(_summary(scalars), self._steps.step)


def _summary(scalars):
    values = [tf.Summary.Value(tag=n, simple_value=v) for n, v in scalars.items()]
    return tf.Summary(value=values)


def _line(entry):
    return json.dumps(entry, sort_keys=True) + "\n"
