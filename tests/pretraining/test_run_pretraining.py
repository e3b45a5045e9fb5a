"""run_pretraining.py on a tiny corpus: results, evaluations, errors."""

import glob
import json
import os
import shutil
import types
from unittest import mock

import numpy as np
import pytest

from data.evaluation import plots
from data.io.cli import parse_into
from data.io.errors import InputError
from data.io.files import temporary_name
from data.records.dataset import open_records
from encoder_ko.compat import tf
from encoder_ko.pretraining import job as pretraining_job
from encoder_ko.pretraining.trainer import Pretrainer
from encoder_ko.training import collapse
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.commands import pretrain
from tests.support import made_up_runs
from tests.support import pretraining_runs as runs

pytestmark = pytest.mark.slow

METRICS = {
    "bert": {
        "masked_lm_accuracy",
        "masked_lm_loss",
        "next_sentence_accuracy",
        "next_sentence_loss",
    },
    "albert": {
        "masked_lm_accuracy",
        "masked_lm_loss",
        "sentence_order_accuracy",
        "sentence_order_loss",
        "wop_accuracy",
        "wop_loss",
    },
    "electra": {
        "masked_lm_accuracy",
        "masked_lm_loss",
        "sampled_masked_lm_accuracy",
        "disc_loss",
        "disc_auc",
        "disc_accuracy",
        "disc_precision",
        "disc_recall",
    },
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return runs.preparer(tmp_path_factory)


@pytest.fixture(scope="module")
def finished(prepared, tmp_path_factory):
    """Model type -> output of a finished run that other tests read, not change."""
    outputs = {}

    def get(model_type):
        if model_type not in outputs:
            output = tmp_path_factory.mktemp("finished") / model_type
            flags = runs.arguments(prepared(model_type), model_type, output)
            every = 6 if model_type == "bert" else 0
            flags += ["--do_eval", f"--eval_every_steps={every}"]
            assert runs.run_with_page(*flags) == 0
            outputs[model_type] = output
        return outputs[model_type]

    return get


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_every_objective_is_in_the_results(finished, model_type):
    output = finished(model_type)
    report = runs.read_json(output, "eval_results.json")
    names = METRICS[model_type] | {"loss", "global_step"}
    assert set(report["metrics"]) == names
    assert report["metrics"]["global_step"] == 12
    assert report["flags"]["num_train_steps"] == 12 and report["seed"] == 12345
    text = (output / "eval_results.txt").read_text(encoding="utf-8")
    lines = dict(line.split(" = ") for line in text.splitlines())
    assert set(lines) == names and list(lines) == sorted(lines)
    log = runs.read_lines(output / "training_log.jsonl")
    assert [entry["step"] for entry in log] == [3, 6, 9, 12]
    wanted = {n for n in METRICS[model_type] if n not in ("disc_auc",)}
    wanted |= {"loss", "learning_rate", "gradient_norm", "sequences_per_second"}
    assert wanted <= set(log[-1])
    picture = (output / "training_curves.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 10000


@pytest.mark.parametrize("model_type", ["bert", "albert", "electra"])
def test_the_run_ends_with_a_page(finished, prepared, model_type):
    output = finished(model_type)
    text = (output / "report.html").read_text(encoding="utf-8")
    assert len(text.encode("utf-8")) < 2e6
    page = made_up_runs.Page(text)
    metrics = runs.read_json(output, "eval_results.json")["metrics"]
    loss = page.row("loss, all objectives")
    assert loss[1] == f"{metrics['loss']:.4f}"
    rows = page.rows[1:]
    assert len([row for row in rows if row[0].startswith(("masked", "word"))]) >= 2
    charts = page.data["charts"]
    names = METRICS[model_type] | {"loss"}
    assert len([name for name in charts if "curves" in name]) == len(names)
    assert len([name for name in charts if "training" in name]) == 5
    log = runs.read_lines(output / "training_log.jsonl")
    tokens = charts["chart-training-2"]["data"]["values"]
    lengths = [e["tokens_per_second"] / e["sequences_per_second"] for e in log]
    assert all(3 <= length <= 16 for length in lengths)  # of 16
    assert tokens[-1]["v"] == pytest.approx(3 * 8 * sum(lengths), rel=1e-4)
    assert "records that were trained on, since no others are named" in page.text
    assert "Record 12" in page.text and "Record 13" not in page.text
    words = {"bert": "is a random one", "albert": "swapped", "electra": "original, t"}
    assert words[model_type] in page.text


def draw(folder, log, history):
    """Draws the picture of a run with these entries."""
    lines = "".join(json.dumps(entry) + "\n" for entry in log)
    (folder / "training_log.jsonl").write_text(lines, encoding="utf-8")
    (folder / "history.json").write_text(json.dumps(history), encoding="utf-8")
    schedule = types.SimpleNamespace(train_steps=40)
    job = types.SimpleNamespace(model_type="electra", schedule=schedule)
    pretraining_job._draw_curves(job, RunFolder(str(folder)))


def test_the_picture_shows_every_figure_of_training_and_evaluation(
    tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(plots, "write_curves_png", lambda *args: drawn.append(args))
    log = dict(loss=3.0, disc_loss=0.5, disc_precision=0.6, learning_rate=1e-4, step=20)
    history = dict(loss=2.0, disc_auc=0.7, disc_precision=0.8, step=40)
    draw(tmp_path, [dict(log, step=10), log], [history])
    (_, panels, title), *_ = drawn
    assert title == "electra: step 40 of 40"
    shown = {
        name: [(curve.name, curve.steps, curve.values) for curve in curves]
        for name, curves in panels.items()
        if curves
    }
    assert list(shown) == [
        "loss", "disc loss", "disc auc", "disc precision", "learning rate"
    ]  # fmt: skip
    assert shown["disc precision"] == [
        ("training", (10, 20), (0.6, 0.6)),
        ("evaluation", (40,), (0.8,)),
    ]
    assert shown["disc auc"] == [("evaluation", (40,), (0.7,))]


def test_a_run_too_short_for_the_log_has_a_picture_of_its_evaluation(tmp_path):
    draw(tmp_path, [], [{"loss": 2.0, "disc_auc": 0.7, "step": 40}])
    assert (tmp_path / "training_curves.png").read_bytes().startswith(b"\x89PNG")
    draw(tmp_path, [], [])  # nothing to draw is no error


def test_evaluations_while_training_are_remembered(finished):
    history = runs.read_json(finished("bert"), "history.json")
    assert [entry["step"] for entry in history] == [6, 12]
    report = runs.read_json(finished("bert"), "eval_results.json")
    assert history[-1]["loss"] == report["metrics"]["loss"]


def test_total_loss_is_the_sum_of_the_objectives(finished):
    log = runs.read_lines(finished("albert") / "training_log.jsonl")
    for entry in log:
        parts = ("masked_lm_loss", "sentence_order_loss", "wop_loss")
        total = sum(entry[part] for part in parts)
        assert entry["loss"] == pytest.approx(total, rel=1e-5)
    for entry in runs.read_lines(finished("electra") / "training_log.jsonl"):
        total = entry["masked_lm_loss"] + 50 * entry["disc_loss"]
        assert entry["loss"] == pytest.approx(total, rel=1e-5)


def test_figures_go_to_tensorboard(finished):
    def tags(*parts):
        return {
            value.tag
            for path in finished("electra").joinpath(*parts).glob("events.out.*")
            for event in tf.train.summary_iterator(str(path))
            for value in event.summary.value
        }

    assert {"disc_loss", "masked_lm_accuracy", "gradient_norm"} <= tags()
    assert {"disc_auc", "disc_recall", "masked_lm_loss"} <= tags("eval")


def test_the_loss_stands_beside_the_entropy_of_the_masked_tokens(
    prepared, tmp_path, monkeypatch
):
    """Counted over all steps, evaluations between them; in the log and the results."""
    monkeypatch.setattr(collapse, "FIRST_STEP", 3)
    monkeypatch.setattr(collapse, "_LEAST", 8)
    changes = dict(eval_every_steps=6, do_eval=True, adam_bias_correction=True)
    flags = runs.arguments(prepared("electra"), "electra", tmp_path / "out", **changes)
    assert runs.run(*flags) == 0
    log = runs.read_lines(tmp_path / "out" / "training_log.jsonl")
    assert [e["step"] for e in log if "unigram_entropy" in e] == [9, 12]
    # About 25 words, equally frequent but for chance.
    assert 2.8 < log[-1]["unigram_entropy"] < np.log(len(runs.VOCABULARY)) + 0.1
    report = runs.read_json(tmp_path / "out", "eval_results.json")
    names = ("step", "masked_lm_loss", "unigram_entropy")
    assert {n: report["training"][n] for n in names} == {n: log[-1][n] for n in names}
    assert report["flags"]["adam_bias_correction"] is True


def test_adam_flags_decide_the_run_and_their_defaults_are_in_no_settings(
    finished, prepared, tmp_path, capfd
):
    """So that a run from before there were these flags is resumed."""
    settings = runs.read_json(finished("bert"), "run_config.json")
    assert not [name for name in settings if name.startswith("adam")]
    flags = runs.arguments(
        prepared("bert"), "bert", finished("bert"), adam_bias_correction=True
    )
    assert "adam_bias_correction was not given and is True now" in failing(
        capfd, *flags
    )
    flags = runs.arguments(prepared("bert"), "bert", tmp_path / "out", adam_beta2=1)
    message = failing(capfd, *flags)
    assert "adam_beta2" in message and "at least 0, less than 1" in message


def test_the_folder_is_a_whole_model(finished, prepared):
    output = finished("albert")
    for name in ("albert_config.json", "vocab.txt", "tokenizer_config.json"):
        assert (output / name).exists(), name
    vocabulary = (output / "vocab.txt").read_text(encoding="utf-8")
    assert vocabulary.split() == list(runs.VOCABULARY)


def test_the_same_command_again_trains_nothing(finished, prepared, caplog):
    """The examples of its page are the same, though ELECTRA masks in the graph."""
    output = finished("electra")
    before, pages = runs.weights(output), [examples_of(output)]
    flags = runs.arguments(prepared("electra"), "electra", output)
    assert runs.run_with_page(*flags) == 0
    assert "This run is complete (step 12 of 12)" in caplog.text
    advice = f"--init_checkpoint={output}/model.ckpt-12, another --output_dir"
    assert advice in caplog.text
    assert runs.weights(output) == before
    pages.append(examples_of(output))
    assert pages[0] == pages[1] and "Record 12" in pages[0]


def examples_of(output):
    """The examples of a run's page."""
    text = (output / "report.html").read_text(encoding="utf-8")
    return text[text.index("<h2>Examples") : text.index("<h2>The data")]


def evaluate(output, records, *flags):
    """Evaluates a run without repeating its settings; the exit status."""
    return runs.run(
        f"--output_dir={output}",
        f"--input_file={records}",
        "--nodo_train",
        "--do_eval",
        *flags,
    )


def test_a_run_is_evaluated_on_other_text_without_its_settings(
    finished, prepared, tmp_path
):
    model_type = "electra"
    output = tmp_path / "out"
    shutil.copytree(str(finished(model_type)), str(output))
    settings = (output / "run_config.json").read_bytes()
    before = runs.read_json(output, "eval_results.json")
    records = os.path.join(str(prepared(model_type)), "records", "*.tfrecord")

    assert evaluate(output, records, "--eval_batch_size=16") == 0
    after = runs.read_json(output, "eval_results.json")
    assert after["metrics"] == before["metrics"]
    assert after["records"] == before["records"]

    (tmp_path / "other").mkdir()
    first = sorted(glob.glob(records))[0]
    shutil.copy(first, str(tmp_path / "other"))
    assert evaluate(output, tmp_path / "other" / "*.tfrecord") == 0
    other = runs.read_json(output, "eval_results.json")
    assert other["metrics"]["loss"] != after["metrics"]["loss"]
    assert other["records"]["train"] == after["records"]["train"]
    assert (output / "run_config.json").read_bytes() == settings
    assert runs.weights(output) == runs.weights(finished(model_type))


def test_an_evaluation_never_deletes_and_needs_a_model(
    finished, prepared, tmp_path, capfd
):
    records = prepared("bert") / "records" / "*.tfrecord"
    shutil.copytree(str(finished("bert")), str(tmp_path / "out"))
    assert evaluate(tmp_path / "out", records, "--overwrite") == 1
    assert "--overwrite would delete the model of" in capfd.readouterr().err
    assert evaluate(tmp_path / "out", records, "--learning_rate=0.5") == 1
    assert "learning_rate was 0.01 and is 0.5 now" in capfd.readouterr().err
    assert runs.weights(tmp_path / "out") == runs.weights(finished("bert"))

    flags = runs.arguments(prepared("bert"), "bert", tmp_path / "new", do_train=False)
    assert "holds no trained model: train one" in failing(capfd, *flags, "--do_eval")
    assert not (tmp_path / "new").exists()


def test_a_run_goes_on_where_its_files_were_moved(finished, prepared, tmp_path, caplog):
    shutil.copytree(str(finished("bert")), str(tmp_path / "out"))
    for name in ("vocab.txt", "config.json"):
        shutil.copy(str(prepared("bert") / name), str(tmp_path / name))
    flags = runs.arguments(
        prepared("bert"),
        "bert",
        tmp_path / "out",
        vocab_file=tmp_path / "vocab.txt",
        bert_config_file=tmp_path / "config.json",
    )
    assert runs.run(*flags) == 0
    assert "nothing is trained again" in caplog.text


def test_init_checkpoint_begins_a_new_schedule(finished, prepared, tmp_path, capfd):
    """The weights of the other run, and step, moments and rate from the beginning."""
    source = finished("bert")
    flags = runs.arguments(
        prepared("bert"),
        "bert",
        tmp_path / "next",
        init_checkpoint=source,
        num_train_steps=1,
        num_warmup_steps=1,
    )
    assert runs.run(*flags) == 0
    start, next_ = runs.weights(source), runs.weights(tmp_path / "next")
    # The warm-up's rate at step 0 is 0, so the first update changes the moments only.
    weights = [n for n in start if "adam_" not in n and not n.startswith(("g", "s"))]
    assert len(weights) > 20 and all(start[n] == next_[n] for n in weights)
    said = capfd.readouterr().err
    assert "--num_train_steps=1 is one step of learning rate 0" in said
    moments = [n for n in start if n.endswith("adam_m")]
    assert any(start[n] != next_[n] for n in moments)
    assert runs.step_of(tmp_path / "next") == 1
    report = runs.read_json(tmp_path / "next", "restored_variables.json")
    assert report["missing"] == [] and report["unused"] == []


def test_accumulation_is_the_same_run(finished, prepared, tmp_path):
    """Four parts of a batch: another order of sums, the same schedule and log."""
    model_type = "bert"
    flags = runs.arguments(prepared(model_type), model_type, tmp_path / "parts")
    assert runs.run(*flags, "--gradient_accumulation_steps=4") == 0
    log = runs.read_lines(tmp_path / "parts" / "training_log.jsonl")
    whole = runs.read_lines(finished(model_type) / "training_log.jsonl")
    assert [e["step"] for e in log] == [e["step"] for e in whole]
    assert [e["learning_rate"] for e in log] == [e["learning_rate"] for e in whole]
    assert log[-1]["loss"] == pytest.approx(whole[-1]["loss"], rel=0.2)
    names = set(runs.weights(tmp_path / "parts"))
    assert names == set(runs.weights(finished(model_type)))


# --- What goes wrong -----------------------------------------------------------------


def failing(capfd, *flags, run=runs.run):
    """The one line that a run ends with."""
    assert run(*flags) == 1
    lines = capfd.readouterr().err.strip().splitlines()
    return [line for line in lines if line.startswith("error:")][-1]


def poison(folder, target, checkpoint):
    """A copy of a run's folder whose output bias is not a number."""
    shutil.copytree(str(folder), str(target))
    with tf.Graph().as_default(), tf.Session() as session:
        reader = tf.train.load_checkpoint(str(target / checkpoint))
        variables = []
        for name in reader.get_variable_to_shape_map():
            value = reader.get_tensor(name)
            if name == "cls/predictions/output_bias":
                value = np.full_like(value, np.nan)
            variables.append(tf.Variable(value, name=name, use_resource=True))
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(session, str(target / checkpoint))


@pytest.fixture()
def broken_start(finished, tmp_path):
    """A checkpoint with which every loss is NaN."""
    poison(finished("bert"), tmp_path / "poisoned", "model.ckpt-12")
    return tmp_path / "poisoned" / "model.ckpt-12"


def test_a_lost_loss_stops_with_step_rate_and_checkpoint(
    prepared, tmp_path, capfd, broken_start
):
    flags = runs.arguments(
        prepared("bert"), "bert", tmp_path / "lost", init_checkpoint=broken_start
    )
    message = failing(capfd, *flags)
    assert "The loss is not finite at step 1 (loss=nan" in message
    assert "learning_rate=0" in message and "gradient_norm=nan" in message
    assert f"The last good checkpoint is {tmp_path}/lost/model.ckpt-0" in message
    assert "--skip_nonfinite" in message


def test_a_lost_gradient_stops_although_the_loss_is_finite(prepared, tmp_path, capfd):
    """The square of a gradient of 1e30 is above the largest float32."""
    output = tmp_path / "lost"
    flags = runs.arguments(prepared("electra"), "electra", output, disc_weight=1e30)
    message = failing(capfd, *flags)
    assert "The gradient norm is not finite at step 1 (loss=" in message
    assert "gradient_norm=inf" in message and "loss=nan" not in message
    assert f"The last good checkpoint is {output}/model.ckpt-0" in message
    flags = runs.arguments(
        prepared("electra"), "electra", tmp_path / "out", disc_weight=1e30
    )
    assert runs.run(*flags, "--skip_nonfinite") == 0
    log = runs.read_lines(tmp_path / "out" / "training_log.jsonl")
    assert [entry["skipped_updates"] for entry in log] == [3, 6, 9, 12]
    # Nothing was applied.
    for name, value in runs.weights(tmp_path / "out").items():
        assert "adam_" not in name or not np.frombuffer(value, np.float32).any(), name


def test_lost_updates_can_be_skipped_and_are_counted(
    prepared, tmp_path, capfd, broken_start
):
    flags = runs.arguments(
        prepared("bert"), "bert", tmp_path / "skipped", init_checkpoint=broken_start
    )
    assert runs.run(*flags, "--skip_nonfinite") == 0
    log = runs.read_lines(tmp_path / "skipped" / "training_log.jsonl")
    assert [entry["skipped_updates"] for entry in log] == [3, 6, 9, 12]
    # Nothing was changed, the moments neither.
    moments = runs.weights(tmp_path / "skipped")["bert/pooler/dense/bias/adam_m"]
    assert not np.frombuffer(moments, np.float32).any()


@pytest.mark.parametrize(
    "changes,message",
    [
        (dict(max_seq_length=32), "--max_seq_length=16 (now 32). Rebuild the"),
        (dict(max_predictions_per_seq=5), "--max_predictions_per_seq=4 (now 5)"),
        (dict(max_seq_length=64), "is above max_position_embeddings=32"),
        (dict(input_file="none/*.tfrecord"), "--input_file=none/*.tfrecord: there is"),
        (dict(output_dir=None), "--output_dir is missing."),
        (dict(bert_config_file=None), "--bert_config_file is missing: name a model"),
        (dict(do_train=False), "Nothing to do: pass --do_train or --do_eval."),
        (dict(mask_prob=0.2), "--mask_prob is for electra: leave it out"),
        (dict(temperature=2), "--temperature is for electra: leave it out"),
        (dict(masked_lm_budget=0.1), "--masked_lm_budget is for albert: leave it out"),
        (dict(ngram=3), "--ngram is for --dynamic_masking; without it the masks"),
        (dict(learning_rate=-1), "--learning_rate=-1: expected more than 0."),
        (dict(train_batch_size=0), "train_batch_size"),
        (dict(gradient_accumulation_steps=3), "is not a multiple of"),
        (dict(init_checkpoint="nowhere"), "There is no checkpoint 'nowhere'"),
        (dict(config="nowhere.json"), "nowhere.json does not exist"),
        (dict(hparams='{"learning_rat": 1}'), "Did you mean 'learning_rate'"),
        (dict(use_tpu=True), "--use_tpu needs --tpu_name"),
        (
            dict(dynamic_masking=True, vocab_file=None),
            "--vocab_file is missing: masking at run time",
        ),
    ],
)
def test_wrong_flags_end_with_one_line(prepared, tmp_path, capfd, changes, message):
    flags = runs.arguments(prepared("bert"), "bert", tmp_path / "out", **changes)
    assert message in failing(capfd, *flags)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(mask_prob=0), "--mask_prob=0 of --max_seq_length=16 tokens is less than"),
        (
            dict(mask_prob=0.05),
            "--mask_prob=0.05 of --max_seq_length=16 tokens is less",
        ),
        (dict(lr_decay_power=-3), "--lr_decay_power=-3: expected at least 0"),
        (dict(disc_weight=-1), "--disc_weight=-1: expected at least 0"),
        (dict(generator_hidden_size=-1), "--generator_hidden_size=-1: expected more"),
        (dict(output_dir="out\udcc7\udcd1"), "is not UTF-8: rename the file or folder"),
        (dict(output_dir="out\0"), "has a null character: leave it out"),
    ],
)
def test_flags_of_electra_that_make_no_sense(
    prepared, tmp_path, capfd, monkeypatch, changes, message
):
    monkeypatch.chdir(tmp_path)
    flags = runs.arguments(prepared("electra"), "electra", tmp_path / "out", **changes)
    assert message in failing(capfd, *flags)
    assert not list(tmp_path.iterdir())


def test_records_of_another_tokenizer_are_refused(prepared, tmp_path, capfd):
    changed = list(runs.VOCABULARY)
    changed[-1], changed[-2] = changed[-2], changed[-1]
    (tmp_path / "vocab.txt").write_text("\n".join(changed) + "\n", encoding="utf-8")
    flags = runs.arguments(
        prepared("bert"), "bert", tmp_path / "out", vocab_file=tmp_path / "vocab.txt"
    )
    message = failing(capfd, *flags)
    assert "was made with another tokenizer: vocabulary_sha256=" in message


def test_a_run_does_not_go_on_with_other_records(prepared, finished, tmp_path, capfd):
    corpus = runs.write_corpus(tmp_path).read_text(encoding="utf-8")
    (tmp_path / "vocab.txt").write_text(
        "\n".join(runs.VOCABULARY) + "\n", encoding="utf-8"
    )
    shutil.copytree(str(finished("bert")), str(tmp_path / "out"))
    last = corpus.splitlines()[-2]  # as long, and says something else
    changed = corpus.replace(last, " ".join(reversed(last.split())))
    runs.build_records(tmp_path, "bert", changed)
    flags = runs.arguments(
        prepared("bert"),
        "bert",
        tmp_path / "out",
        input_file=tmp_path / "records" / "*.tfrecord",
    )
    assert "records was {'files'" in failing(capfd, *flags)


def test_another_run_in_the_folder_is_not_overwritten(finished, prepared, capfd):
    flags = runs.arguments(prepared("bert"), "bert", finished("bert"), random_seed=3)
    message = failing(capfd, *flags)
    assert "random_seed was 12345 and is 3 now" in message
    assert "Choose another --output_dir" in message
    flags = runs.arguments(
        prepared("bert"), "bert", finished("bert"), num_train_steps=24
    )
    assert f"--init_checkpoint={finished('bert')}/model.ckpt-12, another" in failing(
        capfd, *flags
    )


def test_damaged_records_are_named(prepared, tmp_path, capfd):
    folder = tmp_path / "data"
    shutil.copytree(str(prepared("bert")), str(folder))
    path = sorted((folder / "records").glob("*.tfrecord"))[-1]
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(bytes(content))
    message = failing(capfd, *runs.arguments(folder, "bert", tmp_path / "out"))
    assert f"{path}: the record at byte " in message
    assert "does not match its checksum" in message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
def test_a_full_disk_is_named(prepared, tmp_path, capfd):
    output = tmp_path / "out"
    output.mkdir()
    os.symlink("/dev/full", temporary_name(str(output / "training_log.jsonl")))
    message = failing(capfd, *runs.arguments(prepared("bert"), "bert", output))
    assert f"The disk of {output} is full. Make room and give the same" in message


def test_a_limit_of_the_size_of_files_is_named():
    trainer = mock.Mock(**{"_folder.path": "runs/a"})
    error = tf.errors.OutOfRangeError(None, None, "runs/a/m.data; File too large")
    with pytest.raises(InputError) as raised:
        with Pretrainer._explained_errors(trainer, None):
            raise error
    assert str(raised.value) == (
        "The disk of runs/a takes no file of that size. Raise the limit (ulimit -f) "
        "and give the same command again: it resumes at the last whole checkpoint."
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize(
    "name",
    [
        "run_config.json",
        "tokenizer_config.json",
        "history.json",
        "eval_results.txt",
        "training_curves.png",
    ],
)
def test_a_disk_that_fills_up_around_training_is_named(
    finished, prepared, tmp_path, capfd, name
):
    output = tmp_path / "out"
    shutil.copytree(str(finished("bert")), str(output))
    os.symlink("/dev/full", temporary_name(str(output / name)))
    flags = runs.arguments(prepared("bert"), "bert", output)
    message = failing(capfd, *flags, "--do_eval", run=runs.run_with_page)
    assert f"{output / name} could not be written: " in message
    assert "No space left on device" in message and "make room or" in message


def test_token_ids_above_the_embedding_table_are_explained(prepared, tmp_path, capfd):
    config = dict(runs.CONFIG, vocab_size=8)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    flags = runs.arguments(
        prepared("bert"),
        "bert",
        tmp_path / "out",
        bert_config_file=tmp_path / "config.json",
        vocab_file=None,
    )
    message = failing(capfd, *flags)
    assert "vocab_size=8" in message and "records" in message


def test_electras_own_way_of_naming_settings(prepared, tmp_path):
    """--data_dir, --model_name and --hparams, as google-research/electra has them."""
    folder = prepared("electra")
    data_dir = tmp_path / "data"
    (data_dir / "pretrain_tfrecords").mkdir(parents=True)
    shutil.copy(str(folder / "vocab.txt"), str(data_dir))
    for number, path in enumerate(sorted((folder / "records").glob("*.tfrecord"))):
        target = data_dir / "pretrain_tfrecords" / f"pretrain_data.tfrecord-{number}"
        shutil.copy(str(path), str(target))
    hparams = {
        "max_seq_length": 16,
        "train_batch_size": 4,
        "num_train_steps": 2,
        "num_warmup_steps": 1,
        "num_eval_steps": 2,
        "do_eval": True,
        "eval_batch_size": 4,
        "model_size": "small",
        "vocab_size": len(runs.VOCABULARY),
        "model_hparam_overrides": {"num_hidden_layers": 2, "hidden_size": 128},
        "electric_objective": False,
        "tpu_job_name": None,
        "keep_checkpoint_max": None,
    }
    flags = [
        f"--data-dir={data_dir}",  # hyphens, as upstream's parser has them
        "--model-name",
        "tiny",
        f"--hparams={json.dumps(hparams)}",
    ]
    job = job_of(*flags)
    assert job.output.folder == str(data_dir / "models" / "tiny")
    assert (
        job.data.total
        == open_records(str(folder / "records" / "*.tfrecord"), "electra", 16, 0).total
    )
    assert (job.schedule.train_steps, job.schedule.batch_size) == (2, 4)
    assert (job.evaluation.max_steps, job.do_eval) == (2, True)
    assert job.tokenizer.vocabulary.path == str(data_dir / "vocab.txt")
    assert (job.model_type, job.output.keep_checkpoints) == ("electra", 0)
    config = job.network.config
    assert (config.num_hidden_layers, config.hidden_size) == (2, 128)
    assert (config.intermediate_size, config.num_attention_heads) == (512, 2)
    assert (config.embedding_size, config.vocab_size) == (128, len(runs.VOCABULARY))
    assert job.hardware.iterations_per_loop == 200


def test_a_run_of_a_size_is_evaluated_later(prepared, tmp_path):
    """Its settings name the size, and its folder has the configuration of that."""
    folder = tmp_path / "out"
    sizes = dict(
        electra_config_file=None,
        model_size="small",
        vocab_size=len(runs.VOCABULARY),
        model_hparam_overrides='{"num_hidden_layers": 1, "hidden_size": 64}',
    )
    flags = runs.arguments(
        prepared("electra"), "electra", folder, num_train_steps=2, **sizes
    )
    assert runs.run(*flags) == 0
    records = f"--input_file={prepared('electra') / 'records' / '*.tfrecord'}"
    alone = ("--do_train=false", "--do_eval", f"--output_dir={folder}", records)
    config = job_of("--model_type=electra", *alone).network.config
    assert (config.num_hidden_layers, config.hidden_size) == (1, 64)
    assert config.vocab_size == len(runs.VOCABULARY)


def job_of(*flags):
    """What run_pretraining.py would do."""
    for name in pretrain.FLAGS:
        pretrain.FLAGS[name].unparse()
    parse_into(pretrain.FLAGS, ["run_pretraining.py", *flags], "")
    return pretrain.job_of_flags()


def test_masked_lm_budget_draws_masks_in_the_graph(prepared, tmp_path, capfd):
    """ALBERT's flag. Upstream reads it, and leaves out the code that masks."""
    changes = dict(masked_lm_budget=0.3, init_from_group0=True)
    arguments = runs.arguments(prepared("albert"), "albert", tmp_path / "o", **changes)
    job = job_of(*arguments)
    assert job.network.masker.options.masked_lm_prob == 0.3
    assert job.network.stand_in.names(["group_1/a", "/group_1/"], {"/group_0/"}) == {
        "/group_1/": "/group_0/"
    }
    assert "masked_lm_budget" not in job.settings and job.settings["init_from_group0"]
    message = failing(capfd, *arguments, "--masked_lm_prob=0.2")
    assert "--masked_lm_budget and --masked_lm_prob both say how much" in message


def test_ablations_of_electra_reach_the_graph_and_the_settings(prepared, tmp_path):
    folder = prepared("electra")
    plain = job_of(*runs.arguments(folder, "electra", tmp_path / "o"))
    changes = dict(
        untied_generator=False,
        untied_generator_embeddings=True,
        uniform_generator=True,
        temperature=2.0,
        disallow_correct=True,
    )
    job = job_of(*runs.arguments(folder, "electra", tmp_path / "o", **changes))
    options = job.network.build.keywords["electra"]
    assert {name: getattr(options, name) for name in changes} == changes
    assert {name: job.settings[name] for name in changes} == changes
    assert not set(changes) & set(plain.settings)  # as in runs from before
    options = plain.network.build.keywords["electra"]
    assert (options.untied_generator, options.temperature) == (True, 1.0)


def test_a_uniform_generator_needs_a_discriminator(prepared, tmp_path, capfd):
    changes = dict(uniform_generator=True, electra_objective=False)
    flags = runs.arguments(prepared("electra"), "electra", tmp_path / "o", **changes)
    message = "--uniform_generator replaces tokens for --electra_objective: without"
    assert message in failing(capfd, *flags)
