"""ALBERT's tokenizer by upstream's names, on the shared tokenizers.

With `spm_model_file`, `do_lower_case` is without effect here: upstream's programs call
`preprocess_text` on the text before. Without it, `do_lower_case=True`, the default,
takes Hangul apart; pass False for a Korean vocabulary of syllables.
Source: google-research/albert, tokenization.py.
"""

import collections
import functools

from data.tokenization import full_tokenizer
from data.tokenization.config import TokenizerConfig
from data.tokenization.full_tokenizer import (
    BasicTokenizer,
    WordpieceTokenizer,
    convert_by_vocab,
    convert_ids_to_tokens,
    convert_to_unicode,
    convert_tokens_to_ids,
    printable_text,
    whitespace_tokenize,
)
from data.tokenization.full_tokenizer import is_whitespace as _is_whitespace
from data.tokenization.normalisation import is_control
from data.tokenization.normalisation import is_punctuation as _is_punctuation
from data.tokenization.sentencepiece import (
    DIGIT_COMMA,
    WORD_MARK,
    Preparation,
    load_model,
)
from data.tokenization.vocab import load_vocabulary

__all__ = [
    "BasicTokenizer",
    "FullTokenizer",
    "WordpieceTokenizer",
    "_is_control",
    "_is_punctuation",
    "_is_whitespace",
    "convert_by_vocab",
    "convert_ids_to_tokens",
    "convert_to_unicode",
    "convert_tokens_to_ids",
    "encode_ids",
    "encode_pieces",
    "load_vocab",
    "preprocess_text",
    "printable_text",
    "whitespace_tokenize",
]


@functools.lru_cache(maxsize=None)  # four at most
def _preparation(remove_space, lower):
    return Preparation(
        TokenizerConfig(
            algorithm="sentencepiece",
            collapse_spaces=remove_space,
            decompose="compatibility",
            strip_accents=True,
            lower_case=lower,
        )
    )


def preprocess_text(inputs, remove_space=True, lower=False):
    """Text as ALBERT's SentencePiece models were trained on it.

    NFKD without combining marks: é becomes e. Hangul is taken apart, and put together
    again by the model.

    Args:
      inputs: str.
      remove_space: one space for each run of white space, none at the ends.
      lower: lower-cases.
    """
    return _preparation(bool(remove_space), bool(lower)).normalise(inputs)


def encode_pieces(sp_model, text, return_unicode=True, sample=False):
    """The pieces of a text; a comma that follows a digit is a piece of its own.

    Upstream: under Python 3 what stands before that comma is marked as a word of its
    own, even inside a word.

    Args:
      sp_model: SentencePieceProcessor.
      text: str.
      return_unicode: not needed; pieces are str.
      sample: draws one of the 64 best segmentations, smoothed by 0.1. Not beside
        TensorFlow 1.15: its libraries and SentencePiece's sampling crash each other.
    """
    del return_unicode
    encode = sp_model.EncodeAsPieces
    pieces = sp_model.SampleEncodeAsPieces(text, 64, 0.1) if sample else encode(text)
    parts = []
    for piece in pieces:
        if DIGIT_COMMA.fullmatch(piece):
            parts += encode(piece[:-1].replace(WORD_MARK, "")) + [","]
        else:
            parts.append(piece)
    return parts


def encode_ids(sp_model, text, sample=False):
    """The ids of `encode_pieces`."""
    pieces = encode_pieces(sp_model, text, sample=sample)
    return [sp_model.PieceToId(piece) for piece in pieces]


def load_vocab(vocab_file):
    """Piece -> id: the first word of each line, a space for an empty line.

    Upstream: unlike BERT's, a piece that stands twice counts once, so that the ids
    after it are not line numbers.
    """
    vocab = collections.OrderedDict()
    for line in load_vocabulary(vocab_file).pieces:
        vocab.setdefault(line.split()[0] if line else " ", len(vocab))
    return vocab


class FullTokenizer(full_tokenizer.FullTokenizer):
    """SentencePiece where a model is given, else BERT's tokenizer.

    Args:
      vocab_file: vocab.txt; not read with `spm_model_file`.
      do_lower_case: see BasicTokenizer; without effect with `spm_model_file`.
      spm_model_file: *.model.

    Attributes:
      sp_model: SentencePieceProcessor, or None.
      vocab: piece -> id. inv_vocab: id -> piece.

    Raises:
      InputError: a file cannot be read.
    """

    def __init__(self, vocab_file, do_lower_case=True, spm_model_file=None):
        self.sp_model = None
        if spm_model_file:
            self.sp_model, vocabulary = load_model(spm_model_file)
            self.vocab = dict(vocabulary.ids)
            self.inv_vocab = dict(enumerate(vocabulary.pieces))
        else:
            self._use(load_vocab(vocab_file), BasicTokenizer(do_lower_case))

    @classmethod
    def from_scratch(cls, vocab_file, do_lower_case, spm_model_file):
        """Upstream's other name of the constructor."""
        return cls(vocab_file, do_lower_case, spm_model_file)

    def tokenize(self, text):
        """The pieces of one text."""
        if self.sp_model is None:
            return super().tokenize(text)
        return encode_pieces(self.sp_model, convert_to_unicode(text))

    def convert_tokens_to_ids(self, tokens):
        """Ids of pieces; SentencePiece's unknown id for one that its model lacks."""
        if self.sp_model is None:
            return super().convert_tokens_to_ids(tokens)
        return [self.sp_model.PieceToId(convert_to_unicode(token)) for token in tokens]


def _is_control(char):
    """Whether a character is deleted; tab and line ends count as white space."""
    return is_control(char, BasicTokenizer.control_characters)
