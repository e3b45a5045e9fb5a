"""What users want predicted: texts, pairs and questions, from a file or a pipe."""

import json
import sys
from typing import Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .errors import InputError
from .json_files import read_json_object
from .text_files import read_rows

STANDARD_INPUT = "-"
FORMATS = ("text", "tsv", "jsonl", "json")

# Names of the texts in a JSON object, the first that are there count.
_KEYS = (("text", "text_b"), ("question", "context"))


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


def format_of(path: str) -> str:
    """By the ending: .tsv, .jsonl, .json; anything else has a text on each line."""
    ending = path.lower().rpartition(".")[2]
    return ending if ending in FORMATS else "text"


def read_items(path: str, form: str, columns: Sequence[str] = ()) -> Iterator[Item]:
    """Reads what to predict, in order; an empty line is an empty text.

    text: a text per line. tsv: one column, or two for a pair, without a header; with
    `columns`, a header in which these are looked for. jsonl: an object per line with
    "text" and "text_b", or "question" and "context", and "id" where there is one. json:
    questions in the form of SQuAD 1.1 and KorQuAD 1.0.

    Args:
      path: a file, or "-" for standard input; UTF-8.
      form: one of FORMATS.
      columns: names of one or two columns of a tsv file.

    Raises:
      InputError: as `read_rows`; a line that does not have this form, by its number.
    """
    if form == "json":
        return iter(_questions(path))
    lines = _lines(path)
    if form == "jsonl":
        return (_item_of_json(path, number, line) for number, line in lines)
    if form == "tsv":
        return _items_of_table(path, lines, columns)
    return (Item(str(number), _place(path, number), line) for number, line in lines)


def _place(path: str, number: int) -> str:
    source = "Standard input" if path == STANDARD_INPUT else path
    return f"{source}, line {number}"


def _lines(path: str) -> Iterator[Tuple[int, str]]:
    if path != STANDARD_INPUT:
        return read_rows(path)
    return _lines_of_standard_input()


def _lines_of_standard_input() -> Iterator[Tuple[int, str]]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{_place(STANDARD_INPUT, number)}: not UTF-8 ({error.reason})."
            ) from None
        if text.endswith("\n"):
            text = text[:-2] if text.endswith("\r\n") else text[:-1]
        yield number, text


def _items_of_table(path, lines, columns) -> Iterator[Item]:
    places = None
    for number, line in lines:
        cells = line.split("\t")
        if columns and places is None:
            places = _places(path, cells, columns)
            width = len(cells)
            continue
        if places is None:
            width = len(cells)
            places = list(range(width))
            if width > 2:
                raise InputError(
                    f"{_place(path, number)}: {width} columns, expected one text or "
                    "two. Name those of the header with --columns=text,text_b."
                )
        if len(cells) != width:
            raise InputError(
                f"{_place(path, number)}: {len(cells)} columns, expected {width}."
            )
        texts = (cells[place] for place in places)
        yield Item(str(number), _place(path, number), *texts)


def _places(path: str, names: List[str], columns: Sequence[str]) -> List[int]:
    if len(columns) > 2:
        raise InputError(f"--columns={','.join(columns)}, expected one or two names.")
    names = [name.strip() for name in names]
    for column in columns:
        if column not in names:
            raise InputError(
                f"{_place(path, 1)}: no column {column!r}, there are "
                f"{', '.join(names)}."
            )
    return [names.index(column) for column in columns]


def _item_of_json(path: str, number: int, line: str) -> Item:
    place = _place(path, number)
    try:
        record = json.loads(line)
    except ValueError as error:
        raise InputError(f"{place}: not JSON ({error}).") from None
    for first, second in _KEYS:
        if isinstance(record, dict) and first in record:
            texts = record[first], record.get(second)
            if isinstance(texts[0], str) and isinstance(texts[1], (str, type(None))):
                return Item(str(record.get("id", number)), place, *texts)
    raise InputError(
        f'{place}: expected an object such as {{"text": "..."}} or {{"question": '
        '"...", "context": "..."}.'
    )


def _questions(path: str) -> Iterator[Item]:
    if path == STANDARD_INPUT:
        raise InputError("Questions of KorQuAD's form are read from a file, not '-'.")
    record = read_json_object(path)
    try:
        for article in record["data"]:
            for paragraph in article["paragraphs"]:
                for question in paragraph["qas"]:
                    yield Item(
                        str(question["id"]),
                        f"{path}, question {question['id']}",
                        question["question"],
                        paragraph["context"],
                    )
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} does not have the form of SQuAD 1.1 and KorQuAD 1.0 ({error})."
        ) from None
