"""One interface for all tokenizers: text to pieces, ids and character offsets.

tokenizer = build_tokenizer(preset("krbert_medium_cased"), "models/vocab.txt")
tokenizer.encode("한국어 좋아요").pieces
"""

from ..io import files
from .config import (
    CONFIG_FILE_NAME,
    PRESETS,
    ReadBytes,
    TokenizerConfig,
    preset,
)
from .interface import Encoding, Tokenizer, require_same_tokenizer
from .resolve import find_vocabulary, named_vocabulary, resolve_config
from .vocab import Vocabulary, check_vocabulary, load_vocabulary

__all__ = [
    "CONFIG_FILE_NAME",
    "PRESETS",
    "Encoding",
    "Tokenizer",
    "TokenizerConfig",
    "Vocabulary",
    "build_tokenizer",
    "check_vocabulary",
    "find_vocabulary",
    "load_pieces",
    "load_vocabulary",
    "named_vocabulary",
    "preset",
    "require_same_tokenizer",
    "resolve_config",
]


def load_pieces(path: str, read_bytes: ReadBytes = files.read_bytes) -> Vocabulary:
    """The pieces of a vocab.txt or a *.model file, whatever they are.

    Raises:
      InputError: the file cannot be read.
    """
    if not path.endswith(".model"):
        return load_vocabulary(path, read_bytes)
    from .sentencepiece import load_model

    return load_model(path, read_bytes)[1]


def build_tokenizer(
    config: TokenizerConfig,
    vocab_file: str,
    allow_duplicates: bool = False,
    read_bytes: ReadBytes = files.read_bytes,
) -> Tokenizer:
    """A tokenizer from its settings and its vocabulary.

    Args:
      config: the settings; ``resolve_config(vocab_file)`` finds those beside the
        vocabulary.
      vocab_file: vocab.txt, or the *.model file of SentencePiece.
      allow_duplicates: accepts a vocabulary with a piece on several lines.
      read_bytes: reads a whole file.

    Raises:
      InputError: the vocabulary cannot be read, lacks special tokens or holds
        duplicates.
    """
    if config.algorithm == "sentencepiece":
        from .sentencepiece import SentencePieceTokenizer, load_model

        model, vocabulary = load_model(vocab_file, read_bytes)
        check_vocabulary(vocabulary, special_tokens=config.special_tokens)
        return SentencePieceTokenizer(config, vocabulary, model)
    from .wordpiece import WordPieceTokenizer

    vocabulary = load_vocabulary(vocab_file, read_bytes)
    check_vocabulary(
        vocabulary,
        special_tokens=config.special_tokens,
        allow_duplicates=allow_duplicates,
    )
    return WordPieceTokenizer(config, vocabulary)
