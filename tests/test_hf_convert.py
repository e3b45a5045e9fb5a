"""convert_checkpoint.py from the command line: files, flags, mistakes."""

import json
import os
import pickle

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="needs the package safetensors")

from hf_reference import CONFIGS, TASK, batch, run  # noqa: E402

import convert_checkpoint  # noqa: E402
from encoder_ko import command_line, tensor_files  # noqa: E402

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
RESULTS = {
    "task": "NSMC",
    "metrics": {"accuracy": 0.8453, "confusion_matrix": [[1, 2], [3, 4]]},
    "flags": {"learning_rate": 5e-5, "data_dir": "datasets/nsmc", "do_eval": True},
    "init_checkpoint": "models/model.ckpt",
}


def write(path, text):
    with open(str(path), "w", encoding="utf-8") as writer:
        writer.write(text)


def model_folder(path, model_type="bert", head="classification"):
    """A run's folder: checkpoint in best/, task.json, eval_results.json."""
    config = CONFIGS[model_type]
    values, _ = run(model_type, head, config, batch(config.vocab_size))
    os.makedirs(str(path / "best"))
    values = dict(values)
    saved = dict(values, **{"bert/pooler/dense/bias/adam_m": np.zeros(2, np.float32)})
    tensor_files.write_checkpoint(str(path / "best" / "model.ckpt-7"), saved)
    write(path / f"{model_type}_config.json", config.to_json_string())
    pieces = SPECIAL + [f"말{n}" for n in range(config.vocab_size - len(SPECIAL))]
    write(path / "vocab.txt", "".join(piece + "\n" for piece in pieces))
    task = {"name": TASK, "kind": head, "label_names": ["부정", "중립", "긍정"]}
    write(path / "task.json", json.dumps({"model_type": model_type, "task": task}))
    write(path / "eval_results.json", json.dumps(RESULTS))
    return values


def convert(*words):
    command_line.run(
        convert_checkpoint.main,
        convert_checkpoint.FLAGS,
        ["convert_checkpoint.py"] + [str(word) for word in words],
    )


def to_hf(source, target, *more):
    convert(
        "--from",
        "tf",
        "--to",
        "hf",
        "--input_dir",
        source,
        "--output_dir",
        target,
        *more,
    )


def to_tf(source, target, *more):
    convert(
        "--from",
        "hf",
        "--to",
        "tf",
        "--input_dir",
        source,
        "--output_dir",
        target,
        *more,
    )


def fails(capsys, function, *arguments):
    with pytest.raises(SystemExit) as stopped:
        function(*arguments)
    assert stopped.value.code == 1
    return capsys.readouterr().err


@pytest.fixture
def exported(tmp_path):
    values = model_folder(tmp_path / "run")
    to_hf(tmp_path / "run", tmp_path / "hf")
    return tmp_path / "hf", values


def test_the_files_of_a_fine_tuned_model(exported):
    folder, _ = exported
    assert sorted(os.listdir(str(folder))) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    content = json.loads((folder / "config.json").read_text("utf-8"))
    assert content["architectures"] == ["BertForSequenceClassification"]
    assert content["id2label"] == {"0": "부정", "1": "중립", "2": "긍정"}


def test_the_model_card(exported):
    card = (exported[0] / "README.md").read_text("utf-8")
    assert "pipeline_tag: text-classification" in card
    assert "| accuracy | 0.8453 |" in card
    assert "| `--learning_rate` | `5e-05` |" in card
    assert "- data_dir: `datasets/nsmc`" in card
    assert "부정, 중립, 긍정" in card


def test_the_way_back_is_a_model_dir(exported, tmp_path):
    folder, values = exported
    to_tf(folder, tmp_path / "tf")
    assert sorted(os.listdir(str(tmp_path / "tf"))) == [
        "bert_config.json",
        "checkpoint",
        "model.ckpt.data-00000-of-00001",
        "model.ckpt.index",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    returned = tensor_files.read_checkpoint(str(tmp_path / "tf" / "model.ckpt"))
    assert {n: v.tobytes() for n, v in returned.items()} == {
        n: v.tobytes() for n, v in values.items()
    }
    text = (tmp_path / "tf" / "bert_config.json").read_text("utf-8")
    assert text == CONFIGS["bert"].to_json_string()


def test_nothing_is_overwritten(exported, tmp_path, capsys):
    folder, _ = exported
    before = (folder / "config.json").read_bytes()
    error = fails(capsys, to_hf, tmp_path / "run", folder)
    assert "config.json, model.safetensors" in error and "--overwrite" in error
    assert (folder / "config.json").read_bytes() == before
    write(folder / "notes.txt", "mine")
    to_hf(tmp_path / "run", folder, "--overwrite")
    assert (folder / "notes.txt").exists()
    assert sorted(os.listdir(str(tmp_path))) == ["hf", "run"]


def test_electras_two_networks_go_and_come_together(tmp_path):
    values = model_folder(tmp_path / "run", "electra", "pretraining")
    os.remove(str(tmp_path / "run" / "task.json"))
    to_hf(tmp_path / "run", tmp_path / "hf", "--model_type=electra")
    assert sorted(os.listdir(str(tmp_path / "hf"))) == ["discriminator", "generator"]
    to_tf(tmp_path / "hf", tmp_path / "tf")
    returned = tensor_files.read_checkpoint(str(tmp_path / "tf" / "model.ckpt"))
    assert set(returned) == set(values)
    assert (tmp_path / "tf" / "electra_config.json").exists()
    assert (tmp_path / "tf" / "generator_config.json").exists()


def test_the_encoder_alone(exported, tmp_path):
    folder, values = exported
    to_tf(folder, tmp_path / "tf", "--encoder_only")
    returned = tensor_files.read_checkpoint(str(tmp_path / "tf" / "model.ckpt"))
    assert set(values) - set(returned) == {"output_weights", "output_bias"}


def test_names_of_labels_must_be_as_many_as_outputs(tmp_path, capsys):
    model_folder(tmp_path / "run")
    error = fails(
        capsys, to_hf, tmp_path / "run", tmp_path / "hf", "--labels=부정,긍정"
    )
    assert "3 outputs but there are 2 label names" in error
    assert not (tmp_path / "hf").exists()


def test_another_padding_id(exported, tmp_path, capsys):
    folder, _ = exported
    content = json.loads((folder / "config.json").read_text("utf-8"))
    write(folder / "config.json", json.dumps(dict(content, pad_token_id=3)))
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "pad_token_id=3 but [PAD] has the id 0" in error
    assert not (tmp_path / "tf").exists()


def test_pickles_are_not_opened(exported, tmp_path, capsys):
    folder, _ = exported
    os.remove(str(folder / "model.safetensors"))
    with open(str(folder / "pytorch_model.bin"), "wb") as writer:
        pickle.dump(os.getcwd, writer)
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "pip install torch" in error or "tensors alone" in error


def test_a_cut_file(exported, tmp_path, capsys):
    folder, _ = exported
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    error = fails(capsys, to_tf, folder, tmp_path / "tf")
    assert "model.safetensors could not be read" in error


def test_missing_flags_and_folders(tmp_path, capsys):
    assert "--from is missing" in fails(capsys, convert)
    error = fails(capsys, to_hf, tmp_path / "none", tmp_path / "hf")
    assert "There is no folder" in error
    error = fails(capsys, to_tf, tmp_path, tmp_path / "tf")
    assert "config.json" in error
    words = ["--from=tf", "--to=tf", f"--input_dir={tmp_path}", "--output_dir=x"]
    assert "nothing to convert" in fails(capsys, convert, *words)
