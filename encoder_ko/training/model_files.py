"""The files of a model: configuration, vocabulary and checkpoint, named or found."""

import os
from typing import Any, Dict, NamedTuple, Optional

from data.io import files
from data.io.errors import InputError
from data.records.schema import MODEL_TYPES
from data.tokenization import CONFIG_FILE_NAME, Tokenizer, find_vocabulary
from encoder_ko.training import checkpoints, missing_weights
from encoder_ko.training.run_folder import BEST, SETTINGS, TASK, RunFolder

# Parts of the names of other files that a search for *config*.json meets.
_OTHER_CONFIGS = ("tokenizer", "run_config")


class ModelFiles(NamedTuple):
    """Paths; `init_checkpoint` is None for training from scratch."""

    config_file: Optional[str]
    vocab_file: str
    init_checkpoint: Optional[str]


def find_model_files(
    model_dir: str,
    model_type: str,
    config_file: Optional[str] = None,
    vocab_file: Optional[str] = None,
    init_checkpoint: Optional[str] = None,
    needs_weights: bool = False,
    needs_config: bool = True,
) -> ModelFiles:
    """The files that were named, and for the others those in the model's folder.

    Looked for in `model_dir`: `<model_type>_config.json` or the one `*config*.json`
    that is not a tokenizer's; `vocab.txt`, the one `*vocab*.txt` or `*.model`; the best
    checkpoint of a fine-tuning run, or the newest. The folder's checkpoint is left
    alone where a configuration was named, since it need not fit.

    Args:
      needs_weights: whether a checkpoint must be there, since the user named the
        folder. Configuration and vocabulary by name mean training from scratch.
      needs_config: False = a configuration that was not named is not looked for.

    Raises:
      InputError: a file is missing, or there are several to choose from.
    """
    for path in (config_file, vocab_file):
        if path and not files.exists(path):
            raise InputError(f"There is no file {path!r}: check the path in the flags.")
    checkpoint = None
    if init_checkpoint:
        checkpoint = checkpoints.require_checkpoint(init_checkpoint)
    elif not config_file and files.is_folder(model_dir):
        best = checkpoints.find_checkpoint(os.path.join(model_dir, BEST))
        checkpoint = best or checkpoints.find_checkpoint(model_dir)
    config = config_file
    if needs_config and not config:
        config = _find_config(model_dir, model_type)
    if needs_weights and not checkpoint and not (config_file and vocab_file):
        raise _no_weights(model_dir, model_type, bool(config_file))
    return ModelFiles(
        config,
        vocab_file or _find_vocabulary(model_dir),
        checkpoint,
    )


def _no_weights(model_dir: str, model_type: str, config_named: bool) -> InputError:
    if config_named and files.is_folder(model_dir):
        why = (
            f"--{model_type}_config_file is given, and the weights of "
            f"--model_dir={model_dir} need not fit it, so none are taken. To start "
            "from them, name them with --init_checkpoint, or leave the configuration "
            "out"
        )
    else:
        why = (
            f"--model_dir={model_dir} has no checkpoint to start from: "
            f"{missing_weights.folder_content(model_dir)}. Name a folder or a "
            "checkpoint (--init_checkpoint) with weights"
        )
    return InputError(
        f"{why}; to train from scratch, pass --{model_type}_config_file and "
        "--vocab_file."
    )


def refuse_hugging_face(folder: str) -> None:
    """Raises InputError for a folder of Hugging Face, which has to be converted."""
    names = ("model.safetensors", "pytorch_model.bin")
    names += tuple(name + ".index.json" for name in names)
    if files.exists(os.path.join(folder, "config.json")) and any(
        files.exists(os.path.join(folder, name)) for name in names
    ):
        raise InputError(
            f"{folder} is a model of Hugging Face: convert it with `python3 "
            f"convert_checkpoint.py --from hf --to tf --input_dir={folder}` and name "
            "that command's --output_dir instead."
        )


def refuse_several_tasks(folder: str) -> None:
    """Raises InputError for a run of several tasks, each of which has its folder."""
    inside = files.list_folder(folder) if files.is_folder(folder) else []
    tasks = [name for name in inside if files.exists(os.path.join(folder, name, TASK))]
    if tasks:
        raise InputError(
            f"{folder} holds a model for each of several tasks: name one, such as "
            f"{os.path.join(folder, sorted(tasks)[0])}."
        )


def _find_config(model_dir, model_type):
    usual = os.path.join(model_dir, f"{model_type}_config.json")
    if files.exists(usual):
        return usual
    refuse_hugging_face(model_dir)
    if files.exists(os.path.join(model_dir, SETTINGS)):
        refuse_several_tasks(model_dir)
    for other in MODEL_TYPES:
        if files.exists(os.path.join(model_dir, f"{other}_config.json")):
            raise InputError(
                f"{model_dir} holds {other}_config.json and no {model_type}_config.json"
                f": pass --model_type={other}, or name another --model_dir."
            )
    return _only(
        model_dir,
        [
            path
            for path in files.matching(model_dir, "*config*.json")
            if not any(part in os.path.basename(path) for part in _OTHER_CONFIGS)
        ],
        f"model configuration ({model_type}_config.json)",
        f"--{model_type}_config_file",
    )


def _find_vocabulary(model_dir):
    named = files.matching(model_dir, "*vocab*.txt")
    if len(named) == 1:
        return named[0]
    if files.is_folder(model_dir) and not named:
        return find_vocabulary(model_dir)
    usual = os.path.join(model_dir, "vocab.txt")
    if usual in named:
        return usual
    return _only(model_dir, named, "vocabulary (vocab.txt)", "--vocab_file")


def vocabulary_of(model_dir: str) -> Optional[str]:
    """The vocabulary of a model's folder; None where it does not say which."""
    try:
        return _find_vocabulary(model_dir)
    except InputError:
        return None


def _only(model_dir, found, what, flag):
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(os.path.basename(path) for path in found))
        raise InputError(
            f"{model_dir} holds several files for the {what}: {names}. "
            f"Choose one with {flag}."
        )
    raise InputError(
        f"There is no {what} in {model_dir}: put the published model's files there, "
        f"name its folder with --model_dir, or the file with {flag}."
    )


def write_model_files(
    folder: RunFolder, model_type: str, config: Any, tokenizer: Optional[Tokenizer]
) -> Optional[str]:
    """Copies configuration and tokenizer into a folder, so that it is a whole model.

    Args:
      config: EncoderConfig, written as `<model_type>_config.json`.
      tokenizer: its vocabulary and settings; None where it is not known.

    Returns:
      The name of the vocabulary there: vocab.txt, or that of the *.model file.
    """
    folder.write_text(f"{model_type}_config.json", config.to_json_string())
    if tokenizer is None:
        return None
    path = tokenizer.vocabulary.path
    name = "vocab.txt" if path.endswith(".txt") else os.path.basename(path)
    if not files.is_same_place(path, folder(name)):
        files.copy(path, folder(name))
    folder.write_text(CONFIG_FILE_NAME, tokenizer.config.to_json_string())
    return name


def settings_of_run(output_dir: str) -> Dict[str, Any]:
    """Values of flags with which the run in a folder can be evaluated.

    Returns:
      The run's settings, with its own copies of configuration and vocabulary where it
      has them; none where the folder holds no run.
    """
    folder = RunFolder(output_dir)
    found = folder.settings() or {}
    if "model_type" not in found:
        return {}
    name = f"{found['model_type']}_config"
    if not files.exists(folder(f"{name}.json")):
        return found
    own: Dict[str, Any] = {f"{name}_file": folder(f"{name}.json")}
    for size in ("model_size", "vocab_size", "embedding_size"):
        own[size] = None  # the file says it
    if found.get("tokenizer"):
        own["vocab_file"] = find_vocabulary(output_dir)
    return dict(found, **own)
