"""Runs another command and leaves none behind: what ends this process ends both."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from typing import Any, BinaryIO, Iterator, Mapping, Optional, Sequence

# After Ctrl-C, which a terminal sends to both; until then the command can tidy up.
SECONDS_TO_LEAVE = 5.0

_IS_LINUX = sys.platform.startswith("linux")
_LIBC = ctypes.CDLL(None) if _IS_LINUX else None
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def call(
    command: Sequence[str], environment: Optional[Mapping[str, str]] = None
) -> int:
    """Runs a command to its end.

    SIGTERM is passed on to it, so that it can save its state, and on Linux it gets one
    also when this process is killed. To be called in the main thread.

    Args:
      command: the program and its arguments.
      environment: its variables; None = those of this process.

    Returns:
      Its exit status.

    Raises:
      SystemExit: this process got SIGTERM, and the command has ended; status 143.
      KeyboardInterrupt: this process got SIGINT, and the command has ended.
    """
    with leaving_on_sigterm():
        child = subprocess.Popen(
            command, env=environment, preexec_fn=end_with_parent if _LIBC else None
        )
        try:
            return child.wait()
        except KeyboardInterrupt:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(SECONDS_TO_LEAVE)
            raise
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()


@contextlib.contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """SIGTERM raises SystemExit inside, so that what has to be ended can be."""
    previous = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def leave(number: int, frame: Any) -> None:
    """Handler of a signal: SystemExit, once."""
    signal.signal(number, signal.SIG_IGN)  # a second one must not cut off the waiting
    sys.exit(128 + number)


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """This process gets a signal when its parent is gone; on Linux only."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def die_with_parent() -> None:
    """`end_with_parent` for a process that may be stopped, which SIGTERM leaves so."""
    end_with_parent(signal.SIGKILL)


def write_output_to(stream: BinaryIO) -> None:
    """What this process prints from now on, and its children, goes to a file."""
    for output in (sys.stdout, sys.stderr):
        output.flush()
        os.dup2(stream.fileno(), output.fileno())
