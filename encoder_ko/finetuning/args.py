"""The arguments of a fine-tuning run: frozen groups of the flags of run_classifier.py.

Each group is made of the flags by its own `from_flags` and passed on whole.
"""

import dataclasses
from typing import Any, Dict

from absl import flags

from data.io.tables import ReadingOptions
from data.tasks import Task
from encoder_ko.compat import tf
from encoder_ko.finetuning.task_types import TaskSettings
from encoder_ko.optimization.optimizers import AdamOptions
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.estimator import BatchSizes, Hardware

_FlagValues = flags.FlagValues  # also where a class has `flags`


@dataclasses.dataclass(frozen=True)
class Actions:
    """What to do: --do_train, --do_eval, --do_predict."""

    train: bool
    evaluate: bool
    predict: bool

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "Actions":
        return cls(values.do_train, values.do_eval, values.do_predict)


@dataclasses.dataclass(frozen=True)
class TrainingArgs:
    """How to train.

    Attributes:
      learning_rate: peak.
      num_epochs: passes over the training data.
      warmup_proportion: share of the updates.
      weight_decay_rate: decoupled weight decay.
      layerwise_lr_decay: factor on the learning rate from layer to layer downwards.
      optimizer: name of the update rule.
      adam: constants of the moments, also LAMB's.
      compute_type: dtype of the activations.
      seed: of every random choice. num_trials: runs with seed, seed + 1, ...
      eval_every_steps: updates between evaluations on dev; 0 = once an epoch.
      patience: evaluations without a gain before training stops; 0 = never.
    """

    learning_rate: float
    num_epochs: float
    warmup_proportion: float
    weight_decay_rate: float
    layerwise_lr_decay: float
    optimizer: str
    adam: AdamOptions
    compute_type: Any
    seed: int
    num_trials: int
    eval_every_steps: int
    patience: int

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "TrainingArgs":
        return cls(
            learning_rate=values.learning_rate,
            num_epochs=values.num_train_epochs,
            warmup_proportion=values.warmup_proportion,
            weight_decay_rate=values.weight_decay_rate,
            layerwise_lr_decay=values.layerwise_lr_decay,
            optimizer=values.optimizer,
            adam=AdamOptions.from_flags(values),
            compute_type=tf.as_dtype(values.compute_type),
            seed=values.random_seed,
            num_trials=values.num_trials,
            eval_every_steps=values.eval_every_steps,
            patience=values.patience,
        )


@dataclasses.dataclass(frozen=True)
class DataArgs:
    """Which data, and how it is read and batched.

    Attributes:
      folder: of the task's files.
      dev_fraction: share of train that is dev where there is no dev file.
      split_seed: draws that dev set, the same in all trials.
      double_unordered: whether a pair whose order means nothing is trained in both.
      pad_to_max: whether every batch is padded to --max_seq_length.
      reading: encoding, and how many bad rows are skipped.
    """

    folder: str
    dev_fraction: float
    split_seed: int
    double_unordered: bool
    pad_to_max: bool
    reading: ReadingOptions

    @classmethod
    def from_flags(cls, values: flags.FlagValues, task: Task) -> "DataArgs":
        seed = values.random_seed if values.split_seed is None else values.split_seed
        return cls(
            folder=values.data_dir or task.folder,
            dev_fraction=values.dev_fraction,
            split_seed=seed,
            double_unordered=values.double_unordered,
            pad_to_max=values.pad_to_max,
            reading=ReadingOptions(values.encoding, values.max_bad_rows),
        )


@dataclasses.dataclass(frozen=True)
class FineTuningArgs:
    """All arguments of a run.

    Attributes:
      task, task_settings: what is learnt, and how examples become records.
      settings: every flag that decides the result, to recognise a run again.
      flags: all flags, for the report.
    """

    task: Task
    task_settings: TaskSettings
    actions: Actions
    training: TrainingArgs
    data: DataArgs
    output: OutputArgs
    batch_sizes: BatchSizes
    hardware: Hardware
    settings: Dict[str, Any]
    flags: Dict[str, Any]

    @classmethod
    def from_flags(
        cls,
        values: "_FlagValues",
        task: Task,
        settings: Dict[str, Any],
        all_flags: Dict[str, Any],
    ) -> "FineTuningArgs":
        return cls(
            task=task,
            task_settings=TaskSettings.from_flags(values),
            actions=Actions.from_flags(values),
            training=TrainingArgs.from_flags(values),
            data=DataArgs.from_flags(values, task),
            output=OutputArgs(
                folder=values.output_dir,
                save_checkpoints_steps=values.save_checkpoints_steps,
                keep_checkpoints=values.keep_checkpoints,
                overwrite=values.overwrite,
            ),
            batch_sizes=BatchSizes.from_flags(values),
            hardware=Hardware.from_flags(values),
            settings=settings,
            flags=all_flags,
        )

    def of_trial(self, seed: int, folder: str) -> "FineTuningArgs":
        """The same with another seed, in a folder of its own."""
        return dataclasses.replace(
            self,
            training=dataclasses.replace(self.training, seed=seed),
            output=dataclasses.replace(self.output, folder=folder),
            settings=dict(self.settings, random_seed=seed),
        )
