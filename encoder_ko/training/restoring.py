"""Which variables come from a checkpoint; what is left out is reported, never silent.

Names are upstream's, so published checkpoints, pre-training runs and fine-tuned runs
all load by name.
"""

import json
import os
import re
from typing import Dict, List, NamedTuple, Optional

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
            f"{len(self.missing)} newly initialized, {len(self.unused)} "
            f"unused, {len(self.optimizer_state)} optimizer variables skipped."
        ]
        for title, names in (
            ("newly initialized", self.missing),
            ("unused", self.unused),
        ):
            if names:
                more = len(names) - _SHOWN_NAMES
                shown = ", ".join(names[:_SHOWN_NAMES])
                lines.append(f"  {title}: {shown}{f', and {more} more' * (more > 0)}")
        return "\n".join(lines)

    def write(self, path: str) -> None:
        """Every name, as JSON."""
        files.write_text(path, json.dumps(self._asdict(), indent=2) + "\n")


class StandIn(NamedTuple):
    """What a variable starts from where a checkpoint has none of its name.

    Attributes:
      pattern: of a part of its name.
      replacement: that part of a name in the checkpoint.
    """

    pattern: str
    replacement: str

    def names(self, missing, stored) -> Dict[str, str]:
        """{missing variable: name in the checkpoint} of those that are there."""
        found = {n: re.sub(self.pattern, self.replacement, n) for n in missing}
        return {ours: there for ours, there in found.items() if there in stored}


def restore_on_initialization(
    checkpoint: str,
    variables,
    resizable: Optional[str] = None,
    stand_in: Optional[StandIn] = None,
) -> RestoreReport:
    """Makes the variables that the checkpoint has start from its values.

    Args:
      checkpoint: prefix of the files.
      variables: variables of the graph that is being built.
      resizable: pattern of names that start anew where the shape is another there.
      stand_in: other names for variables that are not there.

    Raises:
      InputError: a variable has another shape there, or not one name fits.
    """
    stored = checkpoints.checkpoint_shapes(checkpoint)
    ours = {compat.variable_name(variable): variable for variable in variables}
    sources = {name: name for name in set(ours) & set(stored)}
    if stand_in:
        sources.update(stand_in.names(set(ours) - set(stored), stored))
    if resizable:
        sources = {
            name: there
            for name, there in sources.items()
            if ours[name].shape.as_list() == list(stored[there])
            or not re.search(resizable, name)
        }
    _check_shapes(checkpoint, ours, stored, sources)
    if not sources:
        raise InputError(
            f"{checkpoint} has no variable of this model. It has "
            f"{', '.join(sorted(stored)[:_SHOWN_NAMES])}; expected "
            f"{', '.join(sorted(ours)[:_SHOWN_NAMES])}. Is --model_type right?"
        )
    for assignment in _assignments(sources):
        tf.train.init_from_checkpoint(checkpoints.readable(checkpoint), assignment)
    rest = sorted(set(stored) - set(sources.values()))
    return RestoreReport(
        checkpoint,
        sorted(sources),
        sorted(set(ours) - set(sources)),
        [name for name in rest if not checkpoints.OPTIMIZER_STATE.search(name)],
        [name for name in rest if checkpoints.OPTIMIZER_STATE.search(name)],
    )


def _assignments(sources: Dict[str, str]) -> List[Dict[str, str]]:
    """{name there: name here}; several, where a name there is wanted several times."""
    found: List[Dict[str, str]] = [{}]
    for ours, there in sorted(sources.items()):
        fitting = [each for each in found if there not in each]
        if not fitting:
            fitting = [{}]
            found += fitting
        fitting[0][there] = ours
    return found


def start_from(
    checkpoint: Optional[str],
    report_path: Optional[str],
    use_tpu: bool = False,
    resizable: Optional[str] = None,
    stand_in: Optional[StandIn] = None,
):
    """`restore_on_initialization` of all trainable variables, logged and reported.

    Args:
      checkpoint: prefix of the files; None = nothing is restored.
      report_path: where every name is written, as JSON; None = nothing is restored.
        Nor where its folder has a checkpoint, from which training resumes.
      use_tpu: on TPU it happens in the scaffold, as its API wants.
      resizable, stand_in: see `restore_on_initialization`.

    Returns:
      scaffold_fn of a TPUEstimatorSpec, or None.
    """
    if checkpoint is None or report_path is None:
        return None
    if tf.train.latest_checkpoint(os.path.dirname(report_path)):
        return None

    def restore():
        report = restore_on_initialization(
            checkpoint, tf.trainable_variables(), resizable, stand_in
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
    _check_shapes(checkpoint, ours, stored, {name: name for name in sorted(ours)})


def open_session(checkpoint: str, variables: Optional[list] = None) -> tf.Session:
    """A session of the default graph with the weights of a checkpoint.

    Args:
      variables: those that are needed; None = all of the graph.

    Raises:
      InputError: the checkpoint lacks one, or has it in another shape.
    """
    variables = tf.global_variables() if variables is None else variables
    session = tf.Session()
    load(checkpoint, session, tf.train.Saver(variables), variables)
    return session


def load(
    checkpoint: str, session: tf.Session, saver: tf.train.Saver, variables: list
) -> None:
    """Gives a session's variables, those of the saver, the values of a checkpoint.

    Raises:
      InputError: the checkpoint lacks one, or has it in another shape.
    """
    require_variables(checkpoint, variables)
    with session.graph.as_default():
        checkpoints.restore(saver, session, checkpoint)


def _check_shapes(checkpoint, ours, stored, sources):
    for name, there in sorted(sources.items()):
        expected = ours[name].shape.as_list()
        if expected != list(stored[there]):
            raise InputError(
                f"{checkpoint} does not fit the model: {there} has shape "
                f"{list(stored[there])} there and {expected} by the configuration. Use "
                "the configuration and vocabulary that the checkpoint was trained with."
            )
