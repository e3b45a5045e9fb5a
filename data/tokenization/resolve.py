"""The settings and the vocabulary file that belong together, found by their places."""

import dataclasses
import os
from typing import Any, Mapping, Optional

from ..io import files
from ..io.errors import InputError
from .config import CONFIG_FILE_NAME, ReadBytes, TokenizerConfig, preset
from .vocab import load_vocabulary


def resolve_config(
    vocab_file: str,
    overrides: Optional[Mapping[str, Any]] = None,
    default: Optional[TokenizerConfig] = None,
    read_bytes: ReadBytes = files.read_bytes,
) -> TokenizerConfig:
    """The settings of a vocabulary: its JSON, or flags, or both where they agree.

    ``tokenizer_config.json`` in the vocabulary's folder decides where it exists.
    Without it, `overrides` are laid over `default`.

    Args:
      vocab_file: the vocabulary; the JSON is looked for beside it.
      overrides: settings that the user gave as flags; a value of None is no choice.
      default: settings where there is no JSON; None: those of "korean_cased", or
        of "korean_sentencepiece" for a *.model file, and decomposed Hangul is composed
        where the vocabulary has no jamo.
      read_bytes: reads a whole file.

    Raises:
      InputError: a flag contradicts the JSON (both values are named).
    """
    chosen = {k: v for k, v in (overrides or {}).items() if v is not None}
    path = os.path.join(os.path.dirname(vocab_file), CONFIG_FILE_NAME)
    try:
        read_bytes(path)
    except FileNotFoundError:
        if default is None:
            is_model = vocab_file.endswith(".model")
            default = preset("korean_sentencepiece" if is_model else "korean_cased")
            default = dataclasses.replace(default, compose=None)
        return TokenizerConfig.from_dict(dict(default.to_dict(), **chosen))
    config = TokenizerConfig.from_json_file(path, read_bytes)
    settings = config.to_dict()
    for name, value in chosen.items():
        if name in settings and value != settings[name]:
            raise InputError(
                f"The flags ask for {name}={value!r} but `{path}` says "
                f"{name}={settings[name]!r}. Leave the flag out to use the tokenizer "
                "as it was trained, or change the file."
            )
    return TokenizerConfig.from_dict(dict(settings, **chosen))


def named_vocabulary(
    vocab_file: Optional[str], spm_model_file: Optional[str]
) -> Optional[str]:
    """The vocabulary that --vocab_file and --spm_model_file name: the model of both.

    Upstream's ALBERT takes both and never reads the list of pieces. Here it is held to
    the model: pieces first, perhaps with scores after a tab, as SentencePiece lists
    them in its *.vocab.

    Raises:
      InputError: the list is not that of the model; one of the files cannot be read.
    """
    if not (vocab_file and spm_model_file) or vocab_file == spm_model_file:
        return spm_model_file or vocab_file
    from .sentencepiece import load_model

    model = load_model(spm_model_file)[1].pieces
    listed = [line.split("\t")[0] for line in load_vocabulary(vocab_file).pieces]
    if tuple(listed) != tuple(piece.strip() for piece in model):
        raise InputError(
            f"--vocab_file={vocab_file} does not list the pieces of --spm_model_file="
            f"{spm_model_file}, line for line: leave --vocab_file out, or name the "
            "*.vocab that belongs to the model."
        )
    return spm_model_file


def find_vocabulary(model_dir: str) -> str:
    """The vocabulary file of a model folder: vocab.txt or the one *.model file.

    Raises:
      InputError: there is none, or there are several.
    """
    path = os.path.join(model_dir, "vocab.txt")
    if files.exists(path):
        return path
    found = files.matching(model_dir, "*.model")
    if len(found) == 1:
        return found[0]
    raise InputError(
        "`{}` holds {} vocabulary: expected vocab.txt or one SentencePiece *.model "
        "file. Give its path with --vocab_file.".format(
            model_dir, "more than one" if found else "no"
        )
    )
