"""What a benchmark is to run: its tasks with their data, its seeds, flags of a run."""

import dataclasses
import os
from typing import Any, Container, Dict, Iterable, List, Optional, Sequence

from data import tasks
from data.download.fetch import checksum_of, unpublished_files
from data.evaluation.baselines import Baseline, baseline, characters, is_labelled
from data.io.errors import InputError
from data.io.json_files import object_of_flag
from data.io.tables import ReadingOptions

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
# Settings that planning needs itself; run_classifier.py checks the others.
_TYPES = {
    "num_train_epochs": (float, "a number"),
    "dev_fraction": (float, "a number"),
    "max_bad_rows": (int, "a whole number"),
    "encoding": (str, "text"),
    "data_dir": (str, "text"),
    NOTE: (str, "text"),
}


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
      digests: file -> checksum of what it holds, of train, dev, test, and of the JSON
        file of a user's task.
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
    digests: Dict[str, str]


# --- Seeds and settings ------------------------------------------------------------


def parse_seeds(words: Sequence[str]) -> List[int]:
    """["1", "2"] -> [1, 2].

    Raises:
      InputError: none, one twice, or one that run_classifier.py does not take.
    """
    try:
        seeds = [int(seed) for seed in words]
    except ValueError:
        seeds = []
    is_in_range = all(0 <= seed < 2**31 for seed in seeds)
    if not seeds or not is_in_range or len(set(seeds)) < len(seeds):
        raise InputError(
            f"--seeds={','.join(words)}, expected different whole numbers from 0 to "
            f"{2**31 - 1} with commas between them, such as 1,2,3."
        )
    return seeds


def task_names(sources: Sequence[str]) -> List[str]:
    """The names of tasks as reports and folders have them.

    Args:
      sources: see `tasks.get_task`.

    Raises:
      InputError: there is none, one is unknown, or two have one name.
    """
    if not sources:
        raise InputError("--tasks is empty: name at least one task.")
    names = [tasks.get_task(source).name for source in sources]
    folders = [name.lower() for name in names]
    for name, folder in zip(names, folders):
        if folders.count(folder) > 1:
            raise InputError(
                f"--tasks={','.join(sources)} names {folders.count(folder)} tasks "
                f"{name}, whose runs have one folder: keep one, or rename your own."
            )
    return names


def read_settings(
    source: str, planned: Sequence[str], known_flags: Container[str]
) -> Dict[str, Dict[str, Any]]:
    """Task -> settings, from --task_settings.

    Args:
      source: a JSON file, JSON itself, or nothing. Users write the tasks' names in any
        case; names that begin with "_" are remarks.
      planned: names of the tasks to run, with which the settings are returned.
      known_flags: the names of those of run_classifier.py.

    Raises:
      InputError: no JSON object; settings of no task, or of one twice, of what the
        benchmark sets itself, of no flag, or a value that planning cannot use.
    """
    if not source:
        return {}
    known = {name.lower(): name for name in (*tasks.task_names(), *planned)}
    known[EVERY_TASK] = EVERY_TASK
    settings = {}
    for written, flags in object_of_flag(source, "--task_settings").items():
        if written.startswith("_"):
            continue
        if written.lower() not in known:
            raise InputError(
                f"--task_settings has settings for {written!r}, expected "
                f"{EVERY_TASK!r} (every task) or one of "
                f"{', '.join(list(known.values())[:-1])}."
            )
        name = known[written.lower()]
        if name in settings:
            raise InputError(f"--task_settings has {name!r} twice: unite them.")
        _check_flags(written, flags, known_flags)
        settings[name] = flags
    return settings


def _check_flags(name: str, flags: Any, known_flags: Container[str]) -> None:
    if not isinstance(flags, dict):
        raise InputError(
            f"--task_settings: the settings of {name!r} are {flags!r}, expected an "
            'object of flags, such as {"num_train_epochs": 1}.'
        )
    for flag, value in flags.items():
        if flag in _OWN_FLAGS:
            raise InputError(
                f"--task_settings sets {flag!r} for {name!r}, which the benchmark "
                "decides itself: leave it out."
            )
        if flag != NOTE and flag.replace("-", "_") not in known_flags:
            raise InputError(
                f"--task_settings sets {flag!r} for {name!r}, which is no flag of "
                "run_classifier.py: its --help lists them."
            )
        value_type, expected = _TYPES.get(flag, (None, ""))
        if value_type and not _is_of(value_type, value):
            raise InputError(
                f"--task_settings sets {flag!r} for {name!r} to {value!r}, expected "
                f"{expected}."
            )


def _is_of(value_type: type, value: Any) -> bool:
    if value_type is str:
        return isinstance(value, str)
    try:
        value_type(str(value))  # as run_classifier.py will get it
    except ValueError:
        return False
    return True


# --- The data of a task ------------------------------------------------------------


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
    loaded = {
        split: tasks.load_split(task, folder, split, reading)
        for split in ("train", "dev", "test")
        if split == "train" or tasks.find_files(task, folder, split)
    }
    splits = {split: found.examples for split, found in loaded.items()}
    paths = [path for found in loaded.values() for path in found.paths]
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
        note or _note_on_files(task, paths),
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
        _digests(task, folder, paths),
    )


def _digests(task: tasks.Task, folder: str, paths: Iterable[str]) -> Dict[str, str]:
    named = {os.path.relpath(path, folder).replace(os.sep, "/"): path for path in paths}
    if task.data_folder:  # the user's own
        named[os.path.basename(task.source)] = task.source
    return {name: checksum_of(path, "sha256") for name, path in named.items()}


def _note_on_files(task: tasks.Task, paths: Iterable[str]) -> str:
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


# --- Flags of a run ----------------------------------------------------------------


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
