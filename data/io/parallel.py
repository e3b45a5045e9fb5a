"""Many processes on one stream, with results in the stream's order."""

import collections
import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Deque, Iterable, Iterator

from .errors import InputError

_WAITING_PER_PROCESS = 2
_SECONDS_BETWEEN_LOOKS = 0.5  # of a worker after its parent


def map_in_order(
    function: Callable[[Any], Any], items: Iterable[Any], num_processes: int
) -> Iterator[Any]:
    """``map(function, items)`` on several processes, a bounded number at a time.

    Args:
      function: can be pickled, as its arguments and results can.
      items: read as they are needed.
      num_processes: 1 runs in this process.
    Raises:
      InputError: a process was killed.
    """
    if num_processes == 1:
        yield from map(function, items)
        return
    # A process that has started TensorFlow (for gs:// paths) cannot be forked safely.
    context = multiprocessing.get_context(
        "spawn" if "tensorflow" in sys.modules else None
    )
    with concurrent.futures.ProcessPoolExecutor(
        num_processes, context, initializer=_prepare_worker, initargs=(os.getpid(),)
    ) as pool:
        waiting: Deque[concurrent.futures.Future] = collections.deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= _WAITING_PER_PROCESS * num_processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise InputError(
                f"One of {num_processes} worker processes was killed, perhaps for lack "
                "of memory. Run the same command with a smaller --num_processes."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _prepare_worker(parent: int) -> None:
    """Makes a worker end with its parent, also if that is killed, and not before."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
