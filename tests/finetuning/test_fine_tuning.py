"""FineTuner: what it trains on, which checkpoint it keeps, how it resumes."""

import dataclasses
import shutil
import signal
import time
import types

import numpy as np
import pytest

from bert_ko.finetuning import FAMILY
from data import tasks
from data.features import model_inputs
from data.io.errors import InputError
from data.records import input_pipeline, schema, tfrecords
from data.tasks.classification import Example
from data.tokenization import TokenizerConfig, build_tokenizer
from encoder_ko.compat import tf
from encoder_ko.finetuning import task_types, trainer
from encoder_ko.finetuning.family import Hyperparameters
from encoder_ko.training import checkpoints, estimator, hooks, restoring
from encoder_ko.training.run_folder import RunFolder
from tests.support import fine_tuning_runs as runs
from tests.support.quick_graphs import quick_graphs

pytestmark = pytest.mark.slow

STEPS, BATCH = 12, 4
FEATURES = schema.classification_features()
KIND = task_types.build(tasks.get_task("NSMC"), None, task_types.TaskSettings())


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """20 reviews of 3 to 10 pieces as records of at most 32."""
    folder = runs.write_model(tmp_path_factory.mktemp("data") / "model")
    tokenizer = build_tokenizer(TokenizerConfig(), str(folder / "vocab.txt"))
    examples = [
        Example(str(number), text, None, label)
        for number, (text, label) in enumerate(runs.texts_and_labels(20))
    ]
    values = model_inputs.classification_records(tokenizer, examples, 32)
    path = str(folder / "train.tf_record")
    tfrecords.write_records(path, (schema.encode_example(FEATURES, v) for v in values))
    return input_pipeline.FineTuningData(path, 20, FEATURES, 32)


def tuner(path, **changes):
    """A FineTuner of the tiny BERT, without dropout."""
    settings = dict(train_steps=STEPS, warmup_steps=2, eval_every_steps=STEPS, seed=7)
    settings.update(changes)
    folder = RunFolder(str(path))
    folder.claim({}, overwrite=False)
    config = FAMILY.config_class.from_dict(
        dict(runs.CONFIG, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    )
    return trainer.FineTuner(
        trainer.Encoder(FAMILY, config, KIND),
        Hyperparameters(learning_rate=0.01, **settings),
        folder,
        estimator.BatchSizes(BATCH, BATCH, BATCH),
        estimator.Hardware(),
    )


@pytest.fixture(scope="module")
def losses(data, tmp_path_factory):
    """(mean loss of each step, FineTuner) of the same run, grouped and padded."""
    found = {}

    class Recorder(hooks.ProgressHook):
        def after_run(self, run_context, run_values):
            found[padding].append(float(run_values.results["loss"]))
            super().after_run(run_context, run_values)

    with pytest.MonkeyPatch.context() as patch, quick_graphs():
        # The classifier's own dropout is fixed in code.
        patch.setattr("encoder_ko.modeling.heads.CLASSIFIER_DROPOUT", 0.0)
        patch.setattr(hooks, "ProgressHook", Recorder)
        for padding in (False, True):
            found[padding] = []
            trained = tuner(tmp_path_factory.mktemp("run"))
            padded = dataclasses.replace(data, pad_to_max=padding)
            trained.train(padded, None, None)
    return found[False], found[True], trained


def test_padding_does_not_change_the_loss_of_any_step(losses):
    grouped, padded, _ = losses
    assert len(grouped) == len(padded) == STEPS
    np.testing.assert_allclose(grouped, padded, rtol=2e-5)
    assert abs(grouped[0] - grouped[-1]) > 1e-3  # it is not the same loss all along


def test_predictions_come_in_the_order_of_the_file(data, losses):
    trained = losses[2]
    with quick_graphs():
        grouped, padded, in_order = (
            trained.predict(
                dataclasses.replace(data, **changes), trained.best_checkpoint
            )
            for changes in ({}, {"pad_to_max": True}, {"sort_by_length": False})
        )
    labels = [0, 1] * 10
    for other in (padded, in_order):
        np.testing.assert_allclose(
            other["probabilities"], grouped["probabilities"], atol=1e-6
        )
        np.testing.assert_allclose(
            other["per_example_loss"], grouped["per_example_loss"], atol=1e-5
        )
    chosen = grouped["probabilities"][np.arange(20), labels]
    np.testing.assert_allclose(grouped["per_example_loss"], -np.log(chosen), rtol=1e-4)
    np.testing.assert_allclose(grouped["probabilities"].sum(1), 1, rtol=1e-6)


def test_broken_weights_are_not_predicted_with(data, losses, tmp_path):
    trained = losses[2]
    reader = tf.train.load_checkpoint(trained.best_checkpoint)
    broken = str(tmp_path / "model.ckpt-1")
    with tf.Graph().as_default(), tf.Session() as session:
        for name in reader.get_variable_to_shape_map():
            value = reader.get_tensor(name)
            if name == "bert/pooler/dense/kernel":
                value = np.full_like(value, np.nan)
            tf.get_variable(name, initializer=value)
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, broken)
    message = "are not numbers: the weights in .*ckpt-1 are"
    with quick_graphs(), pytest.raises(InputError, match=message):
        trained.predict(data, broken)


def test_best_checkpoint_is_kept_and_patience_ends_the_run(data, tmp_path, caplog):
    """Dev results 0.9 and 0.7 at steps 2 and 4 of 12, with a patience of 1."""
    scores = iter([0.9, 0.7])
    trained = tuner(tmp_path, eval_every_steps=2, patience=1)
    with caplog.at_level("INFO"), quick_graphs():
        trained.train(data, lambda predictions: {"score": next(scores)}, data)
        trained.train(data, None, data)  # asks nobody for a metric: it is over
    assert [entry["step"] for entry in trained.history] == [2, 4]
    assert [entry["score"] for entry in trained.history] == [0.9, 0.7]
    assert trained.best_checkpoint == str(tmp_path / "best" / "model.ckpt-2")
    assert trained.step == 4
    assert "No better dev result for 1 evaluations: stop." in caplog.text
    assert "This run is complete (step 4): nothing is trained again." in caplog.text
    kept = tf.train.load_variable(trained.best_checkpoint, "output_bias")
    with pytest.raises(InputError, match="lacks 23 of the model's 25 variables"):
        trained.check_checkpoint(_only_the_head(tmp_path / "head", kept))
    trained.check_checkpoint(trained.best_checkpoint)


def test_evaluations_neither_rebuild_nor_change_training(data, tmp_path, monkeypatch):
    """One graph for a training with four evaluations, and the bits of one without."""
    graphs = []
    start_from = restoring.start_from
    monkeypatch.setattr(
        restoring, "start_from", lambda *a: graphs.append(a) or start_from(*a)
    )
    found, now = {}, [0.0]
    # Training takes no time, evaluations do.
    monkeypatch.setattr(hooks, "time", types.SimpleNamespace(time=lambda: now[0]))

    def evaluate(outputs):
        now[0] += 1000
        return {"score": float(outputs["per_example_loss"].mean())}

    for every in (3, STEPS):
        trained = tuner(tmp_path / str(every), eval_every_steps=every)
        with quick_graphs():
            trained.train(data, evaluate, data)
        found[every] = trained
        assert [e["step"] for e in trained.history] == [*range(every, 13, every)]
    assert len(graphs) == 2
    assert [entry["seconds"] for entry in found[3].history] == [0, 0, 0, 0]
    assert found[3].history[-1]["score"] == found[STEPS].history[-1]["score"]
    one, other = (
        checkpoints.read_tensors(checkpoints.newest_checkpoint(str(tmp_path / name)))
        for name in ("3", str(STEPS))
    )
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_run_that_ended_before_an_evaluation_makes_up_for_it(data, tmp_path):
    """The checkpoint of step 6 is there, its evaluation is not."""

    class Killed(Exception):
        pass

    def killed_at_6(outputs):
        if len(trained.history) == 1:
            raise Killed
        return {"score": 0.5}

    trained = tuner(tmp_path, eval_every_steps=3)
    with quick_graphs(), pytest.raises(Killed):
        trained.train(data, killed_at_6, data)
    assert trained.step == 6 and [e["step"] for e in trained.history] == [3]
    with quick_graphs():
        trained.train(data, lambda outputs: {"score": 0.6}, data)
    assert [e["step"] for e in trained.history] == [3, 6, 9, 12]
    assert [e["score"] for e in trained.history] == [0.5, 0.6, 0.6, 0.6]


def test_what_takes_the_place_of_a_lost_best_one_gives_way(data, tmp_path):
    """Dev results 0.9 | 0.5 and 0.6: the 0.9 counts no longer, its weights are lost."""

    class Killed(Exception):
        pass

    def evaluate(outputs):
        score = next(scores)
        if not score:
            raise Killed
        return {"score": score}

    scores = iter([0.9, 0, 0.5, 0.6])
    trained = tuner(tmp_path, eval_every_steps=4)
    with quick_graphs():
        with pytest.raises(Killed):
            trained.train(data, evaluate, data)
        shutil.rmtree(str(tmp_path / "best"))
        trained.train(data, evaluate, data)
    assert [entry["score"] for entry in trained.history] == [0.9, 0.5, 0.6]
    assert trained.best_checkpoint == str(tmp_path / "best" / "model.ckpt-12")


def _only_the_head(path, bias):
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("output_bias", initializer=bias)
        tf.get_variable("output_weights", [2, 16])
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(path))


def test_evaluations_follow_the_epochs():
    """22 examples in batches of 4: an epoch is 5.5 steps, two epochs are 11."""
    settings = Hyperparameters(0.1, 11, 1, eval_every_steps=22 / 4)
    assert [settings.evaluation_step(number) for number in range(3)] == [5, 11, 11]
    settings = Hyperparameters(0.1, 11, 1, eval_every_steps=4)
    assert [settings.evaluation_step(number) for number in range(3)] == [4, 8, 11]


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    """kill -9 between two checkpoints, then the same command, with dropout on."""
    tables = runs.write_data(tmp_path / "data", train=20)
    model = runs.write_model(tmp_path / "model")
    options = dict(
        num_train_epochs=180,  # 900 steps
        eval_every_steps=900,
        save_checkpoints_steps=150,
        do_eval=False,
        do_predict=False,
    )
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = runs.start(*runs.arguments(tables, model, killed, **options))
    while _step_of(killed) < 300:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert 300 <= _step_of(killed) < 900
    for folder in (killed, whole):
        flags = runs.arguments(tables, model, folder, **options)
        assert runs.run(*flags) == 0
    first, second = (tf.train.load_checkpoint(str(f)) for f in (killed, whole))
    names = first.get_variable_to_shape_map()
    assert names == second.get_variable_to_shape_map()
    assert first.get_tensor("global_step") == 900
    for name in names:
        np.testing.assert_array_equal(first.get_tensor(name), second.get_tensor(name))
    first, second = (runs.read_json(f, "history.json")[-1] for f in (killed, whole))
    assert first["step"] == second["step"] == 900
    assert first["loss"] == second["loss"]


def _step_of(folder):
    """The step of the newest checkpoint that is complete; 0 if there is none."""
    newest = checkpoints.find_checkpoint(str(folder)) if folder.exists() else None
    return int(newest.rsplit("-", 1)[1]) if newest else 0
