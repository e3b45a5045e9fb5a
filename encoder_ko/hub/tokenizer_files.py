"""Tokenizer files of Hugging Face, written and read."""

import json
import os
from typing import List

from absl import logging

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.tokenization import CONFIG_FILE_NAME, TokenizerConfig, find_vocabulary, preset
from data.tokenization.config import EXPORTED_KEY, bert_normaliser_settings
from encoder_ko.hub.tokenizer_json import fast_tokenizer

_TOKEN_NAMES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")


def unsupported_steps(config: TokenizerConfig) -> List[str]:
    """What has to be done to text before Hugging Face's tokenizer sees it."""
    steps = []
    if config.clean == "run_time":
        steps.append(f"clean it with the recipe {config.cleaning}")
    if config.morphemes == "run_time":
        steps.append(f"cut it into morphemes with {config.morpheme_analyser}")
    return steps


def inexactness(config: TokenizerConfig) -> str:
    """Where the ids of Hugging Face's tokenizer may be others than ours; or ""."""
    if config.algorithm == "wordpiece":
        return ""
    return (
        "Where a text can be cut into pieces in two ways of equal score, this "
        "tokenizer may take the other one than SentencePiece took in training: a few "
        "texts in a thousand have other ids."
    )


def write_tokenizer(tokenizer, folder: str, max_length: int, split_special: bool):
    """Writes the vocabulary, tokenizer.json, tokenizer_config.json, special tokens.

    Args:
      tokenizer: Tokenizer of the model.
      folder: an existing folder.
      max_length: tokens of the longest input.
      split_special: whether "[MASK]" in a text is read as plain text, as ours does.
    """
    config = tokenizer.config
    is_wordpiece = config.algorithm == "wordpiece"
    name = "vocab.txt" if is_wordpiece else "spiece.model"
    files.copy(tokenizer.vocabulary.path, os.path.join(folder, name))
    special = {key: getattr(config, key) for key in _TOKEN_NAMES}
    fast_tokenizer(tokenizer).save(os.path.join(folder, "tokenizer.json"))
    _write_json(os.path.join(folder, "special_tokens_map.json"), special)
    _write_json(
        os.path.join(folder, CONFIG_FILE_NAME),
        {
            # The class that takes tokenizer.json as it is.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
            "model_max_length": max_length,
            "clean_up_tokenization_spaces": False,
            "split_special_tokens": split_special,
            **special,
            EXPORTED_KEY: config.to_dict(),
        },
    )


def _write_json(path, content):
    files.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


# --- From Hugging Face -----------------------------------------------------------


def read_settings(folder: str) -> TokenizerConfig:
    """Our settings of the tokenizer in a folder of Hugging Face's files."""
    path = os.path.join(folder, CONFIG_FILE_NAME)
    if files.exists(path):
        settings = TokenizerConfig.from_json_file(path)
        if EXPORTED_KEY in read_json_object(path):
            return settings
    else:
        logging.warning(
            "%s has no %s: text is taken to be cased and left whole. If the model is "
            "uncased, write lower_case into the file of that name in the result.",
            folder,
            CONFIG_FILE_NAME,
        )
        is_wordpiece = files.exists(os.path.join(folder, "vocab.txt"))
        settings = preset("hugging_face_cased" if is_wordpiece else "albert_cased")
    rules = _rules_of_library(folder)
    return TokenizerConfig.from_dict(dict(settings.to_dict(), **rules))


def _rules_of_library(folder):
    """The settings that tokenizer.json has of its own; it is what really runs."""
    path = os.path.join(folder, "tokenizer.json")
    if not files.exists(path):
        return {}
    content = read_json_object(path)
    longest = (content.get("model") or {}).get("max_input_chars_per_word")
    settings = {} if longest is None else {"max_chars_per_word": longest}
    rules = content.get("normalizer") or {}
    if rules.get("type") == "BertNormalizer":
        settings.update(
            bert_normaliser_settings(
                bool(rules.get("lowercase")),
                rules.get("strip_accents"),
                rules.get("handle_chinese_chars", True),
            )
        )
    return settings


def copy_vocabulary(folder: str, target: str, config: TokenizerConfig) -> str:
    """Copies the vocabulary, from tokenizer.json where there is no vocab.txt.

    Returns:
      The path of the copy.

    Raises:
      InputError: the folder has none.
    """
    if config.algorithm == "sentencepiece":
        path = find_vocabulary(folder)
        copy = os.path.join(target, os.path.basename(path))
        files.copy(path, copy)
        return copy
    copy = os.path.join(target, "vocab.txt")
    path = os.path.join(folder, "vocab.txt")
    if files.exists(path):
        files.copy(path, copy)
        return copy
    path = os.path.join(folder, "tokenizer.json")
    model = read_json_object(path).get("model", {}) if files.exists(path) else {}
    if model.get("type") != "WordPiece":
        raise InputError(
            f"{folder} has neither vocab.txt nor a tokenizer.json with WordPiece: put "
            "the model's vocabulary there."
        )
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    files.write_text(copy, "".join(piece + "\n" for piece in pieces))
    return copy
