"""Work in processes of its own: shown in order, ended together."""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests.support.paths import ROOT

PROGRAM = """
import os, sys, time
from data.io import cli
from data.io.errors import InputError
from encoder_ko.recipes import child_process, workers

def work(item):
    {work}

def main(argv):
    items, folder = argv[2:], argv[1]
    logs = [os.path.join(folder, item) for item in items]
    print(workers.run_in_parallel(work, items, logs))

if __name__ == "__main__":
    cli.run(main)
"""
# Each says its name, waits for all others to be there, and says it again.
MEET = """
    print(item, "시작", flush=True)
    child_process.call([sys.executable, "-c", f"print('child of {item}')"])
    open(os.path.join(sys.argv[1], item + ".here"), "w").close()
    while len([name for name in os.listdir(sys.argv[1]) if "here" in name]) < 3:
        time.sleep(0.01)
    if item == "b":
        raise InputError("b is wrong")
    if item == "c":
        os.kill(os.getpid(), 9)
    print(item, "end")
"""
# A command that writes its process id and stays.
STAY = """
    path = os.path.join(sys.argv[1], item + ".pid")
    child_process.call([sys.executable, "-c",
        "import os, sys, time; open(sys.argv[1] + '.new', 'w').write(str(os.getpid()));"
        "os.rename(sys.argv[1] + '.new', sys.argv[1]); time.sleep(60)", path])
"""


def start(tmp_path, work, *items):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM.format(work=work.strip()), encoding="utf-8")
    return subprocess.Popen(
        [sys.executable, str(path), str(tmp_path), *items],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )


def test_all_run_at_the_same_time_and_are_shown_in_order(tmp_path):
    output, errors = start(tmp_path, MEET, "a", "b", "c").communicate(timeout=120)
    assert output.splitlines() == [
        *("a 시작", "child of a", "a end"),
        *("b 시작", "child of b", "error: b is wrong"),
        *("c 시작", "child of c"),
        "[0, 1, 137]",
    ]
    assert errors == ""
    assert (tmp_path / "b").read_text(encoding="utf-8").endswith("error: b is wrong\n")


@pytest.mark.parametrize(
    "number, status",
    [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_signal_ends_all_and_their_commands(tmp_path, number, status):
    if number == signal.SIGKILL and not sys.platform.startswith("linux"):
        pytest.skip("prctl is Linux's")
    process = start(tmp_path, STAY, "a", "b")
    paths = [tmp_path / "a.pid", tmp_path / "b.pid"]
    wait_until(lambda: all(path.exists() for path in paths))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    for path in paths:
        wait_until(lambda path=path: not is_alive(int(path.read_text())))


def is_alive(pid):
    """Whether a process runs; one that waits to be collected does not."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)],
        stdout=subprocess.PIPE,
        text=True,
    )
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def wait_until(is_so):
    end = time.time() + 60
    while not is_so():
        assert time.time() < end
        time.sleep(0.02)
