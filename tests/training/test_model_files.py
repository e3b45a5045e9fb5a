"""The files of a model: those that are named, else those of the models folder."""

import pytest

from bert_ko.modeling import BertConfig
from data.io.errors import InputError
from encoder_ko.training.model_files import find_model_files


def write(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text("content", encoding="utf-8")
    return str(folder)


def test_usual_names(tmp_path):
    folder = write(
        tmp_path / "models",
        "bert_config.json",
        "vocab.txt",
        "tokenizer_config.json",
        "model.ckpt-2000000.index",
    )
    assert find_model_files(folder, "bert") == (
        f"{folder}/bert_config.json",
        f"{folder}/vocab.txt",
        f"{folder}/model.ckpt-2000000",
    )


def test_names_of_kr_bert_medium(tmp_path):
    folder = write(
        tmp_path / "models",
        "bert_config_v20K.json",
        "20000-vocab.txt",
        "tokenizer_config_v20K.json",
    )
    assert find_model_files(folder, "bert") == (
        f"{folder}/bert_config_v20K.json",
        f"{folder}/20000-vocab.txt",
        None,  # trains from scratch
    )


def test_named_files_win_and_the_folders_checkpoint_may_not_fit_them(tmp_path):
    folder = write(
        tmp_path / "models", "bert_config.json", "vocab.txt", "model.ckpt.index"
    )
    other = write(tmp_path / "other", "config.json", "v.txt", "x.ckpt.index")
    assert find_model_files(folder, "bert", other + "/config.json") == (
        f"{other}/config.json",
        f"{folder}/vocab.txt",
        None,
    )
    found = find_model_files(folder, "bert", vocab_file=other + "/v.txt")
    assert found.vocab_file == f"{other}/v.txt"
    assert found.init_checkpoint == f"{folder}/model.ckpt"
    found = find_model_files(folder, "bert", init_checkpoint=other + "/x.ckpt")
    assert found.init_checkpoint == f"{other}/x.ckpt"


def test_choices_are_left_to_the_user(tmp_path):
    folder = write(tmp_path / "models", "a_config.json", "b_config.json", "vocab.txt")
    with pytest.raises(InputError) as raised:
        find_model_files(folder, "bert")
    assert str(raised.value) == (
        f"{folder} holds several files for the model configuration "
        "(bert_config.json): a_config.json, b_config.json. Choose one with "
        "--bert_config_file."
    )
    write(tmp_path / "models", "bert_config.json", "a.ckpt.index", "b.ckpt.index")
    with pytest.raises(InputError, match=r"several checkpoints \(a.ckpt, b.ckpt\)"):
        find_model_files(folder, "bert")


def test_a_sentencepiece_model_is_a_vocabulary(tmp_path):
    folder = write(tmp_path / "models", "albert_config.json", "30k.model")
    assert find_model_files(folder, "albert").vocab_file == f"{folder}/30k.model"


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_a_folder_of_hugging_face_has_to_be_converted(tmp_path, weights):
    folder = write(tmp_path / "hf", "config.json", weights, "tokenizer.json")
    with pytest.raises(InputError) as raised:
        find_model_files(folder, "bert")
    assert str(raised.value) == (
        f"{folder} is a model of Hugging Face: convert it with `python3 "
        f"convert_checkpoint.py --from hf --to tf --input_dir={folder}` and name that "
        "command's --output_dir instead."
    )


def test_a_configuration_of_hugging_face_is_told_from_a_wrong_one(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"architectures": ["BertModel"], "vocab_size": 9}')
    with pytest.raises(InputError, match="of Hugging Face: convert the model with"):
        BertConfig.from_json_file(str(path))


def test_a_git_lfs_pointer_is_no_configuration(tmp_path):
    path = tmp_path / "bert_config.json"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n")
    with pytest.raises(InputError, match="bert_config.json is a Git LFS pointer"):
        BertConfig.from_json_file(str(path))
