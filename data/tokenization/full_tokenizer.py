"""FullTokenizer and its parts, by upstream's names, on this package's rules.

For programs written for Google's `tokenization.py`: text to pieces and ids, without
offsets. A new program takes `build_tokenizer`, which knows settings and offsets, too.
Sources: tokenization.py of google-research/bert, albert and electra.
"""

import collections
from typing import Any, Dict, Iterable, List, Mapping, Union

from ..text import unicode11
from .config import TokenizerConfig
from .normalisation import Normaliser
from .vocab import load_vocabulary
from .wordpiece import WordTable


def convert_to_unicode(text: Union[str, bytes]) -> str:
    """Bytes as UTF-8 without what is not UTF-8; a str as it is.

    Raises:
      ValueError: anything else.
    """
    if isinstance(text, bytes):
        return text.decode("utf-8", "ignore")
    if not isinstance(text, str):
        raise ValueError(f"Unsupported string type: {type(text)}")
    return text


printable_text = convert_to_unicode  # upstream: they differ under Python 2 alone


def load_vocab(vocab_file: str) -> Dict[str, int]:
    """Piece -> line number from 0; of a piece that stands twice, the later one.

    Raises:
      InputError: no such file, empty, not UTF-8.
    """
    return collections.OrderedDict(load_vocabulary(vocab_file).ids)


def convert_by_vocab(vocab: Mapping, items: Iterable) -> List:
    """What the vocabulary has for each item; KeyError where it has nothing."""
    return [vocab[item] for item in items]


def convert_tokens_to_ids(vocab: Mapping[str, int], tokens: Iterable[str]) -> List[int]:
    """Ids of pieces, as `convert_by_vocab`."""
    return convert_by_vocab(vocab, tokens)


def convert_ids_to_tokens(
    inv_vocab: Mapping[int, str], ids: Iterable[int]
) -> List[str]:
    """Pieces of ids, as `convert_by_vocab`."""
    return convert_by_vocab(inv_vocab, ids)


def whitespace_tokenize(text: str) -> List[str]:
    """The text cut at white space; no word for an empty text."""
    return text.split()


def is_whitespace(char: str) -> bool:
    """Tab, line ends and the Unicode category Zs."""
    return char in " \t\n\r" or unicode11.category(char) == "Zs"


class BasicTokenizer:
    """Text to words and punctuation marks.

    Example: ``"OST가 최고!"`` -> ``OST가 최고 !`` with do_lower_case=False. With
    do_lower_case=True, upstream's default, marks are stripped after a decomposition
    that takes Hangul apart, too: 최고 becomes five letters, ㅊ ㅚ ㄱ ㅗ in their
    conjoining forms. Pass False for a Korean vocabulary of syllables.

    Args:
      do_lower_case: lower-cases and strips accents.
      strip_accents: False = lower-cases only; Hangul then stays whole.
    """

    control_characters = "Cc Cf"

    def __init__(self, do_lower_case: bool = True, strip_accents: bool = True):
        self.do_lower_case = do_lower_case
        self.strip_accents = strip_accents
        strips = bool(do_lower_case and strip_accents)
        self._normaliser = Normaliser(
            TokenizerConfig(
                lower_case=bool(do_lower_case),
                strip_accents=strips,
                decompose="all" if strips else "none",
                control_characters=self.control_characters,
            )
        )

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        """The words of a text."""
        return self._normaliser.normalise(convert_to_unicode(text)).split()


class WordpieceTokenizer:
    """Words to pieces: the longest piece that fits, again and again.

    Example: ``"unaffable"`` -> ``un ##aff ##able``.

    Args:
      vocab: the pieces; not to be changed afterwards.
      unk_token: stands for a word that the vocabulary cannot spell.
      max_input_chars_per_word: characters; a longer word is unknown.
    """

    def __init__(
        self,
        vocab: Iterable[str],
        unk_token: str = "[UNK]",
        max_input_chars_per_word: int = 200,
    ):
        self.vocab = vocab
        self.unk_token = unk_token
        self.max_input_chars_per_word = max_input_chars_per_word
        self._pieces = list(vocab)
        if unk_token not in vocab:
            self._pieces.append(unk_token)
        numbers = {piece: number for number, piece in enumerate(self._pieces)}
        self._table = WordTable(numbers, unk_token, max_input_chars_per_word)

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        """The pieces of the words of a text, which BasicTokenizer has separated."""
        return [
            self._pieces[number]
            for word in whitespace_tokenize(convert_to_unicode(text))
            for number in self._table[word]
        ]


class FullTokenizer:
    """Text to pieces: BasicTokenizer, then WordpieceTokenizer.

    Args:
      vocab_file: vocab.txt.
      do_lower_case: see BasicTokenizer.

    Attributes:
      vocab: piece -> id. inv_vocab: id -> piece.
      basic_tokenizer, wordpiece_tokenizer: the two steps.

    Raises:
      InputError: the vocabulary cannot be read.
    """

    def __init__(self, vocab_file: str, do_lower_case: bool = True):
        self._use(load_vocab(vocab_file), BasicTokenizer(do_lower_case))

    def _use(self, vocab: Dict[str, int], basic_tokenizer: Any) -> None:
        self.vocab = vocab
        self.inv_vocab = {index: piece for piece, index in vocab.items()}
        self.basic_tokenizer = basic_tokenizer
        self.wordpiece_tokenizer = WordpieceTokenizer(vocab)

    def tokenize(self, text: Union[str, bytes]) -> List[str]:
        """The pieces of one text."""
        return [
            piece
            for word in self.basic_tokenizer.tokenize(text)
            for piece in self.wordpiece_tokenizer.tokenize(word)
        ]

    def convert_tokens_to_ids(self, tokens: Iterable[str]) -> List[int]:
        """Ids of pieces; KeyError for one that the vocabulary lacks."""
        return convert_by_vocab(self.vocab, tokens)

    def convert_ids_to_tokens(self, ids: Iterable[int]) -> List[str]:
        """Pieces of ids; KeyError for one outside the vocabulary."""
        return convert_by_vocab(self.inv_vocab, ids)
