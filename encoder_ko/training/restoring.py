"""Which variables come from a checkpoint; what is left out is reported, never silent.

Names are upstream's, so published checkpoints, pre-training runs and fine-tuned runs
all load by name.
"""

import json
import os
import re
from typing import List, NamedTuple, Optional

from absl import logging

from data.io import files
from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.training import checkpoints

_SHOWN_NAMES = 3


class RestoreReport(NamedTuple):
    """What became of the variables; each list is sorted.

    Attributes:
      checkpoint: its path.
      restored: in the graph and in the checkpoint.
      missing: in the graph only: these start from their initialiser.
      unused: in the checkpoint only.
      optimizer_state: slots and the step in the checkpoint, left out on purpose.
    """

    checkpoint: str
    restored: List[str]
    missing: List[str]
    unused: List[str]
    optimizer_state: List[str]

    def summary(self) -> str:
        """A few lines for the log."""
        lines = [
            f"{self.checkpoint}: {len(self.restored)} variables restored, "
            f"{len(self.missing)} start anew, {len(self.unused)} unused, "
            f"{len(self.optimizer_state)} of the optimizer left out."
        ]
        for title, names in (("start anew", self.missing), ("unused", self.unused)):
            if names:
                more = len(names) - _SHOWN_NAMES
                shown = ", ".join(names[:_SHOWN_NAMES])
                lines.append(f"  {title}: {shown}{f', and {more} more' * (more > 0)}")
        return "\n".join(lines)

    def write(self, path: str) -> None:
        """Every name, as JSON."""
        files.write_text(path, json.dumps(self._asdict(), indent=2) + "\n")


def restore_on_initialization(
    checkpoint: str, variables, resizable: Optional[str] = None
) -> RestoreReport:
    """Makes the variables that the checkpoint has start from its values.

    Args:
      checkpoint: prefix of the files.
      variables: variables of the graph that is being built.
      resizable: pattern of names that start anew where the shape is another there.

    Raises:
      InputError: a variable has another shape there, or not one name fits.
    """
    stored = checkpoints.checkpoint_shapes(checkpoint)
    ours = {compat.variable_name(variable): variable for variable in variables}
    restored = sorted(set(ours) & set(stored))
    if resizable:
        restored = [
            name
            for name in restored
            if ours[name].shape.as_list() == list(stored[name])
            or not re.search(resizable, name)
        ]
    _check_shapes(checkpoint, ours, stored, restored)
    if not restored:
        raise InputError(
            f"{checkpoint} has no variable of this model. It has "
            f"{', '.join(sorted(stored)[:_SHOWN_NAMES])}; expected "
            f"{', '.join(sorted(ours)[:_SHOWN_NAMES])}. Is --model_type right?"
        )
    names = {name: name for name in restored}
    tf.train.init_from_checkpoint(checkpoints.readable(checkpoint), names)
    rest = sorted(set(stored) - set(restored))
    return RestoreReport(
        checkpoint,
        restored,
        sorted(set(ours) - set(restored)),
        [name for name in rest if not checkpoints.OPTIMIZER_STATE.search(name)],
        [name for name in rest if checkpoints.OPTIMIZER_STATE.search(name)],
    )


def start_from(
    checkpoint: Optional[str],
    report_path: Optional[str],
    use_tpu: bool = False,
    resizable: Optional[str] = None,
):
    """`restore_on_initialization` of all trainable variables, logged and reported.

    Args:
      checkpoint: prefix of the files; None = nothing is restored.
      report_path: where every name is written, as JSON; None = nothing is restored.
        Nor where its folder has a checkpoint, from which training resumes.
      use_tpu: on TPU it happens in the scaffold, as its API wants.
      resizable: see `restore_on_initialization`.

    Returns:
      scaffold_fn of a TPUEstimatorSpec, or None.
    """
    if checkpoint is None or report_path is None:
        return None
    if tf.train.latest_checkpoint(os.path.dirname(report_path)):
        return None

    def restore():
        report = restore_on_initialization(
            checkpoint, tf.trainable_variables(), resizable
        )
        logging.info("%s", report.summary())
        report.write(report_path)
        return tf.train.Scaffold()

    if use_tpu:
        return restore
    restore()
    return None


def require_variables(checkpoint: str, variables) -> None:
    """Raises InputError unless a checkpoint has all variables, in their shapes."""
    stored = checkpoints.checkpoint_shapes(checkpoint)
    ours = {compat.variable_name(variable): variable for variable in variables}
    missing = sorted(set(ours) - set(stored))
    if missing:
        raise InputError(
            f"{checkpoint} lacks {len(missing)} of the model's {len(ours)} variables "
            f"({', '.join(missing[:_SHOWN_NAMES])}), so it cannot be used untrained. "
            "Fine-tune it with --do_train=true first, or name a fine-tuned checkpoint."
        )
    _check_shapes(checkpoint, ours, stored, sorted(ours))


def _check_shapes(checkpoint, ours, stored, names):
    for name in names:
        expected = ours[name].shape.as_list()
        if expected != list(stored[name]):
            raise InputError(
                f"{checkpoint} does not fit the model: {name} has shape "
                f"{list(stored[name])} there and {expected} by the configuration. Use "
                "the configuration and vocabulary that the checkpoint was trained with."
            )
