"""What users want predicted: texts, pairs and questions, from a file or a pipe."""

import itertools
import json
import sys
import unicodedata
from typing import BinaryIO, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from absl import logging

from .. import tasks
from ..io.csv_tables import csv_table_of_lines
from ..io.errors import InputError
from ..io.files import open_file
from ..io.json_files import read_json_object, unique_keys
from ..io.tables import (
    BadRows,
    ReadingOptions,
    is_text,
    read_rows,
    rows_of_stream,
    table_of_lines,
)
from ..tasks.question_answering import id_key

STANDARD_INPUT = "-"
FORMATS = ("text", "tsv", "csv", "jsonl", "json")

_TABLES = {"tsv": table_of_lines, "csv": csv_table_of_lines}

# Names of the texts in a JSON object, the first that are there count.
_KEYS = (("text", "text_b"), ("question", "context"))

# The column of a header, and the key of an object, that is no text.
_ID = "id"

# Lines of a text file that show whether it is a table.
_LOOKED_AT = 100

_NOT_TEXT = "half a character or a NUL in it, expected text."


class Item(NamedTuple):
    """One text or pair; a question (`text`) and its passage (`text_b`).

    Attributes:
      item_id: that of the input, or the number of its line from 1.
      place: where it stands, for messages: "texts.tsv, line 3".
    """

    item_id: str
    place: str
    text: str
    text_b: Optional[str] = None


def source_name(path: str) -> str:
    """What messages call it: the path, or that it is standard input."""
    return "Standard input" if path == STANDARD_INPUT else path


def format_of(path: str, columns: Sequence[str] = ()) -> str:
    """By the ending: .tsv, .csv, .jsonl, .json; else tsv where columns are named.

    Anything else has a text on each line.
    """
    ending = path.lower().rpartition(".")[2]
    if ending in FORMATS and ending != "text":
        return ending
    return "tsv" if columns else "text"


def number_of_lines(path: str) -> int:
    """Lines of a file, counted by their ends in bounded memory; empty ones too."""
    count, block = 0, b"\n"
    with open_file(path) as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            count += block.count(b"\n")
    return count + (not block.endswith(b"\n"))


def refuse_table(
    lines: Iterator[Tuple[int, str]], bad_rows: BadRows
) -> Iterator[Tuple[int, str]]:
    """The lines again, unless they are those of a table, which is no list of texts.

    Raises:
      InputError: with the flag that says which columns are the texts.
    """
    head, lines = looked_at(lines)
    cells = head[0][1].split("\t") if head else []
    if looks_like_table(head):
        raise InputError(
            f"{_place(bad_rows, 1)}: it looks like a table of {len(cells)} columns. "
            f"{_column_advice(cells)}; or pass --input_format=text where the tabs "
            "belong to the texts."
        )
    if len(head) > 1 and _known_columns(cells):
        logging.warning(
            "%s is %r, the name of a column, and is predicted as a text. If it is a "
            "header: %s.",
            _place(bad_rows, 1),
            head[0][1],
            _column_advice(cells),
        )
    return lines


def looked_at(
    lines: Iterator[Tuple[int, str]],
) -> Tuple[List[Tuple[int, str]], Iterator[Tuple[int, str]]]:
    """The first lines, which show whether it is a table, and all of them again."""
    head = list(itertools.islice(lines, _LOOKED_AT))
    return head, itertools.chain(head, lines)


def looks_like_table(head: Sequence[Tuple[int, str]]) -> bool:
    """Whether the first lines of a file are those of a table, not texts.

    A table is what has the header of a known task, or as many tabs in each of its
    lines ("id<TAB>document<TAB>label").
    """
    tabs = {line.count("\t") for _, line in head if line}
    if len(head) > 1 and len(tabs) == 1 and 0 not in tabs:
        return True
    cells = head[0][1].split("\t") if head else []
    return len(cells) > 1 and bool(_known_columns(cells))


def _names(cells: Sequence[str]) -> List[str]:
    """Cells of a header as they are compared: what macOS writes apart is one."""
    return [unicodedata.normalize("NFC", cell.strip()) for cell in cells]


def _known_columns(cells: Sequence[str]) -> List[str]:
    """The cells of a first line that are names of texts in one of the tasks."""
    return [name for name in _names(cells) if name in tasks.text_columns()]


def _column_advice(cells: Sequence[str]) -> str:
    found = _known_columns(cells)
    if found:
        return f"Pass --columns={','.join(found[:2])}"
    shown = ", ".join(cell.strip()[:20] for cell in cells[:6])
    return f"Name the column of the texts with --columns; its first line is {shown}"


def read_items(
    path: str,
    form: str,
    columns: Sequence[str] = (),
    reading: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
    bad_rows: Optional[BadRows] = None,
    looks_at_tabs: bool = False,
) -> Iterator[Item]:
    """Reads what to predict, in order; an empty line is an empty text.

    text: a text per line. tsv and csv: one column, or two for a pair, without a header;
    with `columns`, a header in which these are looked for, and "id"; a csv file may
    have quoted cells, and its empty lines count for nothing. jsonl: an object per line
    with "text" and "text_b", or "question" and "context", and "id" where there is one.
    json: questions in the form of SQuAD 1.1, KorQuAD 1.0 and KLUE-MRC.

    Args:
      path: a file, or "-" for standard input.
      form: one of FORMATS.
      columns: names of one or two columns of a table.
      reading: encoding and limits.
      bad_rows: collects what is skipped; one of `reading.max_bad_rows` by default.
      looks_at_tabs: whether a list of texts that looks like a table is refused.

    Raises:
      InputError: as `read_rows`; `columns` of what is no table; while iterating, a line
        that does not have this form, by its number, once there are more of them than
        `reading.max_bad_rows`.
    """
    if columns and form not in _TABLES:
        raise InputError(
            f"--columns={','.join(columns)} is for tables, but {source_name(path)} is "
            f"read as {form}. Pass --input_format=tsv or csv, or leave --columns out."
        )
    if bad_rows is None:
        bad_rows = BadRows(source_name(path), reading.max_bad_rows)
    if form == "json":
        return _questions(path, reading, bad_rows)
    if path != STANDARD_INPUT:
        lines = read_rows(path, reading, bad_rows)
        return _items_of_lines(lines, form, columns, bad_rows, looks_at_tabs)
    stream = sys.stdin.buffer
    return items_of_stream(stream, form, columns, reading, bad_rows, looks_at_tabs)


def items_of_stream(
    stream: BinaryIO,
    form: str,
    columns: Sequence[str],
    reading: ReadingOptions,
    bad_rows: BadRows,
    looks_at_tabs: bool = False,
) -> Iterator[Item]:
    """As `read_items`, for an open stream, which may be empty; not of the form json.

    Args:
      bad_rows: its ``path`` names the stream in messages.
    """
    lines = rows_of_stream(stream, reading, bad_rows)
    return _items_of_lines(lines, form, columns, bad_rows, looks_at_tabs)


def _items_of_lines(lines, form, columns, bad_rows, looks_at_tabs) -> Iterator[Item]:
    if form == "jsonl":
        return _items_of_json(lines, bad_rows)
    if form in _TABLES:
        return _items_of_table(form, lines, columns, bad_rows)
    if looks_at_tabs:
        lines = refuse_table(lines, bad_rows)
    return (Item(str(number), _place(bad_rows, number), line) for number, line in lines)


def _place(bad_rows: BadRows, number: int) -> str:
    return f"{bad_rows.path}, line {number}"


def _items_of_table(form, lines, columns, bad_rows) -> Iterator[Item]:
    first_line = next(lines, None)
    if first_line is None:
        return  # nothing on standard input
    table = _TABLES[form](itertools.chain([first_line], lines), bad_rows)
    cells, rows = table.first_row.cells, table.rows
    if columns:
        places = _places(bad_rows, cells, columns)
    else:
        places = range(len(cells))
        if _known_columns(cells):
            raise InputError(
                f"{_place(bad_rows, 1)} is a header. {_column_advice(cells)}."
            )
        rows = itertools.chain([table.first_row], rows)
        if len(cells) > 2:
            raise InputError(
                f"{_place(bad_rows, 1)}: {len(cells)} columns, expected one text or "
                "two. Name those of the header with --columns=text,text_b."
            )
    names = _names(cells) if columns else []
    id_place = names.index(_ID) if _ID in names else None
    for row in rows:
        texts = (row.cells[place] for place in places)
        number = str(row.line_number)
        item_id = number if id_place is None else row.cells[id_place] or number
        yield Item(item_id, _place(bad_rows, row.line_number), *texts)


def _places(
    bad_rows: BadRows, cells: Sequence[str], columns: Sequence[str]
) -> List[int]:
    if len(columns) > 2:
        raise InputError(f"--columns={','.join(columns)}, expected one or two names.")
    names, columns = _names(cells), _names(columns)
    for column in columns:
        if column not in names:
            raise InputError(
                f"{_place(bad_rows, 1)}: no column {column!r}, there are "
                f"{', '.join(names)}."
            )
        if names.count(column) > 1:
            raise InputError(
                f"{_place(bad_rows, 1)}: {names.count(column)} columns are named "
                f"{column!r}. Rename those that are not meant."
            )
    return [names.index(column) for column in columns]


def _items_of_json(
    lines: Iterator[Tuple[int, str]], bad_rows: BadRows
) -> Iterator[Item]:
    for number, line in lines:
        try:
            item = _item_of_json(line, number, _place(bad_rows, number))
        except ValueError as error:
            bad_rows.skip(number, str(error))
        else:
            yield item


def _item_of_json(line: str, number: int, place: str) -> Item:
    """Raises ValueError that says what the line is instead of an item."""
    try:
        record = json.loads(line, object_pairs_hook=unique_keys)
    except ValueError as error:
        raise ValueError(f"not JSON ({error}).") from None
    except RecursionError:
        raise ValueError("lists or objects nested too deeply.") from None
    for first, second in _KEYS:
        if isinstance(record, dict) and first in record:
            texts = record[first], record.get(second)
            if isinstance(texts[0], str) and isinstance(texts[1], (str, type(None))):
                item = Item(str(record.get("id", number)), place, *texts)
                if not _is_sound(item):
                    raise ValueError(_NOT_TEXT)
                return item
    raise ValueError(
        'expected an object such as {"text": "..."} or {"question": "...", "context": '
        '"..."}.'
    )


def _is_sound(item: Item) -> bool:
    return all(map(is_text, (item.item_id, item.text, item.text_b or "")))


def _questions(path: str, reading: ReadingOptions, bad_rows: BadRows) -> Iterator[Item]:
    if path == STANDARD_INPUT:
        raise InputError("Questions of KorQuAD's form are read from a file, not '-'.")
    record = read_json_object(path, reading)
    try:
        for article in record["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    item_id = str(question[id_key(question)])
                    place = f"question {item_id}"
                    item = Item(
                        item_id,
                        f"{path}, {place}",
                        question["question"],
                        paragraph["context"],
                    )
                    if _is_sound(item):
                        yield item
                    else:
                        bad_rows.skip_at(place, _NOT_TEXT)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not have the form of SQuAD 1.1 and KorQuAD 1.0 ({error})."
        ) from None
