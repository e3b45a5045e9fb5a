"""The runs of a benchmark: one task and seed each, in a folder of its own.

Decides what there is to run and reads back what the runs of run_classifier.py left;
starts none itself.
"""

import dataclasses
import json
import os
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from data import tasks
from data.baselines import Baseline, baseline, characters, is_labelled
from data.downloading import unpublished_files
from data.errors import InputError
from data.files import new_file
from data.text_files import ReadingOptions
from encoder_ko import compat
from encoder_ko.benchmark_report import LABELS, SeedRun
from encoder_ko.compat import tf
from encoder_ko.run_folder import HISTORY

RECORD = "benchmark_run.json"
NOTE = "note"
EVERY_TASK = "*"

# Flags that the benchmark gives itself.
_OWN_FLAGS = (
    "task_name",
    "output_dir",
    "do_train",
    "do_eval",
    "do_predict",
    "random_seed",
    "split_seed",
    "num_trials",
    "model_type",
    "model_dir",
    "task_defaults",
    "config",
    "overwrite",
)


@dataclasses.dataclass(frozen=True)
class PlannedTask:
    """A task, its data as they are, and how to fine-tune on it.

    Attributes:
      task: the declaration. task_name: as the user named it.
      data_dir: where its files are.
      flags: of run_classifier.py, besides those that the benchmark gives itself.
      note: what is special about the data, the user's words or that the files are not
        the published ones; "" for the public files.
      has_test: whether there is a test file.
      split: which examples the report is about, "test" where it has labels, else dev.
      sizes: split -> examples.
      baseline: of these examples.
      work: of one run, in characters through the network, for the time that is left.
      split_seed: holds the dev set out of train, in every run; None with a dev file.
    """

    task: tasks.Task
    task_name: str
    data_dir: str
    flags: Dict[str, Any]
    note: str
    has_test: bool
    split: str
    sizes: Dict[str, int]
    baseline: Baseline
    work: float
    split_seed: Optional[int]


# --- Planning ---------------------------------------------------------------------


def plan_task(
    task_name: str, settings: Dict[str, Dict[str, Any]], data_root: str, split_seed: int
) -> PlannedTask:
    """Loads the data of a task, so that a fault in them shows before anything runs.

    Args:
      task_name: see `tasks.get_task`.
      settings: task -> flags of run_classifier.py, data_dir, and "note"; those of "*"
        are for every task.
      data_root: folder of the tasks' folders; "" for their default. The data of a
        user's own task are beside its JSON file.
      split_seed: holds a dev set out of train where there is no dev file.

    Raises:
      InputError: an unknown task, a file that is missing or broken.
    """
    task = tasks.get_task(task_name)
    flags = dict(settings.get(EVERY_TASK, {}), **settings.get(task.name, {}))
    note = flags.pop(NOTE, "")
    folder = task.folder
    if data_root and not task.data_folder:
        folder = os.path.join(data_root, os.path.basename(folder))
    folder = flags.pop("data_dir", folder)
    reading = ReadingOptions(
        flags.get("encoding", "utf-8"), int(flags.get("max_bad_rows", 0))
    )
    splits = {
        split: tasks.load_split(task, folder, split, reading).examples
        for split in ("train", "dev", "test")
        if split == "train" or tasks.find_files(task, folder, split)
    }
    note = note or _note_on_files(task, folder, splits)
    has_dev = "dev" in splits
    if not has_dev:
        splits["train"], splits["dev"] = tasks.held_out_split(
            splits["train"], float(flags.get("dev_fraction", 0.05)), split_seed
        )
    test = splits.get("test", ())
    scored = bool(test) and all(is_labelled(task, example) for example in test)
    split = "test" if scored else "dev"
    epochs = float(flags.get("num_train_epochs", task.defaults.num_train_epochs))
    return PlannedTask(
        task,
        task_name,
        folder,
        flags,
        note,
        "test" in splits,
        split,
        {
            name: len(splits[name])
            for name in ("train", "dev", "test")
            if name in splits
        },
        baseline(task, splits["train"], splits[split]),
        _work({name: characters(each) for name, each in splits.items()}, epochs),
        None if has_dev else split_seed,
    )


def _note_on_files(task: tasks.Task, folder: str, splits: Iterable[str]) -> str:
    paths = [path for split in splits for path in tasks.find_files(task, folder, split)]
    names = unpublished_files(task.name, paths)
    if not names:
        return ""
    return f"has other files than the published ones ({', '.join(names)})."


def _work(sizes: Dict[str, int], epochs: float) -> float:
    """A step of training costs as much as three of prediction."""
    evaluations = max(1.0, epochs) + 1
    return (
        3 * epochs * sizes["train"]
        + evaluations * sizes["dev"]
        + sizes.get("test", 0)
        + 1
    )


def check_settings(
    settings: Dict[str, Dict[str, Any]], planned: Sequence[str], source: str
) -> None:
    """Raises InputError for settings of no task, or of what the benchmark sets itself.

    Args:
      planned: names of the tasks to run. source: names the settings in the message.
    """
    known = tuple(tasks.task_names()) + tuple(planned)
    for name, flags in settings.items():
        if name != EVERY_TASK and name not in known:
            raise InputError(
                f"{source} has settings for {name!r}, expected "
                f"{EVERY_TASK!r} (every task) or one of {', '.join(known)}."
            )
        if not isinstance(flags, dict):
            raise InputError(
                f"{source}: the settings of {name!r} are {flags!r}, expected an object "
                'of flags, such as {"num_train_epochs": 1}.'
            )
        for flag in flags:
            if flag in _OWN_FLAGS:
                raise InputError(
                    f"{source} sets {flag!r} for {name!r}, which the benchmark decides "
                    "itself: leave it out."
                )


def run_flags(planned: PlannedTask, model: Dict[str, Any], seed: int) -> Dict[str, Any]:
    """All flags of one run but --output_dir.

    Args:
      model: flags that name the model.
    """
    other_split = planned.split_seed not in (None, seed)
    return {
        "task_name": planned.task_name,
        **{name: value for name, value in model.items() if value},
        "data_dir": planned.data_dir,
        "task_defaults": "true",
        **planned.flags,
        "random_seed": seed,
        **({"split_seed": planned.split_seed} if other_split else {}),
        "do_train": "true",
        "do_eval": "true",
        "do_predict": str(planned.has_test).lower(),
    }


def as_arguments(flags: Dict[str, Any]) -> List[str]:
    """{"max_seq_length": 64} -> ["--max_seq_length=64"]."""
    written = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in flags.items()
    }
    return [f"--{name}={value}" for name, value in written.items()]


# --- What runs left ----------------------------------------------------------------


class RunRecord(NamedTuple):
    """What the benchmark notes of a run beside its results.

    Attributes:
      arguments: its flags.
      seconds: wall time so far, interrupted attempts included.
      is_complete: whether it ended well.
    """

    arguments: Sequence[str]
    seconds: float
    is_complete: bool


def read_record(folder: str) -> Optional[RunRecord]:
    """The record in a run's folder; None where there is none."""
    path = os.path.join(folder, RECORD)
    if not os.path.exists(path):
        return None
    found = _read_json(path)
    try:
        return RunRecord(**found)
    except TypeError:
        raise InputError(
            f"{path} is not a record of this benchmark: delete it."
        ) from None


def write_record(folder: str, record: RunRecord) -> None:
    """Writes the record, whole or not at all."""
    os.makedirs(folder, exist_ok=True)
    with new_file(os.path.join(folder, RECORD), overwrite=True) as stream:
        stream.write(json.dumps(record._asdict(), ensure_ascii=False).encode("utf-8"))


def is_finished(planned: PlannedTask, folder: str, arguments: Sequence[str]) -> bool:
    """Whether the folder holds the results of exactly this run."""
    record = read_record(folder)
    return (
        record is not None
        and record.is_complete
        and list(record.arguments) == list(arguments)
        and has_results(planned, folder)
    )


def has_results(planned: PlannedTask, folder: str) -> bool:
    """Whether the folder holds the results of a run on this task."""
    return os.path.exists(_results_file(folder, planned.split))


def read_run(planned: PlannedTask, folder: str, seed: int) -> SeedRun:
    """The figures of a finished run."""
    metrics = _read_json(_results_file(folder, planned.split))["metrics"]
    record = read_record(folder)
    return SeedRun(
        seed,
        {name: metrics[name] for name in planned.baseline.figures},
        record.seconds if record else 0.0,
    )


def read_facts(folder: str) -> Dict[str, Any]:
    """What a finished run says of model and machine: see `results.write_evaluation`."""
    return _read_json(_results_file(folder, "dev"))


def _results_file(folder: str, split: str) -> str:
    name = {"test": "test", "dev": "eval"}[split]
    return os.path.join(folder, f"{name}_results.json")


def _read_json(path: str) -> Dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except ValueError as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it.") from None


class Curves(NamedTuple):
    """The course of a run: pairs of a step and a value."""

    metric: List[Tuple[int, float]]
    dev_loss: List[Tuple[int, float]]
    training_loss: List[Tuple[int, float]]


def read_curves(planned: PlannedTask, folder: str, loss_divisor: int) -> Curves:
    """Evaluations on dev, and the loss of training batches now and then.

    Args:
      loss_divisor: examples of a batch where its loss is their sum, else 1.
    """
    path = os.path.join(folder, HISTORY)
    history = _read_json(path) if os.path.exists(path) else []
    history = [entry for entry in history if "score" in entry]
    losses = {}
    for events in compat.glob(os.path.join(folder, "events.out.tfevents.*")):
        losses.update(_losses_of(events))
    return Curves(
        [(entry["step"], 100 * entry["score"]) for entry in history],
        [(entry["step"], entry["loss"]) for entry in history],
        [(step, losses[step] / loss_divisor) for step in sorted(losses)],
    )


def _losses_of(path: str) -> Dict[int, float]:
    found = {}
    try:
        for event in tf.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == "loss":
                    found[event.step] = value.simple_value
    except tf.errors.DataLossError:  # the process was killed within a record
        return found
    return found


def curve_label(planned: PlannedTask) -> str:
    """Name of the metric's axis."""
    return f"dev {LABELS.get(planned.task.metric, planned.task.metric)} (%)"
