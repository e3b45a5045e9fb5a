"""Tagged sentences as files have them, their tags not yet understood.

Three forms, recognised by what stands in the file:

  a sentence a line     철수는 서울로 갔다<TAB>PER-B LOC-B O
  a word a line         1<TAB>김민수<TAB>PER_B (NAVER's official files), or without the
                        number (CoNLL); a blank line ends the sentence
  a character a line    경<TAB>B-OG, spaces too; lines that begin with ## are remarks,
                        and the one above a sentence has its id (KLUE)
"""

import itertools
from typing import Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..io.tables import BadRows, ReadingOptions, Row, read_rows, table_of_lines
from .tables import NO_LABELS, no_labels

_REMARK = "## "  # "##" alone may begin a word
_BLANK = ("", "\t")  # KLUE's files have both

_Line = Tuple[int, str]
ColumnRow = Tuple[int, List[str]]  # line number, cells


class RawSentence(NamedTuple):
    """Words, or characters, and a tag for each as the file writes it.

    ``tags`` is None in unlabelled files; ``lines`` has the line number of each word.
    """

    lines: Tuple[int, ...]
    example_id: str
    words: Tuple[str, ...]
    tags: Optional[Tuple[str, ...]]


def read_sentences(
    path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[RawSentence]:
    """Reads a file of one of the three forms, in its order.

    Args:
      path: the file; a test file may lack the tags.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped; a bad line takes its sentence along.

    Raises:
      InputError: as ``read_rows``; a row that is not of the form.
    """
    lines = list(read_rows(path, options, bad_rows))
    if _is_a_word_a_line(lines):
        return list(_sentences_of_columns(lines, split, bad_rows))
    return list(_sentences_of_rows(lines, split, bad_rows))


def _is_a_word_a_line(lines: Sequence[_Line]) -> bool:
    """By remarks, by NAVER's numbers, or by blank lines between single words."""
    if not lines:
        return False
    first = lines[0][1]
    cells = first.split("\t")
    if first.startswith(_REMARK) or (len(cells) == 3 and cells[0].isdigit()):
        return True
    texts = [text for _, text in lines]
    while texts and texts[-1] in _BLANK:
        texts.pop()
    words = [text for text in texts if text not in _BLANK]
    return len(words) < len(texts) and not any(" " in word.strip() for word in words)


# --- A sentence a line -------------------------------------------------------------


def _sentences_of_rows(
    lines: Sequence[_Line], split: str, bad_rows: BadRows
) -> Iterator[RawSentence]:
    """Words are cut at single spaces only, so that other blanks stay in their word."""
    table = table_of_lines(iter(lines), bad_rows)
    rows = list(itertools.chain((table.first_row,), table.rows))
    needs_tags = split != "test" or len(table.first_row.cells) > 1
    if split == "test" and needs_tags:
        placeholders = _placeholders(rows)
        if placeholders:
            bad_rows.doubt(no_labels(placeholders))
            rows = [row._replace(cells=row.cells[:1]) for row in rows]
            needs_tags = False
    for row in rows:
        problem = _problem_of_row(row, needs_tags)
        if problem:
            bad_rows.skip(row.line_number, problem)
            continue
        words = tuple(row.cells[0].split(" "))
        tags = tuple(row.cells[1].split(" ")) if needs_tags else None
        lines_of_words = (row.line_number,) * len(words)
        yield RawSentence(lines_of_words, f"{split}-{row.line_number}", words, tags)


def _placeholders(rows: Sequence[Row]) -> List[str]:
    """What every row has in place of its tags; [] if one of them has tags."""
    found = {tag for row in rows for cell in row.cells[1:] for tag in cell.split(" ")}
    return sorted(found) if found <= set(NO_LABELS) else []


def _problem_of_row(row: Row, needs_tags: bool) -> str:
    """What is wrong with a row, in one sentence; "" if nothing is."""
    if len(row.cells) != (2 if needs_tags else 1):
        return f"{len(row.cells)} columns, expected words, a tab, and tags."
    words = row.cells[0].split(" ")
    if "" in words:
        return "an empty word, expected words with one space between them."
    tags = row.cells[1].split(" ") if needs_tags else words
    if len(words) != len(tags):
        return f"{len(words)} words and {len(tags)} tags, expected one tag per word."
    return ""


# --- A word or a character a line --------------------------------------------------


def _sentences_of_columns(
    lines: Sequence[_Line], split: str, bad_rows: BadRows
) -> Iterator[RawSentence]:
    has_numbers = _has_numbers(lines)
    words = 1 + has_numbers
    widths = {len(cells) for _, cells in _rows_of(lines)}
    labelled = split != "test" or widths != {words}
    for example_id, rows in blocks_of_columns(lines):
        problems = [
            (line_number, _problem_of_columns(cells, words, labelled))
            for line_number, cells in rows
        ]
        for line_number, problem in problems:
            if problem:
                bad_rows.skip(line_number, problem)
        if any(problem for _, problem in problems):
            continue
        tags = tuple(cells[words] for _, cells in rows) if labelled else None
        yield RawSentence(
            tuple(number for number, _ in rows),
            example_id or f"{split}-{rows[0][0]}",
            tuple(cells[words - 1] for _, cells in rows),
            tags,
        )


def blocks_of_columns(
    lines: Iterable[_Line],
) -> Iterator[Tuple[str, List[ColumnRow]]]:
    """What stands between blank lines: the id in the last remark, "" without, and rows.

    Nothing where all lines are remarks.
    """
    for is_blank, block in itertools.groupby(lines, lambda line: line[1] in _BLANK):
        if is_blank:
            continue
        example_id, rows = "", []
        for line_number, text in block:
            if text.startswith(_REMARK):
                example_id = text.split("\t")[0][len(_REMARK) :].strip()
            else:
                rows.append((line_number, text.split("\t")))
        if rows:
            yield example_id, rows


def _rows_of(lines: Sequence[_Line]) -> List[ColumnRow]:
    return [
        (number, text.split("\t"))
        for number, text in lines
        if text not in _BLANK and not text.startswith(_REMARK)
    ]


def _has_numbers(lines: Sequence[_Line]) -> bool:
    """Whether the first column counts the words, as in NAVER's files."""
    rows = _rows_of(lines)
    return all(len(cells) > 1 and cells[0].isdigit() for _, cells in rows)


def _problem_of_columns(cells: Sequence[str], words: int, labelled: bool) -> str:
    if len(cells) != words + labelled:
        form = (
            "a number, a tab, " * (words - 1) + "a word" + ", a tab, a tag" * labelled
        )
        return f"{len(cells)} columns, expected {form}."
    if not cells[words - 1]:
        return "an empty word, expected one word a line."
    return ""
