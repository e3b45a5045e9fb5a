"""run_classifier.py over task types and models; the folder that a run leaves behind."""

import json
from unittest import mock

import numpy as np
import pytest

from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.finetuning import job as fine_tuning_job
from encoder_ko.finetuning.saved_run import FineTunedModel
from korean_encoders.commands import finetune
from korean_encoders.model_types import FAMILIES
from tests.support import fine_tuning_runs as runs
from tests.support import pretraining_runs

pytestmark = pytest.mark.slow

OWN_KEYS = {"bert": {}, "albert": {"embedding_size": 8}, "electra": {}}


def write_model(folder, model_type):
    """<type>_config.json and vocab.txt."""
    runs.write_model(folder)
    (folder / "bert_config.json").unlink()
    config = json.dumps(dict(runs.CONFIG, **OWN_KEYS[model_type]))
    (folder / f"{model_type}_config.json").write_text(config, encoding="utf-8")
    return folder


def write_pairs(folder):
    """KorSTS's files; equal texts have the score 5, others less."""
    folder.mkdir()
    for name, count, start in (("train", 24, 0), ("dev", 9, 100), ("test", 7, 200)):
        texts = [text for text, _ in runs.texts_and_labels(count + 1, start)]
        rows = [
            (texts[n], texts[n + n % 2], 5 - 3.5 * (n % 2) - n / 20)
            for n in range(count)
        ]
        runs.write_table(
            folder / f"sts-{name}.tsv", ("sentence1", "sentence2", "score"), rows
        )
    return folder


def flags_of(data, model, model_type, output, **changes):
    """With a folder of weights as --model_dir, else from scratch."""
    found = dict(bert_config_file=None, vocab_file=None, eval_every_steps=1000)
    config = model / f"{model_type}_config.json"
    if (model / "checkpoint").exists() or not config.exists():
        found["model_dir"] = model
    else:
        found[f"{model_type}_config_file"] = config
        found["vocab_file"] = model / "vocab.txt"
    found.update(changes)
    return runs.arguments(data, model, output, model_type=model_type, **found)


@pytest.mark.parametrize("model_type", sorted(OWN_KEYS))
def test_scores_on_each_model(tmp_path, model_type, caplog):
    data, output = write_pairs(tmp_path / "data"), tmp_path / "out"
    model = write_model(tmp_path / "model", model_type)
    flags = flags_of(data, model, model_type, output, task_name="KorSTS")
    with caplog.at_level("INFO"):
        assert runs.run_with_pictures(*flags) == 0
    assert "train: the end of" in caplog.text  # pairs above max_seq_length=8
    assert caplog.text.count("dev: the end of") == 1
    header, *rows = runs.read_rows(output, "test_results.tsv")
    assert header == ["id", "score", "is_cut"]
    assert {row[2] for row in rows} == {"true", "false"}
    assert [row[0] for row in rows] == [f"test-{n}" for n in range(1, 8)]
    report = runs.read_json(output, "test_results.json")["metrics"]
    scores = [float(row[2]) for row in runs.read_rows(data, "sts-test.tsv")[1:]]
    predicted = [float(row[1]) for row in rows]
    assert report["pearson"] == pytest.approx(
        np.corrcoef(scores, predicted)[0, 1], abs=1e-3
    )
    assert report["score"] == report["spearman"]
    text = (output / "eval_results.txt").read_text(encoding="utf-8")
    names = [line.split(" = ")[0] for line in text.splitlines()]
    assert names == [
        "eval_loss",
        "eval_pearson",
        "eval_spearman",
        "global_step",
        "loss",
    ]
    for name in ("scores.png", "scores_test.png"):
        assert (output / name).read_bytes().startswith(b"\x89PNG")
    check_folder(output, model_type)


def check_folder(output, model_type):
    """The run's folder is a whole model, wherever it goes."""
    moved = output.parent / "moved"
    output.rename(moved)
    for name in ("model", "data"):
        (output.parent / name).rename(output.parent / f"no {name}")
    found = FineTunedModel.load(str(moved), FAMILIES)
    assert found.family is FAMILIES[model_type]
    assert found.config.to_dict().items() >= runs.CONFIG.items()
    assert found.tokenizer.vocabulary.path == str(moved / "vocab.txt")
    assert found.task.score_range == (0.0, 5.0)
    assert (found.task.name, found.task_type.name) == ("KorSTS", "regression")
    assert found.task_type.settings.max_seq_length == 8
    names = {name for name, _ in tf.train.list_variables(found.checkpoint)}
    head = (
        "task_specific/korsts/dense/bias" if model_type == "electra" else "output_bias"
    )
    assert head in names


def test_a_folder_without_a_model_is_refused(tmp_path):
    def said():
        with pytest.raises(InputError) as raised:
            FineTunedModel.load(str(tmp_path), FAMILIES)
        return str(raised.value)

    assert "holds no fine-tuned model (no task.json)" in said()
    (tmp_path / "trial_1").mkdir()
    (tmp_path / "trial_1" / "task.json").write_text("{}", encoding="utf-8")
    assert "holds several trials: name one, such as" in said()
    (tmp_path / "task.json").write_text('{"model_type": "gpt"}', encoding="utf-8")
    assert "is not what a run of run_classifier.py writes ('gpt')" in said()


def test_a_pre_training_run_is_a_model(tmp_path):
    """Its folder as --model_dir; the generator and the slots stay behind."""
    folder = pretraining_runs.prepare(tmp_path, "electra")
    model, output = tmp_path / "pretrained", tmp_path / "out"
    flags = pretraining_runs.arguments(folder, "electra", model, do_train=True)
    assert pretraining_runs.run(*flags) == 0
    data = runs.write_data(tmp_path / "data")
    assert runs.run(*flags_of(data, model, "electra", output, do_eval=False)) == 0
    report = runs.read_json(output, "restored_variables.json")
    assert report["checkpoint"] == str(model / "model.ckpt-12")
    assert report["missing"] == [
        "task_specific/nsmc/dense/bias",
        "task_specific/nsmc/dense/kernel",
    ]
    left = ("generator", "discriminator_predictions/")
    assert all(name.startswith(left) for name in report["unused"])
    assert any(name.startswith("generator/") for name in report["unused"])
    assert "global_step" in report["optimizer_state"]
    assert FineTunedModel.load(str(output), FAMILIES).config.to_dict() == (
        FAMILIES["electra"]
        .config_class.from_json_file(str(model / "electra_config.json"))
        .to_dict()
    )


def resolved(tmp_path, capsys, model_type, **flags):
    """The flags' values after a run that ended at the missing data."""
    model = tmp_path / model_type
    if not model.exists():
        write_model(model, model_type)
    flags = dict(dict(learning_rate=None, num_train_epochs=None), **flags)
    arguments = flags_of("none", model, model_type, tmp_path / "out", **flags)
    assert runs.run(*arguments) == 1
    assert "The data folder none does not exist" in capsys.readouterr().err
    names = ("learning_rate", "layerwise_lr_decay", "warmup_proportion")
    names += ("num_train_epochs", "weight_decay_rate")
    return tuple(finetune.FLAGS[name].value for name in names)


def test_defaults_of_models_and_tasks(tmp_path, capsys):
    bert = resolved(tmp_path, capsys, "bert")
    assert bert == (5e-5, 1.0, 0.1, 3.0, 0.01)
    assert resolved(tmp_path, capsys, "albert") == bert
    assert resolved(tmp_path, capsys, "electra") == (1e-4, 0.8, 0.1, 3.0, 0.01)
    large = dict(hidden_size=1024, embedding_size=8)
    write_model(tmp_path / "electra", "electra")
    config = json.dumps(dict(runs.CONFIG, **large))
    (tmp_path / "electra" / "electra_config.json").write_text(config, encoding="utf-8")
    assert resolved(tmp_path, capsys, "electra") == (5e-5, 0.9, 0.1, 3.0, 0.01)
    given = dict(task_name="PAWS", task_defaults=True)
    expected = (3e-5, 1.0, 0.0, 15.0, 0.0)
    assert resolved(tmp_path, capsys, "electra", **given) == expected
    settings = tmp_path / "flags.json"
    settings.write_text('{"weight_decay_rate": 0.01}', encoding="utf-8")
    given.update(learning_rate=1e-3, config=settings)
    assert resolved(tmp_path, capsys, "bert", **given) == (1e-3, 1.0, 0.0, 15.0, 0.01)


def test_trials_share_the_held_out_dev_set(tmp_path):
    """A dev set drawn anew would mix its own chance into that of the seeds."""
    model, seen = write_model(tmp_path / "model", "bert"), []
    data = runs.write_data(tmp_path / "data", train=60)
    (data / "dev.tsv").unlink()

    def run_once(run):
        args, splits = run._args, run._splits
        seen.append((args.training.seed, args.data.split_seed))
        held_out.append([example.example_id for example in splits.dev])
        return {}

    held_out = []
    flags = flags_of(data, model, "bert", tmp_path / "out", num_trials=3)
    with mock.patch.object(fine_tuning_job.FineTuningRun, "run", run_once):
        assert runs.run(*flags, "--random_seed=5") == 0
    assert seen == [(5, 5), (6, 5), (7, 5)]
    assert held_out[0] and held_out == held_out[:1] * 3


def test_models_that_do_not_go_with_the_flags(tmp_path, capsys):
    model = write_model(tmp_path / "model", "electra")
    for changes, expected in (
        (
            {},
            "holds electra_config.json and no bert_config.json: pass --model_type=elec",
        ),
        (
            dict(electra_config_file=model / "electra_config.json"),
            "--electra_config_file goes with --model_type=electra, which is bert now",
        ),
        (
            dict(layerwise_lr_decay=0, model_type="electra"),
            "expected more than 0, at most 1",
        ),
    ):
        model_type = changes.pop("model_type", "bert")
        flags = flags_of("none", model, model_type, tmp_path / "out", **changes)
        assert runs.run(*flags) == 1
        assert expected in capsys.readouterr().err
