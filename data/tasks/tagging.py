"""A tag for each word: the task, and its examples."""

import collections
from typing import Dict, List, NamedTuple, Optional, Tuple

from ..io.tables import BadRows, ReadingOptions
from .declarations import TAGGING, FileSet, FineTuningDefaults, Task, one_of
from .tag_files import RawSentence, read_sentences
from .tag_schemes import (
    BEGIN,
    INSIDE,
    OUTSIDE,
    TagScheme,
    recognise,
    scheme_of_labels,
)

_SHOWN_CHARS = 40
_SHOWN_TAGS = 5
_NAVER_TYPES = (
    "PER FLD AFW ORG LOC CVL DAT TIM NUM EVT ANM PLT MAT TRM".split()  # 14 types
)


class TaggedSentence(NamedTuple):
    """The words of a sentence, or its characters, and a tag index for each.

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
    """Reads a file of tagged words, or of tagged characters where the task says so.

    "철수는 서울로 갔다<TAB>PER-B LOC-B O" becomes ``TaggedSentence("train-1",
    ("철수는", "서울로", "갔다"), (1, 9, 0))`` with the Naver tags, and so do the lines
    "1<TAB>철수는<TAB>PER_B", "2<TAB>서울로<TAB>LOC_B", "3<TAB>갔다<TAB>-".

    Args:
      task: one of ``TASKS``, or a task of the same type.
      path: a file of one of the forms of ``tag_files``, its tags in one of the schemes
        of ``tag_schemes``; a test file may lack them.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped, and is told of another scheme than
        the task's, and of labels in which no entity begins.

    Raises:
      InputError: as ``read_sentences`` and ``recognise``; a tag that the task does not
        have; words where the task is of characters.
    """
    sentences = read_sentences(path, split, options, bad_rows)
    own = scheme_of_labels(task.label_values)
    places = (pair for each in sentences for pair in zip(each.lines, each.tags or ()))
    scheme = recognise(path, places) or own
    if scheme != own:
        bad_rows.doubt(f"tags are written as {scheme.name} and read as {own.name}")
    if any((own.parts(value) or "")[1:] == (BEGIN,) for value in task.label_values):
        _doubt_without_beginnings(sentences, scheme, bad_rows)
    ids = {outside: task.label_values.index(OUTSIDE) for outside in scheme.outside}
    for index, value in enumerate(task.label_values):
        ids[scheme.tag(own.parts(value))] = index
    found = []
    for sentence in sentences:
        problem = _problem_of(task, sentence, ids)
        if problem:
            bad_rows.skip(*problem)
            continue
        tags = sentence.tags and tuple(ids[tag] for tag in sentence.tags)
        found.append(TaggedSentence(sentence.example_id, sentence.words, tags))
    return found


def _doubt_without_beginnings(
    sentences: List[RawSentence], scheme: TagScheme, bad_rows: BadRows
) -> None:
    """Tells of a labelled file in which no entity begins, with the tags it has."""
    seen = collections.Counter(tag for each in sentences for tag in each.tags or ())
    positions = {(scheme.parts(tag) or ("", BEGIN))[1] for tag in seen}
    if not seen or BEGIN in positions:
        return
    shown = ", ".join(tag[:_SHOWN_CHARS] for tag, _ in seen.most_common(_SHOWN_TAGS))
    more = f" and {len(seen) - _SHOWN_TAGS} others" * (len(seen) > _SHOWN_TAGS)
    begin = scheme.tag(("PER", BEGIN))
    why = "there is no entity in it"
    if INSIDE in positions:
        why = "an entity that follows one of its type is read as a part of it"
    bad_rows.doubt(
        f"no tag such as {begin} begins an entity, only {shown}{more}: {why}"
    )


def _problem_of(
    task: Task, sentence: RawSentence, ids: Dict[str, int]
) -> Optional[Tuple[int, str]]:
    """The line of what is wrong with a sentence, and a sentence about it."""
    for line_number, word in zip(sentence.lines, sentence.words):
        if task.by_character and len(word) > 1:
            shown = word[:_SHOWN_CHARS]
            return line_number, f"'{shown}', expected one character a line."
    for line_number, tag in zip(sentence.lines, sentence.tags or ()):
        if tag not in ids:
            expected = ", ".join(list(ids)[:5])
            return line_number, (
                f"tag '{tag[:_SHOWN_CHARS]}', expected one of {len(ids)}: {expected}, "
                "..."
            )
    return None
