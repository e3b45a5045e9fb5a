"""--overwrite deletes a run when nothing else can go wrong, not before."""

import pytest

from encoder_ko.compat import tf
from tests.support import fine_tuning_runs, pretraining_runs


@pytest.fixture()
def foreign(tmp_path):
    """A checkpoint of another model type."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable("electra/embeddings/word_embeddings", [40, 16])
        session.run(tf.global_variables_initializer())
        return tf.train.Saver().save(session, str(tmp_path / "foreign" / "model.ckpt"))


@pytest.fixture()
def old_run(tmp_path):
    """A folder with the files of a run."""
    folder = tmp_path / "old"
    folder.mkdir()
    for name in ("run_config.json", "history.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    return folder


def content(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix == ".json")


def test_pretraining_compares_names_first(tmp_path, foreign, old_run, capfd):
    prepared = pretraining_runs.prepare(tmp_path, "bert")
    flags = pretraining_runs.arguments(
        prepared,
        "bert",
        old_run,
        init_checkpoint=foreign,
        overwrite=True,
        num_warmup_steps=13,
    )
    assert pretraining_runs.run(*flags) == 1
    said = capfd.readouterr().err
    assert "has no variable of this model. It has electra/embeddings" in said
    assert "--num_warmup_steps=13 is above --num_train_steps=12" in said
    assert content(old_run) == ["history.json", "run_config.json"]


def test_fine_tuning_compares_names_first(tmp_path, foreign, old_run, capfd):
    data = fine_tuning_runs.write_data(tmp_path / "data")
    model = fine_tuning_runs.write_model(tmp_path / "model")
    flags = fine_tuning_runs.arguments(
        data, model, old_run, init_checkpoint=foreign, overwrite=True
    )
    assert fine_tuning_runs.run(*flags) == 1
    assert "has no variable of this model" in capfd.readouterr().err
    assert content(old_run) == ["history.json", "run_config.json"]
