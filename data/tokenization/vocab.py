"""The WordPiece vocabulary: one piece per line, its id is its line number."""

import collections
import dataclasses
import hashlib
from typing import Dict, Iterable, Optional, Tuple

from ..io import files
from ..io.errors import InputError
from ..io.text_encoding import refuse_lfs_pointer
from .config import ReadBytes


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """The pieces of a vocabulary file.

    Attributes:
      pieces: piece of each id.
      ids: id of each piece; of a piece that stands twice, the later one (Upstream:
        tokenization.py, load_vocab).
      path: the file.
      sha256: of the pieces joined by line feeds, so that line ends do not matter.
    """

    pieces: Tuple[str, ...]
    ids: Dict[str, int]
    path: str
    sha256: str

    def __len__(self) -> int:
        """Number of ids, which is the number of lines."""
        return len(self.pieces)


def load_vocabulary(path: str, read_bytes: ReadBytes = files.read_bytes) -> Vocabulary:
    """Reads a vocabulary file. White space around a piece is dropped.

    Args:
      path: the file, UTF-8, a byte order mark is allowed.
      read_bytes: reads a whole file.

    Raises:
      InputError: no such file, empty, not UTF-8.
    """
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise InputError(f"Vocabulary `{path}` does not exist.") from None
    refuse_lfs_pointer(content, path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            "Vocabulary `{}`, line {}: byte {:#04x} is not UTF-8. Save the file as "
            "UTF-8.".format(
                path, content.count(b"\n", 0, error.start) + 1, content[error.start]
            )
        ) from None
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"Vocabulary `{path}` is empty.")
    pieces = tuple(line.strip() for line in lines)
    return Vocabulary(
        pieces=pieces,
        ids={piece: index for index, piece in enumerate(pieces)},
        path=path,
        sha256=hashlib.sha256("\n".join(pieces).encode("utf-8")).hexdigest(),
    )


def check_vocabulary(
    vocabulary: Vocabulary,
    vocab_size: Optional[int] = None,
    special_tokens: Iterable[str] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    allow_duplicates: bool = False,
) -> None:
    """Refuses a vocabulary that a model cannot use.

    Args:
      vocabulary: what load_vocabulary returned.
      vocab_size: rows of the model's embedding table; None leaves this out.
      special_tokens: pieces that must be there.
      allow_duplicates: lets a piece stand on several lines (the last one counts).

    Raises:
      InputError: special tokens missing, duplicates, more pieces than vocab_size.
    """
    missing = [token for token in special_tokens if token not in vocabulary.ids]
    if missing:
        raise InputError(
            "Vocabulary `{}` lacks the special tokens {}. Put each on a line of its "
            "own, in place of an [unused] one if the model is trained already, or "
            "name the vocabulary's own special tokens in tokenizer_config.json.".format(
                vocabulary.path, ", ".join(missing)
            )
        )
    if not allow_duplicates:
        _check_duplicates(vocabulary)
    if vocab_size is not None and len(vocabulary) > vocab_size:
        raise InputError(
            f"Vocabulary `{vocabulary.path}` has {len(vocabulary)} pieces but the "
            f"model's embedding table has vocab_size={vocab_size} rows. Use the "
            "vocabulary that the model was made with, or set vocab_size to "
            f"{len(vocabulary)} for a new model."
        )


def _check_duplicates(vocabulary):
    if len(vocabulary.ids) == len(vocabulary.pieces):
        return
    counts = collections.Counter(vocabulary.pieces)
    piece = next(piece for piece in vocabulary.pieces if counts[piece] > 1)
    lines = [i + 1 for i, other in enumerate(vocabulary.pieces) if other == piece]
    raise InputError(
        "Vocabulary `{}` has {} duplicate lines; the first piece is {!r} on lines {}. "
        "Replace all but one of each by an unused name such as [unused1]: lines must "
        "keep their numbers.".format(
            vocabulary.path,
            len(vocabulary.pieces) - len(vocabulary.ids),
            piece,
            ", ".join(map(str, lines)),
        )
    )
