"""A command that is run by another one: signals reach both, and none is left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from encoder_ko.recipes import child_process
from tests.support.paths import ROOT

PARENT = """
import sys
from encoder_ko.recipes import child_process
child_process.SECONDS_TO_LEAVE = 0.1
child_process.call([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""
# Writes its process id, and when SIGTERM comes, a while later, that it has saved.
CHILD = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(0.3)
    with open(sys.argv[1], "a") as writer:
        writer.write("saved")
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
signal.signal(signal.SIGINT, signal.SIG_IGN)
with open(sys.argv[1] + ".new", "w") as writer:
    writer.write(f"{os.getpid()}\\n")
os.rename(sys.argv[1] + ".new", sys.argv[1])
time.sleep(60)
"""


@pytest.fixture()
def family(tmp_path):
    """(the parent's process, the file that its child writes)."""
    path = tmp_path / "written"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, str(path)],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    wait_until(path.exists)
    yield parent, path
    parent.kill()
    parent.wait()


def wait_until(is_so):
    end = time.time() + 20
    while not is_so():
        assert time.time() < end
        time.sleep(0.02)


def test_the_status_of_the_command():
    assert child_process.call([sys.executable, "-c", "raise SystemExit(7)"]) == 7
    program = "import os; raise SystemExit(os.environ['WORD'] != 'yes')"
    environment = dict(os.environ, WORD="yes")
    assert child_process.call([sys.executable, "-c", program], environment) == 0


def test_sigterm_is_passed_on_and_waits_until_the_state_is_saved(family):
    parent, path = family
    parent.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    parent.send_signal(signal.SIGTERM)  # an impatient user
    assert parent.wait(20) == 143
    assert path.read_text().endswith("\nsaved")


def test_sigint_to_the_parent_alone_ends_both(family):
    parent, path = family
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) != 0
    assert path.read_text().endswith("\nsaved")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_the_command_ends_with_a_parent_that_is_killed(family):
    parent, path = family
    parent.send_signal(signal.SIGKILL)
    wait_until(lambda: path.read_text().endswith("\nsaved"))


def test_the_signal_is_given_back():
    before = signal.getsignal(signal.SIGTERM)
    child_process.call([sys.executable, "-c", ""])
    assert signal.getsignal(signal.SIGTERM) is before
