"""The arguments of a pre-training run: frozen groups of run_pretraining.py's flags.

Each group is made of the flags by its own `from_flags` and passed on whole.
"""

import dataclasses

from absl import flags

from data.io.errors import InputError
from encoder_ko.optimization.optimizers import AdamOptions


@dataclasses.dataclass(frozen=True)
class OptimizerArgs:
    """The optimiser and its learning rate.

    Attributes:
      optimizer: name of the update rule. learning_rate: peak.
      train_steps: updates of the whole run.
      warmup_steps: updates of the warm-up, which begins at update start_warmup_step.
      weight_decay_rate: decoupled weight decay.
      power: of the decay.
      adam: constants of the moments, also LAMB's.
    """

    optimizer: str
    learning_rate: float
    train_steps: int
    warmup_steps: int
    weight_decay_rate: float = 0.01
    power: float = 1.0
    start_warmup_step: int = 0
    adam: AdamOptions = AdamOptions()

    @classmethod
    def from_flags(cls, values: flags.FlagValues, power: float) -> "OptimizerArgs":
        """`power`: of the decay, a flag of another name in each upstream."""
        return cls(
            optimizer=values.optimizer,
            learning_rate=values.learning_rate,
            train_steps=values.num_train_steps,
            warmup_steps=values.num_warmup_steps,
            weight_decay_rate=values.weight_decay_rate,
            power=power,
            start_warmup_step=values.start_warmup_step,
            adam=AdamOptions.from_flags(values),
        )


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and in what portions.

    Attributes:
      train_steps: updates of the whole run.
      batch_size: sequences per update.
      accumulation_steps: parts of a batch that are computed one after another.
      seed: of initial values, order of records, masks and dropout.
      shuffle: whether records are shuffled.
      mix_files: whether those of all files are shuffled together.
      skip_nonfinite: whether an update that is not finite is counted, not an error;
        it is never applied.
      log_every_steps: updates between lines of the log.
    """

    train_steps: int
    batch_size: int
    accumulation_steps: int = 1
    seed: int = 12345
    shuffle: bool = True
    skip_nonfinite: bool = False
    log_every_steps: int = 100
    mix_files: bool = False

    def __post_init__(self):
        if self.batch_size % self.accumulation_steps:
            raise InputError(
                f"--train_batch_size={self.batch_size} is not a multiple of "
                f"--gradient_accumulation_steps={self.accumulation_steps}: change one."
            )

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "Schedule":
        return cls(
            train_steps=values.num_train_steps,
            batch_size=values.train_batch_size,
            accumulation_steps=values.gradient_accumulation_steps,
            seed=values.random_seed,
            shuffle=values.shuffle,
            skip_nonfinite=values.skip_nonfinite,
            log_every_steps=values.log_every_steps,
            mix_files=values.mix_files,
        )

    @property
    def part_size(self) -> int:
        """Sequences computed at once."""
        return self.batch_size // self.accumulation_steps


@dataclasses.dataclass(frozen=True)
class EvaluationArgs:
    """How to evaluate.

    Attributes:
      batch_size: sequences per step. max_steps: batches at most.
      every_steps: updates between evaluations; 0 = at the end only.
    """

    batch_size: int
    max_steps: int
    every_steps: int = 0

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "EvaluationArgs":
        return cls(
            batch_size=values.eval_batch_size,
            max_steps=values.max_eval_steps,
            every_steps=values.eval_every_steps,
        )
