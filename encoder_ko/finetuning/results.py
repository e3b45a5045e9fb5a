"""The result files of a fine-tuning run."""

import platform
import re
import sys
from typing import Any, Dict, List, Sequence

import numpy as np

from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.finetuning.task_types.base import TaskType
from encoder_ko.training.run_folder import RunFolder

_TRIALS = "trials.json"
_OF_TEST = re.compile("(^|_)test_")  # of several tasks, after the task's name


def write_evaluation(
    folder: RunFolder, name: str, task_type: TaskType, metrics: Dict[str, Any], **facts
) -> None:
    """`<name>_results.txt` and `.json`.

    Args:
      name: "eval" (dev) or "test".
      metrics: of `task_type.metrics`.
      **facts: global_step, flags, seed, times and whatever else belongs to the run;
        `note` is what a reader of the metrics must know.
    """
    lines = {f"{name}_{key}": metrics[key] for key in task_type.headline}
    lines.update(global_step=facts["global_step"], loss=metrics["loss"])
    if "note" in facts:
        lines["note"] = facts["note"]
    # Upstream's form.
    folder.write_text(
        f"{name}_results.txt",
        "".join(f"{key} = {value}\n" for key, value in sorted(lines.items())),
    )
    folder.write_json(
        f"{name}_results.json",
        dict(
            task=task_type.task.name,
            labels=list(task_type.task.label_names),
            metrics=metrics,
            versions=versions(),
            **facts,
        ),
    )


def versions() -> Dict[str, str]:
    """What ran: language, libraries, machine."""
    return {
        "python": platform.python_version(),
        "tensorflow": compat.TF_VERSION,
        "numpy": np.__version__,
        "platform": platform.platform(),
        "command": " ".join(sys.argv),
    }


def summarize_trials(
    folder: RunFolder,
    seeds: Sequence[int],
    scores: Sequence[Dict[str, float]],
    tests_anew: bool = False,
) -> Dict[str, Any]:
    """`trials.json`: mean and standard deviation of each metric over the trials.

    Metrics that the file has of the same trials, of another split, stay there.

    Args:
      scores: one {metric name: value} per trial. The deviation is that of a sample
        (divisor n - 1).
      tests_anew: whether what the file has of an earlier test set is dropped.
    """
    earlier = _earlier_scores(folder, seeds)
    if tests_anew:
        earlier = [
            {name: value for name, value in trial.items() if not _OF_TEST.search(name)}
            for trial in earlier
        ]
    scores = [{**before, **now} for before, now in zip(earlier, scores)]
    summary = {"seeds": list(seeds), "trials": scores}
    for name in scores[0]:
        values = np.array([trial[name] for trial in scores])
        summary[name] = {
            "mean": float(values.mean()),
            "standard_deviation": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        }
    folder.write_json(_TRIALS, summary)
    return summary


def _earlier_scores(folder: RunFolder, seeds: Sequence[int]) -> List[Dict[str, float]]:
    """What the file has of each of these trials; of others it says nothing."""
    found = folder.read_json(_TRIALS) or {}
    if found.get("seeds") != list(seeds):
        return [{} for _ in seeds]
    try:
        return [
            {name: float(value) for name, value in found["trials"][number].items()}
            for number in range(len(seeds))
        ]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder(_TRIALS)} does not have the metrics of each trial ({error}). "
            f"{folder.advice(_TRIALS)}"
        ) from None
