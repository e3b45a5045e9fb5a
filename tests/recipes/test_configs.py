"""The recipes' settings: every file fits the command that takes it."""

import copy
import glob
import json
import os

import pytest
from absl import flags

from albert_ko.modeling import AlbertConfig
from bert_ko.modeling import BertConfig
from data import clean_corpus, create_pretraining_data, train_vocab
from data.io import cli, flag_files
from data.tokenization import TokenizerConfig
from electra_ko.model.modeling import ElectraConfig, generator_config
from korean_encoders.commands import pretrain
from tests.support.paths import ROOT

CLASSES = {"bert": BertConfig, "albert": AlbertConfig, "electra": ElectraConfig}
MODELS = {
    # model type; batch, steps and rate of pre-training as their authors published them
    "kr_bert_medium": ("bert", 64, 2000000, 1e-4),
    "kore_albert_base": ("albert", 2048, 125000, 1.25e-3),
    "kr_electra": ("electra", 256, 700000, 2e-4),
    "dialog_koelectra_small": ("electra", 512, 700000, 1e-4),
    "kcelectra_base": ("electra", 256, 848000, 2e-4),
    "cpu_hour": ("electra", 128, 24000, 1e-3),  # ours
}
COMMANDS = {
    "clean.json": clean_corpus,
    "vocabulary.json": train_vocab,
    "records.json": create_pretraining_data,
}


def folder(name, *file):
    return os.path.join(ROOT, "configs", name, *file)


def model_config(name):
    model_type = MODELS[name][0]
    path = folder(name, f"{model_type}_config.json")
    return CLASSES[model_type].from_json_file(path)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_data_commands_take_the_files(name):
    for file, command in COMMANDS.items():
        if not os.path.exists(folder(name, file)):
            continue
        values = flags.FlagValues()
        command.define_flags(values)
        values.mark_as_parsed()
        flag_files.apply_settings(values, folder(name, file))
        with open(folder(name, file), encoding="utf-8") as reader:
            wanted = json.load(reader)
        for flag, value in wanted.items():
            if not flag.startswith("_") and isinstance(value, (bool, int, float)):
                assert values[flag].value == value, (file, flag)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_pretraining_takes_the_published_settings(name):
    model_type, batch_size, steps, rate = MODELS[name]
    values = copy.deepcopy(pretrain.FLAGS)
    for flag in values:
        values[flag].unparse()  # another test may have run the script
    file = folder(name, "pretraining.json")
    assert cli.parse_into(values, ["run_pretraining.py", f"--config={file}"], "")
    assert values.model_type == model_type
    assert values.train_batch_size == batch_size
    assert values.num_train_steps == steps
    assert values.learning_rate == rate
    assert values.max_seq_length == (64 if name == "cpu_hour" else 128)
    path = values[f"{model_type}_config_file"].value
    assert CLASSES[model_type].from_json_file(path) == model_config(name)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_records_and_pretraining_agree(name):
    def read(file):
        with open(folder(name, file), encoding="utf-8") as reader:
            return json.load(reader)

    records, training = read("records.json"), read("pretraining.json")
    for key in ("model_type", "max_seq_length"):
        assert records[key] == training[key]
    assert records.get("max_predictions_per_seq") == training.get(
        "max_predictions_per_seq"
    )


@pytest.mark.parametrize("name", sorted({*MODELS} - {"cpu_hour"}))
def test_tokenizers_are_cased_and_keep_hangul_whole(name):
    config = TokenizerConfig.from_json_file(folder(name, "tokenizer_config.json"))
    assert not config.lower_case and config.effective_decompose == "none"
    assert (config.algorithm == "sentencepiece") == (name == "kore_albert_base")
    morphemes = {"kr_electra": "vocabulary", "dialog_koelectra_small": "run_time"}
    assert config.morphemes == morphemes.get(name, "none")


def test_published_sizes():
    sizes = {
        name: (c.num_hidden_layers, c.embedding_width, c.hidden_size, c.vocab_size)
        for name, c in ((name, model_config(name)) for name in MODELS)
    }
    assert sizes == {
        "kr_bert_medium": (12, 768, 768, 20000),
        "kore_albert_base": (12, 128, 768, 30000),
        "kr_electra": (12, 768, 768, 30000),
        "dialog_koelectra_small": (12, 128, 256, 40000),
        "kcelectra_base": (12, 768, 768, 50135),
        "cpu_hour": (4, 256, 256, 16000),
    }
    generator = generator_config(model_config("kr_electra"), 0.33333)
    assert (generator.num_hidden_layers, generator.embedding_width) == (12, 768)
    assert (generator.hidden_size, generator.num_attention_heads) == (256, 4)


def test_every_file_is_json():
    paths = glob.glob(folder("*", "*"))
    assert len(paths) > 30
    for path in paths:
        with open(path, encoding="utf-8") as reader:
            assert isinstance(json.load(reader), dict), path
