"""Commands in processes of their own: found from any folder, printed as one types."""

import os
import subprocess
import sys
from unittest import mock

import pytest

from korean_encoders import launch
from tests.support.paths import ROOT


def test_a_command_runs_in_a_folder_that_has_other_packages(
    tmp_path, monkeypatch, capfd
):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert launch.call("vocab", ["--help"]) == 0
    assert "--vocab_size" in capfd.readouterr().out
    assert launch.print_and_call("vocab", ["--input_file=no such.txt"]) == 1
    found = capfd.readouterr()
    assert "\n$ korean-encoders vocab '--input_file=no such.txt'\n" in found.out
    assert found.err.startswith("error: ")


def test_another_module_called_data_is_named(tmp_path):
    (tmp_path / "data.py").write_text("rows = []")
    done = subprocess.run(
        [sys.executable, "-c", "from korean_encoders import Predictor"],
        cwd=str(tmp_path),
        env=dict(os.environ, PYTHONPATH=ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    told = done.stderr.decode().splitlines()[-1]
    assert told.startswith(f"ImportError: `import data` finds {tmp_path}/data.py, and")
    assert f"stands beside korean_encoders in {ROOT}. Rename" in told


def test_how_a_command_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    shown = launch.shell_command("finetune", ["--data_dir=a b"])
    assert shown == "python3 run_classifier.py '--data_dir=a b'"
    assert launch.shell_command("vocab", []) == "python3 -m data.train_vocab"
    assert os.path.exists("run_classifier.py")
    monkeypatch.chdir(tmp_path)
    assert launch.shell_command("vocab", []) == "korean-encoders vocab"


@pytest.mark.parametrize(
    "in_checkout, words",
    [
        (True, ["run_classifier.py", "--do_eval"]),
        (False, ["korean-encoders", "finetune", "--do_eval"]),
    ],
)
def test_a_child_goes_by_the_name_that_a_user_gives_it(
    tmp_path, monkeypatch, in_checkout, words
):
    """Its reports show sys.argv."""
    monkeypatch.chdir(ROOT if in_checkout else tmp_path)
    monkeypatch.setattr(sys, "argv", ["-c", "finetune", "--do_eval"])
    with mock.patch.object(launch.console, "main") as main:
        launch.run_in_this_process()
    main.assert_called_once_with(["finetune", "--do_eval"])
    assert sys.argv == words
