"""ELECTRA's configure_*.py and util, as upstream's programs use them."""

import re

import pytest

from data.io.errors import InputError
from electra_ko.configure_finetuning import FinetuningConfig
from electra_ko.configure_pretraining import PretrainingConfig
from electra_ko.util import training_utils, utils
from encoder_ko.compat import tf


def test_pretraining_defaults_and_paths():
    config = PretrainingConfig("small", "data")
    assert (config.model_size, config.embedding_size) == ("small", 128)
    assert (config.mask_prob, config.max_predictions_per_seq) == (0.15, 19)
    assert (config.disc_weight, config.learning_rate) == (50.0, 5e-4)
    assert (
        config.pretrain_tfrecords == "data/pretrain_tfrecords/pretrain_data.tfrecord*"
    )
    assert config.vocab_file == "data/vocab.txt"
    assert config.model_dir == "data/models/small"
    assert config.results_pkl == "data/models/small/results/unsup_results.pkl"
    base = PretrainingConfig("base", "data", model_size="base", max_seq_length=512)
    assert (base.embedding_size, base.max_predictions_per_seq) == (None, 79)


def test_what_is_asked_for_beats_what_depends_on_it():
    config = PretrainingConfig("m", "", embedding_size=64, debug=True, num_eval_steps=7)
    assert (config.embedding_size, config.num_eval_steps) == (64, 7)
    assert (config.train_batch_size, config.num_train_steps) == (8, 20)
    assert PretrainingConfig("m", "", electric_objective=True).two_tower_generator
    config.mask_prob = 0.25
    assert config.mask_prob == 0.25


@pytest.mark.parametrize("config_class", [PretrainingConfig, FinetuningConfig])
def test_an_unknown_hparam_is_named(config_class):
    message = "Unknown hparam 'learning_rat'; did you mean 'learning_rate'?"
    with pytest.raises(InputError, match=re.escape(message)):
        config_class("m", "", learning_rat=1)


def test_finetuning_defaults_and_paths(tmp_path):
    data_dir = str(tmp_path)
    config = FinetuningConfig("small", data_dir, task_names=["nsmc", "korquad"])
    model = data_dir + "/models/small"
    assert config.init_checkpoint == model
    assert config.model_dir == model + "/finetuning_models/nsmc,korquad_model"
    assert config.results_txt == model + "/results/nsmc,korquad_results.txt"
    predictions = model + "/results/nsmc,korquad_qa/korquad_preds.json"
    assert config.qa_preds_file("korquad") == predictions
    assert config.raw_data_dir("nsmc") == data_dir + "/finetuning_data/nsmc"
    assert config.test_predictions("nsmc", "dev", 1).endswith(
        "nsmc_dev_1_predictions.pkl"
    )
    assert config.vocab_file == data_dir + "/vocab.txt"
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "models" / "small" / "vocab.txt").touch()
    assert FinetuningConfig("small", data_dir).vocab_file == model + "/vocab.txt"


def test_finetuning_defaults_depend_on_task_and_size():
    def settings(task, **others):
        config = FinetuningConfig("m", "", task_names=[task], **others)
        return config.max_seq_length, config.num_train_epochs

    assert settings("nsmc") == (128, 3.0)
    assert settings("squad") == settings("newsqa") == (512, 2.0)
    assert settings("squad", max_seq_length=384) == (384, 2.0)
    assert (settings("chunk"), settings("sts")) == ((256, 3.0), (128, 10.0))
    large = FinetuningConfig("m", "", model_size="large")
    assert (large.learning_rate, large.layerwise_lr_decay) == (5e-5, 0.9)
    assert large.embedding_size is None
    assert FinetuningConfig("m", "").embedding_size == 128


def test_get_bert_config_of_sizes_and_overrides():
    small = training_utils.get_bert_config(PretrainingConfig("m", "", vocab_size=99))
    assert small.vocab_size == 99
    sizes = (small.hidden_size, small.num_hidden_layers, small.num_attention_heads)
    assert sizes == (256, 12, 4)
    assert small.intermediate_size == 1024
    overrides = {"hidden_size": 128, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = PretrainingConfig("m", "", model_hparam_overrides=overrides)
    ours = training_utils.get_bert_config(config)
    assert {name: getattr(ours, name) for name in overrides} == overrides
    assert ours.intermediate_size == 512
    large = training_utils.get_bert_config(
        FinetuningConfig("m", "", model_size="large")
    )
    assert (large.hidden_size, large.num_attention_heads) == (1024, 16)
    with pytest.raises(InputError, match="model_size is 'huge'; expected one of small"):
        training_utils.get_bert_config(PretrainingConfig("m", "", model_size="huge"))
    config.model_hparam_overrides = {"hidden_sizes": 3}
    with pytest.raises(InputError, match="model_hparam_overrides has the unknown key"):
        training_utils.get_bert_config(config)


def test_seconds():
    seconds = [0, 5, 50, 75, 3600, 86401]
    expected = ["0", "5", "50", "1:15", "1:00:00", "1 day, 0:00:01"]
    assert [training_utils.secs_to_str(s) for s in seconds] == expected


@pytest.mark.parametrize("on_tpu, loop", [(False, 1), (True, 2)])
def test_eta_hook_prints_progress(capsys, on_tpu, loop):
    """From global step 10 on, two session runs of one step, or of two on a TPU."""
    with tf.Graph().as_default():
        step = tf.train.get_or_create_global_step()
        advance = tf.assign_add(step, loop)
        with tf.control_dependencies([advance]):
            loss = tf.constant(0.25)
        hook = training_utils.ETAHook({"loss": loss}, 20, 2, on_tpu, log_every=2)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            session.run(tf.assign(step, 10))
        with tf.train.SingularMonitoredSession(hooks=[Start(step), hook]) as session:
            for _ in range(2):
                session.run(loss)
    lines = capsys.readouterr().out.strip().split("\n")
    pattern = r"(\d+)/20 = (\S+)%, SPS: \S+, ELAP: \S+, ETA: \S+( - loss: 0.2500)?$"
    found = [re.match(pattern, line).groups() for line in lines]
    last = 10 + 2 * loop
    share = f"{100 * last / 20:.1f}"
    assert found[-2:] == [
        (str(last), share, " - loss: 0.2500"),
        (str(last), share, None),
    ]
    assert len(found) == 1 + loop


class Start(tf.train.SessionRunHook):
    """Sets the global step to 10 before the first run."""

    def __init__(self, step):
        self._assign = tf.assign(step, 10)

    def after_create_session(self, session, coord):
        session.run(self._assign)


def test_files_by_upstreams_names(tmp_path):
    path = str(tmp_path / "new" / "o.json")
    utils.write_json({"a": [1]}, path)
    assert utils.load_json(path) == {"a": [1]}
    utils.write_pickle({"a": (1, 2)}, str(tmp_path / "new" / "o.pkl"))
    assert utils.load_pickle(str(tmp_path / "new" / "o.pkl")) == {"a": (1, 2)}
    utils.mkdir(str(tmp_path / "new"))
    assert len(list((tmp_path / "new").iterdir())) == 2
    utils.rmkdir(str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []
    utils.rmrf(str(tmp_path / "new"))
    utils.rmrf(str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_messages(capsys):
    utils.heading("Training", 3)
    config = PretrainingConfig("m", "")
    utils.log_config(config)
    lines = capsys.readouterr().out.split("\n")
    assert lines[:3] == ["=" * 80, "Training 3", "=" * 80]
    assert lines[3:5] == ["debug False", "disallow_correct False"]
    assert len(lines) == 3 + len(vars(config)) + 2


def test_nested_dictionaries():
    flat = {"train_loss": 1, "train_f1": 2, "steps": 3}
    nested = {"train": {"loss": 1, "f1": 2}, "steps": 3}
    assert utils.nest_dict(flat, ["train", "eval"]) == nested
    assert utils.flatten_dict(nested) == flat
