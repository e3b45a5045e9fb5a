"""Reads users' text files line by line, and says exactly what is wrong with a bad one.

A line ends at "\\n" and nowhere else; one "\\r" before it is dropped. So U+001C,
U+0085 and U+2028, which ``str.splitlines`` breaks at, stay inside their line. Quoting
is off: a quotation mark is a character like any other (``data.io.csv_tables`` is for
files that quote). What the columns of a table mean is left to ``data.tasks``; what an
unknown file is, to ``data.io.text_encoding``.
"""

import codecs
import dataclasses
import io
import itertools
import re
from typing import BinaryIO, Dict, Iterator, List, NamedTuple, Optional, Tuple

from .errors import InputError
from .files import exists, file_size, is_folder, open_file
from .text_encoding import (
    check_head,
    name_encoding,
    refuse_lone_carriage_returns,
)

_UTF8_MARK = codecs.BOM_UTF8
_BYTES_PER_CHAR = 4  # the most that UTF-8 needs; CP949 needs two
_SHOWN_PROBLEMS = 5


@dataclasses.dataclass(frozen=True)
class ReadingOptions:
    """How tolerant reading is.

    Attributes:
      encoding: a Python codec name, such as "utf-8", "cp949" or "utf-16".
      max_bad_rows: rows of one file that may be skipped before reading stops.
      max_line_chars: the longest line accepted, in characters.
    """

    encoding: str = "utf-8"
    max_bad_rows: int = 0
    max_line_chars: int = 100000


class BadRows:
    """Counts the rows of one file that were skipped, and stops beyond the limit."""

    def __init__(self, path: str, max_bad_rows: int = 0):
        self.path = path
        self.max_bad_rows = max_bad_rows
        self.count = 0
        self.problems: List[str] = []
        self.omitted: Dict[str, int] = {}
        self.doubts: List[str] = []

    def skip(self, line_number: int, problem: str) -> None:
        """Notes one bad row; raises InputError if it is one more than the limit.

        Args:
          line_number: counted from 1, the header included.
          problem: what was received and what was expected, one sentence.
        """
        self.skip_at(f"line {line_number}", problem)

    def skip_at(self, place: str, problem: str) -> None:
        """As ``skip``, where a place is not a line but "question 6548850-0-0"."""
        message = f"{self.path}, {place}: {problem}"
        self.count += 1
        if self.count > self.max_bad_rows:
            raise InputError(f"{message} {self._advice()}")
        if len(self.problems) < _SHOWN_PROBLEMS:
            self.problems.append(message)

    def _advice(self) -> str:
        if self.max_bad_rows == 0:
            return "Fix it, or skip such rows with --max_bad_rows=N."
        return (
            f"It is bad row {self.count} and --max_bad_rows={self.max_bad_rows}: "
            "fix the rows, or raise the number."
        )

    def omit(self, reason: str) -> None:
        """Counts a row that the task leaves out by its own rule; there is no limit."""
        self.omitted[reason] = self.omitted.get(reason, 0) + 1

    def doubt(self, remark: str) -> None:
        """Notes what is read as it stands, but is hardly meant so; there is no limit.

        Args:
          remark: where and why: "lines 3 to 290 are one row, ...".
        """
        self.doubts.append(remark)

    def summary(self) -> str:
        """One line for the log: rows passed over or in doubt, and why; "" if none."""
        parts = [f"left out {size} rows ({why})" for why, size in self.omitted.items()]
        if self.count:
            parts.insert(
                0, f"{self.count} bad rows ({_shown(self.problems, self.count)})"
            )
        if self.doubts:
            parts.append(_shown(self.doubts[:_SHOWN_PROBLEMS], len(self.doubts)))
        return f"{self.path}: {', '.join(parts)}" if parts else ""


def _shown(messages: List[str], count: int) -> str:
    more = count - len(messages)
    return "; ".join(messages) + (f"; and {more} more" if more else "")


class Row(NamedTuple):
    """The cells of one line; ``line_number`` counts from 1, the header included."""

    line_number: int
    cells: Tuple[str, ...]


class Table(NamedTuple):
    """A delimited file: the cells of line 1 and, lazily, the rows after it."""

    path: str
    first_row: Row
    rows: Iterator[Row]


def check_file(path: str, hint: str = "") -> None:
    """Raises InputError unless ``path`` is a readable file of at least one byte.

    Args:
      path: the file.
      hint: what to fetch and from where, added when the file is missing.
    """
    if is_folder(path):
        raise InputError(f"{path} is a folder, expected a file.")
    if not exists(path):
        message = f"{path} does not exist."
        raise InputError(f"{message} {hint}" if hint else message)
    try:
        open_file(path).close()
    except PermissionError:
        raise InputError(f"{path} may not be read: check its permissions.") from None
    if file_size(path) == 0:
        raise InputError(f"{path} is empty (0 bytes): fetch or write it again.")


def read_rows(
    path: str,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    bad_rows: Optional[BadRows] = None,
) -> Iterator[Tuple[int, str]]:
    """Yields (line number from 1, text without its line end) for each line.

    The bytes "영화 재밌다\\r\\n두 번째" give (1, "영화 재밌다") and (2, "두 번째"). A
    byte order mark is dropped, a missing last newline is no fault.

    Args:
      path: the file.
      options: encoding and limits.
      bad_rows: collects the skipped rows; one of ``options.max_bad_rows`` by default.

    Raises:
      InputError: at the call for a missing, empty or plainly foreign file (UTF-16,
        CP949, gzip); while iterating for invalid bytes, a NUL byte or an overlong
        line, once there are more of them than ``options.max_bad_rows``.
    """
    encoding = name_encoding(options.encoding)
    check_file(path)
    check_head(path, encoding)
    if bad_rows is None:
        bad_rows = BadRows(path, options.max_bad_rows)
    return _rows_of_file(path, options, bad_rows)


def _rows_of_file(
    path: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[Tuple[int, str]]:
    with open_file(path) as stream:
        yield from rows_of_stream(stream, options, bad_rows)


def rows_of_stream(
    stream: BinaryIO, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[Tuple[int, str]]:
    """As ``read_rows``, for an open stream such as standard input; it may be empty.

    Args:
      stream: bytes; it is read line by line.
      options: encoding and limits.
      bad_rows: collects the skipped rows; its ``path`` names the stream in messages.
    """
    encoding = name_encoding(options.encoding)
    if "\n".encode(encoding) == b"\n":
        lines = _lines_of_bytes(stream, encoding, options, bad_rows)
    else:
        lines = _lines_of_wide_text(stream, encoding, options, bad_rows.path)
    return _sound_lines(lines, options, bad_rows)


def _lines_of_bytes(
    stream: BinaryIO, encoding: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[Tuple[int, str]]:
    """Cuts at the byte 0x0A, so a line that does not decode spoils no other line."""
    max_bytes = _BYTES_PER_CHAR * options.max_line_chars + 2
    offset = 0
    for line_number in itertools.count(1):
        line = stream.readline(max_bytes)
        if not line:
            return
        start, offset = offset, offset + len(line)
        if len(line) == max_bytes and not line.endswith(b"\n"):
            offset += _pass_line_end(stream, max_bytes)
            bad_rows.skip(line_number, _too_long(options.max_line_chars))
            continue
        if start == 0 and encoding == "utf-8" and line.startswith(_UTF8_MARK):
            line, start = line[len(_UTF8_MARK) :], len(_UTF8_MARK)
        try:
            yield line_number, line.decode(encoding)
        except UnicodeDecodeError as error:
            bad_rows.skip(line_number, _invalid_byte(error, start))


def _pass_line_end(stream: BinaryIO, chunk_bytes: int) -> int:
    """Moves past the next newline in bounded memory; returns the bytes passed."""
    passed = 0
    while True:
        chunk = stream.readline(chunk_bytes)
        passed += len(chunk)
        if not chunk or chunk.endswith(b"\n"):
            return passed


def _lines_of_wide_text(
    stream: BinaryIO, encoding: str, options: ReadingOptions, name: str
) -> Iterator[Tuple[int, str]]:
    """UTF-16 and UTF-32: a bad unit may hide a line end, so nothing can be skipped."""
    line_number = 0
    text = io.TextIOWrapper(stream, encoding, newline="\n")
    try:
        while True:
            line = text.readline(options.max_line_chars + 3)
            if not line:
                return
            line_number += 1
            if len(line) == options.max_line_chars + 3:
                problem = _too_long(options.max_line_chars)
                raise InputError(f"{name}, line {line_number}: {problem}")
            yield line_number, line
    except UnicodeError as error:
        raise InputError(
            f"{name}, near line {line_number + 1}: not valid {encoding} ({error}). "
            "Name the right encoding with --encoding."
        ) from error


def _sound_lines(
    lines: Iterator[Tuple[int, str]], options: ReadingOptions, bad_rows: BadRows
) -> Iterator[Tuple[int, str]]:
    """Drops line ends, and the lines that no tokenizer should see."""
    for line_number, line in lines:
        if line_number == 1:
            content = line.encode("utf-8", "surrogatepass")
            refuse_lone_carriage_returns(content, bad_rows.path)
        text = line[:-1] if line.endswith("\n") else line
        text = text[:-1] if text.endswith("\r") else text
        if "\0" in text:
            problem = f"a NUL byte at character {text.index(chr(0))}, expected text."
            bad_rows.skip(line_number, problem)
        elif len(text) > options.max_line_chars:
            bad_rows.skip(line_number, _too_long(options.max_line_chars, len(text)))
        else:
            yield line_number, text


def is_text(text: str) -> bool:
    """False for what no line read here holds, but JSON can write.

    That is a NUL, and half of a character outside the basic plane ("\\ud83d" alone),
    which UTF-8 cannot hold.
    """
    return not re.search(r"[\0\ud800-\udfff]", text)


def _too_long(max_line_chars: int, length: Optional[int] = None) -> str:
    received = "too many" if length is None else f"{length:,}"
    return (
        f"{received} characters, expected at most {max_line_chars:,} "
        "(is a line end missing?)."
    )


def _invalid_byte(error: UnicodeDecodeError, line_start: int) -> str:
    return (
        f"byte 0x{error.object[error.start]:02X} at offset {line_start + error.start} "
        f"of the file is not valid {error.encoding}. If the file has another encoding, "
        "name it (as --encoding=cp949)."
    )


def read_table(
    path: str,
    delimiter: str = "\t",
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    bad_rows: Optional[BadRows] = None,
) -> Table:
    """Reads a delimited file with quoting off.

    The line '3<TAB>"최고"다<TAB>1' gives the cells ("3", '"최고"다', "1"). Whether the
    first row is a header is for the caller to decide; every other row must have as
    many cells. Blank lines at the end are passed over, unless there is one column.

    Args:
      path: the file.
      delimiter: the character between cells.
      options: encoding and limits.
      bad_rows: collects the skipped rows; one of ``options.max_bad_rows`` by default.

    Raises:
      InputError: as ``read_rows``, and for a row with another number of columns.
    """
    if bad_rows is None:
        bad_rows = BadRows(path, options.max_bad_rows)
    return table_of_lines(read_rows(path, options, bad_rows), bad_rows, delimiter)


def table_of_lines(
    lines: Iterator[Tuple[int, str]], bad_rows: BadRows, delimiter: str = "\t"
) -> Table:
    """As ``read_table``, of lines that ``read_rows`` or ``rows_of_stream`` yields."""
    line_number, text = next(lines, (0, ""))
    if line_number != 1:
        raise InputError(f"{bad_rows.path}: the first line is bad, and it is needed.")
    first_row = Row(1, tuple(text.split(delimiter)))
    rows = _rows_of_width(lines, delimiter, len(first_row.cells), bad_rows)
    return Table(bad_rows.path, first_row, rows)


def _rows_of_width(
    lines: Iterator[Tuple[int, str]], delimiter: str, width: int, bad_rows: BadRows
) -> Iterator[Row]:
    blank_lines = []  # held back: only blank lines at the very end are harmless
    for line_number, text in lines:
        if not text and width > 1:
            blank_lines.append(line_number)
            continue
        for blank in blank_lines:
            bad_rows.skip(blank, f"an empty line, expected {width} columns.")
        blank_lines = []
        cells = tuple(text.split(delimiter))
        if len(cells) == width:
            yield Row(line_number, cells)
        else:
            problem = f"{len(cells)} columns, expected {width} as in line 1."
            bad_rows.skip(line_number, problem)
