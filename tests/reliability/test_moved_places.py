"""A run resumes by the contents of what it reads, wherever that lies now."""

import json
import shutil

import pytest

from data.records.dataset import open_records
from encoder_ko.training import checkpoints
from tests.support import fine_tuning_runs as runs
from tests.support import pretraining_runs

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that starts from the checkpoint of another: start, data and output."""
    folder = tmp_path_factory.mktemp("finished")
    data = runs.write_data(folder / "data")
    model = runs.write_model(folder / "model")
    once = dict(num_train_epochs=1, do_eval=None, do_predict=None)
    assert runs.run(*runs.arguments(data, model, folder / "start", **once)) == 0
    flags = arguments(folder / "data", folder / "start", folder / "run")
    assert runs.run(*flags) == 0
    return folder


def arguments(data, start, output):
    return runs.arguments(
        data,
        start,
        output,
        model_dir=start,
        bert_config_file=None,
        vocab_file=None,
        num_train_epochs=1,
        do_eval=None,
    )


@pytest.fixture()
def moved(finished, tmp_path):
    """All of it in another place."""
    folder = tmp_path / "moved"
    shutil.copytree(str(finished), str(folder))
    return folder


def again(folder, capsys):
    """Whether the run is taken for the one that it was, and what is said."""
    flags = arguments(folder / "data", folder / "start", folder / "run")
    status = runs.run(*flags)
    return status, capsys.readouterr().err


def test_data_and_model_may_be_moved(moved, capsys):
    status, said = again(moved, capsys)
    assert status == 0 and "This run is complete" in said
    settings = runs.read_json(moved, "run", "run_config.json")
    assert settings["data_dir"] == str(moved / "data")


def test_other_weights_in_the_same_place_are_other_settings(moved, capsys):
    data, start = moved / "data", moved / "start"
    model = runs.write_model(moved / "model")
    once = dict(num_train_epochs=1, do_eval=None, do_predict=None, random_seed=7)
    shutil.rmtree(str(start))
    assert runs.run(*runs.arguments(data, model, start, **once)) == 0
    status, said = again(moved, capsys)
    assert status == 1
    assert "other settings: sha256 of init_checkpoint was '" in said
    assert "init_checkpoint was" not in said.replace(
        "sha256 of init_checkpoint was", ""
    )


@pytest.mark.parametrize("name", ["vocab.txt", "bert_config.json"])
def test_another_vocabulary_or_configuration_is_another_run(moved, capsys, name):
    for folder in (moved / "start", moved / "model"):
        path = folder / name
        text = path.read_text(encoding="utf-8")
        changed = text.replace("최고", "최저").replace(
            '"hidden_dropout_prob": 0.1', '"hidden_dropout_prob": 0.2'
        )
        assert text != changed
        path.write_text(changed, encoding="utf-8")
    settings = runs.read_json(moved, "start", "run_config.json")
    del settings["tokenizer"]
    (moved / "start" / "run_config.json").write_text(
        json.dumps(settings), encoding="utf-8"
    )
    status, said = again(moved, capsys)
    assert status == 1
    changed = "tokenizer" if name == "vocab.txt" else "model_config"
    assert f"holds a run with other settings: {changed} was" in said


def test_settings_of_older_versions_are_compared_by_name(moved, capsys):
    """They have no digest of the weights."""
    path = moved / "run" / "run_config.json"
    settings = runs.read_json(path)
    del settings["sha256 of init_checkpoint"]
    path.write_text(json.dumps(settings), encoding="utf-8")
    status, said = again(moved, capsys)
    assert status == 1 and "other settings: init_checkpoint was" in said
    settings["init_checkpoint"] = checkpoints.find_checkpoint(
        str(moved / "start" / "best")
    )
    path.write_text(json.dumps(settings), encoding="utf-8")
    status, said = again(moved, capsys)
    assert status == 0 and "This run is complete" in said


def test_a_users_task_may_be_moved(finished, tmp_path, capsys):
    def run(folder):
        named = dict(task_name=folder / "mine.json", data_dir=None)
        flags = runs.arguments(
            folder,
            finished / "model",
            tmp_path / "out",
            num_train_epochs=0.2,
            do_eval=None,
            do_predict=None,
            **named,
        )
        return runs.run(*flags)

    first = runs.write_data(tmp_path / "first")
    task = dict(name="mine", train="train.tsv", text="document", label="label")
    (first / "mine.json").write_text(
        json.dumps(dict(task, labels=["0", "1"])), encoding="utf-8"
    )
    assert run(first) == 0
    shutil.move(str(first), str(tmp_path / "second"))
    assert run(tmp_path / "second") == 0
    assert "This run is complete" in capsys.readouterr().err


def test_pretraining_from_moved_weights(tmp_path, capfd):
    folder = pretraining_runs.prepare(tmp_path, "bert")
    short = dict(num_train_steps=2, num_warmup_steps=0)

    def run(start, seed=1):
        flags = pretraining_runs.arguments(
            folder, "bert", tmp_path / "out", init_checkpoint=start, **short
        )
        return pretraining_runs.run(*flags)

    first, second = tmp_path / "first", tmp_path / "second"
    for output, seed in ((first, 1), (second, 2)):
        flags = pretraining_runs.arguments(
            folder, "bert", output, random_seed=seed, **short
        )
        assert pretraining_runs.run(*flags) == 0
    assert run(first) == 0
    shutil.move(str(first), str(tmp_path / "moved"))
    assert run(tmp_path / "moved") == 0
    assert "This run is complete" in capfd.readouterr().err
    shutil.move(str(second), str(first))
    assert run(first) == 1
    assert "other settings: sha256 of init_checkpoint was" in capfd.readouterr().err


def test_records_without_a_manifest_are_known_by_their_checksums(tmp_path):
    folder = pretraining_runs.prepare(tmp_path, "bert")
    (folder / "records" / "manifest.json").unlink()

    def digest(place):
        return open_records(str(place / "*.tfrecord"), "bert", 16, 4).digest

    before = digest(folder / "records")
    shutil.copytree(str(folder / "records"), str(tmp_path / "moved"))
    assert digest(tmp_path / "moved") == before
    paths = sorted(str(path) for path in (tmp_path / "moved").iterdir())
    shutil.copyfile(paths[0], paths[1])
    assert digest(tmp_path / "moved") != before
