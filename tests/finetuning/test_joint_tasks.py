"""Several tasks at once: one encoder, a head for each, a model of each."""

import shutil

import numpy as np
import pytest

from data import tasks
from data.io.errors import InputError
from encoder_ko.compat import plain_ops, tf
from encoder_ko.finetuning import joint, splits, task_types
from encoder_ko.training import checkpoints, restoring
from korean_encoders import Predictor
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support import tiny_networks

pytestmark = pytest.mark.usefixtures("quickly")

NAMES = ("NSMC", "KorSTS", "NaverNER", "KorQuAD", "KLUE-MRC", "KLUE-DP")
LENGTH = 16


def task_types_of(names=NAMES):
    settings = task_types.TaskSettings(
        max_seq_length=LENGTH, max_query_length=8, doc_stride=4
    )
    return [task_types.build(tasks.get_task(n), None, settings) for n in names]


def records():
    """(number of the task, values of its record): two of each task, and tokens."""
    generator = np.random.RandomState(0)
    own = {
        "NSMC": [dict(label_ids=1), dict(label_ids=0)],
        "KorSTS": [dict(label_ids=0.25), dict(label_ids=0.75)],
        "NaverNER": [dict(label_ids=[0, 3, 1, 0]), dict(label_ids=[0, 2, 0, 0])],
        "KorQuAD": [
            dict(start_positions=2, end_positions=3),
            dict(start_positions=3, end_positions=3),
        ],
        "KLUE-MRC": [
            dict(start_positions=2, end_positions=3, is_impossible=0),
            dict(start_positions=0, end_positions=0, is_impossible=1),
        ],
        "KLUE-DP": [
            dict(word_mask=[0, 1, 1, 0], head_positions=[0, 2, 0, 0]),
            dict(word_mask=[0, 1, 0, 1], head_positions=[0, 3, 0, 0]),
        ],
    }
    for values in own["KLUE-DP"]:
        values["label_ids"] = [3 * mask for mask in values["word_mask"]]
    for number, name in enumerate(NAMES):
        for values in own[name]:
            common = dict(example_index=0, num_tokens=4, segment_ids=[0, 0, 1, 1])
            ids = [2, *generator.randint(5, tiny_networks.VOCABULARY, 3).tolist()]
            yield number, dict(common, input_ids=ids, **values)


def batch_of(rows, features):
    found = {}
    for feature in features:
        dtype = np.float32 if feature.dtype == "float32" else np.int32
        values = [np.reshape(row[feature.name], [-1]) for row in rows]
        columns = np.asarray(values, dtype)
        found[feature.name] = columns[:, 0] if feature.length else columns
    found["input_mask"] = np.ones_like(found["input_ids"])
    found["is_real_example"] = np.ones([len(rows)], np.float32)
    return {name: tf.constant(value) for name, value in found.items()}


def test_records_have_what_is_the_tasks_own_and_nothing_of_the_others():
    task = joint.JointTask(task_types_of())
    number, values = list(records())[4]
    assert number == 2
    found = task.values(number, values)
    assert {f.name for f in task.features()} == set(found)
    assert found["task_id"] == 2
    assert found["naverner/label_ids"] == [0, 3, 1, 0]
    assert found["nsmc/label_ids"].tolist() == [0]
    assert found["korsts/label_ids"].dtype == np.float32
    assert found["korquad/start_positions"].tolist() == [0]
    first = task.values(0, list(records())[0][1])
    assert first["naverner/label_ids"].tolist() == [0, 0, 0, 0]  # one for each token


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_the_loss_is_that_of_each_tasks_examples_alone(model_type, tmp_path):
    """And a task's part of the weights is a model of that task, to the same loss."""
    family, config = FAMILIES[model_type], tiny_networks.config_of(model_type)
    types, rows = task_types_of(), list(records())
    task = joint.JointTask(types)
    path = str(tmp_path / "model.ckpt")
    with tf.Graph().as_default(), tf.Session() as session, plain_ops():
        tf.set_random_seed(1)
        features = batch_of([task.values(*row) for row in rows], task.features())
        model = encoder(family, config, features)
        head = task.head(family, model, features)
        tf.train.get_or_create_global_step()
        session.run(tf.global_variables_initializer())
        names = [v.op.name for v in tf.trainable_variables()]
        loss, per_example = session.run([head.loss, head.per_example_loss])
        tf.train.Saver().save(session, path, write_meta_graph=False)
    assert len(set(names)) == len(names) and head.outputs == {}
    alone, losses = [], []
    for number, each in enumerate(types):
        joint.take_task_out(path, f"{path}-{number}", family, each.scope)
        with tf.Graph().as_default(), plain_ops():
            own = [values for n, values in rows if n == number]
            features = batch_of(own, each.features())
            model = encoder(family, config, features)
            head = each.head(family, model, features)
            variables = tf.trainable_variables() + [
                tf.train.get_or_create_global_step()
            ]
            stored = checkpoints.checkpoint_shapes(f"{path}-{number}")
            assert set(stored) == {v.op.name for v in variables}
            with restoring.open_session(f"{path}-{number}", variables) as session:
                value, values = session.run([head.loss, head.per_example_loss])
            alone.append(value)
            losses += values.tolist()
    np.testing.assert_allclose(per_example, losses, rtol=1e-5)
    total = sum(alone) if family.loss_reduction == "sum" else np.mean(alone)
    assert loss == pytest.approx(total, rel=1e-5)  # two examples of each


def encoder(family, config, features):
    names = ("input_ids", "input_mask", "segment_ids")
    return family.model_class(config, False, *(features[name] for name in names))


# --- The command -----------------------------------------------------------------

SCORES = ("genre", "filename", "year", "id", "score", "sentence1", "sentence2")


def write_both(folder):
    """nsmc/ and korsts/ in a folder, as --data_dir of several tasks."""
    runs.write_data(folder / "nsmc")
    (folder / "korsts").mkdir()
    for name, count, start in (("train", 10, 0), ("dev", 6, 50), ("test", 4, 90)):
        texts = [text for text, _ in runs.texts_and_labels(2 * count, start)]
        rows = [
            ("g", "f", "y", start + n, n % 6, texts[2 * n], texts[2 * n + 1])
            for n in range(count)
        ]
        path = folder / "korsts" / f"sts-{name}.tsv"
        runs.write_table(path, SCORES, rows)
    return folder


@pytest.mark.slow
def test_two_tasks_train_one_encoder(tmp_path, caplog, capfd):
    (tmp_path / "data").mkdir()
    data, model = write_both(tmp_path / "data"), runs.write_model(tmp_path / "model")
    changes = dict(task_name="NSMC,KorSTS", max_seq_length=16)
    flags = runs.arguments(data, model, tmp_path / "out", **changes)
    assert runs.run(*flags) == 0
    out = tmp_path / "out"
    history = runs.read_json(out, "history.json")
    assert [entry["step"] for entry in history] == [8, 16]  # 32 examples, 4 a step
    for scope in ("nsmc", "korsts"):
        own = runs.read_json(out, scope, "history.json")
        assert [entry["step"] for entry in own] == [8, 16]
        best = max(own, key=lambda entry: entry["score"])
        report = runs.read_json(out, scope, "eval_results.json")
        assert report["metrics"]["score"] == best["score"]
        assert report["global_step"] == best["step"]
        scores = [entry[f"{scope}_score"] for entry in history]
        assert scores == [entry["score"] for entry in own]
        assert (out / scope / "test_results.tsv").exists()
        assert not list((out / scope).glob("model.ckpt-*"))
    assert history[0]["score"] == pytest.approx(
        (history[0]["nsmc_score"] + history[0]["korsts_score"]) / 2
    )
    assert "NSMC dev at step 8: accuracy " in caplog.text
    # Each is a whole model of its task.
    (result,) = Predictor.load(str(out / "nsmc")).predict(["최고 영화"])
    assert set(result["probabilities"]) == {"negative", "positive"}
    pairs = [("재밌다", "최고")]
    (result,) = Predictor.load(str(out / "korsts")).predict(pairs)
    assert 0 <= result["score"] <= 5
    with pytest.raises(InputError, match="of several tasks: name one, such as .*korst"):
        Predictor.load(str(out))
    again = runs.arguments(data, model, tmp_path / "no", model_dir=out)
    again = [flag for flag in again if "_file=" not in flag]
    assert runs.run(*again) == 1
    assert "of several tasks: name one, such as" in capfd.readouterr().err
    settings = runs.read_json(out, "run_config.json")
    assert set(settings["nsmc"]) == {"sha256 of train.tsv", "sha256 of dev.tsv"}
    settings = runs.read_json(out, "korsts", "run_config.json")
    assert "sha256 of sts-train.tsv" in settings and "nsmc" not in settings
    # The same command again, and evaluation alone.
    caplog.clear()
    assert runs.run(*flags) == 0
    assert "This run is complete (step 16)" in caplog.text
    before = runs.read_json(out, "korsts", "eval_results.json")["metrics"]
    shutil.rmtree(str(out / "nsmc" / "best"))
    assert runs.run(*flags) == 0
    assert "best, with the best checkpoint, is gone: the newest one" in caplog.text
    assert "-16" in (out / "nsmc" / "best" / "checkpoint").read_text()
    assert not list((out / "nsmc").glob("model.ckpt-*"))
    assert runs.run(*flags, "--do_train=false") == 0
    assert runs.read_json(out, "korsts", "eval_results.json")["metrics"] == before
    # What is to be evaluated is not deleted; a new training may delete it.
    capfd.readouterr()
    assert runs.run(*flags, "--do_train=false", "--overwrite") == 1
    assert f"--overwrite would delete the model of {out}," in capfd.readouterr().err
    assert runs.run(*flags, "--overwrite") == 0
    assert runs.read_json(out, "korsts", "eval_results.json")["metrics"] == before
    # A single run of the task has the same results with this model.
    alone = runs.arguments(
        data / "nsmc",
        model,
        tmp_path / "alone",
        max_seq_length=16,
        do_train=False,
        init_checkpoint=out / "nsmc" / "best",
    )
    assert runs.run(*alone) == 0
    metrics = [
        runs.read_json(folder, "eval_results.json")["metrics"]
        for folder in (out / "nsmc", tmp_path / "alone")
    ]
    assert metrics[0] == metrics[1]
    # Files that were moved are the same; others are refused, and nothing is written.
    moved = tmp_path / "moved"
    data.rename(moved)
    flags = runs.arguments(moved, model, out, **changes)
    caplog.clear()
    assert runs.run(*flags) == 0
    assert "This run is complete (step 16)" in caplog.text
    files = [out / "run_config.json", *sorted(out.glob("*/run_config.json"))]
    before = [each.read_bytes() for each in files]
    runs.write_reviews(moved / "nsmc" / "train.tsv", 21)
    assert runs.run(*flags) == 1
    assert "sha256 of train.tsv" in capfd.readouterr().err
    assert len(files) == 3 and [each.read_bytes() for each in files] == before


def test_a_folder_of_several_tasks_needs_one_for_each(tmp_path, capfd):
    data, model = runs.write_data(tmp_path / "d"), runs.write_model(tmp_path / "model")
    flags = runs.arguments(data, model, tmp_path / "out", task_name="NSMC,KorSTS")
    assert runs.run(*flags) == 1
    message = "has no folder nsmc: with several tasks it holds one for each"
    assert message in capfd.readouterr().err


@pytest.mark.slow
def test_a_stopped_run_of_several_tasks_resumes(tmp_path, monkeypatch):
    """Stopped between the evaluations of two tasks: nothing is counted twice."""
    (tmp_path / "data").mkdir()
    data, model = write_both(tmp_path / "data"), runs.write_model(tmp_path / "model")
    changes = dict(task_name="NSMC,KorSTS", max_seq_length=16, num_train_epochs=0.25)
    changes["do_predict"] = False
    assert runs.run(*runs.arguments(data, model, tmp_path / "one", **changes)) == 0
    flags = runs.arguments(data, model, tmp_path / "two", num_trials=2, **changes)
    judge = joint._judge

    def stop_at_second(part, *rest):
        if part.task_type.scope == "korsts":
            raise InputError("stopped")
        return judge(part, *rest)

    monkeypatch.setattr(joint, "_judge", stop_at_second)
    assert runs.run(*flags) == 1
    monkeypatch.setattr(joint, "_judge", judge)
    assert runs.run(*flags) == 0
    trials = runs.read_json(tmp_path, "two", "trials.json")
    for task, metric in (("nsmc", "accuracy"), ("korsts", "spearman")):
        report = runs.read_json(tmp_path, "one", task, "eval_results.json")
        found = trials["trials"][0][f"{task}_dev_{metric}"]
        assert found == report["metrics"][metric]
        history = runs.read_json(tmp_path, "two", "trial_1", task, "history.json")
        assert [entry["step"] for entry in history] == [2]


def test_pairs_whose_order_means_nothing_are_trained_in_both(tmp_path, monkeypatch):
    """Of several tasks those alone; dev and other tasks are read as they are."""
    (tmp_path / "data").mkdir()
    data, model = write_both(tmp_path / "data"), runs.write_model(tmp_path / "model")
    found = []
    monkeypatch.setattr(joint, "run", lambda args, *rest: found.extend(args))
    changes = dict(task_name="NSMC,KorSTS", do_predict=False)
    flags = runs.arguments(data, model, tmp_path / "out", **changes)
    assert runs.run_as_shipped(*flags, "--double_unordered") == 0
    loaded = [splits.load_splits(args) for args in found]
    assert [(len(s.train), len(s.dev)) for s in loaded] == [(22, 7), (20, 6)]
    pairs = [(p.text_a, p.text_b, p.score) for p in loaded[1].train]
    assert [(b, a, score) for a, b, score in pairs[:10]] == pairs[10:]
    assert found[0].settings["double_unordered"] is True
    found.clear()
    assert runs.run_as_shipped(*flags) == 0
    assert [len(splits.load_splits(args).train) for args in found] == [22, 10]
    assert "double_unordered" not in found[0].settings
    doubled = [n for n in tasks.task_names() if tasks.get_task(n).is_unordered]
    assert {"PAWS", "QuestionPair", "KorSTS"} <= set(doubled)
    assert "KorNLI" not in doubled


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(task_name="NSMC,NSMC"), "--task_name=NSMC,NSMC: each of the tasks must"),
        (
            dict(task_name="NSMC,HATE", task_defaults=True),
            "--task_defaults is for one task: give the hyper-parameters for several.",
        ),
        (dict(task_name="NSMC,none"), "none"),
    ],
)
def test_mistakes_with_several_tasks_are_named(tmp_path, capfd, changes, message):
    (tmp_path / "data").mkdir()
    data, model = write_both(tmp_path / "data"), runs.write_model(tmp_path / "model")
    flags = runs.arguments(data, model, tmp_path / "out", **changes)
    assert runs.run_as_shipped(*flags) == 1
    assert message in capfd.readouterr().err
    assert not (tmp_path / "out").exists()
