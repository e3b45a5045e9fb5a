"""The pictures in the report of a benchmark: curves, and how a run predicted."""

import os
from typing import Dict, List, Sequence

from data.evaluation import plots
from data.io import files
from encoder_ko.benchmark import runs
from encoder_ko.benchmark.plan import PlannedTask
from encoder_ko.benchmark.report import Picture

Panels = Dict[str, Sequence[plots.Curve]]


def write_pictures(
    planned: PlannedTask, folders: Dict[int, str], output_dir: str, panels: Panels
) -> List[Picture]:
    """Curves of all runs on a task; the first one's picture of its predictions.

    Args:
      folders: of the finished runs, by their seeds.
      output_dir: of the report; the pictures go to pictures/ in it.
      panels: see `curve_panels`.
    """
    if not folders:
        return []
    files.make_folder(os.path.join(output_dir, "pictures"))
    name = planned.task.name.lower()
    pictures = [Picture("Course of the runs", f"pictures/{name}_curves.png", True)]
    path = os.path.join(output_dir, pictures[0].path)
    plots.write_curves_png(path, panels, "Evaluations and training")
    suffix = "_test" if planned.split == "test" else ""
    seed, folder = next(iter(folders.items()))
    for picture, what in (
        ("confusion_matrix", "How each class was predicted"),
        ("scores", "Predicted and true scores"),
    ):
        source = os.path.join(folder, f"{picture}{suffix}.png")
        if files.exists(source):
            target = f"pictures/{name}_{picture}.png"
            files.copy(source, os.path.join(output_dir, target))
            caption = f"{what}: {planned.split}, seed {seed}"
            pictures.append(Picture(caption, target))
    return pictures


def curve_panels(
    planned: PlannedTask, folders: Dict[int, str], loss_reduction: str
) -> Panels:
    """Name of the axis -> curves of all runs on a task; {} without runs.

    Args:
      loss_reduction: "sum" where the loss of a batch is that of its examples.
    """
    if not folders:
        return {}
    metric, losses = [], []
    for seed, folder in folders.items():
        of_seed = f", seed {seed}" if len(folders) > 1 else ""
        size = 1
        if loss_reduction == "sum":
            facts = runs.read_facts(planned, folder)
            size = facts["flags"]["train_batch_size"]
        found = runs.read_curves(planned, folder, size)
        for panel, name, points, marked in (
            (metric, f"dev{of_seed}", found.metric, True),
            (losses, f"dev{of_seed}", found.dev_loss, True),
            (losses, f"train{of_seed}", found.training_loss, False),
        ):
            if points:
                panel.append(plots.Curve(name, *zip(*points), marked))
    return {runs.curve_label(planned): metric, "loss": losses}
