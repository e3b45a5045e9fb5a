"""Loss curves of pre-training: ours beside Hugging Face's network, or Google's ELECTRA.

  python3 benchmarks/loss_curves.py --hf_python=PY --output_dir=DIR \
      --input_file='corpus/*.txt' --vocab_file=vocab.txt

Both train on masked words from the same initial values, on the same rows with the same
masks, by Adam with the same constants, step for step: equal code gives equal curves.

  python3 benchmarks/loss_curves.py --upstream_dir=ELECTRA --upstream_python=PY37 \
      --output_dir=DIR --input_file='corpus/*.txt' --vocab_file=vocab.txt

Masked words or ELECTRA's objective (--objective=electra), without bias correction as in
Google's code, and ours with it, on the same records.

The same command goes on with what is missing in DIR. See benchmarks/README.md.
"""

import argparse
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
from typing import Dict, List, NamedTuple, Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import loss_contenders as contenders
from benchmarks import side_by_side, turns
from benchmarks.argument_types import (
    positive_float,
    positive_int,
    require_different,
    seed_number,
)
from benchmarks.loss_contenders import Run, Work
from data.io.cli import one_line_errors

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE, PICTURE = "loss_curves.md", "loss_curves.png"
_COLLAPSED = 0.1  # nats around the entropy; see encoder_ko.training.collapse


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = Work.load(arguments.output_dir)
        run = Run(
            arguments.worker,
            arguments.precisions[0],
            arguments.learning_rates[0],
            arguments.seeds[0],
        )
        contenders.RUNNERS[run.worker](work, run)
        return
    work = prepare(arguments)
    for run in runs_of(arguments):
        if not os.path.exists(work.result_path(run)):
            _train(arguments, work, run)
            write_report(work, arguments)
    print(write_report(work, arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--output_dir", required=True, help="Folder of runs and results.")
    add("--hf_python", help="Python with torch and transformers; default: ours alone.")
    add("--upstream_dir", help="Checkout of google-research/electra.")
    add("--upstream_python", help="Python with TensorFlow 1.15; default: ours alone.")
    add("--objective", default="masked words", choices=["masked words", "electra"])
    add("--input_file", default=f"{ROOT}/samples/corpus/*.txt", help="Text.")
    add("--vocab_file", default=f"{ROOT}/samples/vocab.txt", help="WordPiece.")
    precisions = ["float32", "bfloat16"]
    add("--precisions", nargs="+", default=precisions, choices=precisions)
    add("--learning_rates", nargs="+", type=positive_float, default=[3e-4, 1e-3, 2e-3])
    add("--seeds", nargs="+", type=seed_number, default=[1, 2, 3])
    add("--steps", type=positive_int, default=1500, help="Steps that are trained.")
    add(
        "--schedule_steps",
        type=positive_int,
        help="Of the whole decay; default: --steps.",
    )
    add("--warmup_steps", type=int, default=200)
    add("--batch_size", type=positive_int, default=32, help="Sequences per step.")
    add("--max_seq_length", type=positive_int, default=128, help="Tokens.")
    add("--layers", type=positive_int, default=4)
    add("--hidden_size", type=positive_int, default=256)
    add("--embedding_size", type=positive_int, help="Default: --hidden_size.")
    add("--dropout", type=float, default=0.0)
    add("--line_by_line", action="store_true", help="A row for each line of text.")
    add("--adam_beta2", type=float, default=0.999)
    add("--adam_epsilon", type=float, default=1e-6)
    add("--weight_decay_rate", type=float, default=0.01)
    add("--worker", choices=sorted(contenders.RUNNERS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in ("seeds", "learning_rates", "precisions"):
        require_different(parser, name, getattr(arguments, name))
    for name in ("hf_python", "upstream_python"):
        python = getattr(arguments, name)
        if python and not shutil.which(python):
            parser.error(f"argument --{name}: there is no program {python}")
    if arguments.hf_python and arguments.upstream_dir:
        parser.error(
            "--hf_python and --upstream_dir are compared in runs of their own."
        )
    if arguments.hf_python and arguments.objective == "electra":
        parser.error("--hf_python is for masked words: drop --objective=electra.")
    return arguments


def prepare(arguments: argparse.Namespace) -> Work:
    """Builds the records and writes down what all runs have in common.

    Raises:
      SystemExit: the folder is of other settings.
    """
    from data import create_pretraining_data
    from data.tokenization import load_vocabulary

    folder = os.path.abspath(arguments.output_dir)
    records = os.path.join(folder, "records")
    work = Work(
        folder,
        model={
            "attention_probs_dropout_prob": arguments.dropout,
            "embedding_size": arguments.embedding_size or arguments.hidden_size,
            "hidden_act": "gelu",
            "hidden_dropout_prob": arguments.dropout,
            "hidden_size": arguments.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": 4 * arguments.hidden_size,
            "max_position_embeddings": arguments.max_seq_length,
            "num_attention_heads": max(1, arguments.hidden_size // 64),
            "num_hidden_layers": arguments.layers,
            "type_vocab_size": 2,
            "vocab_size": len(load_vocabulary(arguments.vocab_file)),
        },
        records=os.path.join(records, "*.tfrecord*"),
        vocab_file=os.path.abspath(arguments.vocab_file),
        batch_size=arguments.batch_size,
        max_seq_length=arguments.max_seq_length,
        steps=arguments.steps,
        schedule_steps=arguments.schedule_steps or arguments.steps,
        warmup_steps=arguments.warmup_steps,
        adam={
            "beta_1": 0.9,
            "beta_2": arguments.adam_beta2,
            "epsilon": arguments.adam_epsilon,
            "weight_decay": arguments.weight_decay_rate,
        },
        upstream_dir=arguments.upstream_dir and os.path.abspath(arguments.upstream_dir),
        objective=arguments.objective,
    )
    os.makedirs(folder, exist_ok=True)
    if os.path.exists(work.path("work.json")) and Work.load(folder) != work:
        sys.exit(f"{folder} holds runs of other settings: name another --output_dir.")
    create_pretraining_data.main(
        [
            "create_pretraining_data",
            "--model_type=electra",
            f"--input_file={arguments.input_file}",
            f"--output_dir={records}",
            f"--vocab_file={work.vocab_file}",
            f"--max_seq_length={work.max_seq_length}",
            f"--line_by_line={arguments.line_by_line}",
        ]
    )
    work.save()
    return work


def runs_of(arguments: argparse.Namespace) -> List[Run]:
    """Ours before Hugging Face's, which needs its rows; a seed after the other."""
    workers = ["ours"]
    if arguments.upstream_dir:
        workers += ["corrected"] + ["google"] * bool(arguments.upstream_python)
    elif arguments.hf_python:
        workers.append("hf")
    settings = itertools.product(
        arguments.seeds, arguments.learning_rates, arguments.precisions, workers
    )
    return [
        Run(worker, precision, rate, seed)
        for seed, rate, precision, worker in settings
        if (worker, precision) != ("google", "bfloat16")
    ]


def _train(arguments, work, run):
    """Trains in a process of its own; what it prints is in the run's log."""
    pythons = {"hf": arguments.hf_python, "google": arguments.upstream_python}
    command = [
        pythons.get(run.worker, sys.executable),
        os.path.abspath(__file__),
        f"--worker={run.worker}",
        f"--output_dir={work.folder}",
        f"--precisions={run.precision}",
        f"--learning_rates={run.learning_rate}",
        f"--seeds={run.seed}",
    ]
    log_path = work.path(run.name + ".log")
    print(f"{run.name} begins; its log: {log_path}", file=sys.stderr, flush=True)
    with open(log_path, "wb") as log:
        status = subprocess.call(
            command, stdout=log, stderr=subprocess.STDOUT, env=turns.ENVIRONMENT
        )
    if status:
        with open(log_path, errors="replace") as log:
            last = "".join(log.readlines()[-20:])
        sys.exit(f"{run.name} ended with status {status}. It printed last:\n{last}")


# --- The report ------------------------------------------------------------------


class Curves(NamedTuple):
    """The runs of a contender at one precision and rate.

    Attributes:
      losses: of each step, a list for every seed.
      entropies: for every seed, nats of the masked tokens by their frequencies.
      discriminator_losses: as `losses`, of ELECTRA's objective.
    """

    losses: List[List[float]]
    entropies: List[float]
    discriminator_losses: List[List[float]] = []

    def means(self, window: int) -> List[float]:
        """Mean losses of `window` steps, over the seeds."""
        return mean_losses(self.losses, window)

    def collapsed(self, window: int) -> int:
        """Runs whose last `window` steps are no better than the frequencies."""
        return sum(
            statistics.mean(losses[-window:]) > entropy - _COLLAPSED
            for losses, entropy in zip(self.losses, self.entropies)
        )


def mean_losses(losses: Sequence[Sequence[float]], window: int) -> List[float]:
    """Of every `window` steps, over the seeds: [[1, 3], [2, 6]] gives [3.0]."""
    ends = range(window, len(losses[0]) + 1, window)
    return [
        statistics.mean(statistics.mean(seed[end - window : end]) for seed in losses)
        for end in ends
    ]


def write_report(work: Work, arguments: argparse.Namespace) -> str:
    """Writes table and picture of the runs that are there; returns the table."""
    found = _read(work, runs_of(arguments))
    text = markdown(found, work, _window(work))
    with open(work.path(TABLE), "w") as stream:
        stream.write(text)
    if found:
        _draw(found, work)
    return text


def _window(work):
    """Steps that are averaged: 50, fewer in a trial."""
    return max(1, min(50, work.steps // 4))


def _read(work, runs: Sequence[Run]) -> Dict[Run, Curves]:
    """Curves by run, of seed 0 in place of the seeds."""
    found: Dict[Run, Curves] = {}
    entropies = {}
    for run in runs:
        if not os.path.exists(work.result_path(run)):
            continue
        with open(work.result_path(run)) as stream:
            result = json.load(stream)
        if run.seed not in entropies:
            entropies[run.seed] = _entropy(work, run.seed)
        curves = found.setdefault(run._replace(seed=0), Curves([], [], []))
        curves.losses.append(result["losses"])
        if "discriminator_losses" in result:
            curves.discriminator_losses.append(result["discriminator_losses"])
        curves.entropies.append(entropies[run.seed])
    return found


def _entropy(work, seed):
    import numpy as np

    from encoder_ko.training import collapse

    rows = np.load(work.rows_path(seed))
    counts = np.bincount(rows["ids"][rows["weights"] > 0])
    return collapse.entropy_of_counts(counts)


def markdown(found: Dict[Run, Curves], work: Work, window: int) -> str:
    """A table: losses of both, and how far ours is above."""
    ends = list(range(window, work.steps + 1, window))
    shown = sorted({ends[int(i * (len(ends) - 1) / 5)] for i in range(1, 6)})
    columns = " | ".join(f"step {step}" for step in shown)
    lines = [
        f"{_subject(work)}, {work.model['num_hidden_layers']} layers x "
        f"{work.model['hidden_size']}, {work.batch_size} rows of "
        f"{work.max_seq_length}, rate 0 at step {work.schedule_steps} after a warm-up "
        f"of {work.warmup_steps}, epsilon {work.adam['epsilon']:g}, beta_2 "
        f"{work.adam['beta_2']:g}: mean loss of {window} steps, over the seeds.",
        "",
        f"| precision | peak rate | contender | seeds | {columns} | collapsed |",
        "|" + "---|" * (len(shown) + 5),
    ]
    for run, curves in found.items():
        means = curves.means(window)
        lines.append(
            f"| {run.precision} | {run.learning_rate:g} "
            f"| {side_by_side.NAMES[run.worker]} | {len(curves.losses)} | "
            + " | ".join(f"{means[ends.index(step)]:.3f}" for step in shown)
            + f" | {curves.collapsed(window)} |"
        )
    return "\n".join(lines) + "\n"


def _subject(work: Work) -> str:
    return "Masked words" + " of ELECTRA" * (work.objective == "electra")


def _draw(found: Dict[Run, Curves], work: Work) -> None:
    from data.evaluation import plots

    window = max(1, work.steps // 50)
    ends = list(range(window, work.steps + 1, window))
    panels: Dict[str, List[plots.Curve]] = {}
    for run, curves in found.items():
        name = f"{side_by_side.NAMES[run.worker]} {run.precision}"
        for title, losses in (
            ("masked words", curves.losses),
            ("discriminator", curves.discriminator_losses),
        ):
            if losses:
                panels.setdefault(f"{title}, rate {run.learning_rate:g}", []).append(
                    # Marked, so that a curve can be seen that lies on another.
                    plots.Curve(
                        name, ends, mean_losses(losses, window), run.worker == "hf"
                    )
                )
    subject = "ELECTRA" if work.objective == "electra" else "Masked words"
    other = "Google's code" if work.upstream_dir else "Hugging Face"
    plots.write_curves_png(
        work.path(PICTURE), panels, f"{subject}: ours beside {other}"
    )


if __name__ == "__main__":
    with one_line_errors("Stopped. The same command goes on."):
        main()
