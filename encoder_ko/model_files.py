"""The files of a model: configuration, vocabulary and checkpoint, named or found."""

import os
from typing import NamedTuple, Optional

from data.errors import InputError
from data.tokenization import find_vocabulary
from encoder_ko import checkpoints, compat
from encoder_ko.compat import tf


class ModelFiles(NamedTuple):
    """Paths; `init_checkpoint` is None for training from scratch."""

    config_file: str
    vocab_file: str
    init_checkpoint: Optional[str]


def find_model_files(
    model_dir: str,
    model_type: str,
    config_file: Optional[str] = None,
    vocab_file: Optional[str] = None,
    init_checkpoint: Optional[str] = None,
) -> ModelFiles:
    """The files that were named, and for the others those in the model's folder.

    Looked for in `model_dir`: `<model_type>_config.json` or the one `*config*.json`
    that is not a tokenizer's; `vocab.txt`, the one `*vocab*.txt` or `*.model`; a
    checkpoint. The folder's checkpoint is left alone where a configuration was named,
    since it need not fit.

    Raises:
      InputError: a file is missing, or there are several to choose from.
    """
    for path in (config_file, vocab_file):
        if path and not tf.io.gfile.exists(path):
            raise InputError(f"There is no file {path!r}: check the path in the flags.")
    checkpoint = None
    if init_checkpoint:
        checkpoint = checkpoints.require_checkpoint(init_checkpoint)
    elif not config_file and tf.io.gfile.isdir(model_dir):
        checkpoint = checkpoints.find_checkpoint(model_dir)
    return ModelFiles(
        config_file or _find_config(model_dir, model_type),
        vocab_file or _find_vocabulary(model_dir),
        checkpoint,
    )


def _find_config(model_dir, model_type):
    usual = os.path.join(model_dir, f"{model_type}_config.json")
    if tf.io.gfile.exists(usual):
        return usual
    return _only(
        model_dir,
        [
            path
            for path in compat.glob(os.path.join(model_dir, "*config*.json"))
            if "tokenizer" not in os.path.basename(path)
        ],
        f"model configuration ({model_type}_config.json)",
        f"--{model_type}_config_file",
    )


def _find_vocabulary(model_dir):
    named = compat.glob(os.path.join(model_dir, "*vocab*.txt"))
    if len(named) == 1:
        return named[0]
    if tf.io.gfile.isdir(model_dir) and not named:
        return find_vocabulary(model_dir)
    usual = os.path.join(model_dir, "vocab.txt")
    if usual in named:
        return usual
    return _only(model_dir, named, "vocabulary (vocab.txt)", "--vocab_file")


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
