"""Settings of the whole suite."""

import os

# The suite runs in as many processes as there are processors: threads that wait for
# work would only take them from each other. A value from outside wins.
for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(name, "1")


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
