"""Paths of reference data beside the checkout; a test that lacks them is skipped."""

import os

import pytest

from tests.support.paths import ROOT as _ROOT


def golden(*parts):
    """The path of a reference file in ../shared/golden."""
    return _path("golden", parts)


def datasets(*parts):
    """The path of a data set's file in ../shared/datasets."""
    return _path("datasets", parts)


def _path(folder, parts):
    path = os.path.join(_ROOT, "..", "shared", folder, *parts)
    if not os.path.exists(path):
        pytest.skip(f"needs {'/'.join(parts)} in ../shared/{folder}")
    return path
