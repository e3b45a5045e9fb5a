"""SentencePiece: the model file cuts the text, white space included, into pieces.

A piece that begins a word begins with ▁ (U+2581), so whole words follow the spaces of
the text. (Upstream takes every piece that is not English for a word of its own.)
Source of the preparation: tokenization.py of google-research/albert (preprocess_text,
encode_pieces).
"""

import hashlib
import re
from typing import Iterable, List, NamedTuple, Tuple

import sentencepiece

from ..io import files
from ..io.errors import InputError
from ..io.text_encoding import refuse_lfs_pointer
from ..text import unicode11
from ..text.aligned_text import AlignedText, CharacterTable
from .config import ReadBytes, TokenizerConfig
from .interface import Encoding, Tokenizer
from .normalisation import is_control
from .vocab import Vocabulary

WORD_MARK = "\u2581"

_SURROGATE = re.compile("[\ud800-\udfff]")
DIGIT_COMMA = re.compile(r".*\d,", re.DOTALL)


class _Part(NamedTuple):
    """One piece, its id and the number of normalised characters that it stands for."""

    piece: str
    id: int
    length: int


def load_model(
    path: str, read_bytes: ReadBytes = files.read_bytes
) -> Tuple[sentencepiece.SentencePieceProcessor, Vocabulary]:
    """Reads a SentencePiece model file.

    Args:
      path: the *.model file.
      read_bytes: reads a whole file.

    Returns:
      The model and its pieces.
    Raises:
      InputError: no such file, or not a SentencePiece model.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise InputError(f"SentencePiece model `{path}` does not exist.") from None
    refuse_lfs_pointer(content, path)
    model = sentencepiece.SentencePieceProcessor()
    try:
        model.LoadFromSerializedProto(content)
        size = model.GetPieceSize()
    except RuntimeError:
        size = 0
    if not size:
        raise InputError(
            f"`{path}` is not a SentencePiece model. Give the *.model file, not the "
            "*.vocab beside it, or set algorithm to 'wordpiece' for a vocab.txt."
        )
    pieces = tuple(model.IdToPiece(index) for index in range(size))
    return model, Vocabulary(
        pieces=pieces,
        ids={piece: index for index, piece in enumerate(pieces)},
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
    )


class Preparation:
    """What is done to text before the model sees it, as the settings say."""

    def __init__(self, config: TokenizerConfig):
        self._config = config
        self._clean = CharacterTable(lambda char: "" if self.deletes(char) else char)
        self._without_marks = CharacterTable(
            lambda char: "" if unicode11.combining(char) else char
        )

    def deletes(self, char: str) -> bool:
        """Whether a character is deleted under delete_controls, as for WordPiece."""
        if _SURROGATE.match(char):
            return False
        return char in "\x00\ufffd" or is_control(char, self._config.control_characters)

    def normalise(self, text: str) -> str:
        """The prepared text; a lone surrogate becomes U+FFFD."""
        if self._config.delete_controls:
            text = text.translate(self._clean)
        text = _SURROGATE.sub("\ufffd", text)
        if self._config.collapse_spaces:
            text = " ".join(text.split())
        text = unicode11.decompose(text, self._config.effective_decompose)
        if self._config.strip_accents:
            text = text.translate(self._without_marks)
        return unicode11.lower(text) if self._config.lower_case else text

    def normalise_aligned(self, aligned: AlignedText) -> AlignedText:
        """``normalise`` with the position of every character in the original text."""
        if self._config.delete_controls:
            aligned = aligned.translate(self._clean)
        aligned = aligned._replace(text=_SURROGATE.sub("\ufffd", aligned.text))
        if self._config.collapse_spaces:
            aligned = aligned.collapse_spaces()
        aligned = aligned.decompose(self._config.effective_decompose)
        if self._config.strip_accents:
            aligned = aligned.translate(self._without_marks, attach_deleted=True)
        return aligned.lower() if self._config.lower_case else aligned


class SentencePieceTokenizer(Tokenizer):
    """The tokenizer of ALBERT.

    Example: ``"영화는 좋다"`` -> pieces ``▁영화 는 ▁ 좋 다``, offsets
    ``(0, 2) (2, 3) (4, 4) (4, 5) (5, 6)``: a lone word mark has an empty span where
    its word begins, and no span holds white space. A ▁ in the text is white space.
    """

    def __init__(
        self,
        config: TokenizerConfig,
        vocabulary: Vocabulary,
        model: sentencepiece.SentencePieceProcessor,
    ):
        self._model = model
        super().__init__(config, vocabulary)
        self._preparation = Preparation(config)
        self._split_pieces = {
            index: self._split_digit_comma(piece)
            for index, piece in enumerate(vocabulary.pieces)
            if DIGIT_COMMA.fullmatch(piece) and not model.IsControl(index)
        }

    def _continues(self, piece: str) -> bool:
        if piece == self.config.unk_token:
            return True
        is_control = self._model.IsControl(self._model.PieceToId(piece))
        return not (
            is_control
            or piece.startswith(WORD_MARK)
            or piece in self.config.special_tokens
        )

    def _encode(self, text: str) -> Encoding:
        """Pieces, ids and offsets of one text. An unknown piece is the text itself."""
        aligned = self._preparation.normalise_aligned(self._prepared_aligned(text))
        normalised, origins = self._model.Normalize(aligned.text, with_offsets=True)
        ends = _ends(origins)
        parts = self._parts(aligned.text)
        offsets = []
        first = 0
        for part in parts:
            last = first + part.length
            while first < last and normalised[first] == WORD_MARK:
                first += 1
            if first < last:
                offsets.append(aligned.span(origins[first], ends[last - 1]))
            else:
                start = self._word_start(aligned, origins, first, len(text))
                offsets.append((start, start))
            first = last
        return Encoding(
            [part.piece for part in parts], [part.id for part in parts], offsets
        )

    @staticmethod
    def _word_start(aligned, origins, index, text_length):
        origin = origins[index]
        return aligned.starts[origin] if origin < len(aligned.text) else text_length

    def _parts(self, text: str) -> List[_Part]:
        parts: List[_Part] = []
        pieces = self._model.encode(text, out_type=str)
        ids = self._model.encode(text, out_type=int)
        for piece, index in zip(pieces, ids):
            if index in self._split_pieces:
                parts += self._split_pieces[index]
            else:
                parts.append(_Part(piece, index, len(piece)))
        return parts

    def _encode_ids_batch(self, texts: Iterable[str]) -> List[List[int]]:
        """The ids of each text, on all cores."""
        prepared = [self._preparation.normalise(text) for text in self._prepared(texts)]
        batch = self._model.encode(prepared, out_type=int) if prepared else []
        if not self._split_pieces:
            return batch
        return [
            ids
            if self._split_pieces.keys().isdisjoint(ids)
            else [part_id for index in ids for part_id in self._split_ids(index)]
            for ids in batch
        ]

    def _split_ids(self, index):
        if index not in self._split_pieces:
            return (index,)
        return [part.id for part in self._split_pieces[index]]

    def tokenize(self, text: str) -> List[str]:
        """The pieces of one text."""
        return self.encode(text).pieces

    def _split_digit_comma(self, piece: str) -> List[_Part]:
        """ "9," -> 9 and a comma; see TokenizerConfig.digit_comma."""
        number = piece[:-1].replace(WORD_MARK, "")
        pieces = self._model.encode(number, out_type=str)
        lengths = [len(part) for part in pieces]
        if not piece.startswith(WORD_MARK):
            # The model takes the number for a word of its own and marks it.
            if self.config.digit_comma == "split":
                pieces = self._without_word_mark(pieces)
                lengths = [len(part) for part in pieces]
            else:
                lengths[0] -= 1
        return [
            _Part(part, self._model.PieceToId(part), length)
            for part, length in zip(pieces + [","], lengths + [1])
        ]

    def _without_word_mark(self, pieces):
        first = pieces[0][len(WORD_MARK) :]
        start = [first] if first in self.vocabulary.ids else list(first)
        return start + pieces[1:]


def _ends(origins):
    """Where each normalised character's origin ends: the next greater origin.

    ½ becomes three characters with one origin: [14, 14, 14, 15] -> [15, 15, 15].
    """
    ends = list(origins[1:])
    for index in range(len(ends) - 2, -1, -1):
        if ends[index] == origins[index]:
            ends[index] = ends[index + 1]
    return ends
