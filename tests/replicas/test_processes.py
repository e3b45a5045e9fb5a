"""Two processes by Horovod: the numbers of one, and what ends them.

In an environment of its own: make test-scale.
"""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.modeling import heads
from encoder_ko.modeling.random_stream import RandomStream
from tests.support import fine_tuning_runs, pretraining_runs
from tests.support.paths import ROOT
from tests.support.random_numbers import same_in_every_row

if importlib.util.find_spec("horovod") is None:
    pytest.skip("Horovod is not installed: make test-scale", allow_module_level=True)

pytestmark = pytest.mark.slow

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
LONG = dict(num_train_steps=60, save_checkpoints_steps=10, log_every_steps=1)
# Ends within a test's patience, whatever else the machine does.
START, END = 240, 10

_RUN = """
import os, sys, time
from encoder_ko.modeling import heads
from encoder_ko.modeling.random_stream import RandomStream
from encoder_ko.training import training_log
from tests.support import {support}
from tests.support.random_numbers import same_in_every_row
heads.CLASSIFIER_DROPOUT = 0.0
if os.environ.get("SAME_IN_EVERY_ROW"):
    RandomStream.uniform = same_in_every_row
if os.environ.get("SLOWLY"):
    add_line = training_log.TrainingLogHook._add_line
    def slowly(hook, scalars):
        time.sleep(0.2)
        add_line(hook, scalars)
    training_log.TrainingLogHook._add_line = slowly
arguments = [a.replace("RANK", os.environ["HOROVOD_RANK"]) for a in sys.argv[1:]]
sys.exit({support}.run(*arguments))
"""


def start(support, flags, **environment):
    """Starts the command in two processes; RANK in a flag is 0 or 1."""
    launcher = os.path.join(os.path.dirname(sys.executable), "horovodrun")
    command = [launcher, "--gloo", "-np", "2", sys.executable, "-c"]
    return subprocess.Popen(
        command + [_RUN.format(support=support), *flags],
        cwd=ROOT,
        env=dict(os.environ, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        universal_newlines=True,
        encoding="utf-8",
    )


def run(support, flags, **environment):
    """(exit status, output) of the command in two processes."""
    process = start(support, flags, **environment)
    output, _ = process.communicate(timeout=START)
    return process.returncode, output


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = pretraining_runs.prepare(tmp_path_factory.mktemp("bert"), "bert")
    for name, changes in (("no_dropout.json", NO_DROPOUT), ("config.json", {})):
        config = dict(pretraining_runs.CONFIG, **changes)
        (folder / name).write_text(json.dumps(config), encoding="utf-8")
    return folder


def flags(prepared, output, **changes):
    return pretraining_runs.arguments(prepared, "bert", output, **changes)


def numbers(output):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(output)))
    return {n: reader.get_tensor(n) for n in reader.get_variable_to_shape_map()}


def test_two_processes_compute_what_one_does(prepared, tmp_path):
    """As one that accumulates their two shares, to the bit; as one of both to 1e-5."""
    changes = dict(
        bert_config_file=prepared / "no_dropout.json", do_eval=True, eval_every_steps=6
    )
    status, output = run(
        "pretraining_runs", flags(prepared, tmp_path / "two", **changes)
    )
    assert status == 0, output
    for name, steps in (("one", 1), ("accumulated", 2)):
        changes["gradient_accumulation_steps"] = steps
        assert pretraining_runs.run(*flags(prepared, tmp_path / name, **changes)) == 0
    two, one = numbers(tmp_path / "two"), numbers(tmp_path / "one")
    for name in one:
        np.testing.assert_allclose(two[name], one[name], atol=1e-5, err_msg=name)
    expected = pretraining_runs.weights(tmp_path / "accumulated")
    assert pretraining_runs.weights(tmp_path / "two") == expected
    logs = [
        pretraining_runs.read_lines(tmp_path / name / "training_log.jsonl")
        for name in ("one", "two")
    ]
    for line, other in zip(*logs):
        assert other["step"] == line["step"]
        assert other["loss"] == pytest.approx(line["loss"], rel=1e-5)
    history = pretraining_runs.read_json(tmp_path, "two", "history.json")
    assert [entry["step"] for entry in history] == [6, 12]


@pytest.mark.parametrize("model_type", ["albert", "electra"])
def test_uneven_shares_count_as_in_one_batch(model_type, tmp_path, monkeypatch):
    """A process with fewer masked or moved tokens counts less."""
    folder = pretraining_runs.prepare(tmp_path, model_type)
    config = dict(pretraining_runs.read_json(folder, "config.json"), **NO_DROPOUT)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    def flags_of(name):
        return pretraining_runs.arguments(
            folder, model_type, tmp_path / name, num_train_steps=6, learning_rate=1e-3
        )

    status, output = run("pretraining_runs", flags_of("two"), SAME_IN_EVERY_ROW="1")
    assert status == 0, output
    monkeypatch.setattr(RandomStream, "uniform", same_in_every_row)
    assert pretraining_runs.run(*flags_of("one")) == 0
    two = numbers(tmp_path / "two")
    for name, value in numbers(tmp_path / "one").items():
        np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)


def test_dropout_is_that_of_accumulated_shares(prepared, tmp_path):
    """Each process draws what one process draws for its micro-batch."""
    status, output = run("pretraining_runs", flags(prepared, tmp_path / "two"))
    assert status == 0, output
    one = flags(prepared, tmp_path / "one", gradient_accumulation_steps=2)
    assert pretraining_runs.run(*one) == 0
    two = numbers(tmp_path / "two")
    for name, value in numbers(tmp_path / "one").items():
        np.testing.assert_allclose(two[name], value, atol=1e-6, err_msg=name)


def test_fine_tuning_by_two_processes_is_that_of_one(tmp_path, monkeypatch):
    monkeypatch.setattr(heads, "CLASSIFIER_DROPOUT", 0.0)
    data = fine_tuning_runs.write_data(tmp_path / "data", train=48)
    model = fine_tuning_runs.write_model(tmp_path / "model", **NO_DROPOUT)

    def flags_of(name):
        # Attention does not depend on biases of keys: their gradients are rounding
        # noise, of which Adam makes steps of any size up to its rate.
        output = tmp_path / name
        return fine_tuning_runs.arguments(data, model, output, learning_rate=1e-3)

    status, output = run("fine_tuning_runs", flags_of("two"))
    assert status == 0, output
    assert fine_tuning_runs.run(*flags_of("one")) == 0
    expected = numbers(tmp_path / "one")
    assert expected["global_step"] == 24
    for name, value in numbers(tmp_path / "two").items():
        np.testing.assert_allclose(value, expected[name], atol=1e-5, err_msg=name)
    results = [
        fine_tuning_runs.read_json(tmp_path, name, "test_results.json")
        for name in ("one", "two")
    ]
    assert results[0]["metrics"]["accuracy"] == results[1]["metrics"]["accuracy"]


# --- Their end -------------------------------------------------------------------


def processes_of(folder):
    """Rank -> process id of the two processes that write to a folder."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as reader:
                command = reader.read().decode(errors="replace").split("\0")
            with open(f"/proc/{name}/environ", "rb") as reader:
                environment = reader.read().decode(errors="replace").split("\0")
        except OSError:
            continue
        ranks = [e.split("=")[1] for e in environment if e.startswith("HOROVOD_RANK=")]
        is_program = command[0] == sys.executable and command[1:2] == ["-c"]
        if is_program and ranks and f"--output_dir={folder}" in command:
            found[int(ranks[0])] = int(name)
    return found


def end_one(prepared, folder, rank, number, step=15):
    """Sends a signal to a process in the middle; (seconds until all ended, output)."""
    process = start("pretraining_runs", flags(prepared, folder, **LONG), SLOWLY="1")
    log, deadline = folder / "training_log.jsonl", time.time() + START
    while not log.exists() or len(pretraining_runs.read_lines(log)) < step:
        assert process.poll() is None and time.time() < deadline, process.communicate()
        time.sleep(0.1)
    os.kill(processes_of(folder)[rank], number)
    since = time.time()
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert not processes_of(folder)
    return time.time() - since, output


@pytest.fixture(scope="module")
def undisturbed(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    status, output = run("pretraining_runs", flags(prepared, folder, **LONG))
    assert status == 0, output
    return pretraining_runs.weights(folder)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_rerun_has_the_same_bits(
    prepared, tmp_path, undisturbed, rank
):
    seconds, output = end_one(prepared, tmp_path, rank, signal.SIGKILL)
    assert seconds < END
    assert "Another process of this run has ended, so this one ends too" in output
    assert pretraining_runs.step_of(tmp_path) == 10
    status, output = run("pretraining_runs", flags(prepared, tmp_path, **LONG))
    assert status == 0 and "Resuming at step 10 of 60." in output
    assert pretraining_runs.weights(tmp_path) == undisturbed


@pytest.mark.parametrize("rank", [0, 1])
def test_sigterm_to_one_stops_all_after_the_same_step(
    prepared, tmp_path, undisturbed, rank
):
    _, output = end_one(prepared, tmp_path, rank, signal.SIGTERM)
    [step] = re.findall(r"Stopped by a signal; step (\d+) is saved", output)
    assert 15 <= int(step) < 60
    assert pretraining_runs.step_of(tmp_path) == int(step)
    status, output = run("pretraining_runs", flags(prepared, tmp_path, **LONG))
    assert status == 0 and f"Resuming at step {step} of 60." in output
    assert pretraining_runs.weights(tmp_path) == undisturbed


# --- What they are told ----------------------------------------------------------


def test_different_flags_are_an_error_that_names_them(prepared, tmp_path):
    status, output = run(
        "pretraining_runs", flags(prepared, tmp_path, learning_rate="0.RANK1")
    )
    assert status != 0
    assert (
        "The processes of this run were not told the same: learning_rate is 0.01 in "
        "process 0 and 0.11 in process 1." in output
    )
    assert not (tmp_path / "run_config.json").exists()


def test_different_data_are_an_error_that_names_them(prepared, tmp_path):
    for rank, documents in ((0, 60), (1, 50)):
        folder = tmp_path / str(rank)
        folder.mkdir()
        (folder / "vocab.txt").write_bytes((prepared / "vocab.txt").read_bytes())
        corpus = pretraining_runs.write_corpus(folder, documents)
        text = corpus.read_text(encoding="utf-8")
        pretraining_runs.build_records(folder, "bert", text)
    pattern = tmp_path / "RANK" / "records" / "*.tfrecord"
    status, output = run(
        "pretraining_runs", flags(prepared, tmp_path / "out", input_file=pattern)
    )
    assert status != 0
    assert "were not told the same: records is {'digest':" in output
