"""run_classifier.py on tiny data: the published command, its flags, seeds, TPU."""

import glob
import os
import re
import shutil
import signal
import sys
import types
from unittest import mock

import numpy as np
import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.finetuning import trainer
from encoder_ko.training import estimator, hooks
from korean_encoders.commands import finetune
from tests.support import fine_tuning_runs as runs


def weights(output):
    """The variables of the newest checkpoint, as bytes."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(output)))
    names = reader.get_variable_to_shape_map()
    return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in names}


@pytest.mark.slow
def test_seeds_decide_every_bit(tmp_path):
    """Trials repeat with the following seeds, and equal runs with these seeds."""
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")

    def train(name, **changes):
        changes.update(num_train_epochs=1, do_predict=False, random_seed=5)
        assert runs.run(*runs.arguments(data, model, tmp_path / name, **changes)) == 0

    train("single", do_eval=False)
    train("trials", num_trials=2)
    first, second = (tmp_path / "trials" / f"trial_{n}" for n in (1, 2))
    assert weights(first) == weights(tmp_path / "single")
    assert weights(second) != weights(first)
    summary = runs.read_json(tmp_path, "trials", "trials.json")
    assert summary["seeds"] == [5, 6]
    for name in ("accuracy", "macro_f1", "loss"):
        values = [
            runs.read_json(trial, "eval_results.json")["metrics"][name]
            for trial in (first, second)
        ]
        found = summary["dev_" + name]
        assert found["mean"] == pytest.approx(sum(values) / 2)
        deviation = abs(values[0] - values[1]) / 2**0.5
        assert found["standard_deviation"] == pytest.approx(deviation)


PUBLISHED = (
    "--do_train=true --do_eval=true --do_predict=true --do_lower_case=False "
    "--max_seq_length=128 --train_batch_size=128 --learning_rate=5e-05 "
    "--num_train_epochs=5.0 --output_dir=OUT"
).split()


def golden_model(golden, folder):
    """models/ with the recorded pre-training checkpoint, which wants no dropout."""
    folder.mkdir(parents=True)
    shutil.copy(golden("bert", "bert_config.json"), str(folder))
    for path in glob.glob(golden("bert", "model.ckpt.index")[: -len("index")] + "*"):
        shutil.copy(path, str(folder))
    vocabulary = "\n".join(runs.VOCABULARY) + "\n"
    (folder / "vocab.txt").write_text(vocabulary, encoding="utf-8")


@pytest.mark.slow
def test_published_command_on_official_nsmc(tmp_path):
    """In a process of its own; no dev file, so that dev is held out of train."""
    runs.write_model(tmp_path / "models")
    data = tmp_path / "datasets" / "nsmc"
    data.mkdir(parents=True)
    runs.write_reviews(data / "ratings_train.txt", 60)
    with open(str(data / "ratings_train.txt"), "a", encoding="utf-8") as writer:
        writer.write(
            '60\t""최고""라는 말이 아깝다\t0\n61\t\t1\n'
        )  # as official rows do
    runs.write_reviews(data / "ratings_test.txt", 11, 3000)
    process = runs.start_as_shipped("--task_name=NSMC", *PUBLISHED, cwd=str(tmp_path))
    output, log = process.communicate(timeout=600)
    assert process.returncode == 0, log
    assert output == ""
    lines = log.splitlines()
    assert "train: 62 examples from datasets/nsmc/ratings_train.txt" in lines
    assert any(
        line.startswith("There is no dev file: 4 of the training examples are held")
        for line in lines
    )
    assert "No checkpoint to start from: training from scratch." in lines
    assert any(line.startswith("step 2/2  loss 0.") for line in lines)
    assert any(line.startswith("dev at step 2: accuracy ") for line in lines)
    assert any(line.startswith("dev: accuracy ") for line in lines)
    assert "test: 11 examples from datasets/nsmc/ratings_test.txt" in lines
    assert any(line.startswith("test: accuracy ") for line in lines)
    assert lines[-1] == "Results are in OUT"
    # TensorFlow's own words: at most that it compiles, once for the process.
    assert not [line for line in lines if "before flag parsing" in line]
    native = [
        line for line in lines if re.match(r"[IWEF]\d{4} |\d{4}-\d\d-\d\d ", line)
    ]
    assert all("Compiled cluster using XLA!" in line for line in native), native
    assert len(native) <= 1
    rows = runs.read_rows(tmp_path, "OUT", "test_results.tsv")
    assert [row[0] for row in rows[1:]] == [str(3000 + n) for n in range(11)]


@pytest.mark.slow
def test_published_command_on_nsmc_of_kr_bert(golden, tmp_path, monkeypatch, caplog):
    """train.tsv, dev.tsv and test.tsv with Windows line ends; a checkpoint in models/.

    The pre-training checkpoint has no classifier and more than the classifier needs.
    """
    golden_model(golden, tmp_path / "models")
    config = runs.read_json(tmp_path, "models", "bert_config.json")
    (tmp_path / "datasets").mkdir()
    runs.write_data(tmp_path / "datasets" / "nsmc", train=26, end="\r\n")
    monkeypatch.chdir(str(tmp_path))
    length = min(config["max_position_embeddings"], 128)
    flags = [flag for flag in PUBLISHED if "max_seq" not in flag]
    flags.append(f"--max_seq_length={length}")
    assert runs.run("--task_name=NSMC", *flags) == 0
    report = runs.read_json("OUT", "restored_variables.json")
    names = {name for name, _ in tf.train.list_variables("models/model.ckpt")}
    assert report["missing"] == ["output_bias", "output_weights"]
    assert set(report["unused"]) == {name for name in names if name.startswith("cls/")}
    assert set(report["restored"]) == names - set(report["unused"])
    counts = [len(report[key]) for key in ("restored", "missing", "unused")]
    assert (
        "models/model.ckpt: {} variables restored, {} newly initialized, {} unused, 0 "
        "optimizer variables skipped.\n"
        "  newly initialized: output_bias, output_weights\n"
        "  unused: cls/predictions/output_bias, cls/predictions/transform/LayerNorm/"
        "beta, cls/predictions/transform/LayerNorm/gamma, and {} more".format(
            *counts, counts[2] - 3
        )
        in caplog.text
    )
    assert "from scratch" not in caplog.text
    # Training began there: Adam's first step is at most 0.1 / sqrt(0.001) rates.
    trained = tf.train.load_checkpoint("OUT/best")
    start = tf.train.load_checkpoint("models/model.ckpt")
    for name in report["restored"]:
        np.testing.assert_allclose(
            trained.get_tensor(name), start.get_tensor(name), atol=1.6e-4
        )
    rows = runs.read_rows("OUT", "test_results.tsv")
    assert [row[0] for row in rows[1:]] == [str(2000 + n) for n in range(9)]


HATE_LABELS = ("none", "offensive", "hate")
HATE_LAYOUTS = {
    "kr_bert": ("comments", "contain_gender_bias", "bias", "hate"),
    "with_title": ("title", "comment", "bias", "hate"),
}


def write_comments(path, header, count):
    values = {"title": "기사 제목", "contain_gender_bias": "False", "bias": "others"}
    rows = []
    for number, (text, _) in enumerate(runs.texts_and_labels(count)):
        row = dict(values, comments=text, comment=text, hate=HATE_LABELS[number % 3])
        rows.append([row[name] for name in header])
    runs.write_table(path, header, rows)


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["kr_bert", "with_title"])
def test_published_command_on_hate(tmp_path, monkeypatch, caplog, layout):
    """Both public layouts; the public test file has texts only."""
    header = HATE_LAYOUTS[layout]
    runs.write_model(tmp_path / "models")
    data = tmp_path / "datasets" / "hate"
    data.mkdir(parents=True)
    write_comments(data / "train.tsv", header, 27)
    write_comments(data / "dev.tsv", header, 9)
    texts = tuple(name for name in header if name.startswith(("comment", "title")))
    write_comments(data / "test.no_label.tsv", texts, 7)
    monkeypatch.chdir(str(tmp_path))
    assert runs.run("--task_name=HATE", *PUBLISHED) == 0
    header, *rows = runs.read_rows("OUT", "test_results.tsv")
    assert header == ["id", "prediction", *HATE_LABELS, "is_cut"]
    assert [row[0] for row in rows] == [f"test-{n}" for n in range(1, 8)]
    assert all(row[1] in HATE_LABELS for row in rows)
    assert "test: 7 predictions, no labels to score them" in caplog.text
    assert not os.path.exists(os.path.join("OUT", "test_results.json"))
    report = runs.read_json("OUT", "eval_results.json")["metrics"]
    assert list(report["per_class"]) == list(HATE_LABELS)
    assert report["score"] == report["macro_f1"]


def test_encoding_and_bad_rows_are_read_when_named(tmp_path, caplog):
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")
    for name in ("train.tsv", "dev.tsv"):
        text = (data / name).read_text(encoding="utf-8") + "99\t펲시맨\n"
        (data / name).write_bytes(text.encode("cp949"))
    flags = runs.arguments(
        data,
        model,
        tmp_path / "out",
        do_predict=False,
        do_train=False,
        encoding="cp949",
        max_bad_rows=1,
    )
    assert runs.run(*flags) == 1  # nothing is trained, but the files were read
    assert "dev.tsv: 1 bad rows (" in caplog.text
    assert "line 9: 2 columns, expected 3 as in line 1.)" in caplog.text
    assert f"dev: 7 examples from {data / 'dev.tsv'}" in caplog.text


def test_use_tpu_asks_for_the_named_tpu():
    hardware = estimator.Hardware(
        use_tpu=True,
        tpu_name="grpc://10.0.0.2:8470",
        tpu_zone="us-central1-b",
        gcp_project="ko",
        num_tpu_cores=16,
        iterations_per_loop=500,
    )
    name = "TPUClusterResolver"
    with mock.patch.object(tf.distribute.cluster_resolver, name) as resolver:
        with mock.patch.object(tf.estimator.tpu, "RunConfig") as run_config:
            with mock.patch.object(tf.estimator.tpu, "TPUEstimator") as built:
                estimator.build_estimator(
                    None, "out", estimator.BatchSizes(64, 8, 8), hardware, 1
                )
    resolver.assert_called_once_with(
        "grpc://10.0.0.2:8470", zone="us-central1-b", project="ko"
    )
    settings = run_config.call_args[1]
    assert settings["cluster"] is resolver.return_value
    assert settings["tpu_config"].num_shards == 16
    assert settings["tpu_config"].iterations_per_loop == 500
    assert built.call_args[1]["use_tpu"] is True
    assert built.call_args[1]["train_batch_size"] == 64


class OfNoCommonKind(Exception):
    """As what oauth2client raises where there are no credentials."""


@pytest.mark.parametrize("kind", [OSError, OfNoCommonKind])
def test_a_tpu_that_cannot_be_looked_up_is_one_line(kind, monkeypatch):
    library = types.SimpleNamespace(Error=OfNoCommonKind)
    monkeypatch.setitem(sys.modules, "oauth2client.client", library)
    unreachable = mock.Mock(side_effect=kind("<urlopen error no such host>"))
    hardware = estimator.Hardware(use_tpu=True, tpu_name="ko-8")
    name = "TPUClusterResolver"
    with mock.patch.object(tf.distribute.cluster_resolver, name, unreachable):
        with pytest.raises(InputError) as raised:
            estimator.build_estimator(
                None, "out", estimator.BatchSizes(64, 8, 8), hardware, 1
            )
    assert str(raised.value) == (
        "--tpu_name=ko-8 cannot be looked up (<urlopen error no such host>). Check the "
        "name, --tpu_zone, --gcp_project, the network and your credentials, or pass "
        "its address: grpc://HOST:8470."
    )


def test_without_tpu_no_cluster_is_asked_for():
    name = "TPUClusterResolver"
    with mock.patch.object(tf.distribute.cluster_resolver, name) as resolver:
        estimator.build_estimator(
            lambda features, labels, mode, params: None,
            None,
            estimator.BatchSizes(),
            estimator.Hardware(tpu_name="ignored"),
            1,
        )
    assert not resolver.called


def test_upstreams_flags_are_all_there_with_their_defaults():
    """Those of google-research/bert's run_classifier.py; paths are found by default."""
    defaults = dict(
        data_dir=None,
        bert_config_file=None,
        task_name=None,
        vocab_file=None,
        output_dir=None,
        init_checkpoint=None,
        max_seq_length=128,
        do_train=False,
        do_eval=False,
        do_predict=False,
        train_batch_size=32,
        learning_rate=5e-5,
        num_train_epochs=3.0,
        warmup_proportion=0.1,
        save_checkpoints_steps=1000,
        iterations_per_loop=1000,
        use_tpu=False,
        tpu_name=None,
        tpu_zone=None,
        gcp_project=None,
        master=None,
        num_tpu_cores=8,
    )
    for name, default in defaults.items():
        assert finetune.FLAGS[name].default == default, name
    for name in ("do_lower_case", "eval_batch_size", "predict_batch_size"):
        assert name in finetune.FLAGS


class Stopped(Exception):
    """Ends a run where a test has seen enough."""


@pytest.mark.slow
def test_signals_end_training_after_a_step_that_is_saved(
    tmp_path, monkeypatch, capfd, caplog
):
    """SIGTERM at an evaluation, for which it does not wait, then Ctrl-C."""
    signals = {4: signal.SIGTERM, 7: signal.SIGINT}
    evaluated = {4: [2], 7: [2, 4, 6]}
    before = [signal.getsignal(number) for number in signals.values()]
    hook = hooks.StopOnSignalHook
    steps, after_run = [], hook.after_run

    def interrupted(self, *arguments):
        steps.append(1)
        if len(steps) in signals:
            os.kill(os.getpid(), signals[len(steps)])
        return after_run(self, *arguments)

    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")

    def train(folder):
        flags = dict(eval_every_steps=2, do_predict=False)
        return runs.run(*runs.arguments(data, model, tmp_path / folder, **flags))

    assert train("plain") == 0
    monkeypatch.setattr(hook, "after_run", interrupted)
    for step, number in signals.items():
        assert train("stopped") == 128 + number
        assert f"Stopped by a signal; step {step} is saved. The same" in caplog.text
        history = runs.read_json(tmp_path, "stopped", "history.json")
        assert [entry["step"] for entry in history] == evaluated[step]
        told = "Ctrl-C again loses it" in capfd.readouterr().err
        assert told == (number == signal.SIGINT)
        assert [signal.getsignal(each) for each in signals.values()] == before
    assert train("stopped") == 0
    assert "Resuming at step 7 of 11." in caplog.text
    assert weights(tmp_path / "stopped") == weights(tmp_path / "plain")


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(tmp_path, monkeypatch, capfd):
    hook = hooks.StopOnSignalHook
    after_run = hook.after_run

    def impatient(self, *arguments):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return after_run(self, *arguments)

    monkeypatch.setattr(hook, "after_run", impatient)
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")
    assert runs.run(*runs.arguments(data, model, tmp_path / "out")) == 130
    assert "Stopped. The same command resumes the run." in capfd.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    "flags, padded",
    [
        (dict(), False),
        (dict(pad_to_max=True), True),
        (dict(use_tpu=True, tpu_name="ko", num_tpu_cores=2), True),
    ],
    ids=["default", "flag", "tpu"],
)
def test_batches_are_padded_to_the_maximum_where_asked_and_on_tpu(
    tmp_path, flags, padded
):
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")
    seen = []

    def train(self, data, evaluate, dev):
        seen.extend([data, dev])
        raise Stopped

    with mock.patch.object(trainer.FineTuner, "train", train):
        with mock.patch.object(estimator, "build_estimator"):
            with pytest.raises(Stopped):
                runs.run(*runs.arguments(data, model, tmp_path / "out", **flags))
    assert [(d.pad_to_max, d.max_seq_length) for d in seen] == [(padded, 8)] * 2
    assert [d.num_examples for d in seen] == [22, 7]


def test_a_vocabulary_with_too_few_pieces_is_mentioned(tmp_path, caplog):
    """The table may be padded, so that it is no error; but it is a common mistake."""
    model = runs.write_model(tmp_path / "m")
    assert runs.run(*runs.arguments("none", model, tmp_path / "out")) == 1
    assert (
        "vocab.txt has 23 pieces for 40 rows of the embedding table: the others stay "
        "unused." in caplog.text
    )


def test_a_file_of_unknown_pieces_is_told_once_with_its_cause(tmp_path, caplog):
    data, model = runs.write_data(tmp_path / "data"), runs.write_model(tmp_path / "m")
    text = (data / "dev.tsv").read_text(encoding="utf-8")
    header, *rows = text.splitlines()
    rows = [re.sub(r"\t.*\t", "\tどうも\t", row) for row in rows]
    (data / "dev.tsv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    output = tmp_path / "out"
    assert runs.run(*runs.arguments(data, model, output, num_train_epochs=1)) == 0
    assert caplog.text.count("of the pieces are unknown to the vocabulary") == 1
    assert "dev: 100.0% of the pieces are unknown" in caplog.text
    assert "for example in 'どうも'. The vocabulary may belong to" in caplog.text
