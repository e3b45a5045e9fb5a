"""Recorded numbers and data sets of the tests, and what happens where one is missing.

tests/golden belongs to the repository: without it, tests fail. ../shared/golden may
hold the whole vocabulary with lines of natural text, or numbers recorded with other
sizes; ../shared/datasets holds public data sets. Both are other people's, so tests
that need them are skipped where they are missing.

KOREAN_ENCODERS_GOLDEN=FOLDER runs the same tests on the set recorded there alone.
"""

import filecmp
import os

import pytest

from tests.support.paths import ROOT as _ROOT

_SHARED = os.path.join(_ROOT, "..", "shared")
_CHOSEN = os.environ.get("KOREAN_ENCODERS_GOLDEN")


class GoldenSet:
    """A folder laid out like tests/golden: `golden("bert", "params.npz")` is a path."""

    def __init__(self, name, folder, is_complete):
        """`is_complete`: a missing file fails the test, otherwise it is skipped."""
        self.name = name
        self.folder = folder
        self.is_complete = is_complete

    def __call__(self, *parts):
        path = os.path.join(self.folder, *parts)
        if not os.path.exists(path):
            message = f"needs {'/'.join(parts)} in {self.name}"
            if self.is_complete:
                pytest.fail(message)
            pytest.skip(message)
        return path

    def __str__(self):
        return self.name

    def holds_the_same(self, other):
        """Whether every file that this folder has beside its texts is there too."""
        for folder, _, names in os.walk(self.folder):
            part = os.path.relpath(folder, self.folder)
            if part in (".", "tokenization"):
                continue
            twin = os.path.join(other.folder, part)
            same, _, _ = filecmp.cmpfiles(folder, twin, names, shallow=False)
            if len(same) < len(names):
                return False
        return True


OWN = GoldenSet("tests/golden", os.path.join(_ROOT, "tests", "golden"), True)
_BESIDE = GoldenSet("../shared/golden", os.path.join(_SHARED, "golden"), False)

if _CHOSEN:
    # A name that was mistyped would skip everything.
    _BESIDE = GoldenSet(_CHOSEN, _CHOSEN, not os.path.isdir(_CHOSEN))
    NUMBERS = TEXTS = [_BESIDE]
else:
    TEXTS = [OWN, _BESIDE] if os.path.isdir(_BESIDE.folder) else [OWN]
    # The same numbers need no second run.
    NUMBERS = TEXTS[:1] if OWN.holds_the_same(_BESIDE) else TEXTS


def shared_golden(*parts):
    """The path of a file that may be in ../shared/golden alone."""
    return _BESIDE(*parts)


def datasets(*parts):
    """The path of a data set's file in ../shared/datasets."""
    path = os.path.join(_SHARED, "datasets", *parts)
    if not os.path.exists(path):
        pytest.skip(f"needs {'/'.join(parts)} in ../shared/datasets")
    return path
