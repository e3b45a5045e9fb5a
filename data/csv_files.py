"""Reads comma separated files, whose cells may be quoted.

Lines, encodings and bad rows are treated as in ``data.text_files``.
"""

import csv
from typing import Iterator, Optional, Tuple

from .errors import InputError
from .text_files import BadRows, ReadingOptions, Row, Table, read_rows


def read_csv(
    path: str,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    bad_rows: Optional[BadRows] = None,
) -> Table:
    """Reads a comma separated file with the quoting of RFC 4180, as Excel writes it.

    The line '49,"4월, 이별을 말합니다.",1' gives ("49", "4월, 이별을 말합니다.", "1").
    A quoted cell may go on over several lines; its row has the number of the first.

    Args:
      path: the file.
      options: encoding and limits.
      bad_rows: collects the skipped rows; one of ``options.max_bad_rows`` by default.

    Raises:
      InputError: as ``read_table``, and for a quotation mark that is never closed.
    """
    if bad_rows is None:
        bad_rows = BadRows(path, options.max_bad_rows)
    rows = _csv_rows(read_rows(path, options, bad_rows), bad_rows)
    first_row = next(rows, None)
    if first_row is None or first_row.line_number != 1:
        raise InputError(f"{path}: the first line is bad, and it is needed.")
    return Table(path, first_row, _csv_rows_of_width(rows, first_row, bad_rows))


class _LineCounter:
    """Feeds lines to ``csv.reader`` and remembers where the current row began."""

    def __init__(self, lines: Iterator[Tuple[int, str]]):
        self._lines = lines
        self.row_start = 0
        self.ended = False

    def __iter__(self) -> "_LineCounter":
        return self

    def __next__(self) -> str:
        try:
            line_number, text = next(self._lines)
        except StopIteration:
            self.ended = True
            raise
        self.row_start = self.row_start or line_number
        return text + "\n"


def _csv_rows(lines: Iterator[Tuple[int, str]], bad_rows: BadRows) -> Iterator[Row]:
    source = _LineCounter(lines)
    reader = csv.reader(source, strict=True)
    while True:
        source.row_start = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if source.ended:
                raise InputError(
                    f"{bad_rows.path}, line {source.row_start}: a quotation mark is "
                    "opened and never closed. Close it, or use a tab separated file."
                ) from error
            bad_rows.skip(source.row_start, f"not comma separated values ({error}).")
            continue
        if cells:
            yield Row(source.row_start, tuple(cells))


def _csv_rows_of_width(
    rows: Iterator[Row], first_row: Row, bad_rows: BadRows
) -> Iterator[Row]:
    width = len(first_row.cells)
    for row in rows:
        if len(row.cells) == width:
            yield row
        else:
            problem = f"{len(row.cells)} columns, expected {width} as in line 1."
            bad_rows.skip(row.line_number, problem)
