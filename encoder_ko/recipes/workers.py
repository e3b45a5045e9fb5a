"""Several pieces of work at a time, each in a process of its own, shown in order."""

import codecs
import multiprocessing
import signal
from typing import Callable, List, Sequence, TypeVar

from data.io.cli import one_line_errors

from . import child_process

T = TypeVar("T")

_SECONDS_BETWEEN_LOOKS = 0.2


def run_in_parallel(
    work: Callable[[T], None], items: Sequence[T], logs: Sequence[str]
) -> List[int]:
    """Calls `work` for all items at the same time, and prints what each says.

    What the first one prints is shown at once, that of the next when the first has
    ended, and so on. Nothing is left behind: SIGTERM and Ctrl-C end all of them. To be
    called in the main thread.

    Args:
      work: a function that other processes can import.
      logs: path for each item, of what it prints; written anew.

    Returns:
      The exit status of each, 1 after an InputError, which it prints.

    Raises:
      SystemExit, KeyboardInterrupt: as `child_process.call`.
    """
    for path in logs:
        open(path, "wb").close()
    with child_process.leaving_on_sigterm():
        workers = [
            multiprocessing.Process(target=_work, args=(work, item, path))
            for item, path in zip(items, logs)
        ]
        try:
            for worker in workers:
                worker.start()
            for worker, path in zip(workers, logs):
                _show(worker, path)
        finally:
            started = [worker for worker in workers if worker.pid]
            for worker in started:
                worker.terminate()
            for worker in started:
                worker.join()
    return [_status(worker) for worker in workers]


def _work(work, item, log):
    child_process.end_with_parent()
    signal.signal(signal.SIGTERM, child_process.leave)
    with open(log, "ab", buffering=0) as stream:
        child_process.write_output_to(stream)
        with one_line_errors("Stopped."):
            work(item)


def _show(worker, path):
    """Prints what a worker writes, until it has ended."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with open(path, "rb") as stream:
        has_ended = False
        while not has_ended:
            worker.join(_SECONDS_BETWEEN_LOOKS)
            has_ended = worker.exitcode is not None
            print(decoder.decode(stream.read()), end="", flush=True)


def _status(worker: multiprocessing.Process) -> int:
    status = worker.exitcode or 0
    return 128 - status if status < 0 else status
