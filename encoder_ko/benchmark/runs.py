"""The runs of a benchmark: one task and seed each, in a folder of its own.

Reads back what the runs of run_classifier.py left; starts none itself.
"""

import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from data.evaluation.intervals import Interval, share_interval
from data.io import files
from data.io.errors import InputError
from encoder_ko.benchmark.plan import PlannedTask
from encoder_ko.benchmark.report import LABELS, SeedRun
from encoder_ko.compat import tf
from encoder_ko.training import model_files
from encoder_ko.training.run_folder import (
    HISTORY,
    INTERVALS,
    WEIGHTS,
    RunFolder,
    weights_setting,
)

RECORD = "benchmark_run.json"


class RunRecord(NamedTuple):
    """What the benchmark notes of a run beside its results.

    Attributes:
      arguments: its flags.
      seconds: wall time so far, interrupted attempts included.
      is_complete: whether it ended well.
      digests: as of `PlannedTask`; None in records of before they were noted.
    """

    arguments: Sequence[str]
    seconds: float
    is_complete: bool
    digests: Optional[Dict[str, str]] = None


def read_record(folder: str) -> Optional[RunRecord]:
    """The record in a run's folder; None where there is none."""
    path = os.path.join(folder, RECORD)
    if not files.exists(path):
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
    files.make_folder(folder)
    text = json.dumps(record._asdict(), ensure_ascii=False)
    files.write_text(os.path.join(folder, RECORD), text)


def is_finished(planned: PlannedTask, folder: str, arguments: Sequence[str]) -> bool:
    """Whether the folder holds the results of exactly this run."""
    record = read_record(folder)
    return (
        record is not None
        and record.is_complete
        and list(record.arguments) == list(arguments)
        and has_results(planned, folder)
        and not changed_files(planned, folder)
        and not has_other_weights(folder, arguments)
    )


def has_other_weights(folder: str, arguments: Sequence[str]) -> bool:
    """Whether the run in a folder started from other weights than are there now.

    False where either is not known: run_classifier.py says what is missing.
    """
    started_from = (RunFolder(folder).settings() or {}).get(WEIGHTS)
    if started_from is None:
        return False
    flags = flags_of(arguments)
    try:
        start = model_files.find_model_files(
            flags.get("model_dir", "models"),
            flags["model_type"],
            flags.get(f"{flags['model_type']}_config_file"),
            flags.get("vocab_file"),
            flags.get("init_checkpoint"),
        ).init_checkpoint
    except InputError:
        return False
    return weights_setting(start).get(WEIGHTS, started_from) != started_from


def changed_files(planned: PlannedTask, folder: str) -> List[str]:
    """The data files that are not as they were for the finished run in a folder.

    [] where no run is finished, or its record does not tell.
    """
    record = read_record(folder)
    if record is None or not record.is_complete or record.digests is None:
        return []
    return _differences(record.digests, planned.digests)


def other_flags(planned: PlannedTask, folder: str, other: str) -> List[str]:
    """The flags, but for the seed, in which the run in `other` differs from one.

    [] where one of the folders has no record.
    """
    records = [read_record(each) for each in (folder, other)]
    if None in records:
        return []
    return _differences(*(_settings_of(planned, record) for record in records))


def unlike_the_first(planned: PlannedTask, folders: Dict[int, str]) -> List[str]:
    """Which runs had other flags than the one whose command is shown.

    Args:
      folders: by seed.
    """
    messages = []
    for seed in list(folders)[1:]:
        first = next(iter(folders))
        names = other_flags(planned, folders[first], folders[seed])
        if names:
            flags = ", ".join(f"--{name}" for name in names)
            messages.append(f"seed {seed} differs from seed {first} in {flags}")
    return messages


def changed_flags(
    planned: PlannedTask, folder: str, arguments: Sequence[str]
) -> List[str]:
    """The flags in which the run in a folder differs from `arguments`.

    [] where it has no record.
    """
    record = read_record(folder)
    if record is None:
        return []
    wanted = record._replace(arguments=arguments)
    return _differences(*(_settings_of(planned, each) for each in (record, wanted)))


def _settings_of(planned: PlannedTask, record: RunRecord) -> Dict[str, str]:
    flags = flags_of(record.arguments)
    seed = flags.pop("random_seed")
    split_seed = flags.pop("split_seed", seed)
    return flags if planned.split_seed is None else dict(flags, split_seed=split_seed)


def flags_of(arguments: Sequence[str]) -> Dict[str, str]:
    """["--random_seed=7"] -> {"random_seed": "7"}."""
    return dict(each[2:].split("=", 1) for each in arguments)


def _differences(one: Dict[str, str], other: Dict[str, str]) -> List[str]:
    names = sorted(set(one) | set(other))
    return [name for name in names if one.get(name) != other.get(name)]


def has_results(planned: PlannedTask, folder: str) -> bool:
    """Whether the folder holds the results of a run on this task."""
    return files.exists(results_file(planned, folder))


def read_run(planned: PlannedTask, folder: str, seed: int) -> SeedRun:
    """The metrics of a finished run."""
    metrics = read_facts(planned, folder)["metrics"]
    record = read_record(folder)
    return SeedRun(
        seed,
        {name: metrics[name] for name in planned.baseline.metrics},
        record.seconds if record else 0.0,
        _intervals(planned, folder, metrics),
    )


def _intervals(
    planned: PlannedTask, folder: str, metrics: Dict[str, Any]
) -> Dict[str, Interval]:
    """Those of the run's page; without it that of accuracy, which needs no examples."""
    path = os.path.join(folder, INTERVALS)
    found = _read_json(path) if files.exists(path) else {}
    if planned.split in found:
        return {name: tuple(ends) for name, ends in found[planned.split].items()}
    if "accuracy" not in metrics:
        return {}
    count = planned.sizes[planned.split]
    hits = int(round(metrics["accuracy"] * count))
    return {"accuracy": share_interval(hits, count)}


def read_facts(planned: PlannedTask, folder: str) -> Dict[str, Any]:
    """What a finished run says of model and machine: see `results.write_evaluation`."""
    return _read_json(results_file(planned, folder))


def results_file(planned: PlannedTask, folder: str) -> str:
    """Where a run leaves the metrics that the report shows, and its flags."""
    name = {"test": "test", "dev": "eval"}[planned.split]
    return os.path.join(folder, f"{name}_results.json")


def _read_json(path: str) -> Dict[str, Any]:
    try:
        return json.loads(files.read_text(path))
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
    history = _read_json(path) if files.exists(path) else []
    history = [entry for entry in history if "score" in entry]
    losses = {}
    for events in files.matching(folder, "events.out.tfevents.*"):
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
