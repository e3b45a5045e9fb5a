"""Tiny runs of four commands for each model, in forks that may be killed at any moment.

A fork has TensorFlow loaded, so that a run takes a second or two. The process that
forks must not start TensorFlow's threads: all that computes is done in a fork.
"""

import contextlib
import hashlib
import json
import os
import pickle
import signal
import sys
import time
import traceback

from data import create_pretraining_data
from encoder_ko import cli
from korean_encoders.commands import convert
from tests.support import fine_tuning_runs, pretraining_runs
from tests.support.made_up_models import NARROW, fine_tuned_model

MODEL_TYPES = ("bert", "albert", "electra")


def fork(call, log):
    """Calls in a process of its own; what it prints goes to a file. Its id."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        stream = os.open(str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
        status = call() or 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def wait(process):
    """Exit status of a fork; -9 if it was killed."""
    status = os.waitpid(process, 0)[1]
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def finish(call, log):
    """Exit status of a call in a fork, and seconds."""
    started = time.time()
    return wait(fork(call, log)), time.time() - started


def value_of(call, folder):
    """What a call in a fork returns."""
    path, log = os.path.join(str(folder), "value"), os.path.join(str(folder), "log")

    def keep():
        with open(path, "wb") as writer:
            pickle.dump(call(), writer)

    status = wait(fork(keep, log))
    assert status == 0, read(log)
    with open(path, "rb") as reader:
        return pickle.load(reader)


def kill_after(call, seconds, log):
    """Whether a call in a fork was killed before its end."""
    process = fork(call, log)
    deadline = time.time() + seconds
    while time.time() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            assert status == 0, read(log)
            return False
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    return wait(process) == -signal.SIGKILL


def pause(process, seconds):
    """Waits so long, or until a fork has ended, whose status stays to be asked for."""
    deadline = time.time() + seconds
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while time.time() < deadline and not os.waitid(os.P_PID, process, options):
        time.sleep(0.01)


def read(path):
    with open(str(path), encoding="utf-8", errors="replace") as reader:
        return reader.read()


def bytes_below(folder):
    """Name -> digest of every file, but for what a killed process left unfinished."""
    found = {}
    for place, _, names in os.walk(str(folder)):
        for name in names:
            path = os.path.join(place, name)
            if ".incomplete" not in path:
                with open(path, "rb") as reader:
                    digest = hashlib.sha256(reader.read()).hexdigest()
                found[os.path.relpath(path, str(folder))] = digest
    return found


# --- The commands ------------------------------------------------------------------


class Pretraining:
    """60 steps with a checkpoint at every sixth."""

    def __init__(self, folder, model_type):
        self._folder, self._model_type = folder, model_type
        value_of(lambda: bool(pretraining_runs.prepare(folder, model_type)), folder)

    def run(self, output):
        return pretraining_runs.run(
            *pretraining_runs.arguments(
                self._folder,
                self._model_type,
                output,
                num_train_steps=60,
                save_checkpoints_steps=6,
                do_eval=True,
                max_eval_steps=2,
            )
        )

    def content(self, output):
        log = pretraining_runs.read_lines(output / "training_log.jsonl")
        same = ("step", "learning_rate", "gradient_norm", "masked_lm_accuracy")
        results = pretraining_runs.read_json(output, "eval_results.json")
        return (
            pretraining_runs.weights(output),
            [[entry[name] for name in same] for entry in log],
            results["metrics"],
        )


class FineTuning:
    """44 steps with four evaluations, and the predictions of the test set."""

    def __init__(self, folder, model_type):
        self._folder, self._model_type = folder, model_type
        fine_tuning_runs.write_data(folder / "data", train=44)
        model = fine_tuning_runs.write_model(folder / "model")
        config = dict(fine_tuning_runs.CONFIG, **NARROW.get(model_type, {}))
        self._config = model / f"{model_type}_config.json"
        self._config.write_text(json.dumps(config), encoding="utf-8")

    def run(self, output):
        named = {"bert_config_file": None}
        named[f"{self._model_type}_config_file"] = self._config
        return fine_tuning_runs.run(
            *fine_tuning_runs.arguments(
                self._folder / "data",
                self._folder / "model",
                output,
                model_type=self._model_type,
                num_train_epochs=4,
                save_checkpoints_steps=3,
                **named,
            )
        )

    def content(self, output):
        return (
            pretraining_runs.weights(output),
            pretraining_runs.weights(output / "best"),
            fine_tuning_runs.read_json(output, "eval_results.json")["metrics"],
            read(output / "test_results.tsv"),
        )


class DataBuild:
    """Some hundred shards; two processes for ELECTRA."""

    def __init__(self, folder, model_type):
        self._model_type = model_type
        self._folder = folder
        pretraining_runs.write_corpus(folder, documents=1500)
        text = "\n".join(pretraining_runs.VOCABULARY) + "\n"
        (folder / "vocab.txt").write_text(text, encoding="utf-8")

    def run(self, output):
        create_pretraining_data.main(
            [
                "create_pretraining_data",
                f"--model_type={self._model_type}",
                f"--input_file={self._folder / 'corpus.txt'}",
                f"--output_dir={output}",
                f"--vocab_file={self._folder / 'vocab.txt'}",
                "--max_seq_length=16",
                "--dupe_factor=2",
                "--block_bytes=2000",
                f"--num_processes={1 + (self._model_type == 'electra')}",
            ]
        )

    def content(self, output):
        return bytes_below(output)


class Conversion:
    """A fine-tuned model to Hugging Face's files and back."""

    def __init__(self, folder, model_type):
        self._model_type = model_type
        self._run = folder / "run"
        value_of(
            lambda: bool(fine_tuned_model(self._run, model_type, "classification")),
            folder,
        )

    def run(self, output):
        steps = (("tf", "hf", self._run), ("hf", "tf", output / "hf"))
        for source, target, folder in steps:
            flags = [f"--from={source}", f"--to={target}", f"--input_dir={folder}"]
            flags += [f"--output_dir={output / target}", "--overwrite"]
            cli.run(convert.main, convert.FLAGS, ["convert_checkpoint.py", *flags])

    def content(self, output):
        return bytes_below(output)


COMMANDS = (Pretraining, FineTuning, DataBuild, Conversion)
