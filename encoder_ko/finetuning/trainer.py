"""Fine-tunes an encoder: training with evaluation, the best checkpoint.

What is read and what the metrics mean is the task's (`data.tasks`,
`data.evaluation.metrics`); what an encoder looks like is the sibling's (`Family`).
"""

import dataclasses
import functools
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from absl import logging

from data.io.errors import InputError
from data.records import input_pipeline
from encoder_ko.compat import tf
from encoder_ko.finetuning.family import Family, Hyperparameters
from encoder_ko.finetuning.model_fn import model_fn_builder, prediction_graph
from encoder_ko.finetuning.prediction import PredictionSession, in_order
from encoder_ko.finetuning.task_types.base import Outputs, TaskType
from encoder_ko.replicas import distribution
from encoder_ko.training import (
    checkpoints,
    estimator,
    hooks,
    restoring,
    training_log,
)
from encoder_ko.training.run_folder import BEST, HISTORY, RunFolder

# Of a history entry: time, and the metric that is there under its own name too.
_NOT_METRICS = ("seconds", "score")
_NOT_LOGGED = _NOT_METRICS + ("macro_precision", "macro_recall")


@dataclasses.dataclass(frozen=True)
class Encoder:
    """The network to fine-tune.

    Attributes:
      family: see Family. config: its configuration.
      task_type: what stands on the encoder.
      init_checkpoint: prefix of a checkpoint to start from; None = from scratch.
      dtype: compute type.
    """

    family: Family
    config: Any
    task_type: TaskType
    init_checkpoint: Optional[str] = None
    dtype: Any = tf.float32


class FineTuner:
    """One run in one folder: train, evaluate, predict.

    Args:
      folder: RunFolder, already claimed.
      save_checkpoints_steps, keep_checkpoints: as in `estimator.build_estimator`.
      replicas: what trains; None = what the hardware asks for.

    Attributes:
      dev_name: what the log calls the data on which training is evaluated.
      signal_hook: ends training.
    """

    dev_name = "dev"

    def __init__(
        self,
        encoder: Encoder,
        hyperparameters: Hyperparameters,
        folder: RunFolder,
        batch_sizes: estimator.BatchSizes,
        hardware: estimator.Hardware,
        save_checkpoints_steps: int = 1000,
        keep_checkpoints: int = 1,
        replicas: Optional[distribution.OneReplica] = None,
    ):
        self._hyperparameters = hyperparameters
        self._folder = folder
        self._encoder = encoder
        self._replicas = replicas or hardware.replicas()
        self._require_whole_pieces(batch_sizes, hardware)
        starts = (
            self._replicas.is_chief
            and checkpoints.newest_checkpoint(folder.path) is None
        )
        self._best_since = 0  # step from which `best/` may hold a checkpoint
        self._prediction = None  # on a TPU its Estimator predicts
        if not hardware.use_tpu:
            self._prediction = PredictionSession(encoder, batch_sizes.predict)
        self._clock = hooks.Stopwatch()
        self.signal_hook = hooks.StopOnSignalHook(replicas=self._replicas)
        # Several replicas, and a TPU in a loop of steps, cannot wait for an evaluation.
        self._evaluations: Optional[_Evaluations] = None
        if self._replicas.count == 1 and not self._replicas.on_tpu:
            self._evaluations = _Evaluations(self, self._clock)
        model_fn = model_fn_builder(
            encoder,
            hyperparameters,
            batch_sizes.train,
            self._replicas,
            folder("restored_variables.json") if starts else None,
            hardware.iterations_per_loop,
            build_saver=self._evaluations
            and functools.partial(
                hooks.SaverHook,
                folder.path,
                save_checkpoints_steps,
                self._evaluations.is_due,
            ),
            clock=self._clock,
        )
        self._estimator = estimator.build_estimator(
            model_fn,
            folder.path,
            batch_sizes,
            hardware,
            hyperparameters.seed,
            save_checkpoints_steps,
            keep_checkpoints,
            replicas=self._replicas,
        )

    def _require_whole_pieces(self, batch_sizes, hardware):
        self._replicas.require_divisible(
            batch_sizes.train, f"--train_batch_size={batch_sizes.train}"
        )
        if hardware.use_tpu:
            self._replicas.require_divisible(
                batch_sizes.predict, f"--predict_batch_size={batch_sizes.predict}"
            )

    @property
    def step(self) -> int:
        """Updates made so far, by the newest checkpoint."""
        return self._replicas.of_chief(
            lambda: checkpoints.saved_step(self._folder.path)
        )

    @property
    def history(self) -> List[Dict[str, float]]:
        """One entry per evaluation: step, seconds of training, metrics."""
        return self._folder.history("seconds")

    @property
    def best_checkpoint(self) -> Optional[str]:
        return checkpoints.find_checkpoint(self._folder(BEST))

    def train(self, data, evaluate: Callable[[Outputs], Dict[str, float]], dev):
        """Trains to the end, or until dev has not improved for `patience` evaluations.

        The checkpoint with the best dev result is kept in `best/`; without dev data
        it is the last one.

        Args:
          data: FineTuningData of train.
          evaluate: metrics of the outputs for dev; "score" is the one to maximise.
          dev: FineTuningData, or None.

        Raises:
          InputError: the loss is not finite, or what a prediction gives.
          StoppedBySignal: SIGTERM or Ctrl-C ended it; the step it reached is saved.
        """
        settings = self._hyperparameters
        needed = ("seconds",) if dev is None else ("seconds", "score")
        history = self._replicas.of_chief(lambda: self._folder.history(*needed))
        self._replicas.of_chief(lambda: self._remake_best(history, evaluate))
        self._announce(history)
        judge = functools.partial(self._add_entry, evaluate=evaluate, dev=dev)
        while not self.is_finished(history):
            target = self.next_evaluation(history)
            started = self._clock()
            if self.step < target:
                if self._evaluations:
                    history = self._train_and_evaluate(data, history, judge)
                    continue
                self._train_to(data, target)
            entry = {"step": target, "seconds": round(self._clock() - started, 1)}
            add = functools.partial(judge, history, entry)
            history = self._replicas.of_chief(add)
        if history[-1]["step"] < settings.train_steps:
            logging.info(
                "No better dev result for %d evaluations: stop.",
                _evaluations_since_best(history),
            )

    def _train_and_evaluate(self, data, history, judge):
        """Trains to the end; the history with the evaluations on the way."""
        self._evaluations.start(history, judge)
        self._train_to(
            data, self._hyperparameters.train_steps, [self._evaluations.listener]
        )
        return self._evaluations.history

    def _remake_best(self, history, evaluate):
        """Puts the newest checkpoint in the place of a lost best one."""
        if history and not self.best_checkpoint:
            newest = self.newest_instead_of_best(self._folder)
            checkpoints.copy_checkpoint(newest, self._folder(BEST))
            self._best_since = checkpoints.saved_step(self._folder.path)

    def newest_instead_of_best(self, folder: RunFolder) -> str:
        """The newest checkpoint, with a warning that the best of a folder is lost.

        Raises:
          InputError: there is none either.
        """
        newest = checkpoints.newest_checkpoint(self._folder.path)
        if newest is None:
            raise InputError(
                f"{self._folder.path} has evaluations, but no checkpoint any more. "
                "Delete or move the folder, and the same command trains anew."
            )
        logging.warning(
            "%s, with the best checkpoint, is gone: the newest one, of step %d, which "
            "may be worse, takes its place.",
            folder(BEST),
            checkpoints.saved_step(self._folder.path),
        )
        return newest

    def _add_entry(self, history, entry, evaluate, dev):
        """The history with an evaluation of the newest checkpoint."""
        return self.judge(self._newest_checkpoint(), history, entry, evaluate, dev)

    def _newest_checkpoint(self) -> str:
        newest = checkpoints.newest_checkpoint(self._folder.path)
        if newest is None:
            raise self._folder.deleted_error()
        return newest

    def judge(self, checkpoint, history, entry, evaluate, dev):
        """The history with an evaluation of a checkpoint, which is kept if the best.

        Args:
          entry: step and seconds of the evaluation.
          evaluate, dev: as in `train`.
        """
        if dev is not None:
            entry.update(evaluate(self.predict(dev, checkpoint)))
        is_best = not any(
            earlier["score"] >= entry.get("score", 0)
            for earlier in history
            if dev and earlier["step"] >= self._best_since
        )
        if is_best:
            checkpoints.copy_checkpoint(checkpoint, self._folder(BEST))
        if dev is not None:
            logging.info("%s", _dev_line(self.dev_name, entry, is_best))
        history = history + [entry]
        self._folder.write_json(HISTORY, history)
        self._write_summaries(entry)
        return history

    def _announce(self, history):
        """Says where training begins: anew, after an interruption, or not at all."""
        step, total = self.step, self._hyperparameters.train_steps
        if self.is_finished(history):
            logging.info(
                "This run is complete (step %d): nothing is trained again.", step
            )
        elif step:
            logging.info("Resuming at step %d of %d.", step, total)
        elif self._encoder.init_checkpoint is None:
            logging.info("No checkpoint to start from: training from scratch.")

    def next_evaluation(self, history) -> int:
        """The step of the evaluation that follows those of a history."""
        return self._hyperparameters.evaluation_step(len(history))

    def is_finished(self, history) -> bool:
        """Whether a run with these evaluations has come to its end."""
        settings = self._hyperparameters
        if not history:
            return False
        if history[-1]["step"] >= settings.train_steps:
            return True
        patience = settings.patience
        return bool(patience) and _evaluations_since_best(history) >= patience

    def _train_to(self, data, target, evaluations=()):
        settings, step = self._hyperparameters, self.step
        input_fn = input_pipeline.training_input_fn(
            data, settings.seed, settings.train_steps, step, self._replicas.share_of
        )
        try:
            with self._replicas.explained_errors(), hooks.guarded(
                self._folder, self._replicas
            ) as listeners:
                self._estimator.train(
                    input_fn,
                    [*self._replicas.session_hooks(), self.signal_hook],
                    max_steps=target,
                    saving_listeners=[*listeners, *evaluations],
                )
        except tf.train.NanLossDuringTrainingError:
            raise InputError(
                f"The loss is no longer a number between steps {step} and {target}. "
                f"{hooks.LOST_LOSS_ADVICE}"
            ) from None
        finally:
            self.signal_hook.restore()
        self.signal_hook.raise_if_stopped(self.step)

    def check_checkpoint(self, checkpoint: str) -> None:
        """Raises InputError unless a checkpoint holds this model, head included."""
        with tf.Graph().as_default():
            prediction_graph(self._encoder)
            restoring.require_variables(checkpoint, tf.trainable_variables())

    def predict(self, data, checkpoint: str) -> Outputs:
        """What the network puts out for every record, in the order of the file."""
        batches = []
        for batch in self._outputs(data, checkpoint):
            real = batch["example_index"] >= 0
            if not np.isfinite(batch["per_example_loss"][real]).all():
                raise InputError(
                    f"The model's outputs for {data.path} are not numbers: the weights "
                    f"in {checkpoint} are broken."
                )
            batches.append(batch)
        return in_order(batches, data.num_examples)

    def _outputs(self, data, checkpoint):
        if self._prediction:
            return self._prediction.outputs(data, checkpoint)
        return self._estimator.predict(
            input_pipeline.evaluation_input_fn(data),
            checkpoint_path=checkpoints.readable(checkpoint),
            yield_single_examples=False,
        )

    def _write_summaries(self, entry):
        """The dev metrics as TensorBoard scalars, in `eval/`."""
        scalars = {
            f"dev/{name}": value
            for name, value in entry.items()
            if isinstance(value, float) and name not in _NOT_METRICS
        }
        training_log.write_evaluation(self._folder("eval"), entry["step"], scalars)


class _Evaluations:
    """The evaluations in the midst of a training.

    Args:
      tuner: FineTuner.
      clock: of the time that training takes.

    Attributes:
      history: entries of the evaluations.
      listener: to be told of saved checkpoints.
    """

    def __init__(self, tuner: FineTuner, clock: hooks.Stopwatch):
        self._tuner, self._clock = tuner, clock
        self.history: List[Dict[str, float]] = []
        self.listener = hooks.EvaluationListener(self.is_due, self._evaluate, clock)

    def start(self, history, judge) -> None:
        """To be called before training.

        Args:
          history: the entries so far.
          judge: (history, entry without metrics) -> the history with the entry.
        """
        self.history, self._judge = history, judge
        self._started = self._clock()

    def is_due(self, step: int) -> bool:
        """Whether the next evaluation is at this step, or was at one before it."""
        if self._tuner.signal_hook.stopped:
            return False
        return step >= self._tuner.next_evaluation(self.history)

    def _evaluate(self, step):
        now = self._clock()  # it stands still until this is over
        entry = {"step": step, "seconds": round(now - self._started, 1)}
        self._started = now
        self.history = self._judge(self.history, entry)
        return self._tuner.is_finished(self.history)


def _evaluations_since_best(history) -> int:
    scores = [entry["score"] for entry in history if "score" in entry]
    return len(scores) - 1 - int(np.argmax(scores)) if scores else 0


def _dev_line(name: str, entry: Dict[str, Any], is_best: bool) -> str:
    """ "dev at step 50: accuracy 0.7875, loss 0.6595 (the best so far)"."""
    metrics = ", ".join(
        f"{metric} {value:.4f}"
        for metric, value in entry.items()
        if isinstance(value, float) and metric not in _NOT_LOGGED
    )
    remarks = ["the best so far"] * is_best + [entry.get("note", "")]
    shown = f" ({'; '.join(filter(None, remarks))})" if any(remarks) else ""
    return f"{name} at step {entry['step']}: {metrics}{shown}"
