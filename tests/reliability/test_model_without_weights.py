"""A model folder without weights is never trained from scratch by accident."""

import pytest

from data.io.errors import InputError
from encoder_ko.training import checkpoints
from encoder_ko.training.model_files import find_model_files
from tests.support import fine_tuning_runs as runs


def said_of(folder, **named):
    with pytest.raises(InputError) as raised:
        find_model_files(str(folder), "bert", needs_weights=True, **named)
    return str(raised.value)


def test_what_the_folder_holds_and_how_to_go_on(tmp_path):
    model = runs.write_model(tmp_path / "model")
    assert said_of(model) == (
        f"--model_dir={model} has no checkpoint to start from: {model} holds "
        "bert_config.json, vocab.txt. Name a folder or a checkpoint (--init_checkpoint)"
        " with weights; to train from scratch, pass --bert_config_file and "
        "--vocab_file."
    )
    (model / "model.ckpt.data-00000-of-00001").write_bytes(b"x")
    assert "the *.index file that goes with the *.data-* file is" in said_of(model)
    (model / "model.safetensors").write_bytes(b"x")
    assert "convert_checkpoint.py --from hf --to tf" in said_of(model)
    assert "no model configuration" in said_of(tmp_path / "nowhere")


def test_a_named_configuration_leaves_the_weights_alone_not_silently(tmp_path):
    model = runs.write_model(tmp_path / "model")
    (model / "model.ckpt.index").write_bytes(b"x")
    config = str(model / "bert_config.json")
    said = said_of(model, config_file=config)
    assert "--bert_config_file is given, and the weights of --model_dir=" in said
    assert "name them with --init_checkpoint" in said


def test_configuration_and_vocabulary_by_name_train_from_scratch(tmp_path):
    model = runs.write_model(tmp_path / "model")
    config, vocabulary = str(model / "bert_config.json"), str(model / "vocab.txt")
    found = find_model_files(str(model), "bert", config, vocabulary, needs_weights=True)
    assert found == (config, vocabulary, None)


def test_the_default_folder_keeps_its_notice(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(str(tmp_path))
    data = runs.write_data(tmp_path / "data")
    runs.write_model(tmp_path / "models")
    changes = dict(bert_config_file=None, vocab_file=None)
    flags = runs.arguments(data, tmp_path, tmp_path / "out", **changes)
    assert runs.run(*flags, "--model_dir=models") == 1
    said = capsys.readouterr().err
    assert "error: --model_dir=models has no checkpoint to start from: models" in said
    assert not (tmp_path / "out").exists()
    flags = runs.arguments(
        data,
        tmp_path,
        tmp_path / "out",
        num_train_epochs=1,
        do_predict=False,
        do_eval=False,
        **changes,
    )
    assert runs.run(*flags) == 0
    assert "No checkpoint to start from: training from" in capsys.readouterr().err


def test_an_init_checkpoint_that_is_none(tmp_path):
    def said(path):
        with pytest.raises(InputError) as raised:
            checkpoints.require_checkpoint(str(path))
        return str(raised.value)

    assert said(tmp_path) == (
        f"There is no checkpoint '{tmp_path}': {tmp_path} is empty. Expected the "
        "prefix of its files (model.ckpt for model.ckpt.index) or a folder that holds "
        "one."
    )
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    assert "it is a file of Hugging Face's" in said(tmp_path / "pytorch_model.bin")
    assert "holds pytorch_model.bin: weights of Hugging" in said(tmp_path / "x.ckpt")
