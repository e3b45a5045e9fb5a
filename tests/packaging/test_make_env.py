"""make env: which Python it takes, and what it does where none fits."""

import os
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT

MAKE = shutil.which("make")
pytestmark = pytest.mark.skipif(MAKE is None, reason="needs make")

TOOLS = ("sh", "cat", "chmod", "echo", "mkdir", "touch")
# Answers as a Python of a version that fits, or of one that does not.
PYTHON = """#!/bin/sh
case "$*" in
    *version_info?:2*) exit {unfit} ;;
    "-m venv .uv")
        mkdir -p .uv/bin
        echo "{uv}" > .uv/bin/uv
        echo "echo uv-python: \\$*" > .uv/bin/python
        chmod +x .uv/bin/uv .uv/bin/python ;;
    "-m venv"*) mkdir -p $3/bin; echo "echo venv: \\$*" > $3/bin/python
        chmod +x $3/bin/python ;;
esac
"""
UV = """mkdir -p .venv/bin
echo 'echo venv: \\$*' > .venv/bin/python
chmod +x .venv/bin/python
echo uv: \\$* into \\$UV_PYTHON_INSTALL_DIR"""
BROKEN_UV = "exit 2"
MESSAGE = (
    "No Python 3.9, 3.10 or 3.11 was found, and none could be fetched with uv.\n"
    "Install one, or name it:\n  make env PYTHON=/path/to/python3.11\n"
)


@pytest.fixture()
def make_env(tmp_path):
    """Runs make env in a copy, where only the given programs exist."""
    folder, programs = tmp_path / "project", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name in ("Makefile", "setup.py", "constraints.txt"):
        shutil.copy(os.path.join(ROOT, name), str(folder))
    for name in TOOLS:
        (programs / name).symlink_to(shutil.which(name))

    def run(*options, **scripts):
        for name, script in scripts.items():
            path = programs / name.replace("_", ".")
            path.write_text(script)
            path.chmod(0o755)
        return subprocess.run(
            [MAKE, "env", *options],
            cwd=str(folder),
            env={"PATH": str(programs), "HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    run.folder = folder
    return run


def is_installed(make_env):
    return (make_env.folder / ".venv" / "installed").exists()


def test_the_newest_python_that_fits_is_taken(make_env):
    fits = PYTHON.format(unfit=0, uv="")
    found = make_env(python3_10=fits, python3_11=fits, uv=BROKEN_UV)
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith("python3.11 -m venv .venv\n")
    assert "venv: -m pip install" in found.stdout and is_installed(make_env)


def test_a_newer_python_fetches_uv_which_fetches_one(make_env):
    newer = PYTHON.format(unfit=1, uv=UV.replace("\n", ";"))
    found = make_env(python3=newer)
    assert found.returncode == 0, found.stderr
    assert "uv-python: -m pip install --quiet" in found.stdout
    place = make_env.folder / ".uv" / "python"
    assert f"uv: venv --seed --python 3.11 .venv into {place}\n" in found.stdout
    assert "venv: -m pip install" in found.stdout and is_installed(make_env)


def test_a_uv_that_is_there_is_taken(make_env):
    newer = PYTHON.format(unfit=1, uv=BROKEN_UV)
    found = make_env(python3=newer, uv="#!/bin/sh\n" + UV.replace("\\$", "$"))
    assert found.returncode == 0, found.stderr
    assert "uv: venv --seed --python 3.11 .venv into" in found.stdout
    assert not (make_env.folder / ".uv").exists() and is_installed(make_env)


@pytest.mark.parametrize("has_python", [True, False])
def test_where_none_can_be_had_it_says_what_to_do(make_env, has_python):
    newer = {"python3": PYTHON.format(unfit=1, uv=BROKEN_UV)} if has_python else {}
    found = make_env(**newer)
    assert found.returncode == 2
    assert MESSAGE in found.stderr
    assert not is_installed(make_env)


def test_a_python_that_is_named_is_taken(make_env):
    fits = PYTHON.format(unfit=0, uv="")
    found = make_env("PYTHON=mine", mine=fits, python3=fits)
    assert found.stdout.startswith("mine -m venv .venv\n")
