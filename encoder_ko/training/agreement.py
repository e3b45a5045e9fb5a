"""Two sources of one fact must agree: what a checkpoint was trained with, and is used.

The folder of a checkpoint tells its vocabulary, the settings of its tokenizer and its
configuration. Where other files are used with it, or its files were changed since, the
shapes may fit all the same and the numbers mean nothing. So the first difference is an
error, which --allow_mismatch makes a warning.
"""

import os
import re
from typing import Any, Iterator, Mapping, Optional, Sequence

from absl import logging

from data.io import files
from data.io.errors import InputError
from data.tokenization import (
    CONFIG_FILE_NAME,
    Tokenizer,
    TokenizerConfig,
    Vocabulary,
    build_tokenizer,
    load_pieces,
    resolve_config,
)
from encoder_ko.training import checkpoints, model_files
from encoder_ko.training.run_folder import BEST, SETTINGS, RunFolder

ALLOW_MISMATCH = (
    "Go on, with a warning, where vocabulary, tokenizer settings, configuration or "
    "labels contradict those of the checkpoint."
)

# Keys of a configuration that training may choose anew, and those that shapes show.
_CHOSEN_ANEW = "hidden_dropout_prob attention_probs_dropout_prob initializer_range"
_SHOWN_BY_SHAPES = (
    "vocab_size hidden_size intermediate_size embedding_size max_position_embeddings "
    "type_vocab_size"
)
_NOT_COMPARED = set(f"{_CHOSEN_ANEW} {_SHOWN_BY_SHAPES}".split())

_LAYER = re.compile(r"(?!generator/)\w+/encoder/layer_(\d+)/")


def settle(differences: Iterator[str], allowed: bool) -> None:
    """Warns of every difference, or raises InputError with the first."""
    for difference in differences:
        if not allowed:
            raise InputError(
                f"{difference} If that is meant, pass --allow_mismatch=true."
            )
        logging.warning("%s Allowed by --allow_mismatch.", difference)


def home_of(checkpoint: str) -> str:
    """The folder of the model that a checkpoint belongs to."""
    folder = os.path.dirname(checkpoint)
    return os.path.dirname(folder) if os.path.basename(folder) == BEST else folder


def differences_of_model(
    used: model_files.ModelFiles,
    model_type: str,
    config: Any,
    tokenizer: Tokenizer,
    chosen_anew: Sequence[str] = (),
) -> Iterator[str]:
    """Where what is used contradicts the folder of the checkpoint.

    A folder that has no vocabulary says nothing of it; that of the configuration is
    asked then.

    Args:
      used: files; without a checkpoint there is nothing to contradict.
      config: EncoderConfig. tokenizer: of the vocabulary, with the settings in use.
      chosen_anew: keys of the configuration that need not agree.
    """
    if not used.init_checkpoint:
        return
    home = home_of(used.init_checkpoint)
    folders = [home]
    if used.config_file:
        folders.append(os.path.dirname(used.config_file))
    found = list(_of_vocabulary(folders, tokenizer))
    found += differences_of_config(used, model_type, config, chosen_anew)
    yield from found or differences_of_run(home, config, tokenizer, chosen_anew)


def differences_of_run(
    folder: str, config: Any, tokenizer: Tokenizer, chosen_anew: Sequence[str] = ()
) -> Iterator[str]:
    """Where what is used contradicts what the run in a folder was trained with."""
    source = os.path.join(folder, SETTINGS)
    trained = RunFolder(folder).settings() or {}
    yield from _of_keys(trained.get("model_config") or {}, config, source, chosen_anew)
    before = trained.get("tokenizer")
    if before and before != tokenizer.fingerprint:
        yield (
            f"{tokenizer.vocabulary.path} and the tokenizer's settings are not those "
            f"that {source} has (fingerprint {tokenizer.fingerprint}, {before} there): "
            f"vocabulary or {CONFIG_FILE_NAME} were changed since. Use those that the "
            "run was trained with."
        )


# --- Vocabulary and settings -----------------------------------------------------


def tokenizer_of(folder: str) -> Optional[Tokenizer]:
    """That of a model's folder; None where it does not say which."""
    path = model_files.vocabulary_of(folder)
    if path is None or not files.exists(os.path.join(folder, CONFIG_FILE_NAME)):
        return None
    return build_tokenizer(resolve_config(path), path)


def _of_vocabulary(folders: Sequence[str], tokenizer: Tokenizer) -> Iterator[str]:
    used = tokenizer.vocabulary
    for folder in folders:
        if files.is_same_place(os.path.dirname(used.path) or ".", folder or "."):
            return
        path = model_files.vocabulary_of(folder)
        if path is None:
            continue
        other = load_pieces(path)
        if other.sha256 != used.sha256:
            yield (
                f"{used.path} is not the vocabulary of the model in "
                f"{folder or os.curdir}, {path}: {first_difference(used, other)}. Use "
                "the model's own."
            )
        path = os.path.join(folder, CONFIG_FILE_NAME)
        if files.exists(path):
            yield from _of_settings(path, tokenizer)
        return


def first_difference(used: Vocabulary, other: Vocabulary) -> str:
    """ "id 7 is '가' there and '나' here"."""
    pairs = zip(other.pieces, used.pieces)
    for index, (there, here) in enumerate(pairs):
        if there != here:
            return f"id {index} is {there!r} there and {here!r} here"
    sizes = len(other), len(used)
    if sizes[0] != sizes[1]:
        return f"it has {sizes[1]} pieces and the model's has {sizes[0]}"
    return "it has the same pieces with other scores or rules"


def _of_settings(path: str, tokenizer: Tokenizer) -> Iterator[str]:
    theirs = TokenizerConfig.from_json_file(path).to_dict()
    ours = tokenizer.config.to_dict()
    for name, value in theirs.items():
        # Composition by need concerns text that is unknown to the vocabulary otherwise.
        by_need = name == "compose" and None in (value, ours[name])
        if ours[name] != value and not by_need:
            yield (
                f"The tokenizer's setting {name} is {value!r} in {path}, of the model, "
                f"and {ours[name]!r} for {tokenizer.vocabulary.path}. Copy that file "
                "beside the vocabulary, or use the model's own vocabulary."
            )


# --- Configuration ---------------------------------------------------------------


def differences_of_config(
    used: model_files.ModelFiles,
    model_type: str,
    config: Any,
    chosen_anew: Sequence[str] = (),
) -> Iterator[str]:
    """As `differences_of_model`, of the configuration alone."""
    folder = home_of(used.init_checkpoint)
    path = os.path.join(folder, f"{model_type}_config.json")
    found = []
    if files.exists(path) and not files.is_same_place(path, used.config_file or "."):
        trained = type(config).from_json_file(path).to_dict()
        found += _of_keys(trained, config, path, chosen_anew)
    yield from found or _of_layers(used.init_checkpoint, config)


def _of_keys(
    trained: Mapping[str, Any], config: Any, source: str, chosen_anew: Sequence[str]
) -> Iterator[str]:
    free = _NOT_COMPARED.union(chosen_anew)
    for key, value in config.to_dict().items():
        if key in trained and key not in free and trained[key] != value:
            yield (
                f"The configuration has {key}={value!r}, but the model was trained "
                f"with {trained[key]!r} by {source}, so it would compute other "
                "numbers. Use the model's own configuration."
            )


def _of_layers(checkpoint: str, config: Any) -> Iterator[str]:
    """Layers that the configuration lacks are left out, and those it adds are new."""
    names = checkpoints.checkpoint_shapes(checkpoint)
    found = [_LAYER.match(name) for name in names]
    numbers = [int(match.group(1)) for match in found if match]
    if numbers and max(numbers) + 1 != config.num_hidden_layers:
        yield (
            f"{checkpoint} has {max(numbers) + 1} encoder layers, and the "
            f"configuration num_hidden_layers={config.num_hidden_layers}. Use the "
            "configuration that the checkpoint was trained with."
        )
