"""Extractive question answering: the task, and its examples from SQuAD's JSON."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from ..io.errors import InputError
from ..io.json_files import read_json_object
from ..io.tables import BadRows, ReadingOptions, is_text
from .declarations import QUESTION_ANSWERING, FileSet, FineTuningDefaults, Task, one_of

_SHOWN_CHARS = 40
_SHOWN_IDS = 3


class Answer(NamedTuple):
    """Text of the context, and where in it: ``start`` counts characters from 0.

    ``start`` is None where the file points elsewhere; such an answer can be scored
    against, but not learnt.
    """

    text: str
    start: Optional[int]


class Question(NamedTuple):
    """A question on a passage; ``answers`` is empty in unlabelled files.

    ``is_impossible``: the passage has no answer, and ``answers`` is empty too.
    ``title`` names the article: questions of one article belong to one split.
    """

    example_id: str
    question: str
    context: str
    answers: Tuple[Answer, ...]
    title: str
    is_impossible: bool = False

    @property
    def is_labelled(self) -> bool:
        """Whether an answer to it can be scored."""
        return bool(self.answers) or self.is_impossible


KORQUAD = Task(
    name="KorQuAD",
    task_type=QUESTION_ANSWERING,
    metric="f1",
    # The test set is not public: dev serves as test, and a part of train as dev.
    file_sets=(
        FileSet(
            train=one_of("KorQuAD_v1.0_train.json"),
            test=one_of("KorQuAD_v1.0_dev.json"),
        ),
    ),
    source="https://korquad.github.io/KorQuad%201.0/",
    defaults=FineTuningDefaults(
        num_train_epochs=7, train_batch_size=8, max_seq_length=512
    ),
)

TASKS = (KORQUAD,)


def load_questions(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[Question]:
    """Reads one JSON file, in the order of its questions.

    With the context "대한민국의 수도는 서울은 아니다." the answer {"text": "서울",
    "answer_start": 10} becomes ``Answer("서울", 10)``: context[10:12] is "서울", though
    the word goes on with a particle.

    Args:
      task: one of ``TASKS``, or a task of the same type.
      path: a file in the form of SQuAD 1.1 and KorQuAD 1.0; where the task has
        questions without an answer, that of SQuAD 2.0 ("is_impossible"), whose
        "plausible_answers" are not looked at. KLUE's "guid" serves as "id".
      split: "train", "dev" or "test"; in a test file, all answers may be missing. A
        question whose ``answer_start`` does not point at its answer counts as a bad
        row; beyond that it is left out of train, and kept for scoring otherwise.
      options: encoding and limits; ``max_line_chars`` limits a context.
      bad_rows: collects the questions that are skipped.

    Raises:
      InputError: a missing, foreign or broken file; a key that is missing, with its
        place; more bad questions than the limit, each with its id; a test file of
        which some questions have answers and others not.
    """
    articles = _member(read_json_object(path, options), "data", list, path)
    seen = set()
    questions = []
    for title, context, record in _records(path, articles):
        place = f"{path}, article '{title}'"
        key = id_key(record)
        question = Question(
            example_id=_member(record, key, str, place),
            question=_member(record, "question", str, place),
            context=context,
            answers=_answers(record, context, f"{place}, question {record[key]}"),
            title=title,
            is_impossible=_is_impossible(record, f"{place}, question {record[key]}"),
        )
        problem = _problem_of(task, question, split, seen, options.max_line_chars)
        if question.is_impossible:
            question = question._replace(answers=())
        seen.add(question.example_id)
        if problem:
            bad_rows.skip_at(f"question {question.example_id}", problem)
        elif not _points_at_answers(question):
            bad_rows.skip_at(f"question {question.example_id}", _misplaced(question))
            if split != "train":
                questions.append(question)
        else:
            questions.append(question)
    _check_all_or_none_answered(path, questions)
    return questions


def id_key(record: Any) -> str:
    """What a question's id is called: "guid" in KLUE's files, "id" in SQuAD's."""
    return "guid" if isinstance(record, dict) and "guid" in record else "id"


def _check_all_or_none_answered(path: str, questions: Sequence[Question]) -> None:
    """A test file is scored or predicted; a part of it would be another test set."""
    without = [each.example_id for each in questions if not each.is_labelled]
    if 0 < len(without) < len(questions):
        more = ", ..." if len(without) > _SHOWN_IDS else ""
        raise InputError(
            f"{path}: {len(without):,} of {len(questions):,} questions have no answers "
            f"({', '.join(without[:_SHOWN_IDS])}{more}), and are not told from those "
            "that have. Give answers to all questions, or to none."
        )


def _records(
    path: str, articles: List[Any]
) -> Iterator[Tuple[str, str, Dict[str, Any]]]:
    """Yields (title, context, question record) in the order of the file."""
    for index, article in enumerate(articles):
        place = f"{path}, article {index + 1}"
        # A title is not needed for reading, only to keep articles together.
        title = article.get("title") if isinstance(article, dict) else None
        title = title if isinstance(title, str) else f"article {index + 1}"
        for paragraph in _member(article, "paragraphs", list, place):
            context = _member(paragraph, "context", str, place)
            for record in _member(paragraph, "qas", list, place):
                yield title, context, record


def _member(record: Any, key: str, value_type: type, place: str) -> Any:
    """``record[key]``, checked to be of the type that the format says."""
    if not isinstance(record, dict) or key not in record:
        raise InputError(f"{place}: no '{key}'. Expected the form of SQuAD 1.1.")
    # True is an int to Python, and none to JSON.
    if not isinstance(record[key], value_type) or isinstance(record[key], bool):
        raise InputError(
            f"{place}: '{key}' is of type {type(record[key]).__name__}, expected "
            f"{value_type.__name__} as in SQuAD 1.1."
        )
    return record[key]


def _answers(record: Dict[str, Any], context: str, place: str) -> Tuple[Answer, ...]:
    answers = []
    if record.get("answers") is None:
        return ()
    for answer in _member(record, "answers", list, place):
        text = _member(answer, "text", str, place)
        start = _member(answer, "answer_start", int, place)
        # A negative start would count from the end of the context.
        points_at_it = start >= 0 and context[start : start + len(text)] == text
        answers.append(Answer(text, start if points_at_it else None))
    return tuple(answers)


def _is_impossible(record: Dict[str, Any], place: str) -> bool:
    value = record.get("is_impossible", False)
    if not isinstance(value, bool):
        raise InputError(
            f"{place}: 'is_impossible' is {value!r}, expected "
            "true or false as in SQuAD 2.0."
        )
    return value


def _problem_of(
    task: Task, question: Question, split: str, seen: set, max_chars: int
) -> str:
    """What makes a question unusable, in one sentence; "" if nothing does."""
    if question.example_id in seen:
        return "this id occurs twice, and predictions are stored by id."
    for name in ("question", "context"):
        text = getattr(question, name)
        if not text.strip():
            return f"an empty {name}, expected text."
        if not is_text(text):
            return f"the {name} holds half a character or a NUL, expected text."
    if len(question.context) > max_chars:
        return (
            f"the context has {len(question.context):,} characters, expected at most "
            f"{max_chars:,}."
        )
    if question.is_impossible and not task.unanswerable:
        return "no answer (is_impossible): pass --version_2_with_negative."
    if not question.is_labelled and split != "test":
        return "no answer, expected one in every question."
    if any(not answer.text.strip() for answer in question.answers):
        return "an empty answer, expected text from the context."
    return ""


def _points_at_answers(question: Question) -> bool:
    return all(answer.start is not None for answer in question.answers)


def _misplaced(question: Question) -> str:
    text = next(each.text for each in question.answers if each.start is None)
    found = question.context.find(text)
    where = f"it is at {found}" if found >= 0 else "the context does not have it"
    return f"answer_start does not point at '{text[:_SHOWN_CHARS]}' ({where})."
