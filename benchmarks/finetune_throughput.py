"""Examples per second of fine-tuning BERT-base on NSMC: ours, Google's, Hugging Face's.

  python3 benchmarks/finetune_throughput.py \
      --upstream_dir=DIR --upstream_python=PY --hf_python=PY

DIR is a checkout of google-research/bert, its PY has TensorFlow 1.15, the other PY has
PyTorch and Transformers; a contender without these flags is left out. Every contender
is warmed up with all the batches that are measured, so that everything is compiled;
then they take turns (`benchmarks/turns.py`), so that noise of the machine hits all of
them. See benchmarks/README.md for what exactly runs.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import sys
import tempfile
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import finetune_contenders as contenders
from benchmarks import turns

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Where the real data and a vocabulary of 20,000 pieces are looked for, then samples.
DATA_DIRS = ("datasets/nsmc", "../shared/datasets/nsmc", "samples/sentiment")
VOCAB_FILES = ("../shared/golden/tokenization/vocab.txt", "samples/vocab.txt")

BERT_BASE = {
    "vocab_size": 20000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}

# A round in which the rest of the machine used more than this was disturbed.
QUIET_CORES = 0.1

NAMES = {"ours": "ours", "google": "Google", "hf": "Hugging Face"}


class Entry(NamedTuple):
    """A contender: a key of `contenders.RUNNERS` and float32 or bfloat16."""

    worker: str
    precision: str

    @property
    def title(self) -> str:
        return f"{NAMES[self.worker]} {self.precision}"


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = contenders.Work.load(arguments.work_dir)
        contenders.RUNNERS[arguments.worker](work, arguments.precision)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(arguments, folder)
        measured = measure(arguments, work)
    report = Report(measured, _machine(), " ".join(sys.argv[1:]))
    print(report.markdown())
    if arguments.json:
        with open(arguments.json, "w") as stream:
            json.dump(report.as_dict(), stream, indent=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--upstream_dir", help="Checkout of google-research/bert.")
    add("--upstream_python", help="Python with TensorFlow 1.15.")
    add("--hf_python", help="Python with torch and transformers.")
    add("--data_dir", default=_first(DATA_DIRS), help="NSMC.")
    add("--vocab_file", default=_first(VOCAB_FILES), help="WordPiece vocabulary.")
    add("--precisions", nargs="+", default=["float32", "bfloat16"])
    add("--batch_size", type=int, default=32, help="Examples per step.")
    add("--max_seq_length", type=int, default=128, help="Tokens.")
    add("--batches", type=int, default=50, help="Batches of a round.")
    add("--google_steps", type=int, default=2, help="Google's steps of a round.")
    add("--rounds", type=int, default=3)
    add("--slices", type=int, default=2, help="Turns of each contender in a round.")
    add("--seed", type=int, default=0, help="Chooses the examples.")
    add("--layers", type=int, default=12, help="12 is BERT-base.")
    add("--json", help="File for all figures.")
    add("--worker", choices=sorted(contenders.RUNNERS), help=argparse.SUPPRESS)
    add("--precision", help=argparse.SUPPRESS)
    add("--work_dir", help=argparse.SUPPRESS)
    return parser.parse_args()


def _first(paths: Sequence[str]) -> str:
    found = [os.path.join(ROOT, path) for path in paths]
    return os.path.normpath(next((p for p in found if os.path.exists(p)), found[-1]))


# --- Preparing -------------------------------------------------------------------


def prepare(arguments: argparse.Namespace, folder: str) -> contenders.Work:
    """Draws the examples and writes their token ids once for all contenders.

    There are as many as the contenders sort by length together, so that a round is the
    same examples in the same batches for ours and for Hugging Face.
    """
    from data import model_inputs, records, tasks
    from data.tokenization import build_tokenizer, resolve_config

    task = tasks.get_task("NSMC")
    examples = tasks.load_split(task, arguments.data_dir, "train").examples
    size = arguments.batch_size
    batches = min(
        arguments.batches, contenders.BATCHES_SORTED_TOGETHER, len(examples) // size
    )
    drawn = np.random.RandomState(arguments.seed).permutation(len(examples))
    tokenizer = build_tokenizer(
        resolve_config(arguments.vocab_file), arguments.vocab_file
    )
    values = list(
        model_inputs.classification_records(
            tokenizer,
            [examples[index] for index in drawn[: batches * size]],
            arguments.max_seq_length,
        )
    )
    work = contenders.Work(
        folder,
        dict(BERT_BASE, num_hidden_layers=arguments.layers),
        task.num_labels,
        size,
        arguments.max_seq_length,
        len(values),
        arguments.upstream_dir,
    )
    features = records.classification_features()
    records.write_records(
        work.records_path, (records.encode_example(features, v) for v in values)
    )
    np.savez(
        work.arrays_path,
        input_ids=np.concatenate([value["input_ids"] for value in values]),
        lengths=[value["num_tokens"] for value in values],
        labels=[value["label_ids"] for value in values],
    )
    work.save()
    return work


def entries(arguments: argparse.Namespace) -> Dict[Entry, str]:
    """The contenders that can run, and their interpreters."""
    found = {Entry("ours", p): sys.executable for p in arguments.precisions}
    if arguments.hf_python:
        found.update(
            {Entry("hf", p): arguments.hf_python for p in arguments.precisions}
        )
    if arguments.upstream_dir and arguments.upstream_python:
        found[Entry("google", "float32")] = arguments.upstream_python
    return found


# --- Measuring -------------------------------------------------------------------


def measure(
    arguments: argparse.Namespace, work: contenders.Work
) -> Dict[Entry, List[turns.Turn]]:
    """Warm-up, then rounds in which everybody takes `slices` turns; rounds by entry."""
    batches = work.num_examples // work.batch_size
    slices = min(arguments.slices, batches)
    rounds = {}
    with contextlib.ExitStack() as stack:
        running = {}
        for entry, python in entries(arguments).items():
            running[entry] = stack.enter_context(
                turns.Contender(
                    entry.title,
                    _command(entry, python, work.folder),
                    os.path.join(work.folder, f"{entry.title}.log"),
                )
            )
            steps = 1 if entry.worker == "google" else batches
            _say("warm-up", entry, running[entry].take_turn(steps))
            rounds[entry] = []
        for number in range(1, arguments.rounds + 1):
            taken = {entry: [] for entry in running}
            for part in range(slices):
                for entry, contender in running.items():
                    whole = (
                        arguments.google_steps if entry.worker == "google" else batches
                    )
                    steps = whole * (part + 1) // slices - whole * part // slices
                    if steps:
                        taken[entry].append(contender.take_turn(steps))
            for entry in running:
                rounds[entry].append(turns.joined(taken[entry]))
                _say(f"round {number}", entry, rounds[entry][-1])
    return rounds


def _command(entry: Entry, python: str, folder: str) -> List[str]:
    return [
        python,
        os.path.abspath(__file__),
        f"--worker={entry.worker}",
        f"--precision={entry.precision}",
        f"--work_dir={folder}",
    ]


def _say(stage: str, entry: Entry, turn: turns.Turn) -> None:
    others = ""
    if turn.other_cores is not None:
        others = f", others used {turn.other_cores:.2f} processors"
    print(
        f"{stage}: {entry.title}: {turn.steps} steps, {turn.seconds:.1f} s, "
        f"{turn.rate:.2f} examples/s{others}",
        file=sys.stderr,
        flush=True,
    )


# --- Reporting -------------------------------------------------------------------


class Figures(NamedTuple):
    """Examples per second over the rounds: median, least, most; the rest is a mean."""

    median: float
    least: float
    most: float
    padded_length: float
    other_cores: Optional[float]
    software: str


def summarize(rounds: Sequence[turns.Turn]) -> Figures:
    rates = [turn.rate for turn in rounds]
    whole = turns.joined(rounds)
    return Figures(
        statistics.median(rates),
        min(rates),
        max(rates),
        whole.padded_length,
        whole.other_cores,
        whole.software,
    )


class Report(NamedTuple):
    """rounds: turns by entry; machine and command as text."""

    rounds: Dict[Entry, List[turns.Turn]]
    machine: str
    command: str

    def figures(self) -> Dict[Entry, Figures]:
        return {entry: summarize(rounds) for entry, rounds in self.rounds.items()}

    def ratios(self) -> Dict[str, float]:
        """How many times as fast ours is, by the medians."""
        figures = self.figures()
        return {
            f"{entry.title} / {other.title}": figures[entry].median
            / figures[other].median
            for entry in figures
            for other in figures
            if entry.worker == "ours" != other.worker
            and (other.worker == "google" or other.precision == entry.precision)
        }

    def as_dict(self) -> Dict[str, object]:
        return {
            "command": self.command,
            "machine": self.machine,
            "examples_per_second": {
                entry.title: figures._asdict()
                for entry, figures in self.figures().items()
            },
            "ratios": self.ratios(),
            "rounds": {
                entry.title: [turn._asdict() for turn in rounds]
                for entry, rounds in self.rounds.items()
            },
        }

    def markdown(self) -> str:
        """A table of all contenders, the ratios, and a row for the README's table."""
        lines = [
            f"Machine: {self.machine}",
            "",
            "| contender | software | examples/s, median (least to most) "
            "| mean padded length | others' processors |",
            "|---|---|---|---|---|",
        ]
        for entry, f in self.figures().items():
            others = "?" if f.other_cores is None else f"{f.other_cores:.2f}"
            lines.append(
                f"| {entry.title} | {f.software} "
                f"| {f.median:.2f} ({f.least:.2f} to {f.most:.2f}) "
                f"| {f.padded_length:.1f} | {others} |"
            )
        if any((f.other_cores or 0) > QUIET_CORES for f in self.figures().values()):
            lines += ["", "Disturbed: other processes were busy. Measure again."]
        lines += ["", "Times as fast, by the medians:", ""]
        lines += [f"- {name}: {ratio:.2f}" for name, ratio in self.ratios().items()]
        return "\n".join(lines + ["", "Row for the README:", "", self._row()])

    def _row(self) -> str:
        figures = [f"{e.title} {f.median:.1f}" for e, f in self.figures().items()]
        ratios = [f"{name} {ratio:.1f}" for name, ratio in self.ratios().items()]
        return (
            "| Fine-tuning BERT-base on NSMC, examples per second | "
            + "; ".join(figures)
            + " | "
            + "; ".join(ratios)
            + f" | `benchmarks/finetune_throughput.py` | {self.machine} |"
        )


def _machine() -> str:
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [
                x.split(":")[1].strip() for x in lines if x.startswith("model name")
            ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return f"{cores or os.cpu_count()} cores, {model}"


if __name__ == "__main__":
    main()
