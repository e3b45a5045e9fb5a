"""Contenders that are measured side by side, each in a process of its own, in turns.

A machine is never equally fast for ten minutes. So every contender is started and
warmed up first, and then they take short turns, again and again: what disturbs the
machine disturbs all. A contender whose turn it is not is stopped by a signal: it cannot
use a processor by spinning threads or by reading data ahead, whatever its library does,
and so no library's threads have to be told to sleep early, which would slow them down.

The protocol: the parent writes a number of steps as a line, the child runs them and
answers one JSON line, the fields of `Turn`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import List, NamedTuple, Optional, Sequence

from encoder_ko.recipes.child_process import die_with_parent

_LINES_OF_A_FAILURE = 20

# Of the moment of import: TensorFlow 2, once imported by the parent, sets TF2_BEHAVIOR,
# with which a child's TensorFlow 1.15 would no longer be itself.
ENVIRONMENT = dict(os.environ)


class Turn(NamedTuple):
    """What one turn of a contender measured.

    Attributes:
      seconds: wall time of the steps.
      cpu_seconds: processor time of the contender, all its threads together.
      steps: training steps.
      examples: real examples, padding examples not counted.
      padded_length: mean over the steps of the batch's padded length, in tokens.
      other_cores: processors that the rest of the machine kept busy meanwhile, None
        where the system does not tell.
      software: name and version of what the contender runs on.
    """

    seconds: float
    cpu_seconds: float
    steps: int
    examples: int
    padded_length: float
    other_cores: Optional[float]
    software: str

    @property
    def rate(self) -> float:
        """Examples per second."""
        return self.examples / self.seconds


def joined(turns: Sequence[Turn]) -> Turn:
    """Several turns of one contender as one."""
    seconds = sum(turn.seconds for turn in turns)
    steps = sum(turn.steps for turn in turns)
    known = all(turn.other_cores is not None for turn in turns)
    return Turn(
        seconds,
        sum(turn.cpu_seconds for turn in turns),
        steps,
        sum(turn.examples for turn in turns),
        sum(turn.padded_length * turn.steps for turn in turns) / steps,
        sum(t.other_cores * t.seconds for t in turns) / seconds if known else None,
        turns[0].software,
    )


# --- The child -------------------------------------------------------------------


class TurnTaker:
    """Called around every step of a child's endless training loop.

    Standard output belongs to the protocol: what a library prints goes to standard
    error. The process ends when the parent closes the connection.

    Args:
      software: see `Turn`.
    """

    def __init__(self, software: str):
        self._software = software
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._steps = self._wanted = 0

    def before_step(self) -> None:
        """Waits for a turn unless one is under way."""
        if self._steps < self._wanted:
            return
        line = sys.stdin.readline()
        if not line:
            sys.exit(0)
        self._wanted = int(line)
        self._steps = self._examples = self._lengths = 0
        self._busy = busy_seconds()
        self._own = time.process_time()
        self._started = time.perf_counter()

    def after_step(self, examples: int, padded_length: int) -> None:
        """Counts a step; answers after the last one of the turn."""
        self._steps += 1
        self._examples += examples
        self._lengths += padded_length
        if self._steps < self._wanted:
            return
        seconds = time.perf_counter() - self._started
        own = time.process_time() - self._own
        others = None
        if self._busy is not None:
            others = max(0.0, busy_seconds() - self._busy - own) / seconds
        turn = Turn(
            seconds,
            own,
            self._steps,
            self._examples,
            self._lengths / self._steps,
            others,
            self._software,
        )
        print(json.dumps(turn._asdict()), file=self._answers, flush=True)


def busy_seconds() -> Optional[float]:
    """Processor seconds of the whole machine since it started; None off Linux."""
    if not os.path.exists("/proc/stat"):
        return None
    with open("/proc/stat") as lines:
        user, nice, system, _, _, irq, softirq, steal = next(lines).split()[1:9]
    ticks = sum(map(int, (user, nice, system, irq, softirq, steal)))
    return ticks / os.sysconf("SC_CLK_TCK")


def available_bytes() -> Optional[int]:
    """Memory that a process could still get; None off Linux."""
    return _kilobytes("/proc/meminfo", "MemAvailable")


def _kilobytes(path: str, name: str) -> Optional[int]:
    """A value of one of the system's tables, in bytes."""
    if not os.path.exists(path):
        return None
    with open(path) as lines:
        words = [line.split() for line in lines]
    return next((1024 * int(w[1]) for w in words if w and w[0] == f"{name}:"), None)


# --- The parent ------------------------------------------------------------------


class Contender:
    """A child process that runs steps when it is its turn; a context manager.

    Args:
      name: for messages.
      command: program and arguments; it must drive a TurnTaker.
      log_path: where its standard error goes.
    """

    def __init__(self, name: str, command: List[str], log_path: str):
        self.name = name
        self._log_path = log_path
        with open(log_path, "wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                universal_newlines=True,
                env=ENVIRONMENT,
                preexec_fn=die_with_parent,
            )

    def take_turn(self, steps: int) -> Turn:
        """Runs `steps` steps while every other contender stands still.

        Raises:
          RuntimeError: the child ended; the message shows what it printed last.
        """
        self._process.send_signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{steps}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended: there will be no answer
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(
                f"{self.name} ended with status {self._process.wait()}. It printed "
                f"last:\n{self._last_lines()}"
            )
        self._process.send_signal(signal.SIGSTOP)
        return Turn(**json.loads(answer))

    def peak_bytes(self) -> int:
        """The most memory that it has had; 0 where the system does not tell."""
        return _kilobytes(f"/proc/{self._process.pid}/status", "VmHWM") or 0

    def _last_lines(self) -> str:
        with open(self._log_path, errors="replace") as log:
            return "".join(log.readlines()[-_LINES_OF_A_FAILURE:])

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.kill()
        self._process.communicate()
