"""What every tokenizer of the toolkit can do, whatever its algorithm."""

import dataclasses
import hashlib
import json
import re
from typing import (
    Any,
    Dict,
    FrozenSet,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Pattern,
    Sequence,
    Tuple,
)

import numpy as np

from ..io.errors import InputError
from ..text.aligned_text import AlignedText
from ..text.cleaning import STEPS, Step, clean_aligned, recipe_steps
from .config import TokenizerConfig
from .morpheme import MorphemeAnalyser
from .unknown_pieces import JAMO, PieceCounts
from .vocab import Vocabulary


class Encoding(NamedTuple):
    """One text in pieces. The three lists are of the same length, one entry a piece.

    Attributes:
      pieces: the pieces as they stand in the vocabulary.
      ids: their ids.
      offsets: (start, end), characters of the ORIGINAL text that the piece came from,
        end exclusive. Text that normalisation deletes between pieces is in none.
    """

    pieces: List[str]
    ids: List[int]
    offsets: List[Tuple[int, int]]


def first_steps(config: TokenizerConfig) -> List[Step]:
    """What is done to text before the algorithm's own rules: NFC, cleaning, morphemes.

    With compose=None, NFC is done: a vocabulary in the making will have no jamo.

    Raises:
      InputError: the morpheme analyser is not installed.
    """
    steps = [] if config.compose is False else [STEPS["compose"]]
    if config.clean == "run_time" and config.cleaning:
        steps += recipe_steps(config.cleaning)
    if config.morphemes == "run_time" and config.morpheme_analyser:
        analyser = MorphemeAnalyser(config.morpheme_analyser)
        steps.append(Step("morphemes", analyser.separate, analyser.separate_aligned))
    return steps


def _fingerprint(config, vocabulary):
    # Default values are left out, so that a setting added later, with a default that
    # keeps the old behaviour, does not make existing records strangers.
    default = TokenizerConfig().to_dict()
    chosen = {k: v for k, v in config.to_dict().items() if v != default[k]}
    if config.compose is None:  # text that is composed was unknown before
        del chosen["compose"]
    text = json.dumps(chosen, sort_keys=True) + vocabulary.sha256
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def _require_added_tokens(config, vocabulary):
    missing = [token for token in config.added_tokens if token not in vocabulary.ids]
    if missing:
        raise InputError(
            f"Vocabulary `{vocabulary.path}` lacks {', '.join(map(repr, missing))}, "
            "which added_tokens of tokenizer_config.json names. Use the vocabulary "
            "that these settings belong to, or take the names out."
        )


def pattern_of(tokens: Sequence[str]) -> Optional[Pattern[str]]:
    """What splits a text at added tokens, which it captures; None without tokens.

    Of several that begin at the same place the longest counts.
    """
    longest_first = sorted(tokens, key=len, reverse=True)
    pattern = "|".join(map(re.escape, longest_first))
    return re.compile(f"({pattern})") if pattern else None


class Tokenizer:
    """Text to pieces, ids and offsets. Adds no [CLS] and no [SEP].

    Subclasses define ``_encode``, ``_encode_ids_batch`` and ``_continues``.

    Added tokens are taken out of the text first, as they are written. Where the
    settings ask for it, the rest is composed, cleaned and cut into morphemes next; a
    missing analyser is an InputError when the tokenizer is built.

    Attributes:
      config: the TokenizerConfig.
      vocabulary: the Vocabulary.
      composes: whether decomposed Hangul is put together (TokenizerConfig.compose).
      is_continuation: bool [vocab_size], true where a piece continues a word, so that
        whole words are a piece and the continuations after it.
      fingerprint: 16 hexadecimal digits of settings and vocabulary together.

    Raises:
      InputError: the vocabulary lacks one of the added tokens.
    """

    def __init__(self, config: TokenizerConfig, vocabulary: Vocabulary):
        self.config = config
        self.vocabulary = vocabulary
        _require_added_tokens(config, vocabulary)
        self.is_continuation = np.array(
            [
                piece not in config.added_tokens and self._continues(piece)
                for piece in vocabulary.pieces
            ],
            dtype=bool,
        )
        self.fingerprint = _fingerprint(config, vocabulary)
        self.composes = config.compose
        if self.composes is None:
            self.composes = not JAMO.search("".join(vocabulary.pieces))
        self._first_steps = first_steps(
            dataclasses.replace(config, compose=self.composes)
        )
        self._added: Any = pattern_of(config.added_tokens)
        self._counts: Optional[PieceCounts] = None

    def _prepared(self, texts: Iterable[str]) -> Iterable[str]:
        """The texts after the steps that come before the algorithm's own rules."""
        for step in self._first_steps:
            texts = map(step.clean, texts)
        return texts

    def _prepared_aligned(self, text: str) -> AlignedText:
        return clean_aligned(AlignedText.of(text), self._first_steps)

    def _continues(self, piece: str) -> bool:
        raise NotImplementedError

    def _encode(self, text: str) -> Encoding:
        raise NotImplementedError

    def _encode_ids_batch(self, texts: Iterable[str]) -> List[List[int]]:
        raise NotImplementedError

    def encode(self, text: str) -> Encoding:
        """Pieces, ids and offsets of one text."""
        encoding = (
            self._encode_parts(text, self._added) if self._added else self._encode(text)
        )
        if self._counts is not None:
            self._counts.add(text, encoding.ids, self.unk_id)
        return encoding

    def encode_ids_batch(self, texts: Iterable[str]) -> List[List[int]]:
        """The ids of each text; the fastest way where offsets are not needed."""
        texts = list(texts)
        if self._added and any(map(self._added.search, texts)):
            batch = self._encode_parts_batch(texts, self._added)
        else:
            batch = self._encode_ids_batch(texts)
        if self._counts is not None:
            for text, ids in zip(texts, batch):
                self._counts.add(text, ids, self.unk_id)
        return batch

    def _encode_parts(self, text: str, added: Pattern[str]) -> Encoding:
        """Added tokens, and what is between them as texts of their own."""
        found = Encoding([], [], [])
        start = 0
        for number, part in enumerate(added.split(text)):
            end = start + len(part)
            if number % 2:
                inner = Encoding([part], [self.vocabulary.ids[part]], [(0, len(part))])
            else:
                inner = self._encode(part)
            found.pieces.extend(inner.pieces)
            found.ids.extend(inner.ids)
            found.offsets.extend((a + start, b + start) for a, b in inner.offsets)
            start = end
        return found

    def _encode_parts_batch(
        self, texts: Sequence[str], added: Pattern[str]
    ) -> List[List[int]]:
        parts = [added.split(text) for text in texts]
        between = iter(self._encode_ids_batch([p for each in parts for p in each[::2]]))
        batch = []
        for each in parts:
            ids = list(next(between))
            for token in each[1::2]:
                ids.append(self.vocabulary.ids[token])
                ids += next(between)
            batch.append(ids)
        return batch

    def count_pieces(self) -> PieceCounts:
        """Counts what is encoded from now on, until this is called again."""
        self._counts = PieceCounts()
        return self._counts

    def tokenize(self, text: str) -> List[str]:
        """The pieces of one text."""
        return self.convert_ids_to_tokens(self.encode_ids_batch([text])[0])

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> List[int]:
        """Ids of pieces.

        Raises:
          InputError: a piece that is not in the vocabulary.
        """
        ids = self.vocabulary.ids
        try:
            return [ids[token] for token in tokens]
        except KeyError as error:
            raise InputError(
                f"Piece {error} is not in vocabulary `{self.vocabulary.path}`."
            ) from None

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> List[str]:
        """Pieces of ids.

        Raises:
          InputError: an id outside the vocabulary.
        """
        pieces = self.vocabulary.pieces
        tokens = []
        for index in ids:
            if not 0 <= index < len(pieces):
                raise InputError(
                    f"Id {index} is outside vocabulary `{self.vocabulary.path}`, "
                    f"which has {len(pieces)} pieces."
                )
            tokens.append(pieces[index])
        return tokens

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return len(self.vocabulary)

    @property
    def pad_id(self) -> int:
        """Id of the padding piece."""
        return self.vocabulary.ids[self.config.pad_token]

    @property
    def unk_id(self) -> int:
        """Id of the piece for what the vocabulary cannot spell."""
        return self.vocabulary.ids[self.config.unk_token]

    @property
    def cls_id(self) -> int:
        """Id of the piece that opens an input."""
        return self.vocabulary.ids[self.config.cls_token]

    @property
    def sep_id(self) -> int:
        """Id of the piece that closes a segment."""
        return self.vocabulary.ids[self.config.sep_token]

    @property
    def mask_id(self) -> int:
        """Id of the piece that hides another one."""
        return self.vocabulary.ids[self.config.mask_token]

    @property
    def special_ids(self) -> FrozenSet[int]:
        """Ids of the five special pieces."""
        return frozenset(
            self.vocabulary.ids[token] for token in self.config.special_tokens
        )

    def unknown_rate(self, texts: Iterable[str]) -> float:
        """Unknown pieces as a share of all pieces of the texts; 0 without pieces."""
        unknown = total = 0
        for ids in self.encode_ids_batch(texts):
            unknown += ids.count(self.unk_id)
            total += len(ids)
        return unknown / total if total else 0.0

    def identity(self) -> Dict[str, Any]:
        """Settings, vocabulary hash and fingerprint, to keep with what was made."""
        return dict(
            self.config.to_dict(),
            vocab_size=self.vocab_size,
            vocabulary_sha256=self.vocabulary.sha256,
            fingerprint=self.fingerprint,
        )


def require_same_tokenizer(
    recorded: Mapping[str, Any], tokenizer: Tokenizer, source: str
) -> None:
    """Refuses to mix what two tokenizers made.

    Args:
      recorded: what ``Tokenizer.identity`` returned when `source` was written.
      tokenizer: the tokenizer in use now.
      source: names the records or the checkpoint in the message.

    Raises:
      InputError: they differ; each setting is named with both values.
    """
    current = tokenizer.identity()
    if recorded.get("fingerprint") == current["fingerprint"]:
        return
    differences = [
        f"{name}={recorded.get(name)!r} there and {current[name]!r} here"
        for name in current
        if recorded.get(name) != current[name]
        and (name in recorded or (current[name] and name != "vocab_size"))
    ]
    raise InputError(
        "`{}` was made with another tokenizer: {}. Use its vocabulary and "
        "tokenizer_config.json, or make it again with these.".format(
            source, "; ".join(differences)
        )
    )
