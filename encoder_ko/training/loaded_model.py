"""A model's configuration and tokenizer, read and checked to fit together."""

from typing import Any, NamedTuple, Optional

from absl import logging

from data.io.errors import InputError
from data.tokenization import (
    Tokenizer,
    build_tokenizer,
    check_vocabulary,
    resolve_config,
)
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.training import agreement, restoring
from encoder_ko.training.model_files import ModelFiles


class LoadedModel(NamedTuple):
    """EncoderConfig, tokenizer and the files that they come from."""

    config: Any
    tokenizer: Tokenizer
    files: ModelFiles


def load_model(
    files: ModelFiles,
    model_type: str,
    config: Any,
    max_seq_length: int,
    lower_case: Optional[bool] = None,
    allow_mismatch: bool = False,
) -> LoadedModel:
    """Reads the tokenizer, and holds it and the longest input to the configuration.

    Args:
      model_type: value of --model_type.
      config: EncoderConfig.
      max_seq_length: tokens of the longest input, by --max_seq_length.
      lower_case: None = what tokenizer_config.json beside the vocabulary says.
      allow_mismatch: whether files may contradict those beside the checkpoint.

    Raises:
      InputError: a file is broken; the vocabulary or the length is beyond what the
        configuration has room for; files contradict those beside the checkpoint.
    """
    check_length(config, max_seq_length, files.config_file or "the model")
    tokenizer = load_tokenizer(files.vocab_file, config, lower_case)
    agreement.settle(
        agreement.differences_of_model(files, model_type, config, tokenizer),
        allow_mismatch,
    )
    return LoadedModel(config, tokenizer, files)


def load_tokenizer(
    vocab_file: str, config: Any, lower_case: Optional[bool] = None
) -> Tokenizer:
    """The tokenizer of a vocabulary, whose pieces the embedding table must hold."""
    tokenizer = build_tokenizer(
        resolve_config(vocab_file, {"lower_case": lower_case}), vocab_file
    )
    check_vocabulary(
        tokenizer.vocabulary, config.vocab_size, tokenizer.config.special_tokens
    )
    if len(tokenizer.vocabulary) < config.vocab_size:
        logging.warning(
            "%s has %d pieces for %d rows of the embedding table: the others stay "
            "unused. A published checkpoint needs its own vocabulary.",
            vocab_file,
            len(tokenizer.vocabulary),
            config.vocab_size,
        )
    return tokenizer


def require_start(
    model_class: Any, config: Any, checkpoint: str, resizable: Optional[str] = None
) -> None:
    """Finds out whether an encoder can start from a checkpoint: before a deletion.

    It builds the encoder in a graph of its own, and takes seconds.

    Raises:
      InputError: as `restoring.restore_on_initialization`.
    """
    with tf.Graph().as_default(), compat.plain_ops():
        ids = tf.zeros([1, 2], tf.int32)
        model_class(config, False, ids, ids, ids)
        restoring.restore_on_initialization(
            checkpoint, tf.trainable_variables(), resizable
        )


def check_length(config: Any, max_seq_length: int, source: str) -> None:
    """Raises InputError for inputs beyond the table of position embeddings."""
    longest = config.max_position_embeddings
    if max_seq_length > longest:
        raise InputError(
            f"--max_seq_length={max_seq_length} is above "
            f"max_position_embeddings={longest} of {source}: lower it."
        )
