"""Streams documents from text files in bounded memory.

A corpus is UTF-8 text, plain or .gz: one sentence per line, a blank line or the end of
the file after each document. It is read in blocks of whole documents: the unit of
parallel work, and the pool from which random sentences are drawn. Reading a block is
cheap (bytes, cut at a blank line); decoding it is left to whoever works on it.

Files may lie anywhere (`data.io.files`).
"""

import gzip
import unicodedata
import zlib
from typing import (
    Any,
    BinaryIO,
    Callable,
    Iterable,
    Iterator,
    List,
    NamedTuple,
    Tuple,
    TypeVar,
    cast,
)

from ..io import files
from ..io.errors import InputError
from ..io.text_encoding import (
    refuse_foreign_encoding,
    refuse_lfs_pointer,
    refuse_lone_carriage_returns,
)

OpenFile = Callable[[str, str], Any]  # (path, mode)
_Part = TypeVar("_Part", bound=Any)

DEFAULT_BLOCK_BYTES = 1 << 20
MAX_LINE_CHARACTERS = 100000
# Longer documents go on as new ones, so that no block consists of a single document.
MAX_DOCUMENT_CHARACTERS = 1 << 14

_MAX_LINE_BYTES = 4 * MAX_LINE_CHARACTERS
_UTF8_MARK = b"\xef\xbb\xbf"


class Part(NamedTuple):
    """Consecutive lines of one file."""

    path: str
    line: int  # number of the first line, from 1
    offset: int  # bytes of the (uncompressed) file before it
    data: bytes
    read: int  # bytes read from the (compressed) file to get it
    is_cut: bool = False  # the beginning of a giant line, and its line end

    @property
    def size(self) -> int:
        """Bytes of text."""
        return len(self.data)


class Block(NamedTuple):
    """Whole documents, not decoded yet."""

    index: int  # type: ignore[assignment]  # not the method of tuples
    parts: Tuple[Part, ...]

    @property
    def read(self) -> int:
        """Bytes read from the files, to tell how far a build is."""
        return sum(part.read for part in self.parts)

    @property
    def crc32(self) -> int:
        """Checksum of the bytes, to tell whether the text is still the same."""
        checksum = 0
        for part in self.parts:
            checksum = zlib.crc32(part.data, checksum)
        return checksum


class ParsedBlock(NamedTuple):
    """The documents of a block and what was wrong with the lines left out."""

    documents: List[List[str]]  # sentences, NFC, neither empty
    problems: List[str]  # one per bad line: file, line number, what is wrong


def read_blocks(
    paths: Iterable[str],
    block_bytes: int = DEFAULT_BLOCK_BYTES,
    open_file: OpenFile = files.open_file,
) -> Iterator[Block]:
    """Reads files one after another, in blocks of about `block_bytes`.

    Blocks depend on the files and on `block_bytes` alone. A block ends with a document;
    one that does not fit into half a block is cut at the end of a line.

    Args:
      paths: text files; those that end in .gz are uncompressed.
      block_bytes: bytes of text per block; blocks are up to half as large again.
      open_file: opens a path for reading bytes.

    Raises:
      InputError: a file cannot be read.
    """
    parts = (
        part for path in paths for part in read_parts(path, block_bytes, open_file)
    )
    for index, held in enumerate(grouped(parts, block_bytes)):
        yield Block(index, held)


def grouped(parts: Iterable[_Part], block_bytes: int) -> Iterator[Tuple[_Part, ...]]:
    """The parts of each block.

    Args:
      parts: those of all files, in order; `Part`s, or anything else that has their
        `size`.
      block_bytes: as `read_blocks`.
    """
    held: List[_Part] = []
    size = 0
    for part in parts:
        held.append(part)
        size += part.size
        if size >= block_bytes:
            yield tuple(held)
            held, size = [], 0
    if held:
        yield tuple(held)


def _unpacked(raw: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=raw))


def read_parts(
    path: str, block_bytes: int, open_file: OpenFile = files.open_file
) -> Iterator[Part]:
    """Cuts one file where documents end, into parts of about a quarter of a block.

    Raises:
      InputError: the file cannot be read.
    """
    part_bytes = -(-block_bytes // 4)
    line, offset, pending, position = 1, 0, b"", 0
    try:
        with open_file(path, "rb") as raw:
            stream = _unpacked(raw) if path.endswith(".gz") else raw
            while True:
                chunk = stream.read(part_bytes)
                pending += chunk
                if not offset:
                    refuse_lfs_pointer(pending, path)
                    refuse_foreign_encoding(pending, path, "a corpus")
                    if not chunk or len(pending) > _MAX_LINE_BYTES:
                        refuse_lone_carriage_returns(pending, path)
                end = len(pending)
                if chunk:
                    end = _last_boundary(pending, len(pending) >= 2 * part_bytes)
                data, size, pending = pending[:end], end, pending[end:]
                is_cut = (
                    len(pending) > _MAX_LINE_BYTES and b"\n" not in pending and not end
                )
                if is_cut:
                    data, size, pending = _shortened(pending, stream, part_bytes)
                if data:
                    read = raw.tell() - position
                    yield Part(path, line, offset, data, read, is_cut)
                    position += read
                    line += data.count(b"\n")
                    offset += size
                if not chunk:
                    return
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} could not be read: {error}.") from error


def _shortened(
    beginning: bytes, stream: BinaryIO, part_bytes: int
) -> Tuple[bytes, int, bytes]:
    """Passes over the rest of a giant line, of which enough is kept to tell it is one.

    Returns:
      What is kept, the length of the whole line in bytes, and what was read after it.
    """
    size, chunk = 0, beginning
    while chunk and b"\n" not in chunk:
        size += len(chunk)
        chunk = stream.read(part_bytes)
    end = chunk.find(b"\n") + 1
    return beginning[: _MAX_LINE_BYTES + 1] + b"\n", size + end, chunk[end:]


def _last_boundary(data: bytes, inside_documents: bool) -> int:
    """Where the last document ends, or if need be the last line; 0 = neither does."""
    for blank in (b"\n\n", b"\n\r\n"):
        at = data.rfind(blank)
        if at >= 0:
            return at + len(blank)
    return data.rfind(b"\n") + 1 if inside_documents else 0


def parse_block(block: Block) -> ParsedBlock:
    """Decodes a block: lines stripped and in NFC, documents at blank lines.

    The bytes of "오늘 날씨가 좋다\\n산책을 가자\\n\\n안녕\\n" give the documents
    [["오늘 날씨가 좋다", "산책을 가자"], ["안녕"]].

    Lines that are no UTF-8 or longer than 100,000 characters are left out and reported.
    """
    parsed = ParsedBlock([], [])
    for part in block.parts:
        document: List[str] = []
        characters = 0
        for sentence in _sentences(part, parsed.problems):
            if document and (not sentence or characters >= MAX_DOCUMENT_CHARACTERS):
                parsed.documents.append(document)
                document, characters = [], 0
            if sentence:
                document.append(sentence)
                characters += len(sentence)
        if document:
            parsed.documents.append(document)
    return parsed


def _sentences(part: Part, problems: List[str]) -> Iterator[str]:
    """The lines of a part, stripped, bad ones left out; adds to `problems`."""
    offset = part.offset
    for number, raw in enumerate(part.data.split(b"\n"), part.line):
        begin, offset = offset, offset + len(raw) + 1
        if len(raw) > _MAX_LINE_BYTES:  # its end may be missing: see _shortened
            size = f"more than {_MAX_LINE_BYTES} bytes"
            problems.append(f"{part.path}, line {number}: {_too_long(size)}")
            continue
        if begin == 0 and raw.startswith(_UTF8_MARK):
            begin, raw = len(_UTF8_MARK), raw[len(_UTF8_MARK) :]
        try:
            text = raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            problems.append(
                f"{part.path}, line {number}: byte 0x{raw[error.start]:02X} at offset "
                f"{begin + error.start} of the file is not valid UTF-8. Convert the "
                "file to UTF-8."
            )
            continue
        if len(text) > MAX_LINE_CHARACTERS:
            size = f"{len(text)} characters"
            problems.append(f"{part.path}, line {number}: {_too_long(size)}")
            continue
        yield unicodedata.normalize("NFC", text)


def _too_long(size: str) -> str:
    return (
        f"{size}, expected at most {MAX_LINE_CHARACTERS} characters. Put one sentence "
        "on each line."
    )


def refuse_bad_lines(count: int, problem: str, max_bad_rows: int) -> None:
    """Stops when there are more bad lines than allowed.

    Args:
      count: bad lines so far.
      problem: what is wrong with the last of them.

    Raises:
      InputError: count > max_bad_rows.
    """
    if count <= max_bad_rows:
        return
    advice = "Fix it, or leave such lines out with --max_bad_rows=N."
    if max_bad_rows:
        advice = f"It is bad line {count} and --max_bad_rows={max_bad_rows}."
    raise InputError(f"{problem} {advice}")


def refuse_empty(paths: Iterable[str]) -> None:
    """Raises InputError for a corpus in which no text was found."""
    raise InputError(
        f"The corpus holds no text: {', '.join(paths)}. Expected UTF-8, one sentence "
        "per line, a blank line after each document."
    )


def stream_documents(
    paths: Iterable[str], open_file: OpenFile = files.open_file, max_bad_rows: int = 0
) -> Iterator[List[str]]:
    """The documents of files, one after another, each a list of sentences.

    Raises:
      InputError: a file cannot be read, there is no text at all, or more than
        `max_bad_rows` lines are bad.
    """
    paths = list(paths)
    bad_lines, found = 0, False
    for block in read_blocks(paths, open_file=open_file):
        parsed = parse_block(block)
        for problem in parsed.problems:
            bad_lines += 1
            refuse_bad_lines(bad_lines, problem, max_bad_rows)
        found = found or bool(parsed.documents)
        yield from parsed.documents
    if not found:
        refuse_empty(paths)
