"""ELECTRA's --data_dir, --model_name and --hparams as flags of both commands."""

import json
import re

import numpy as np
import pytest

from data.io.errors import InputError
from electra_ko.configure_finetuning import FinetuningConfig
from electra_ko.configure_pretraining import PretrainingConfig
from encoder_ko.finetuning import job
from encoder_ko.training import checkpoints
from korean_encoders.commands import electra_settings, finetune, pretrain
from tests.support import fine_tuning_runs as runs

BOTH = pytest.mark.parametrize(
    "command, hparams",
    [
        (pretrain, electra_settings.PRETRAINING),
        (finetune, electra_settings.FINETUNING),
    ],
)


def parsed(command, **flags):
    """The command's flags, others at their defaults."""
    for name in command.FLAGS:
        command.FLAGS[name].unparse()
    command.FLAGS(["x", *(f"--{name}={value}" for name, value in flags.items())])
    return command.FLAGS


@BOTH
def test_every_default_of_upstreams_is_known(command, hparams):
    """Joint prediction of an answer's ends, which is not here, has to be left out."""
    defaults = vars(hparams.config_class("m", "d"))
    given = {
        name: value
        for name, value in defaults.items()
        if not callable(value) and name not in ("joint_prediction", "task_names")
    }
    for name in ("model_dir", "model_name", "data_dir", "model_hparam_overrides"):
        given.pop(name, None)
    places = {n for n in given if isinstance(given[n], str) and n != "model_size"}
    given = {name: given[name] for name in set(given) - places}
    flags = parsed(command, hparams=json.dumps(given))
    electra_settings.apply(flags, hparams)
    assert flags.model_type == "electra"
    for name, value in given.items():
        flag = hparams.flags.get(name, name)
        if flag in flags and value is not None:
            assert flags[flag].value == value, name
            assert not flags[flag].using_default_value


@BOTH
@pytest.mark.parametrize("name", ["debug", "tpu_job_name", "results_txt"])
def test_what_is_not_supported_is_named(command, hparams, name):
    value = "job" if name == "tpu_job_name" else True
    flags = parsed(command, hparams=json.dumps({name: value}))
    message = f"--hparams: {name}={json.dumps(value)} is not supported, only "
    with pytest.raises(InputError, match=re.escape(message)):
        electra_settings.apply(flags, hparams)


@BOTH
def test_an_unknown_key_is_named(command, hparams):
    flags = parsed(command, hparams='{"learning_rat": 1}')
    with pytest.raises(InputError, match="Did you mean 'learning_rate'"):
        electra_settings.apply(flags, hparams)


def test_flags_stand_for_other_names_and_the_command_line_wins():
    hparams = {"task_names": ["NSMC", "HATE"], "write_test_outputs": True}
    hparams.update(learning_rate=1e-3, num_train_epochs=2)
    flags = parsed(finetune, hparams=json.dumps(hparams), learning_rate=2e-3)
    electra_settings.apply(flags, electra_settings.FINETUNING)
    assert (flags.task_name, flags.do_predict) == ("NSMC,HATE", True)
    assert (flags.learning_rate, flags.num_train_epochs) == (2e-3, 2.0)
    flags = parsed(finetune, hparams='{"joint_prediction": true}')
    message = "joint_prediction=true is not supported, only false"
    with pytest.raises(InputError, match=message):
        electra_settings.apply(flags, electra_settings.FINETUNING)


@pytest.fixture
def upstreams_folder(tmp_path):
    """data_dir of run_finetuning.py: a model without a configuration, and a task."""
    model = tmp_path / "models" / "electra_small"
    model.mkdir(parents=True)
    words = "\n".join(runs.VOCABULARY) + "\n"
    (model / "vocab.txt").write_text(words, encoding="utf-8")
    weights = {"electra/embeddings/word_embeddings": np.zeros([2, 2], np.float32)}
    checkpoints.write_checkpoint(str(model / "model.ckpt-1"), weights)
    (tmp_path / "finetuning_data").mkdir()
    runs.write_data(tmp_path / "finetuning_data" / "nsmc")
    return tmp_path


def captured(monkeypatch, *arguments):
    """What run_classifier.py would do."""
    found = []
    monkeypatch.setattr(job, "run", lambda *args: found.append(args))
    assert runs.run_as_shipped(*arguments) == 0
    (run,) = found
    return run


def test_fine_tuning_as_upstream_is_called(upstreams_folder, monkeypatch):
    hparams = {"task_names": ["NSMC"], "model_size": "small", "num_trials": 2}
    args, family, model = captured(
        monkeypatch,
        f"--data-dir={upstreams_folder}",
        "--model-name=electra_small",
        f"--hparams={json.dumps(hparams)}",
    )
    folder = f"{upstreams_folder}/models/electra_small"
    assert family.name == "electra" and args.task.name == "NSMC"
    assert args.output.folder == f"{folder}/finetuning_models/NSMC_model"
    assert args.data.folder == f"{upstreams_folder}/finetuning_data/nsmc"
    assert model.files.init_checkpoint == f"{folder}/model.ckpt-1"
    assert model.files.vocab_file == f"{folder}/vocab.txt"
    assert (model.config.hidden_size, model.config.vocab_size) == (256, 30522)
    assert (args.actions.train, args.actions.evaluate) == (True, True)
    upstreams = FinetuningConfig("electra_small", "", task_names=["NSMC"])
    training = args.training
    assert training.learning_rate == upstreams.learning_rate
    assert training.layerwise_lr_decay == upstreams.layerwise_lr_decay
    assert training.num_trials == 2


def test_sizes_and_overrides_without_a_configuration(upstreams_folder, monkeypatch):
    hparams = {"task_names": ["NSMC"], "model_size": "large", "vocab_size": 50}
    hparams["model_hparam_overrides"] = {"num_hidden_layers": 2}
    (upstreams_folder / "models" / "electra_small" / "electra_config.json").write_text(
        json.dumps(dict(runs.CONFIG, embedding_size=8)), encoding="utf-8"
    )
    places = [f"--data_dir={upstreams_folder}", "--model_name=electra_small"]
    places.append("--allow_mismatch")  # between the file and what is asked for
    flags = [*places, f"--hparams={json.dumps(hparams)}"]
    args, _, model = captured(monkeypatch, *flags)
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (1024, 2)
    assert (args.training.learning_rate, args.training.layerwise_lr_decay) == (
        5e-5,
        0.9,
    )
    del hparams["model_size"]  # then the folder's file says what the network is
    flags = [*places, f"--hparams={json.dumps(hparams)}"]
    _, _, model = captured(monkeypatch, *flags)
    assert (model.config.hidden_size, model.config.num_hidden_layers) == (16, 2)


def test_bad_overrides_and_places_are_named(upstreams_folder, capfd):
    places = [f"--data_dir={upstreams_folder}", "--model_name=electra_small"]
    for flags, message in [
        (["--model_name=a", "--task_name=NSMC"], "in --data_dir: pass both."),
        (places, "--task_name is missing."),
        (
            [*places, "--task_name=NSMC", '--model_hparam_overrides={"depth": 2}'],
            "model_hparam_overrides has the unknown key 'depth' for ElectraConfig",
        ),
        (
            ["--model_type=electra", "--task_name=NSMC", "--do_train", "--output_dir=o"]
            + [
                "--model_size=small",
                f"--model_dir={places[0][11:]}/models/electra_small",
            ],
            "--model_size needs --vocab_size, the rows of the embeddings.",
        ),
    ]:
        assert runs.run_as_shipped(*flags) == 1
        assert message in capfd.readouterr().err


def test_pretraining_defaults_are_upstreams():
    flags = parsed(pretrain, hparams="{}")
    electra_settings.apply(flags, electra_settings.PRETRAINING)
    electra_settings.pretraining_defaults(flags)
    config = electra_settings.config_of_flags(flags)
    upstreams = PretrainingConfig("m", "")
    assert config.vocab_size == upstreams.vocab_size
    assert config.embedding_size == upstreams.embedding_size
    assert flags.model_size == upstreams.model_size
