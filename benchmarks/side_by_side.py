"""Speed of contenders side by side: they are measured in rounds and reported together.

What a contender runs is that of the benchmark (`finetune_contenders.py`,
`pretrain_contenders.py`), how a turn goes that of `turns.py`.
"""

import contextlib
import os
import platform
import statistics
import sys
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence

from benchmarks import turns

# A round in which the rest of the machine used more than this was disturbed.
QUIET_CORES = 0.1

NAMES = {
    "ours": "ours",
    "corrected": "ours, bias correction",
    "google": "Google",
    "hf": "Hugging Face",
    "hf_compiled": "Hugging Face, torch.compile",
    "saved_model": "SavedModel, our export",
    "onnx": "ONNX Runtime, our export",
    "products": "its products alone",
}

Rounds = Dict["Entry", List[turns.Turn]]


class Entry(NamedTuple):
    """A contender: a key of `NAMES` and float32 or bfloat16."""

    worker: str
    precision: str

    @property
    def title(self) -> str:
        return f"{NAMES[self.worker]} {self.precision}"


class Program(NamedTuple):
    """How a contender is started, and how many steps it runs.

    Attributes:
      command: program and arguments; it must drive a `turns.TurnTaker`.
      warm_up_steps: before the first round. steps: of a round.
    """

    command: List[str]
    warm_up_steps: int
    steps: int


def measure(
    programs: Dict[Entry, Program], rounds: int, slices: int, folder: str, unit: str
) -> Rounds:
    """Warm-up, then rounds in which everybody takes `slices` turns.

    Args:
      folder: for the contenders' logs. unit: of what is counted, for messages.

    Returns:
      One joined turn for every round.
    """
    measured: Rounds = {}
    with contextlib.ExitStack() as stack:
        running = {}
        for entry, program in programs.items():
            _require_memory(running.values(), entry)
            running[entry] = stack.enter_context(
                turns.Contender(
                    entry.title,
                    program.command,
                    os.path.join(folder, f"{entry.title}.log"),
                )
            )
            turn = running[entry].take_turn(program.warm_up_steps)
            _say("warm-up", entry, turn, unit)
            measured[entry] = []
        for number in range(1, rounds + 1):
            taken: Rounds = {entry: [] for entry in running}
            for part in range(slices):
                for entry, contender in running.items():
                    whole = programs[entry].steps
                    steps = whole * (part + 1) // slices - whole * part // slices
                    if steps:
                        taken[entry].append(contender.take_turn(steps))
            for entry in running:
                measured[entry].append(turns.joined(taken[entry]))
                _say(f"round {number}", entry, measured[entry][-1], unit)
    return measured


def _require_memory(running: Iterable[turns.Contender], entry: Entry) -> None:
    """Stops before the machine has to kill somebody: all stay in memory together.

    Raises:
      SystemExit: less memory is free than the largest of those that run takes.
    """
    largest = max((contender.peak_bytes() for contender in running), default=0)
    free = turns.available_bytes()
    if free is not None and free < largest:
        sys.exit(
            f"{entry.title} does not start: {free / 1e9:.1f} GB of memory are free, "
            f"and the largest contender so far took {largest / 1e9:.1f} GB. Compare "
            "fewer at a time, for example by --precisions=bfloat16."
        )


def _say(stage: str, entry: Entry, turn: turns.Turn, unit: str) -> None:
    others = ""
    if turn.other_cores is not None:
        others = f", others used {turn.other_cores:.2f} processors"
    print(
        f"{stage}: {entry.title}: {turn.steps} steps, {turn.seconds:.1f} s, "
        f"{turn.rate:.2f} {unit}/s{others}",
        file=sys.stderr,
        flush=True,
    )


class Figures(NamedTuple):
    """Rates per second over the rounds: median, least, most; the rest is a mean."""

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
    """What was measured, as a table and as JSON.

    Attributes:
      rounds: turns by entry. machine, command: as text.
      subject: what was done. unit: what a rate counts. script: that measured it.
    """

    rounds: Rounds
    machine: str
    command: str
    subject: str
    unit: str
    script: str

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
            f"{self.unit}_per_second": {
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
            f"{self.subject}. Machine: {self.machine}",
            "",
            f"| contender | software | {self.unit}/s, median (least to most) "
            "| mean padded length | others' processors |",
            "|---|---|---|---|---|",
        ]
        for entry, f in self.figures().items():
            others = "?" if f.other_cores is None else f"{f.other_cores:.2f}"
            padded = f"{f.padded_length:.1f}" if f.padded_length else "not recorded"
            lines.append(
                f"| {entry.title} | {f.software} "
                f"| {f.median:.2f} ({f.least:.2f} to {f.most:.2f}) "
                f"| {padded} | {others} |"
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
            f"| {self.subject}, {self.unit} per second | "
            + "; ".join(figures)
            + " | "
            + "; ".join(ratios)
            + f" | `benchmarks/{self.script}` | {self.machine} |"
        )


def machine() -> str:
    """Cores and processor."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            names = [
                x.split(":")[1].strip() for x in lines if x.startswith("model name")
            ]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return f"{cores or os.cpu_count()} cores, {model}"
