"""WordPiece: greedy longest match first within each word.

The ``tokenizers`` library (Rust) matches the pieces. Each different word is matched
once and remembered, since Korean text repeats its words: a text then costs little
more than cutting it into words. The words come from ``normalisation.py`` and not from
the library, whose own rules differ from Google's on control characters, marks, special
tokens written in the text and Unicode versions.
Source: tokenization.py of google-research/bert (WordpieceTokenizer).
"""

import re
from typing import Dict, Iterable, List, Tuple

from tokenizers import models

from .config import TokenizerConfig
from .interface import Encoding, Tokenizer
from .normalisation import Normaliser
from .vocab import Vocabulary

_CONTINUATION = "##"
_WORD = re.compile("[^ ]+")

# Bounds of the memory of words: about 80 MB at most.
_MAX_REMEMBERED_WORDS = 1 << 18
_MAX_REMEMBERED_LENGTH = 50


class WordTable(dict):
    """word -> ids of its pieces, matched when a word is first asked for.

    Args:
      ids: id of each piece.
      unk_token: the piece of a word that has no others.
      max_chars_per_word: characters; a longer word is unknown.
    """

    def __init__(self, ids: Dict[str, int], unk_token: str, max_chars_per_word: int):
        super().__init__()
        self._unknown = [ids[unk_token]]
        self._max_chars = max_chars_per_word
        self._model = models.WordPiece(
            vocab=ids,
            unk_token=unk_token,
            max_input_chars_per_word=max_chars_per_word,
            continuing_subword_prefix=_CONTINUATION,
        )

    def __missing__(self, word: str) -> List[int]:
        if len(word) > self._max_chars:
            return self._unknown
        ids = [token.id for token in self._model.tokenize(word)]
        if len(word) <= _MAX_REMEMBERED_LENGTH and len(self) < _MAX_REMEMBERED_WORDS:
            self[word] = ids
        return ids


class WordPieceTokenizer(Tokenizer):
    """The tokenizer of BERT and ELECTRA.

    Example, vocabulary of KR-BERT-MEDIUM: ``"재밌다ㅎㅎㅎ굿!"`` -> pieces
    ``재밌 ##다 ##ㅎㅎㅎ ##굿 !``, offsets ``(0, 2) (2, 3) (3, 6) (6, 7) (7, 8)``.
    """

    def __init__(self, config: TokenizerConfig, vocabulary: Vocabulary):
        super().__init__(config, vocabulary)
        self._normaliser = Normaliser(config)
        self._table = WordTable(
            vocabulary.ids, config.unk_token, config.max_chars_per_word
        )
        self._lengths = [
            len(piece) - len(_CONTINUATION) * self._continues(piece)
            for piece in vocabulary.pieces
        ]

    def _continues(self, piece: str) -> bool:
        return piece.startswith(_CONTINUATION) and piece != _CONTINUATION

    def _encode(self, text: str) -> Encoding:
        """Pieces, ids and offsets of one text. [UNK] covers its whole word."""
        aligned = self._normaliser.normalise_aligned(self._prepared_aligned(text))
        ids = []
        offsets: List[Tuple[int, int]] = []
        unknown = [self.unk_id]
        for word in _WORD.finditer(aligned.text):
            word_ids = self._table[word.group()]
            ids += word_ids
            first = word.start()
            if word_ids == unknown:
                offsets.append(aligned.span(first, word.end()))
                continue
            for piece_id in word_ids:
                last = first + self._lengths[piece_id]
                offsets.append(aligned.span(first, last))
                first = last
        pieces = self.vocabulary.pieces
        return Encoding([pieces[index] for index in ids], ids, offsets)

    def _encode_ids_batch(self, texts: Iterable[str]) -> List[List[int]]:
        """The ids of each text."""
        normalise, table = self._normaliser.normalise, self._table
        batch = []
        for text in self._prepared(texts):
            ids: List[int] = []
            for word in normalise(text).split():
                ids += table[word]
            batch.append(ids)
        return batch
