"""The wheel, installed into an empty folder and used from another one.

Without a network: requirements are those of the environment that runs the tests.
"""

import os
import shutil
import subprocess
import sys

import pytest

from korean_encoders.version import __version__
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SOURCES = ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE")
FOLDERS = (
    *("albert_ko", "bert_ko", "configs", "data", "electra_ko", "encoder_ko"),
    *("korean_encoders", "samples"),
)
# Runs in the installed packages alone: neither the checkout nor an editable install.
PROGRAM = """
import sys
sys.path[:] = [{site!r}] + [path for path in sys.path if path not in ("", {root!r})]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(
    f, "__module__", "")]
import korean_encoders
assert korean_encoders.__file__.startswith({site!r}), korean_encoders.__file__
"""


def call(*command, cwd, **environment):
    """What a command printed; it must end with status 0."""
    found = subprocess.run(
        [str(word) for word in command],
        cwd=str(cwd),
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of packages, made by way of a source distribution and a wheel."""
    work = tmp_path_factory.mktemp("wheel")
    copy = work / "copy"
    copy.mkdir()
    for name in SOURCES:
        shutil.copy(os.path.join(ROOT, name), str(copy))
    for name in FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(os.path.join(ROOT, name), str(copy / name), ignore=ignored)
    call(sys.executable, "setup.py", "-q", "sdist", "-d", work / "dist", cwd=copy)
    (source,) = (work / "dist").iterdir()
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    options = ("--no-deps", "--no-build-isolation", "--no-index")
    call(*pip, "wheel", *options, "-w", work / "wheels", source, cwd=work)
    (wheel,) = (work / "wheels").iterdir()
    assert wheel.name == f"korean_encoders-{__version__}-py3-none-any.whl"
    call(
        *(*pip, "install", "--no-deps", "--no-index", "--no-compile"),
        *("--target", work / "site", wheel),
        cwd=work,
    )
    return work / "site"


@pytest.fixture()
def python(site, tmp_path):
    """Runs a program with the installed packages, in a folder of its own."""

    def run(program):
        start = PROGRAM.format(site=str(site), root=ROOT)
        return call(sys.executable, "-c", start + program, cwd=tmp_path)

    return run


@pytest.fixture()
def console(site, tmp_path):
    """Runs the console script as it was installed."""
    (script,) = (site / "bin").glob("korean-encoders*")

    def run(*arguments):
        return call(
            sys.executable, script, *arguments, cwd=tmp_path, PYTHONPATH=str(site)
        )

    return run


def test_every_module_and_all_data_are_there(site):
    def files(root, names):
        return {
            os.path.relpath(os.path.join(folder, file), root)
            for name in names
            for folder, _, found in os.walk(os.path.join(root, name))
            for file in found
            if not file.endswith(".pyc")
        }

    data = ("configs", "samples")
    inside = tuple(f"korean_encoders/{name}" for name in data)
    packages = [name for name in FOLDERS if name not in data]
    expected = files(ROOT, packages)
    expected |= {f"korean_encoders/{path}" for path in files(ROOT, data)}
    assert files(str(site), packages) == expected
    assert len(files(str(site), inside)) > 40
    tops = {path.name for path in site.iterdir() if "dist-info" not in path.name}
    assert tops == {*packages, "bin"}


def test_the_console_command(console):
    assert console("--version") == f"korean-encoders {__version__}\n"
    overview = console("--help")
    assert "Usage: korean-encoders COMMAND --flag=value ..." in overview
    assert "recipe     the whole chain of a published model" in overview


def test_a_vocabulary_from_another_folder(console, tmp_path):
    (tmp_path / "text.txt").write_text("나는 학교에 간다\n" * 9, encoding="utf-8")
    console("vocab", "--input_file=text.txt", "--output_dir=out", "--vocab_size=40")
    pieces = (tmp_path / "out" / "vocab.txt").read_text(encoding="utf-8").split("\n")
    assert {"[PAD]", "나", "##는"} <= set(pieces)


def test_its_data_is_found(python):
    program = """
import os
from korean_encoders import package_data
for path in (("configs", "kr_electra", "records.json"), ("samples", "vocab.txt")):
    found = os.path.abspath(package_data.find(*path))
    assert found == os.path.join(os.path.dirname(korean_encoders.__file__), *path)
    assert os.path.exists(found)
from korean_encoders.commands import recipe
recipe.main(["recipe", "--help"])
"""
    assert "--corpus" in python(program)


def test_the_predictor_from_python(python):
    program = """
from data.io.errors import InputError
from korean_encoders import Predictor
try:
    Predictor.load("absent")
except InputError as error:
    print(error)
"""
    assert "absent" in python(program)
