"""What a recipe reached: a table of its metrics, and where its files are."""

import os
from typing import Dict, List, Sequence

from data.io.files import exists, matching
from data.io.json_files import read_json_object

_HEADER = [
    "| recipe | pre-training, on its own records | fine-tuned: dev | test |",
    "|---|---|---|---|",
]
_ACCURACIES = (
    "masked_lm_accuracy",
    "next_sentence_accuracy",
    "sentence_order_accuracy",
    "wop_accuracy",
    "disc_accuracy",
    "disc_auc",
)


def summary(folders: Sequence[str]) -> str:
    """Of the folders of finished recipes, each named after its own."""
    rows = _HEADER + [_row(folder) for folder in folders]
    files = [line for folder in folders for line in _files(folder)]
    return "\n".join([*rows, "", "Result files and pictures:", *files])


def _row(folder: str) -> str:
    """What the two trainings reached."""
    reached = _metrics(folder, "pretrained", "eval")
    pretraining = ", ".join(
        f"{name} {reached[name]:.3f}" for name in _ACCURACIES if name in reached
    )
    dev, test = (
        "{score:.4f}".format(**metrics) if metrics else "no labels"
        for metrics in (
            _metrics(folder, "finetuned", "eval"),
            _metrics(folder, "finetuned", "test"),
        )
    )
    return f"| {os.path.basename(folder)} | {pretraining} | {dev} | {test} |"


def _metrics(folder: str, part: str, split: str) -> Dict[str, float]:
    """Metrics of a result file; {} where there is none."""
    path = os.path.join(folder, part, f"{split}_results.json")
    return read_json_object(path)["metrics"] if exists(path) else {}


def _files(folder: str) -> List[str]:
    """Page, result files and pictures, a line for each of the two trainings."""
    lines = []
    for part in ("pretrained", "finetuned"):
        names = [
            os.path.basename(path)
            for pattern in ("report.html", "*_results.*", "*.png")
            for path in matching(folder, f"{part}/{pattern}")
        ]
        lines += [f"  {os.path.join(folder, part)}: {', '.join(names)}"] * bool(names)
    return lines
