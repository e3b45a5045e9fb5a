"""The result files of a fine-tuning run."""

import platform
import sys
from typing import Any, Dict, Sequence

import numpy as np

from encoder_ko import compat
from encoder_ko.finetuning.task_types.base import TaskType
from encoder_ko.training.run_folder import RunFolder


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


def summarize_trials(folder: RunFolder, seeds: Sequence[int], scores) -> Dict[str, Any]:
    """`trials.json`: mean and standard deviation of each metric over the trials.

    Args:
      scores: one {metric name: value} per trial. The deviation is that of a sample
        (divisor n - 1).
    """
    summary = {"seeds": list(seeds), "trials": list(scores)}
    for name in scores[0]:
        values = np.array([trial[name] for trial in scores])
        summary[name] = {
            "mean": float(values.mean()),
            "standard_deviation": float(values.std(ddof=1)) if len(values) > 1 else 0.0,
        }
    folder.write_json("trials.json", summary)
    return summary
