"""A tag for each word: the task, and its examples."""

import itertools
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from ..io.tables import BadRows, ReadingOptions, Row, read_table
from .declarations import TAGGING, FileSet, FineTuningDefaults, Task, one_of
from .tables import NO_LABELS, no_labels

_SHOWN_CHARS = 40
_NAVER_TYPES = (
    "PER FLD AFW ORG LOC CVL DAT TIM NUM EVT ANM PLT MAT TRM".split()  # 14 types
)


class TaggedSentence(NamedTuple):
    """The words of a sentence, and a tag index for each.

    ``tags`` indexes the task's ``label_values``; None in unlabelled files.
    """

    example_id: str
    words: Tuple[str, ...]
    tags: Optional[Tuple[int, ...]]


NAVER_NER = Task(
    name="NaverNER",
    task_type=TAGGING,
    metric="f1",
    file_sets=(FileSet(one_of("train.tsv"), one_of("dev.tsv"), one_of("test.tsv")),),
    source="https://github.com/naver/nlp-challenge",
    defaults=FineTuningDefaults(num_train_epochs=20),
    # The type comes first and the position last: "PER-B", as in the public files.
    label_values=("O",)
    + tuple(f"{name}-{position}" for name in _NAVER_TYPES for position in "BI"),
)

TASKS = (NAVER_NER,)


def load_tagged_sentences(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[TaggedSentence]:
    """Reads lines of words, a tab, and as many tags; there is no header.

    "철수는 서울로 갔다<TAB>PER-B LOC-B O" becomes ``TaggedSentence("train-1",
    ("철수는", "서울로", "갔다"), (1, 9, 0))`` with the Naver tags. Words are cut at
    single spaces only, so that other blanks stay in their word and the counts agree.

    Args:
      task: one of ``TASKS``, or a task of the same type.
      path: the file; a test file may lack the tab and the tags.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped.

    Raises:
      InputError: as ``read_table``; a row whose words and tags differ in number, an
        unknown tag, an empty word.
    """
    table = read_table(path, "\t", options, bad_rows)
    tag_ids = {value: index for index, value in enumerate(task.label_values)}
    rows = list(itertools.chain((table.first_row,), table.rows))
    needs_tags = split != "test" or len(table.first_row.cells) > 1
    if split == "test" and needs_tags:
        placeholders = _placeholders(rows)
        if placeholders:
            bad_rows.doubt(no_labels(placeholders))
            rows = [row._replace(cells=row.cells[:1]) for row in rows]
            needs_tags = False
    sentences = []
    for row in rows:
        problem = _problem_of(row, tag_ids, needs_tags)
        if problem:
            bad_rows.skip(row.line_number, problem)
            continue
        words = tuple(row.cells[0].split(" "))
        tags = None
        if needs_tags:
            tags = tuple(tag_ids[tag] for tag in row.cells[1].split(" "))
        sentences.append(TaggedSentence(f"{split}-{row.line_number}", words, tags))
    return sentences


def _placeholders(rows: Sequence[Row]) -> List[str]:
    """What every row has in place of its tags; [] if one of them has tags."""
    found = {tag for row in rows for cell in row.cells[1:] for tag in cell.split(" ")}
    return sorted(found) if found <= set(NO_LABELS) else []


def _problem_of(row: Row, tag_ids: Dict[str, int], needs_tags: bool) -> str:
    """What is wrong with a row, in one sentence; "" if nothing is."""
    if len(row.cells) != (2 if needs_tags else 1):
        return f"{len(row.cells)} columns, expected words, a tab, and tags."
    words = row.cells[0].split(" ")
    if "" in words:
        return "an empty word, expected words with one space between them."
    if not needs_tags:
        return ""
    tags = row.cells[1].split(" ")
    unknown = [tag for tag in tags if tag not in tag_ids]
    if unknown:
        expected = ", ".join(list(tag_ids)[:5])
        return (
            f"tag '{unknown[0][:_SHOWN_CHARS]}', expected one of {len(tag_ids)}: "
            f"{expected}, ..."
        )
    if len(words) != len(tags):
        return f"{len(words)} words and {len(tags)} tags, expected one tag per word."
    return ""
