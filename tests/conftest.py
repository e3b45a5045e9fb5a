"""Settings of the whole suite."""

import gc
import os

import hypothesis
import pytest
from _pytest import runner

from data.io.cli import call_with_stack_room
from tests.support import shared_data

# The suite runs in as many processes as there are processors: threads that wait for
# work would only take them from each other. A value from outside wins.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")
# XLA compiles for the sake of a few steps here: the same program, in machine code that
# is not optimised. XLA_FLAGS= make test compiles as users do.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


# How long an example takes says something of the machine, and nothing of the code.
hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")


# A graph is a million objects that live on: see `frozen_objects`.
gc.set_threshold(100_000, 50, 100)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """A test and its fixtures run as a command does: see `call_with_stack_room`."""
    return call_with_stack_room(runner.pytest_runtest_protocol, item, nextitem)


@pytest.fixture(autouse=True, scope="module")
def frozen_objects():
    """Garbage is searched for after a module, in what is new, not all the time."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def quickly():
    """For modules about what is read, written and said: see `quick_graphs`."""
    from tests.support.quick_graphs import quick_graphs

    with quick_graphs():
        yield


@pytest.fixture(params=shared_data.NUMBERS, ids=str)
def golden(request):
    """A set of recorded numbers: `golden("bert", "params.npz")` is a path."""
    return request.param


@pytest.fixture(params=shared_data.TEXTS, ids=str)
def golden_text(request):
    """As `golden`, for tokenization, of which every set has lines of its own."""
    return request.param


def pytest_terminal_summary(terminalreporter):
    """Shows the figures that tests recorded with `record_property`, one a line."""
    lines = [
        f"{name}: {value}"
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
    ]
    if lines:
        terminalreporter.section("recorded figures")
    for line in sorted(lines):
        terminalreporter.write_line(line)
