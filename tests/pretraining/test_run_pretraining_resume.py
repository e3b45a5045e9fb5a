"""run_pretraining.py stopped at any moment and begun again: the same bits."""

import os
import random
import shutil
import signal
import time

import pytest

from encoder_ko.pretraining.evaluation import EvaluationSession
from encoder_ko.training import restoring
from tests.support import pretraining_runs as runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return runs.preparer(tmp_path_factory)


def kill_at(process, output, step, seconds):
    """SIGKILL some time after a checkpoint appears; False if the run ended before."""
    while runs.step_of(output) < step:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    time.sleep(seconds)
    process.kill()
    process.communicate()
    return True


def require_same_bits(first, second):
    """Checkpoints equal to the bit, logs equal but for the times."""
    weights = [runs.weights(output) for output in (first, second)]
    assert set(weights[0]) == set(weights[1])
    assert [n for n in weights[0] if weights[0][n] != weights[1][n]] == []
    logs = [
        runs.read_lines(output / "training_log.jsonl") for output in (first, second)
    ]
    # A mean of losses begins anew where the run does.
    same = ("step", "learning_rate", "gradient_norm", "masked_lm_accuracy")
    assert [[e[name] for name in same] for e in logs[0]] == [
        [e[name] for name in same] for e in logs[1]
    ]


def test_killed_runs_end_with_the_same_bits(prepared, tmp_path):
    """SIGKILL at two random moments, then to the end: as if never stopped."""
    changes = dict(num_train_steps=240, save_checkpoints_steps=20)
    folder, whole, killed = prepared("electra"), tmp_path / "whole", tmp_path / "killed"
    assert runs.run(*runs.arguments(folder, "electra", whole, **changes)) == 0
    flags = runs.arguments(folder, "electra", killed, **changes)
    generator = random.Random(os.getpid())
    for _ in range(2):
        process = runs.start(*flags)
        seconds = generator.random() / 8
        assert kill_at(process, killed, runs.step_of(killed) + 20, seconds)
    assert 40 <= runs.step_of(killed) < 240
    assert runs.run(*flags) == 0
    require_same_bits(whole, killed)


def test_masks_accumulation_and_word_order_resume_exactly(prepared, tmp_path):
    """From an older checkpoint, with masks drawn in the graph, half-batches, LAMB."""
    first, second = tmp_path / "first", tmp_path / "second"
    changes = dict(
        dynamic_masking=True, compute_type="bfloat16", gradient_accumulation_steps=2
    )
    flags = runs.arguments(prepared("albert"), "albert", first, **changes)
    assert runs.run(*flags) == 0
    shutil.copytree(str(first), str(second))
    state = 'model_checkpoint_path: "model.ckpt-4"\n'
    (second / "checkpoint").write_text(state, encoding="utf-8")
    for path in second.glob("model.ckpt-12*"):
        path.unlink()
    flags = runs.arguments(prepared("albert"), "albert", second, **changes)
    assert runs.step_of(second) == 4 and runs.run(*flags) == 0
    require_same_bits(first, second)


def test_sigterm_saves_before_it_leaves(prepared, tmp_path):
    output = tmp_path / "stopped"
    flags = runs.arguments(
        prepared("bert"),
        "bert",
        output,
        num_train_steps=100000,
        save_checkpoints_steps=100000,
    )
    process = runs.start(*flags)
    while not (output / "training_log.jsonl").exists() or not runs.read_lines(
        output / "training_log.jsonl"
    ):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    errors = process.communicate()[1]
    assert process.returncode == 143
    step = runs.step_of(output)
    assert step >= 3
    assert f"Stopped by a signal; step {step} is saved." in errors
    log = runs.read_lines(output / "training_log.jsonl")
    assert log[-1]["step"] <= step


def test_evaluations_on_the_way_neither_rebuild_nor_change_training(
    prepared, tmp_path, monkeypatch
):
    """SIGTERM in the midst of one ends training after the next step, not before."""
    graphs, sessions = [], []
    start_from, build = restoring.start_from, EvaluationSession._build
    monkeypatch.setattr(
        restoring, "start_from", lambda *a: graphs.append(a) or start_from(*a)
    )
    monkeypatch.setattr(
        EvaluationSession, "_build", lambda self: sessions.append(1) or build(self)
    )
    metrics = EvaluationSession.metrics

    def interrupted_at_6(self, checkpoint):
        found = metrics(self, checkpoint)
        if found["global_step"] == 6:
            monkeypatch.setattr(EvaluationSession, "metrics", metrics)
            os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(EvaluationSession, "metrics", interrupted_at_6)
    plain, evaluated = tmp_path / "plain", tmp_path / "evaluated"
    flags = runs.arguments(prepared("bert"), "bert", evaluated, eval_every_steps=3)
    assert runs.run(*flags) == 143
    assert runs.step_of(evaluated) == 7
    assert (len(graphs), len(sessions)) == (1, 1)
    assert runs.run(*flags) == 0
    assert runs.run(*runs.arguments(prepared("bert"), "bert", plain)) == 0
    require_same_bits(plain, evaluated)
    history = runs.read_json(evaluated, "history.json")
    assert [entry["step"] for entry in history] == [3, 6, 9]


def test_an_evaluation_that_was_killed_is_made_up_for(prepared, tmp_path, monkeypatch):
    """The checkpoint of step 6 is there, its evaluation is not."""

    class Killed(Exception):
        pass

    metrics = EvaluationSession.metrics

    def killed_at_6(self, checkpoint):
        if checkpoint.endswith("-6"):
            raise Killed
        return metrics(self, checkpoint)

    output = tmp_path / "killed"
    flags = runs.arguments(prepared("bert"), "bert", output, eval_every_steps=3)
    with monkeypatch.context() as patch:
        patch.setattr(EvaluationSession, "metrics", killed_at_6)
        with pytest.raises(Killed):
            runs.run(*flags)
    assert runs.run(*flags) == 0
    history = runs.read_json(output, "history.json")
    assert [entry["step"] for entry in history] == [3, 6, 9]
