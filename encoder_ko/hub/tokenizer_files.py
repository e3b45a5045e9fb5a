"""Writes the tokenizer files of Hugging Face; `tokenizer_import` reads them."""

import json
import os
from typing import List

from data.io import files
from data.tokenization import CONFIG_FILE_NAME, TokenizerConfig
from data.tokenization.config import EXPORTED_KEY
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
    files.write_text(
        os.path.join(folder, "tokenizer.json"),
        fast_tokenizer(tokenizer).to_str(pretty=True),
    )
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
