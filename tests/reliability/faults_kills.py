"""SIGKILL at random moments: the end equals that of an undisturbed run, to the bit.

make test-faults runs it. FAULT_SEED repeats the moments of a run.
"""

import os
import random
import shutil

import pytest

from tests.support import faulty_runs as runs

KILLS = 20  # of each command, shared out to the models
SEED = int(os.environ.get("FAULT_SEED", 0)) or random.randrange(1, 10**6)


@pytest.mark.parametrize("number", range(len(runs.MODEL_TYPES)), ids=runs.MODEL_TYPES)
@pytest.mark.parametrize("command", runs.COMMANDS, ids=lambda each: each.__name__)
def test_killed_runs_end_as_if_undisturbed(tmp_path, command, number, record_property):
    model_type = runs.MODEL_TYPES[number]
    case = command(tmp_path, model_type)
    log = tmp_path / "log"
    whole = tmp_path / "whole"
    status, seconds = runs.finish(lambda: case.run(whole), log)
    assert status == 0, runs.read(log)
    expected = runs.value_of(lambda: case.content(whole), tmp_path)
    generator = random.Random(f"{SEED} {command.__name__} {model_type}")
    kills = ends = 0
    output = tmp_path / "killed"

    def run():
        return case.run(output)

    def require_equal():
        found = runs.value_of(lambda: case.content(output), tmp_path)
        assert found == expected
        assert not list(output.rglob("*.incomplete*"))

    while kills < KILLS // 3 + (number < KILLS % 3):
        if runs.kill_after(run, generator.uniform(0, seconds), log):
            kills += 1
        else:
            require_equal()
            ends += 1
            shutil.rmtree(str(output))
    status, _ = runs.finish(run, log)
    assert status == 0, runs.read(log)
    require_equal()
    record_property(
        f"{command.__name__} of {model_type}",
        f"{kills} kills, {ends + 1} ends, all equal (seed {SEED})",
    )
