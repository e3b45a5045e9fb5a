"""A fine-tuned model as a folder: training writes it, all that uses it reads it.

It holds all that prediction, export and conversion need: `<type>_config.json`, the
vocabulary, tokenizer_config.json, task.json, and the best checkpoint in `best/`.
"""

import dataclasses
import os
from typing import Any, Dict, Iterator, Mapping, Optional

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.tasks import FineTuningDefaults, Task
from data.tokenization import Tokenizer, build_tokenizer, resolve_config
from encoder_ko.finetuning import task_types
from encoder_ko.finetuning.family import Family
from encoder_ko.modeling.heads import TASK_SPECIFIC
from encoder_ko.training import agreement, checkpoints, model_files
from encoder_ko.training.loaded_model import check_length
from encoder_ko.training.run_folder import BEST, TASK, RunFolder

# What of a task outlives its data files.
_TASK_FIELDS = (
    "name",
    "task_type",
    "metric",
    "label_values",
    "label_names",
    "score_range",
    "is_pair",
    "by_character",
    "unanswerable",
    "reported",
    "score_threshold",
    "negative_label",
)
# Those that older runs do not have, and what holds for them.
LATER_FIELDS = {
    "is_pair": None,
    "by_character": False,
    "unanswerable": False,
    "reported": (),
    "score_threshold": None,
    "negative_label": "",
}


def write(
    folder: RunFolder, model_type: str, config: Any, task_type: task_types.TaskType
) -> None:
    """Writes all but the checkpoint into a run's folder.

    Args:
      config: EncoderConfig.
      task_type: with the task and the tokenizer to which it is bound.
    """
    vocab_file = model_files.write_model_files(
        folder, model_type, config, task_type.tokenizer
    )
    folder.write_json(
        TASK, description(model_type, vocab_file, task_type.task, task_type.settings)
    )


def description(
    model_type: str, vocab_file: str, task: Task, settings: task_types.TaskSettings
) -> Dict[str, Any]:
    """The content of task.json; `vocab_file` is a name in its folder."""
    return {
        "model_type": model_type,
        "vocab_file": vocab_file,
        "task": {name: getattr(task, name) for name in _TASK_FIELDS},
        "settings": dataclasses.asdict(settings),
    }


@dataclasses.dataclass(frozen=True)
class FineTunedModel:
    """A fine-tuned model as its folder describes it.

    Attributes:
      path: the folder.
      family: see finetuning.Family.
      config: EncoderConfig.
      task_type: bound to task, tokenizer and settings, which it has as attributes.
      checkpoint: prefix of the best one.
    """

    path: str
    family: Family
    config: Any
    task_type: task_types.TaskType
    checkpoint: str

    @property
    def task(self) -> Task:
        """The task, without the names of its files."""
        return self.task_type.task

    @property
    def tokenizer(self) -> Tokenizer:
        return self.task_type.tokenizer

    @classmethod
    def load(
        cls,
        run_dir: str,
        families: Mapping[str, Family],
        allow_mismatch: bool = False,
    ) -> "FineTunedModel":
        """Reads the --output_dir of a fine-tuning run.

        Args:
          families: by name, those of the siblings.
          allow_mismatch: whether vocabulary, settings of the tokenizer and
            configuration may have changed since the training.

        Raises:
          InputError: the folder holds no fine-tuned model, a file of it is broken, or
            contradicts what the run was trained with.
        """
        described = _read(run_dir)
        try:
            family = families[described["model_type"]]
            vocab_file = os.path.join(run_dir, described["vocab_file"])
            task = task_of(described["task"])
            settings = task_types.TaskSettings(**described["settings"])
        except (KeyError, TypeError) as error:
            raise _broken(os.path.join(run_dir, TASK), error) from None
        config = family.config_class.from_json_file(
            os.path.join(run_dir, f"{family.name}_config.json")
        )
        check_length(config, settings.max_seq_length, os.path.join(run_dir, TASK))
        tokenizer = build_tokenizer(resolve_config(vocab_file), vocab_file)
        agreement.settle(
            agreement.differences_of_run(run_dir, config, tokenizer), allow_mismatch
        )
        checkpoint = checkpoints.find_checkpoint(os.path.join(run_dir, BEST))
        if checkpoint is None:
            raise InputError(
                f"{run_dir} holds no checkpoint in best/: its run stopped before the "
                "first evaluation, or the checkpoint was deleted. Give the command of "
                "the training again, which makes one."
            )
        task_type = task_types.build(task, tokenizer, settings)
        return cls(run_dir, family, config, task_type, checkpoint)


def differences_of_labels(checkpoint: Optional[str], task: Task) -> Iterator[str]:
    """Where a task contradicts the one that a checkpoint's head was trained on.

    A head that another task does not use, as ELECTRA's are by name, says nothing.
    """
    if not checkpoint:
        return
    path = os.path.join(agreement.home_of(checkpoint), TASK)
    if not files.exists(path):
        return
    try:
        trained = task_of(read_json_object(path)["task"])
    except (KeyError, TypeError) as error:
        raise _broken(path, error) from None
    names = checkpoints.checkpoint_shapes(checkpoint)
    scopes = [name.split("/")[1] for name in names if name.startswith(TASK_SPECIFIC)]
    if trained.task_type != task.task_type or (
        scopes and task_types.base.scope_of(task.name) not in scopes
    ):
        return
    pairs = zip(trained.label_values, task.label_values)
    for number, (there, here) in enumerate(pairs):
        if there != here:
            yield (
                f"Output {number} of the head in {checkpoint} is the label {there!r} "
                f"of {trained.name} by {path}, and {here!r} of {task.name} now: it "
                "would be taken for another. Name the task with the labels in the same "
                "order, or a checkpoint without this head."
            )
            return
    if trained.score_range and trained.score_range != task.score_range:
        yield (
            f"The head in {checkpoint} gives scores from {trained.score_range[0]:g} to "
            f"{trained.score_range[1]:g} by {path}, and {task.name} has "
            f"{task.score_range}."
        )


def _broken(path: str, error: Exception) -> InputError:
    return InputError(
        f"{path} is not what a run of run_classifier.py writes ({error}): train again."
    )


def _read(run_dir: str) -> Dict[str, Any]:
    if not isinstance(run_dir, (str, os.PathLike)) or not str(run_dir):
        raise InputError(
            f"{run_dir!r} is no path: name the --output_dir of a run of "
            "run_classifier.py with --do_train."
        )
    described = RunFolder(run_dir).read_json(TASK)
    if described is not None:
        return described
    model_files.refuse_hugging_face(run_dir)
    trial = os.path.join(run_dir, "trial_1")
    if files.exists(os.path.join(trial, TASK)):
        raise InputError(f"{run_dir} holds several trials: name one, such as {trial}.")
    model_files.refuse_several_tasks(run_dir)
    raise InputError(
        f"{run_dir} holds no fine-tuned model (no {TASK}): name the --output_dir "
        "of a run of run_classifier.py with --do_train."
    )


def task_of(record: Dict[str, Any]) -> Task:
    """The task of task.json's "task"; KeyError if it lacks a field."""
    record = dict(LATER_FIELDS, **record)
    if "kind" in record:  # what they call the task type
        record["task_type"] = record.pop("kind")
    values = {
        name: tuple(record[name]) if isinstance(record[name], list) else record[name]
        for name in _TASK_FIELDS
    }
    return Task(
        file_sets=(),
        source=TASK,
        defaults=FineTuningDefaults(num_train_epochs=0),
        **values,
    )
