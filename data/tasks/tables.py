"""From the rows of a file to texts and label strings, guided by a layout.

A file is a table, or a JSON list of objects (``json_rows``).
"""

from typing import Collection, Dict, Iterator, List, NamedTuple, Optional, Tuple

from ..io.csv_tables import read_csv
from ..io.errors import InputError
from ..io.tables import BadRows, ReadingOptions, Row, Table, read_table
from . import json_rows
from .declarations import BAD, KEEP, Layout, Task

_SHOWN_CHARS = 60

# What stands in the label column of a published test whose labels are kept back.
NO_LABELS = ("", "-1", "-1.0")


class LabelledRow(NamedTuple):
    """One row, its label not yet understood; None where the file has no labels.

    ``place`` is where it stands: "line 3", or "object 3" of a JSON list.
    """

    place: str
    example_id: str
    text_a: str
    text_b: Optional[str]
    label: Optional[str]


def labelled_rows(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[LabelledRow]:
    """Yields the rows of one file of a task.

    With NSMC's layout the line "9976970<TAB>아 더빙.. 짜증나네요<TAB>0" becomes
    ``LabelledRow("line 2", "9976970", "아 더빙.. 짜증나네요", None, "0")``. Quotation
    marks of a tab separated file stay as they are written, doubled ones too.

    Args:
      task: says which layouts there are.
      path: a tab separated file, a comma separated one if it is named ``.csv``, or a
        JSON list if it is named ``.json``.
      split: "train", "dev" or "test"; a test file may lack the label column.
      options: encoding and limits.
      bad_rows: collects the rows that are skipped.

    Raises:
      InputError: for a header of no known layout or with a column of it twice, for an
        empty text where the task allows none, and as ``read_table``.
    """
    if path.lower().endswith(".json"):
        labelled_of_file = _rows_of_json(task, path, split, options, bad_rows)
    else:
        labelled_of_file = _rows_of_table(task, path, split, options, bad_rows)
    for labelled in labelled_of_file:
        if _has_text(labelled) or task.empty_text == KEEP:
            yield labelled
        elif task.empty_text == BAD:
            bad_rows.skip_at(labelled.place, "an empty text, expected at least a word.")
        elif split == "train":
            bad_rows.omit("empty text")
        else:
            yield labelled


def without_placeholders(
    rows: Iterator[LabelledRow], labels: Collection[str], bad_rows: BadRows
) -> List[LabelledRow]:
    """The rows of a test: with a label each, or each with label None.

    The labels "-1", "-1", "-1" are no labels; "0", "-1", "1" stay as they are, for the
    caller to refuse.

    Args:
      labels: what the task writes, so that a class may be called "-1".
      bad_rows: is told.
    """
    found = list(rows)
    values = {row.label for row in found} - {None}
    if not values:
        return found
    if values <= set(NO_LABELS) - set(labels):
        bad_rows.doubt(no_labels(values))
        return [row._replace(label=None) for row in found]
    for row in found:
        if row.label is None:
            bad_rows.skip_at(row.place, "no label, which other rows have.")
    return [row for row in found if row.label is not None]


def no_labels(values: Collection[str]) -> str:
    """The remark on a test whose label column holds these placeholders alone."""
    shown = " or ".join(value or "empty" for value in sorted(values))
    return f"the label of every row is {shown}, so it is read as a test without labels"


def _rows_of_table(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[LabelledRow]:
    table = _read(path, options, bad_rows)
    names, rows = _header_and_rows(task, table)
    layout = choose_layout(task, f"{path}, line 1", names, split)
    _check_columns_differ(path, names, layout)
    _check_named_id(task, f"{path}, line 1", names, layout)
    columns = {name: index for index, name in enumerate(names)}
    for row in rows:
        yield _labelled_row(row, layout, columns, split)


def _rows_of_json(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> Iterator[LabelledRow]:
    records = list(json_rows.read_records(path, options, bad_rows))
    if not records:
        return
    place, names = f"{path}, {records[0].place}", tuple(records[0].values)
    layout = choose_layout(task, place, names, split)
    _check_named_id(task, place, names, layout)
    for record in records:
        row = json_rows.row_of(record, layout, options.max_line_chars, bad_rows)
        if row is None:
            continue
        if row.label is None and split != "test":
            bad_rows.skip_at(record.place, f"no '{layout.label}'.")
            continue
        example_id = row.example_id or f"{split}-{record.place.split()[-1]}"
        texts = (row.texts + (None,))[:2]
        yield LabelledRow(record.place, example_id, texts[0], texts[1], row.label)


def _read(path: str, options: ReadingOptions, bad_rows: BadRows) -> Table:
    if path.lower().endswith(".csv"):
        return read_csv(path, options, bad_rows)
    return read_table(path, "\t", options, bad_rows)


def _labelled_row(
    row: Row, layout: Layout, columns: Dict[str, int], split: str
) -> LabelledRow:
    # Upstream: run_classifier.py numbers examples by their line after the header.
    example_id = f"{split}-{row.line_number - 1}"
    if layout.example_id in columns:
        example_id = row.cells[columns[layout.example_id]]
    label = None
    if layout.label in columns:
        label = row.cells[columns[layout.label]].strip()
    texts = [row.cells[columns[name]] for name in layout.texts()]
    text_b = texts[1] if layout.text_b is not None else None
    place = f"line {row.line_number}"
    return LabelledRow(place, example_id, texts[0], text_b, label)


def _has_text(row: LabelledRow) -> bool:
    return all(text is None or text.strip() for text in (row.text_a, row.text_b))


def _header_and_rows(task: Task, table: Table) -> Tuple[Tuple[str, ...], Iterator[Row]]:
    """The column names, and the rows with the first one if that is no header."""
    names = tuple(cell.strip() for cell in table.first_row.cells)
    if len(names) == len(task.headerless) and _is_data(task, names):
        return task.headerless, _with_first(table.first_row, table.rows)
    return names, table.rows


def _is_data(task: Task, cells: Tuple[str, ...]) -> bool:
    label_index = task.headerless.index(task.layouts[0].label)
    return cells[label_index] in task.label_values


def _with_first(first_row: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first_row
    yield from rows


def choose_layout(task: Task, place: str, names: Tuple[str, ...], split: str) -> Layout:
    """The first layout whose columns are all in the header.

    HATE's header "comments, contain_gender_bias, bias, hate" and its other header
    "title, comment, bias, hate" differ in the name of the text, so the position of the
    text is never guessed.
    """
    for layout in task.layouts:
        if set(layout.texts()) <= set(names):
            if layout.label in names or split == "test":
                return layout
            raise InputError(
                f"{place}: no column '{layout.label}' among {_listed(names)}. "
                f"{task.name} needs it for {split}; only a test file may lack it."
            )
    expected = " or ".join(
        _listed(layout.texts() + (layout.label,)) for layout in task.layouts
    )
    raise InputError(
        f"{place}: the header is {_listed(names)}, but {task.name} needs the "
        f"columns {expected}. Is it a file of another task, or not tab separated?"
    )


def _check_columns_differ(path: str, names: Tuple[str, ...], layout: Layout) -> None:
    for name in layout.texts() + (layout.label, layout.example_id):
        if names.count(name) > 1:
            raise InputError(
                f"{path}, line 1: {names.count(name)} columns are named '{name}' in "
                f"{_listed(names)}. Rename those that are not meant."
            )


def _check_named_id(
    task: Task, place: str, names: Tuple[str, ...], layout: Layout
) -> None:
    """A column that a user names is wanted, whereas public data may lack one."""
    if task.data_folder and layout.example_id and layout.example_id not in names:
        raise InputError(
            f"{place}: no column '{layout.example_id}' among {_listed(names)}, but "
            f"{task.source} names it as 'id'. Fix the name, or leave 'id' out."
        )


def _listed(names: Tuple[str, ...]) -> str:
    shown = ", ".join(names)
    return f"[{shown[:_SHOWN_CHARS]}...]" if len(shown) > _SHOWN_CHARS else f"[{shown}]"
