"""Pre-trains an encoder: the graph of a step, training, evaluation.

What the objectives are is the sibling's (`*_ko/pretraining.py`); what a batch holds is
`data.records.input_pipeline`'s. A run depends on its settings and the step alone:
batches, masks and dropout follow the step, so that a run that was killed ends with the
same bits as one that was not.
"""

import contextlib
import dataclasses
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

from absl import logging

from data.io.errors import InputError
from data.pretraining.masking import MaskingOptions, VocabularyTraits
from data.records import dataset, input_pipeline
from encoder_ko.compat import tf
from encoder_ko.modeling.dropout import DropoutStream
from encoder_ko.modeling.random_stream import step_of_contents
from encoder_ko.optimization import updates
from encoder_ko.pretraining import graph_masking, objectives
from encoder_ko.pretraining.args import Schedule
from encoder_ko.training import checkpoints, estimator, hooks, restoring
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.collapse import UnigramEntropy
from encoder_ko.training.run_folder import RunFolder
from encoder_ko.training.training_log import FILE_NAME, TrainingLogHook


class Recipe(NamedTuple):
    """What pre-training needs to know of BERT, ALBERT or ELECTRA.

    Attributes:
      name: value of --model_type.
      config_class: EncoderConfig of the sibling.
      defaults: upstream's values of flags that differ between the repositories.
      build: (config, features, GraphOptions, ...) -> PretrainingOutput.
      create_optimizer: (loss, OptimizerArgs, UpdateOptions) -> TrainOp.
      resizable: see PretrainingNetwork.
    """

    name: str
    config_class: Any
    defaults: Dict[str, Any]
    build: Callable[..., objectives.PretrainingOutput]
    create_optimizer: Callable[..., updates.TrainOp]
    resizable: Optional[str] = None


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
    """

    config: Any
    build: Callable[..., objectives.PretrainingOutput]
    create_optimizer: Callable[..., updates.TrainOp]
    masker: Optional[Masker] = None
    wop_weight: float = 1.0
    init_checkpoint: Optional[str] = None
    dtype: Any = tf.float32
    resizable: Optional[str] = None


def model_fn_builder(
    network: PretrainingNetwork,
    schedule: Schedule,
    folder: RunFolder,
    use_tpu: bool = False,
    starts: bool = False,
    signal_hook: Optional[hooks.StopOnSignalHook] = None,
    save_checkpoints_steps: int = 1000,
    unigrams: Optional[UnigramEntropy] = None,
):
    """The model_fn of a TPUEstimator.

    Args:
      folder: where the log and the list of restored variables go.
      starts: whether this run begins at step 0, from `init_checkpoint` if it has one.
      signal_hook: ends training.
      save_checkpoints_steps: updates between checkpoints.
      unigrams: counts the masked tokens over all sessions of the run.
    """

    def build(features, is_training, step):
        random = DropoutStream(schedule.seed, step)
        return _graph_of_batch(network, features, random, is_training, use_tpu)

    def model_fn(features, labels, mode, params):
        del labels, params
        if mode == tf.estimator.ModeKeys.EVAL:
            step = step_of_contents(features["input_ids"])
            output = build(features, False, step)
            return tf.estimator.tpu.TPUEstimatorSpec(
                mode=mode,
                loss=output.loss,
                eval_metrics=objectives.streaming_metrics(output.metrics),
            )
        update = updates.UpdateOptions(
            accumulation_steps=schedule.accumulation_steps, skip_nonfinite=True
        )
        output = build(features, True, updates.micro_step(update))
        report_path = folder("restored_variables.json") if starts else None
        scaffold_fn = restoring.start_from(
            network.init_checkpoint, report_path, use_tpu, network.resizable
        )
        train = network.create_optimizer(output.loss, update)
        training_hooks = []
        if not use_tpu:
            training_hooks = _training_hooks(
                schedule, folder, output, train, features["input_mask"], unigrams
            )
            # Last, unlike the Estimator's own: a checkpoint's step is in the log.
            saver_hook = tf.train.CheckpointSaverHook(
                folder.path, save_steps=save_checkpoints_steps
            )
            training_hooks += [signal_hook, saver_hook]
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=mode,
            loss=_finite(output.loss),
            train_op=train.op,
            training_hooks=training_hooks,
            scaffold_fn=scaffold_fn,
        )

    return model_fn


def _finite(loss):
    """The loss for the Estimator, which ends training at NaN without a reason.

    Our hooks show the loss as it is, and stop with a message. Where it is not finite,
    this one is the greatest float32, which nobody takes for a loss.
    """
    return tf.where(tf.math.is_finite(loss), loss, loss.dtype.max)


def _graph_of_batch(network, features, random, is_training, use_tpu):
    """The PretrainingOutput of one batch as it was read."""
    if network.masker:
        features = graph_masking.mask_anew(features, *network.masker, random)
    options = objectives.GraphOptions(
        is_training,
        random,
        network.dtype,
        use_one_hot_embeddings=use_tpu,
        skip_padding=not use_tpu,
        wop_weight=network.wop_weight,
    )
    return network.build(network.config, features, options)


def _training_hooks(schedule, folder, output, train, input_mask, unigrams):
    """Progress on the screen, and the log."""
    losses = {"loss": output.loss, **output.losses}
    metrics = {
        "learning_rate": train.learning_rate,
        "gradient_norm": train.gradient_norm,
    }
    if schedule.skip_nonfinite:
        metrics["skipped_updates"] = train.skipped

    def advice():
        last = checkpoints.newest_checkpoint(folder.path)
        return (
            f"The last good checkpoint is {last or 'none'}. Lower --learning_rate or "
            "lengthen the warm-up in another --output_dir, with this checkpoint as "
            "--init_checkpoint, or pass --skip_nonfinite to leave such updates out."
        )

    steps = hooks.StepHook(schedule.accumulation_steps)
    return [
        steps,
        hooks.ProgressHook(
            steps,
            schedule.train_steps,
            schedule.batch_size,
            dict(losses, **metrics),
            unit="sequences",
            tokens=tf.reduce_sum(input_mask),
            lost_loss_advice=None if schedule.skip_nonfinite else advice,
        ),
        TrainingLogHook(
            steps,
            folder(FILE_NAME),
            schedule.log_every_steps,
            losses,
            metrics,
            objectives.batch_metrics(output.metrics),
            schedule.batch_size,
            {
                "ids": output.predictions["masked_lm_ids"],
                "weights": output.predictions["masked_lm_weights"],
            },
            unigrams,
        ),
    ]


class Pretrainer:
    """One run in one folder.

    Args:
      folder: RunFolder, already claimed.
      eval_batch_size: sequences per step of evaluation.
      output: how often checkpoints are saved, and how many are kept.
    """

    def __init__(
        self,
        network: PretrainingNetwork,
        schedule: Schedule,
        folder: RunFolder,
        hardware: estimator.Hardware,
        eval_batch_size: int,
        output: OutputArgs,
    ):
        self._schedule = schedule
        self._folder = folder
        self._hardware = hardware
        self._vocab_size = network.config.vocab_size
        self._signal_hook = hooks.StopOnSignalHook(schedule.accumulation_steps)
        self._estimator = estimator.build_estimator(
            model_fn_builder(
                network,
                schedule,
                folder,
                hardware.use_tpu,
                checkpoints.newest_checkpoint(folder.path) is None,
                self._signal_hook,
                output.save_checkpoints_steps,
                UnigramEntropy(self._vocab_size, schedule.accumulation_steps),
            ),
            folder.path,
            estimator.BatchSizes(schedule.part_size, eval_batch_size),
            hardware,
            schedule.seed,
            output.save_checkpoints_steps,
            output.keep_checkpoints,
            save_summary_steps=0,
        )

    @property
    def step(self) -> int:
        """Updates made so far, by the newest checkpoint."""
        newest = checkpoints.newest_checkpoint(self._folder.path)
        return int(newest.rsplit("-", 1)[1]) if newest else 0

    def train(
        self,
        data: dataset.RecordFiles,
        last_step: int,
        session_hooks: Sequence[object] = (),
    ) -> bool:
        """Trains to a step.

        Args:
          session_hooks: further SessionRunHooks.

        Returns:
          Whether it got there; not, if SIGTERM ended it. Then the step it reached is
          saved.

        Raises:
          InputError: the loss or a gradient is not finite, or a record is damaged.
        """
        schedule, first = self._schedule, self.step
        parts = input_pipeline.Batches(
            first * schedule.accumulation_steps,
            schedule.train_steps * schedule.accumulation_steps,
        )
        input_fn = input_pipeline.pretraining_input_fn(
            data, schedule.seed, parts, schedule.shuffle
        )
        with self._explained_errors(data):
            self._estimator.train(
                input_fn, hooks=list(session_hooks), max_steps=last_step
            )
        return not self._signal_hook.stopped

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
            if "No space left" not in str(error):
                raise
            raise InputError(
                f"The disk of {self._folder.path} is full. Make room and give the same "
                "command again: it resumes at the last whole checkpoint."
            ) from error
        finally:
            self._signal_hook.restore()

    def evaluate(
        self,
        data: dataset.RecordFiles,
        max_steps: int,
        checkpoint: Optional[str] = None,
    ) -> Dict[str, float]:
        """Losses and metrics over the first records, and global_step.

        Args:
          max_steps: batches at most.
          checkpoint: the newest of the folder if None.
        """
        input_fn = input_pipeline.pretraining_evaluation_input_fn(
            data, max_steps, fixed=self._hardware.use_tpu
        )
        with self._explained_errors(data):
            metrics = self._estimator.evaluate(input_fn, checkpoint_path=checkpoint)
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
