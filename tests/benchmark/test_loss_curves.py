"""The benchmark of loss curves: what ours trains on, and what is reported."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import loss_contenders, loss_curves
from benchmarks.loss_contenders import Run, Work
from data.io.errors import StoppedBySignal
from encoder_ko.training.hooks import StopOnSignalHook
from korean_encoders.commands import pretrain
from tests.support.paths import ROOT
from tests.support.quick_graphs import quick_graphs

pytestmark = pytest.mark.slow

ARGUMENTS = [
    "--layers=2",
    "--hidden_size=16",
    "--max_seq_length=32",
    "--batch_size=4",
    "--steps=6",
    "--warmup_steps=2",
    "--seeds=7",
    "--learning_rates=2e-3",
    "--precisions=float32",
]


def command(folder, *more):
    program = os.path.join(ROOT, "benchmarks", "loss_curves.py")
    return [sys.executable, program, f"--output_dir={folder}", *ARGUMENTS, *more]


def table_of(arguments):
    done = subprocess.run(arguments, stdout=subprocess.PIPE, check=True)
    printed = done.stdout.decode()
    return printed[printed.index("Masked words") :]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder in which ours has run, and the table that was printed."""
    folder = tmp_path_factory.mktemp("curves")
    return folder, table_of(command(folder))


def test_ours_writes_down_what_it_trained_on(trained):
    folder, table = trained
    work = Work.load(str(folder))
    rows = np.load(work.rows_path(7))
    assert rows["input_ids"].shape == (6, 4, 32)
    assert rows["positions"].shape == rows["ids"].shape == rows["weights"].shape
    real = rows["weights"] > 0
    seen = np.take_along_axis(rows["input_ids"], rows["positions"], 2)
    # ELECTRA masks 85% of the chosen tokens and leaves the others.
    assert 0.7 < (seen != rows["ids"])[real].mean() < 1.0
    initial = np.load(work.initial_path(7))
    words = initial["electra.embeddings.word_embeddings.weight"]
    assert words.shape == (3007, 16) and words.std() == pytest.approx(0.0176, rel=0.02)
    result = json.load(open(work.result_path(Run("ours", "float32", 2e-3, 7))))
    assert len(result["losses"]) == len(result["gradient_norms"]) == 6
    assert result["losses"][0] == pytest.approx(np.log(3007), abs=0.05)
    assert (folder / loss_curves.PICTURE).stat().st_size > 1000
    last = result["losses"][-1]
    assert f"| float32 | 0.002 | ours | 1 | {result['losses'][1]:.3f} |" in table
    assert f"{last:.3f}" in table


def run_ours(work, run):
    for flag in pretrain.FLAGS:
        pretrain.FLAGS[flag].unparse()  # another test may have run the script
    with quick_graphs():
        loss_contenders.run_ours(work, run)


def test_electras_objective_is_trained_without_and_with_bias_correction(
    trained, tmp_path
):
    work = Work.load(str(trained[0]))
    work = work._replace(
        folder=str(tmp_path), upstream_dir="a checkout", objective="electra"
    )
    work.save()
    found = {}
    for worker in ("ours", "corrected"):
        run = Run(worker, "float32", 2e-3, 7)
        run_ours(work, run)
        with open(work.result_path(run)) as reader:
            found[worker] = json.load(reader)
    ours, corrected = found["ours"], found["corrected"]
    for result in (ours, corrected):
        assert result["losses"][0] == pytest.approx(np.log(3007), abs=0.05)
        assert result["discriminator_losses"][0] == pytest.approx(np.log(2), abs=0.05)
    # The rate of the first update is 0; the second is larger without correction.
    assert ours["losses"][:2] == corrected["losses"][:2]
    assert ours["discriminator_losses"][-1] < corrected["discriminator_losses"][-1]


def test_a_finished_run_is_not_trained_again(trained):
    folder, table = trained
    result = folder / "ours_float32_0.002_7.json"
    written = result.stat().st_mtime_ns
    assert table_of(command(folder)) == table
    assert result.stat().st_mtime_ns == written


def test_a_folder_of_other_settings_is_refused(trained):
    folder, _ = trained
    done = subprocess.run(command(folder, "--steps=7"), stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert "holds runs of other settings" in done.stderr.decode()


def test_hugging_face_has_the_same_losses(trained):
    """The whole of it: masks, loss, clipping, Adam, decay, schedule."""
    pytest.importorskip("torch", reason="needs the extra [hf]: make test-hf")
    folder, _ = trained
    more = f"--hf_python={sys.executable}"
    subprocess.run(command(folder, more), stdout=subprocess.PIPE, check=True)
    ours, theirs = [
        json.load(open(str(folder / f"{worker}_float32_0.002_7.json")))
        for worker in ("ours", "hf")
    ]
    np.testing.assert_allclose(ours["losses"], theirs["losses"], atol=2e-5)
    # Ours does not add up the slices of the embeddings' gradient for the norm.
    np.testing.assert_allclose(
        ours["gradient_norms"], theirs["gradient_norms"], rtol=0.03
    )


def test_curves_are_means_over_steps_and_seeds():
    curves = loss_curves.Curves(
        [[4.0, 2.0, 1.0, 1.0], [6.0, 4.0, 3.0, 1.0]], [1.2, 2.0]
    )
    assert curves.means(2) == [4.0, 1.5]
    assert curves.means(4) == [2.75]
    # 1.0 is more than 0.1 below 1.2; so is 2.0 not below 2.0.
    assert curves.collapsed(2) == 1


def test_runs_of_a_seed_begin_with_ours(monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "loss_curves.py",
            "--output_dir=x",
            f"--hf_python={sys.executable}",
            *ARGUMENTS,
        ]
        + ["--precisions", "float32", "bfloat16"],
    )
    assert [run.name for run in loss_curves.runs_of(loss_curves._arguments())] == [
        "ours_float32_0.002_7",
        "hf_float32_0.002_7",
        "ours_bfloat16_0.002_7",
        "hf_bfloat16_0.002_7",
    ]


def test_runs_beside_google_are_of_three_kinds(monkeypatch):
    """Google's code has no bfloat16 on a CPU."""
    program = ["loss_curves.py", "--output_dir=x", "--upstream_dir=electra", *ARGUMENTS]
    monkeypatch.setattr(
        sys,
        "argv",
        [
            *program,
            f"--upstream_python={sys.executable}",
            "--precisions",
            "float32",
            "bfloat16",
        ],
    )
    assert [run.name for run in loss_curves.runs_of(loss_curves._arguments())] == [
        "ours_float32_0.002_7",
        "corrected_float32_0.002_7",
        "google_float32_0.002_7",
        "ours_bfloat16_0.002_7",
        "corrected_bfloat16_0.002_7",
    ]


@pytest.mark.parametrize(
    "other, message",
    [
        ("--upstream_dir=electra", "are compared in runs of their own"),
        ("--objective=electra", "is for masked words"),
    ],
)
def test_what_cannot_be_compared_is_refused(other, message, monkeypatch, capsys):
    words = ["loss_curves.py", "--output_dir=x", f"--hf_python={sys.executable}", other]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        loss_curves._arguments()
    assert message in capsys.readouterr().err


def test_the_masked_tokens_of_a_row_are_those_of_google():
    """int(0.155 * length), where 15% are masked."""
    work = Work("", {}, "", "", 1, 128, 10, 10, 4, {})
    assert work.max_predictions == 20
    assert work._replace(upstream_dir="electra").max_predictions == 19


def test_the_rate_is_that_of_electra():
    """Update 0 has rate 0; the decay has counted all along."""
    work = Work("", {}, "", "", 1, 1, 10, 10, 4, {})
    rates = [loss_contenders._rate(work, step) for step in (0, 2, 4, 10, 11)]
    assert rates == pytest.approx([0.0, 0.5 * 0.8, 0.6, 0.0, 0.0])


def test_a_stopped_run_has_no_result(trained, monkeypatch):
    folder, _ = trained
    after_run = StopOnSignalHook.after_run

    def stopped(self, *arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return after_run(self, *arguments)

    monkeypatch.setattr(StopOnSignalHook, "after_run", stopped)
    work = Work.load(str(folder))
    with pytest.raises(StoppedBySignal):
        run_ours(work, Run("ours", "float32", 2e-3, 8))
    assert not (folder / "ours_float32_0.002_8.json").exists()


@pytest.mark.parametrize(
    "word, message",
    [
        ("--steps=0", "argument --steps: 0, expected more than 0"),
        ("--precisions=float8", "argument --precisions: invalid choice: 'float8'"),
        ("--learning_rates=-1", "argument --learning_rates: -1, expected more than 0"),
        ("--hf_python=no/python", "--hf_python: there is no program no/python"),
    ],
)
def test_bad_arguments_are_refused_before_anything_runs(
    monkeypatch, capsys, tmp_path, word, message
):
    words = ["loss_curves.py", f"--output_dir={tmp_path}/out", word]
    monkeypatch.setattr(sys, "argv", words)
    with pytest.raises(SystemExit):
        loss_curves.main()
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
