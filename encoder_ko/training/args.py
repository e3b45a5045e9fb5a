"""Arguments that pre-training and fine-tuning have in common: the output folder."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class OutputArgs:
    """Where a run's files go.

    Attributes:
      folder: of checkpoints and results.
      save_checkpoints_steps: updates between checkpoints.
      keep_checkpoints: newest checkpoints that are kept.
      overwrite: whether another run's results may be deleted first.
    """

    folder: str
    save_checkpoints_steps: int = 1000
    keep_checkpoints: int = 1
    overwrite: bool = False
