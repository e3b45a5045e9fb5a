"""The packages find each other, and not others of the same name."""

import os
import subprocess
import sys

import setuptools

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_another_data_package_is_refused(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("", encoding="utf-8")
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {ROOT!r}]\nimport encoder_ko"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert found.returncode == 1
    assert f"`import data` finds {tmp_path / 'data'}" in found.stderr
    assert "uninstall the other package" in found.stderr


def test_setup_lists_every_package():
    with open(os.path.join(ROOT, "setup.py"), encoding="utf-8") as reader:
        setup = reader.read()
    packages = setuptools.find_packages(ROOT, exclude=["tests*", "benchmarks*"])
    assert packages
    for package in packages:
        assert f'"{package}"' in setup, package
