"""Many processes: order, bounds, and no process that outlives the one it works for."""

import os
import signal
import subprocess
import sys
import time

import pytest

from data.io.errors import InputError
from data.io.parallel import map_in_order
from tests.support.paths import ROOT


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_results_come_in_the_order_of_the_items(processes):
    items = list(range(-20, 20))
    assert list(map_in_order(abs, items, processes)) == [abs(item) for item in items]


def test_items_are_read_only_a_little_ahead():
    read = []

    def items():
        for item in range(50):
            read.append(item)
            yield item

    results = map_in_order(abs, items(), 2)
    next(results)
    assert len(read) <= 5
    results.close()


def test_killed_worker_is_an_input_error():
    with pytest.raises(InputError, match="One of 2 worker processes was killed"):
        list(map_in_order(os._exit, [1], 2))


def test_exception_of_a_worker_reaches_the_caller():
    with pytest.raises(ValueError, match="invalid literal"):
        list(map_in_order(int, ["1", "x"], 2))


def _children(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stream:
                if int(stream.read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _wait_until(condition, seconds=20):
    deadline = time.time() + seconds
    while not condition() and time.time() < deadline:
        time.sleep(0.05)
    assert condition()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs Linux's /proc")
def test_workers_do_not_outlive_a_killed_parent():
    code = (
        "import time; from data.io.parallel import map_in_order; "
        "list(map_in_order(time.sleep, [600, 600], 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    _wait_until(lambda: len(_children(parent.pid)) >= 2)
    workers = _children(parent.pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers))
