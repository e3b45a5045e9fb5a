"""Trains WordPiece and SentencePiece vocabularies on training text.

The same text gives the same vocabulary, byte for byte, on any machine. (The WordPiece
trainer of the ``tokenizers`` library numbers its alphabet in a random order, so here
the alphabet is given to it; SentencePiece's result depends on its number of threads,
so that is fixed.)
"""

import dataclasses
import io
from typing import Callable, Iterator, List, Sequence, Tuple

import sentencepiece
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from ..io.errors import InputError
from ..tokenization import TokenizerConfig, Vocabulary
from .training_text import MORPHEME_MARK, TextCounts

Lines = Callable[[], Iterator[str]]  # the training text from its beginning

_CONTINUATION = "##"
_SENTENCEPIECE_THREADS = 8
# Lines that are longer, or have this character, are passed over by SentencePiece.
MAX_SENTENCE_BYTES = 1 << 16
RESERVED_BY_SENTENCEPIECE = "\u2585"


@dataclasses.dataclass(frozen=True)
class VocabularyOptions:
    """What decides a vocabulary, apart from the text.

    Attributes:
      vocab_size: number of pieces, special and unused ones counted.
      min_frequency: WordPiece, how often a pair must occur to become a piece.
      limit_alphabet: WordPiece, the most characters that are kept.
      num_unused_tokens: pieces [unused1], [unused2], ... to name later.
      model_type: SentencePiece, "unigram" or "bpe".
      character_coverage: SentencePiece, share of the characters of the text to cover.
      normalization: SentencePiece, its rule inside the model. "identity" leaves jamo
        as they are; "nmt_nfkc" (ALBERT) turns ㅋ into ᄏ.
    """

    vocab_size: int = 30000
    min_frequency: int = 2
    limit_alphabet: int = 6000
    num_unused_tokens: int = 0
    model_type: str = "unigram"
    character_coverage: float = 0.9995
    normalization: str = "identity"

    @property
    def unused_tokens(self) -> List[str]:
        """[unused1], [unused2], ..."""
        return [f"[unused{number + 1}]" for number in range(self.num_unused_tokens)]


def train_wordpiece(
    lines: Lines,
    counts: TextCounts,
    options: VocabularyOptions,
    config: TokenizerConfig,
) -> List[str]:
    """The pieces of a WordPiece vocabulary, in the order of their ids.

    Special pieces and added tokens come first, then unused ones, the alphabet and
    pieces in the order in which the trainer found them. Fewer than vocab_size come back
    if the text does not give more.

    Raises:
      InputError: vocab_size has no room for the alphabet.
    """
    first = list(config.special_tokens + config.added_tokens) + options.unused_tokens
    room = options.vocab_size - len(first)
    alphabet = _alphabet(counts, options.limit_alphabet)
    if len(alphabet) > room:
        raise InputError(
            f"vocab_size={options.vocab_size} has room for {max(room, 0)} pieces "
            f"beside {len(first)} special and unused ones, but the alphabet alone "
            f"needs {len(alphabet)}. Raise --vocab_size or lower --limit_alphabet="
            f"{options.limit_alphabet}."
        )
    asked = room
    while True:
        found = _merge_pairs(lines(), alphabet, asked, options.min_frequency)
        pieces = _without_marks(found, first)
        if len(pieces) >= room or len(found) < asked:
            return first + pieces[:room]
        # Some pieces were found twice, with and without the morpheme mark.
        asked += room - len(pieces) + room // 10


def _alphabet(counts, limit):
    """Characters as pieces: the most frequent, each also as a continuation if it is."""
    by_frequency = sorted(
        counts.characters.items(), key=lambda item: (-item[1], item[0])
    )
    kept = sorted(char for char, _ in by_frequency[:limit])
    inner = [
        _CONTINUATION + char
        for char in kept
        if counts.characters[char] > counts.initials[char]
    ]
    return kept + inner


def _merge_pairs(lines, alphabet, vocab_size, min_frequency):
    tokenizer = Tokenizer(models.WordPiece(unk_token=alphabet[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(" ")
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size + 1,
        min_frequency=min_frequency,
        limit_alphabet=0,
        special_tokens=[MORPHEME_MARK] + alphabet,
        continuing_subword_prefix=_CONTINUATION,
        show_progress=False,
    )
    tokenizer.train_from_iterator(lines, trainer)
    vocabulary = tokenizer.get_vocab()
    return sorted(vocabulary, key=vocabulary.get)[1:]


def _without_marks(pieces, taken):
    """A morpheme within a word is a continuation: |는 and ##는 are both ##는."""
    seen, result = set(taken), []
    for piece in pieces:
        if piece.startswith(MORPHEME_MARK):
            piece = _CONTINUATION + piece[len(MORPHEME_MARK) :]
        if piece not in seen:
            seen.add(piece)
            result.append(piece)
    return result


def merge_vocabulary(
    pieces: Sequence[str], other: Vocabulary, config: TokenizerConfig
) -> Tuple[List[str], int]:
    """Appends the pieces of another vocabulary that are not there yet (KcELECTRA).

    Special and unused pieces of the other one are left out.

    Returns:
      All pieces, and how many were added.
    """
    known = set(pieces).union(config.special_tokens)
    added = []
    for piece in other.pieces:
        is_special = piece.startswith("[") and piece.endswith("]") and len(piece) > 2
        if piece and piece not in known and not is_special:
            known.add(piece)
            added.append(piece)
    return list(pieces) + added, len(added)


def train_sentencepiece(
    lines: Lines,
    options: VocabularyOptions,
    config: TokenizerConfig,
    counted: bool = False,
) -> bytes:
    """The content of a SentencePiece model file.

    Args:
      counted: whether the lines are "word<tab>count", of which BPE makes the same model
        as of the text.

    Raises:
      InputError: vocab_size does not fit the text (the trainer's reason is given).
    """
    model = io.BytesIO()
    others = {}
    if config.morphemes == "vocabulary":
        others["pretokenization_delimiter"] = MORPHEME_MARK
    if counted:
        others["input_format"] = "tsv"
    try:
        sentencepiece.SentencePieceTrainer.Train(
            sentence_iterator=lines(),
            model_writer=model,
            model_type=options.model_type,
            vocab_size=options.vocab_size,
            character_coverage=options.character_coverage,
            normalization_rule_name=options.normalization,
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            pad_piece=config.pad_token,
            unk_piece=config.unk_token,
            control_symbols=[config.cls_token, config.sep_token, config.mask_token]
            + options.unused_tokens,
            user_defined_symbols=list(config.added_tokens),
            max_sentence_length=MAX_SENTENCE_BYTES,
            num_threads=_SENTENCEPIECE_THREADS,
            minloglevel=2,
            **others,
        )
    except RuntimeError as error:
        raise InputError(
            f"SentencePiece cannot make vocab_size={options.vocab_size} pieces of this "
            f"text: {str(error).split('] ')[-1]} Change --vocab_size."
        ) from error
    return _without_input_format(model.getvalue()) if counted else model.getvalue()


def _without_input_format(model: bytes) -> bytes:
    """The model file of the same vocabulary of lines: it says what it was made of."""
    from sentencepiece import sentencepiece_model_pb2

    message = sentencepiece_model_pb2.ModelProto.FromString(model)
    message.trainer_spec.ClearField("input_format")
    return message.SerializeToString()
