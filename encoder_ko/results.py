"""The result files of a fine-tuning run."""

import platform
import re
import sys
from typing import Any, Dict, Sequence

import numpy as np

from data import metrics, plots
from data.tasks import Task
from encoder_ko import compat
from encoder_ko.run_folder import RunFolder


def classification_figures(task: Task, predictions) -> Dict[str, Any]:
    """Metrics of labelled predictions; "score" is the task's own metric."""
    figures = metrics.classification_metrics(
        predictions.labels, predictions.probabilities.argmax(1), task.label_names
    )
    figures["loss"] = float(np.mean(predictions.losses))
    figures["score"] = figures[task.metric]
    return figures


def write_evaluation(
    folder: RunFolder, name: str, task: Task, figures: Dict[str, Any], **facts
) -> None:
    """`<name>_results.txt` and `.json`, and the confusion matrix as a picture.

    Args:
      name: "eval" (dev) or "test".
      figures: of `classification_figures`.
      **facts: global_step, flags, seed, times and whatever else belongs to the run.
    """
    write_evaluation_text(folder, name, figures, facts["global_step"])
    folder.write_json(
        f"{name}_results.json",
        dict(
            task=task.name,
            labels=list(task.label_names),
            metrics=figures,
            versions=versions(),
            **facts,
        ),
    )
    picture = (
        "confusion_matrix.png" if name == "eval" else f"confusion_matrix_{name}.png"
    )
    plots.write_confusion_matrix_png(
        folder(picture),
        figures["confusion_matrix"],
        task.label_names,
        f"{task.name} {'dev' if name == 'eval' else name}: "
        f"{task.metric.replace('_', ' ')} {figures['score']:.4f}",
    )


def write_evaluation_text(folder, name, figures, global_step):
    """Upstream's form: `key = value`, sorted."""
    lines = {
        f"{name}_accuracy": figures["accuracy"],
        f"{name}_loss": figures["loss"],
        f"{name}_macro_f1": figures["macro_f1"],
        "global_step": global_step,
        "loss": figures["loss"],
    }
    folder.write_text(
        f"{name}_results.txt",
        "".join(f"{key} = {value}\n" for key, value in sorted(lines.items())),
    )


def write_predictions(
    folder: RunFolder, task: Task, examples: Sequence, probabilities: np.ndarray
) -> None:
    """`test_results.tsv`: id, prediction, a probability for each label by name.

    One row per example, in the order of the file; the prediction is written as the
    task's files write the label.
    """
    rows = ["\t".join(("id", "prediction") + tuple(task.label_names))]
    for example, row in zip(examples, probabilities):
        predicted = task.label_values[int(row.argmax())]
        # An id from a CSV file may hold what would break a row of this one.
        cells = [re.sub(r"[\t\r\n]", " ", example.example_id), predicted]
        rows.append("\t".join(cells + [f"{p:.6f}" for p in row]))
    folder.write_text("test_results.tsv", "\n".join(rows) + "\n")


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
    """`trials.json`: mean and standard deviation of each figure over the trials.

    Args:
      scores: one {figure name: value} per trial. The deviation is that of a sample
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
