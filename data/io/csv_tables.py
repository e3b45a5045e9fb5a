"""Reads comma separated files, whose cells may be quoted.

Lines, encodings and bad rows are treated as in ``data.io.tables``.
"""

import csv
from typing import Iterator, Optional, Tuple

from .errors import InputError
from .tables import BadRows, ReadingOptions, Row, Table, read_rows

# A cell over more lines than this is read, but BadRows.summary() asks whether a
# quotation mark is missing.
_MANY_LINES = 20


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
      InputError: as ``read_table``, and for a quotation mark that is never closed,
        whatever ``options.max_bad_rows`` is: which rows it swallows is not known.
    """
    if bad_rows is None:
        bad_rows = BadRows(path, options.max_bad_rows)
    return csv_table_of_lines(read_rows(path, options, bad_rows), bad_rows)


def csv_table_of_lines(lines: Iterator[Tuple[int, str]], bad_rows: BadRows) -> Table:
    """As ``read_csv``, of lines that ``read_rows`` or ``rows_of_stream`` yields."""
    rows = _csv_rows(lines, bad_rows)
    first_row = next(rows, None)
    if first_row is None or first_row.line_number != 1:
        raise InputError(f"{bad_rows.path}: the first line is bad, and it is needed.")
    rows = _csv_rows_of_width(rows, first_row, bad_rows)
    return Table(bad_rows.path, first_row, rows)


class _LineCounter:
    """Feeds lines to ``csv.reader`` and remembers the lines of the current row."""

    def __init__(self, lines: Iterator[Tuple[int, str]]):
        self._lines = lines
        self.row_start = 0
        self.row_end = 0
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
        self.row_end = line_number
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
            if source.ended or source.row_end > source.row_start:
                raise InputError(
                    f"{bad_rows.path}, line {source.row_start}: a quotation mark is "
                    "opened and never closed, or not where its cell ends (read up to "
                    f"line {source.row_end}). Fix it, or use a tab separated file."
                ) from error
            bad_rows.skip(source.row_start, f"not comma separated values ({error}).")
            continue
        if source.row_end - source.row_start >= _MANY_LINES:
            bad_rows.doubt(
                f"lines {source.row_start} to {source.row_end} are one row, with line "
                "ends in quotation marks: is one of these missing?"
            )
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
