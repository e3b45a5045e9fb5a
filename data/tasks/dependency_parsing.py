"""Dependency parsing: each word's head and its relation to it."""

from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..io.tables import BadRows, ReadingOptions, read_rows
from .declarations import Task
from .tag_files import ColumnRow, blocks_of_columns

_COLUMNS = 6  # index, word, lemma, part of speech, head, relation
_SHOWN_CHARS = 40


class ParsedSentence(NamedTuple):
    """The words of a sentence, and for each its head and relation.

    Attributes:
      heads: the number of each word's head, from 1; 0 is the root. None in unlabelled
        files.
      relations: an index into the task's ``label_values`` for each word, or None.
    """

    example_id: str
    words: Tuple[str, ...]
    heads: Optional[Tuple[int, ...]]
    relations: Optional[Tuple[int, ...]]


def load_parsed_sentences(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[ParsedSentence]:
    """Reads a file of KLUE-DP, in its order.

    A word a line, "1<TAB>비가<TAB>비 가<TAB>NNG+JKS<TAB>2<TAB>NP_SBJ"; a blank line
    ends the sentence; lines that begin with ## are remarks, of which the one above a
    sentence has its id. "비가 왔다" becomes ``ParsedSentence("dev-1", ("비가", "왔다"),
    (2, 0), (3, 2))``.

    Args:
      task: names the relations.
      path: the file; a test file may lack heads and relations.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped; a bad line takes its sentence along.

    Raises:
      InputError: as ``read_rows``; a row that is not of the form, a head that is no
        word of the sentence, an unknown relation.
    """
    relation_ids = {name: index for index, name in enumerate(task.label_values)}
    sentences = []
    lines = read_rows(path, options, bad_rows)
    for example_id, rows in blocks_of_columns(lines):
        problems = list(_problems(rows, relation_ids, split))
        for line_number, problem in problems:
            bad_rows.skip(line_number, problem)
        if problems:
            continue
        labelled = all(_is_labelled(cells) for _, cells in rows)
        cells_of = [cells for _, cells in rows]
        sentences.append(
            ParsedSentence(
                example_id or f"{split}-{rows[0][0]}",
                tuple(cells[1] for cells in cells_of),
                tuple(int(cells[4]) for cells in cells_of) if labelled else None,
                tuple(relation_ids[cells[5]] for cells in cells_of)
                if labelled
                else None,
            )
        )
    return sentences


def _is_labelled(cells: Sequence[str]) -> bool:
    return len(cells) >= _COLUMNS and cells[4] not in ("", "-", "_")


def _problems(
    rows: Sequence[ColumnRow], relation_ids: Dict[str, int], split: str
) -> Iterator[Tuple[int, str]]:
    """(line number, what is wrong in it) of a sentence's lines."""
    for number, (line_number, cells) in enumerate(rows, 1):
        if len(cells) < (2 if split == "test" else _COLUMNS):
            yield (
                line_number,
                f"{len(cells)} columns, expected index, word, lemma, part of speech, "
                "head and relation.",
            )
        elif cells[0] != str(number):
            yield line_number, f"index '{cells[0][:_SHOWN_CHARS]}', expected {number}."
        elif not cells[1].strip() or " " in cells[1]:
            yield line_number, "an empty word or two, expected one word a line."
        elif split == "test" and not _is_labelled(cells):
            continue
        elif not (cells[4].isdigit() and int(cells[4]) <= len(rows)):
            yield (
                line_number,
                f"head '{cells[4][:_SHOWN_CHARS]}', expected 0 to {len(rows)}.",
            )
        elif cells[5] not in relation_ids:
            expected = ", ".join(list(relation_ids)[:5])
            yield (
                line_number,
                f"relation '{cells[5][:_SHOWN_CHARS]}', expected one of "
                f"{len(relation_ids)}: {expected}, ...",
            )
