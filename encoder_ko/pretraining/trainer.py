"""Pre-trains an encoder: what is trained, training, evaluation.

What the objectives are is the sibling's (`*_ko/pretraining.py`); what a batch holds is
`data.records.input_pipeline`'s. A run depends on its settings and the step alone:
batches, masks and dropout follow the step, so that a run that was killed ends with the
same bits as one that was not.
"""

import contextlib
import dataclasses
import errno
import os
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

from absl import logging

from data.io.errors import InputError
from data.pretraining.masking import MaskingOptions, VocabularyTraits
from data.records import dataset, pretraining_pipeline, shares
from encoder_ko.compat import tf
from encoder_ko.optimization import updates
from encoder_ko.pretraining import objectives
from encoder_ko.pretraining.args import Schedule
from encoder_ko.pretraining.evaluation import EvaluationSession
from encoder_ko.pretraining.model_fn import MEAN_LOSS, Surroundings, model_fn_builder
from encoder_ko.replicas import distribution
from encoder_ko.training import (
    checkpoints,
    estimator,
    hooks,
    restoring,
    training_log,
)
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.collapse import UnigramEntropy
from encoder_ko.training.run_folder import RunFolder

# What a disk refuses, as the system counts it: what it is like, and what helps.
_REFUSALS = {
    errno.ENOSPC: ("is full", "Make room"),
    errno.EDQUOT: ("has no more room for this user", "Make room"),
    errno.EFBIG: ("takes no file of that size", "Raise the limit (ulimit -f)"),
}


class Recipe(NamedTuple):
    """What pre-training needs to know of BERT, ALBERT or ELECTRA.

    Attributes:
      name: value of --model_type.
      config_class: EncoderConfig of the sibling.
      defaults: upstream's values of flags that differ between the repositories.
      build: (config, features, GraphOptions, ...) -> PretrainingOutput.
      create_optimizer: (loss, OptimizerArgs, UpdateOptions) -> TrainOp.
      resizable: see PretrainingNetwork.
      group_0: what --init_from_group0 makes of PretrainingNetwork's `stand_in`.
    """

    name: str
    config_class: Any
    defaults: Dict[str, Any]
    build: Callable[..., objectives.PretrainingOutput]
    create_optimizer: Callable[..., updates.TrainOp]
    resizable: Optional[str] = None
    group_0: Optional[restoring.StandIn] = None


class Masker(NamedTuple):
    """Masks drawn in the graph: how, and for which vocabulary."""

    options: MaskingOptions
    vocabulary: VocabularyTraits


@dataclasses.dataclass(frozen=True)
class PretrainingNetwork:
    """What is trained.

    Attributes:
      config: EncoderConfig.
      build: (config, features, GraphOptions) -> PretrainingOutput.
      create_optimizer: (loss, UpdateOptions) -> TrainOp.
      masker: draws BERT's and ALBERT's masks in the graph; None = those of the records.
      wop_weight: factor on the loss of word order prediction.
      init_checkpoint: prefix of a checkpoint to start from; None = from scratch.
      dtype: compute type.
      resizable: pattern of variables that start anew where they have another shape in
        `init_checkpoint`.
      stand_in: where variables start from that `init_checkpoint` lacks.
    """

    config: Any
    build: Callable[..., objectives.PretrainingOutput]
    create_optimizer: Callable[..., updates.TrainOp]
    masker: Optional[Masker] = None
    wop_weight: float = 1.0
    init_checkpoint: Optional[str] = None
    dtype: Any = tf.float32
    resizable: Optional[str] = None
    stand_in: Optional[restoring.StandIn] = None


class Evaluations(NamedTuple):
    """What is evaluated in the midst of training.

    Attributes:
      is_due: whether there is to be an evaluation at a step.
      evaluate: step -> whether training is to end.
    """

    is_due: Callable[[int], bool] = lambda step: False
    evaluate: Callable[[int], bool] = lambda step: False


class Pretrainer:
    """One run in one folder.

    Args:
      folder: RunFolder, already claimed.
      eval_batch_size: sequences per step of evaluation.
      output: how often checkpoints are saved, and how many are kept.
      replicas: what trains; None = what the hardware asks for.
    """

    def __init__(
        self,
        network: PretrainingNetwork,
        schedule: Schedule,
        folder: RunFolder,
        hardware: estimator.Hardware,
        eval_batch_size: int,
        output: OutputArgs,
        replicas: Optional[distribution.OneReplica] = None,
    ):
        self._schedule = schedule
        self._folder = folder
        self._hardware = hardware
        self._vocab_size = network.config.vocab_size
        self._replicas = replicas or hardware.replicas()
        self._eval_batch_size = eval_batch_size
        self._require_whole_pieces()
        self._signal_hook = hooks.StopOnSignalHook(
            schedule.accumulation_steps, self._replicas
        )
        self._network = network
        self._evaluation: Optional[EvaluationSession] = None
        self._clock = hooks.Stopwatch()
        self._evaluations = Evaluations()
        surroundings = Surroundings(
            folder,
            self._replicas,
            self._replicas.is_chief
            and checkpoints.newest_checkpoint(folder.path) is None,
            self._signal_hook,
            output.save_checkpoints_steps,
            hardware.iterations_per_loop,
            UnigramEntropy(self._vocab_size, schedule.accumulation_steps),
            self._evaluation_is_due,
            self._clock,
        )
        self._estimator = estimator.build_estimator(
            model_fn_builder(network, schedule, surroundings),
            folder.path,
            estimator.BatchSizes(schedule.part_size, eval_batch_size),
            hardware,
            schedule.seed,
            output.save_checkpoints_steps,
            output.keep_checkpoints,
            save_summary_steps=0,
            replicas=self._replicas,
        )

    def _require_whole_pieces(self):
        self._replicas.require_divisible(
            self._schedule.part_size,
            f"--train_batch_size={self._schedule.batch_size}",
        )
        if self._hardware.use_tpu:
            self._replicas.require_divisible(
                self._eval_batch_size, f"--eval_batch_size={self._eval_batch_size}"
            )

    @property
    def step(self) -> int:
        """Updates made so far, by the newest checkpoint."""
        return self._replicas.of_chief(
            lambda: checkpoints.saved_step(self._folder.path)
        )

    @property
    def evaluates_on_the_way(self) -> bool:
        """Whether training can wait for evaluations: one replica, and no TPU's loop."""
        return self._replicas.count == 1 and not self._replicas.on_tpu

    def _listener(self, evaluations):
        return hooks.EvaluationListener(
            self._evaluation_is_due, evaluations.evaluate, self._clock
        )

    def _evaluation_is_due(self, step):
        return self._evaluations.is_due(step) and not self._signal_hook.stopped

    def train(
        self,
        data: dataset.RecordFiles,
        last_step: int,
        session_hooks: Sequence[object] = (),
        evaluations: Optional[Evaluations] = None,
    ) -> None:
        """Trains to a step.

        Args:
          session_hooks: further SessionRunHooks.
          evaluations: what to do on the way, if `evaluates_on_the_way`.

        Raises:
          InputError: the loss or a gradient is not finite, or a record is damaged.
          StoppedBySignal: SIGTERM or Ctrl-C ended it; the step it reached is saved.
        """
        schedule, first = self._schedule, self.step
        self._evaluations = evaluations or Evaluations()
        parts = shares.Batches(
            first * schedule.accumulation_steps,
            schedule.train_steps * schedule.accumulation_steps,
        )
        input_fn = pretraining_pipeline.training_input_fn(
            data,
            schedule.seed,
            parts,
            schedule.shuffle,
            self._replicas.share_of,
            schedule.mix_files,
        )
        session_hooks = self._replicas.session_hooks() + list(session_hooks)
        try:
            with self._explained_errors(data), self._replicas.explained_errors():
                with hooks.guarded(self._folder, self._replicas) as listeners:
                    if evaluations:  # whoever saves nothing may have no listener
                        listeners = [*listeners, self._listener(evaluations)]
                    self._estimator.train(
                        input_fn,
                        session_hooks,
                        max_steps=last_step,
                        saving_listeners=listeners,
                    )
        finally:
            self._signal_hook.restore()
        self._signal_hook.raise_if_stopped(self.step)

    @contextlib.contextmanager
    def _explained_errors(self, data):
        """Turns what TensorFlow says of bad records or a full disk into InputError."""
        try:
            yield
        except tf.errors.DataLossError:
            dataset.name_damage(data.paths)
            raise
        except tf.errors.InvalidArgumentError as error:
            if "is not in [0, " not in error.message:
                raise
            raise InputError(
                "The records hold token ids that the model's embedding table with "
                f"vocab_size={self._vocab_size} does not have: use the model "
                "configuration that belongs to their vocabulary."
            ) from error
        except (tf.errors.OpError, OSError, InputError) as error:
            for number, (what, advice) in _REFUSALS.items():
                if os.strerror(number) in str(error):
                    raise InputError(
                        f"The disk of {self._folder.path} {what}. {advice} and give "
                        "the same command again: it resumes at the last whole "
                        "checkpoint."
                    ) from error
            raise

    def evaluate(
        self,
        data: dataset.RecordFiles,
        max_steps: int,
        checkpoint: Optional[str] = None,
    ) -> Dict[str, float]:
        """Losses and metrics over the first records, and global_step.

        Args:
          max_steps: batches at most, over all replicas.
          checkpoint: the newest of the folder if None.
        """
        if checkpoint is None:
            checkpoint = checkpoints.newest_checkpoint(self._folder.path)
        if checkpoint is None:
            raise self._folder.deleted_error()
        evaluate = self._evaluate_here
        if self._hardware.use_tpu:
            evaluate = self._evaluate_on_tpu
        with self._explained_errors(data), hooks.FolderGuard(self._folder):
            metrics = evaluate(data, max_steps, checkpoint)
        logging.info(
            "evaluation at step %d: %s",
            metrics["global_step"],
            ", ".join(
                f"{name} {value:.4f}"
                for name, value in sorted(metrics.items())
                if name != "global_step"
            ),
        )
        return {
            name: int(value) if name == "global_step" else float(value)
            for name, value in metrics.items()
        }

    def _evaluate_here(self, data, max_steps, checkpoint):
        if self._evaluation is None or not self._evaluation.is_of(data, max_steps):
            self._evaluation = EvaluationSession(
                self._network,
                self._schedule.seed,
                self._eval_batch_size,
                data,
                max_steps,
            )
        metrics = self._evaluation.metrics(checkpoint)
        training_log.write_evaluation(
            self._folder("eval"), metrics["global_step"], metrics
        )
        return metrics

    def _evaluate_on_tpu(self, data, max_steps, checkpoint):
        input_fn = pretraining_pipeline.evaluation_input_fn(data, max_steps, fixed=True)
        steps = min(max_steps, -(-data.total // self._eval_batch_size))
        metrics = self._estimator.evaluate(input_fn, steps, checkpoint_path=checkpoint)
        return dict(metrics, loss=metrics.pop(MEAN_LOSS))
