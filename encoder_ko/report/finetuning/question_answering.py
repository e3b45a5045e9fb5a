"""Question answering in the page: both answers where they stand in the passage."""

from typing import Any, Dict, List, Sequence

import numpy as np

from data.evaluation import task_metrics
from data.evaluation.intervals import Interval, Ratio, bootstrap_interval
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import Evaluated, Group, Judgement, PageTable
from encoder_ko.report.finetuning.classification import ORDERS
from encoder_ko.report.finetuning.texts import shown_text

_MARGIN = 600  # characters shown before and behind the answers
NOTHING = "no answer"


def judge(task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]) -> Judgement:
    """See Judgement."""
    task, questions = task_type.task, evaluated.examples
    predictions = task_type.predictions(questions, evaluated.outputs)
    scored = [_score(task, *pair) for pair in zip(questions, predictions)]
    exact = np.array([each["exact_match"] for each in scored])
    f1 = np.array([each["f1"] for each in scored])

    def item(number: int) -> Dict[str, Any]:
        return _item(task_type, questions[number], predictions[number], f1[number])

    groups = _groups(questions, predictions, exact, f1)
    intervals = {}
    for name in ("exact_match", "f1", "rouge_w"):
        if all(name in each for each in scored):
            intervals[name] = _mean_interval([each[name] for each in scored])
    has_answer = np.array([bool(q.answers) for q in questions])
    return Judgement(
        groups=groups,
        item=item,
        tables=[_answer_table(train, evaluated)],
        intervals=intervals,
        ratio=Ratio(f1, np.ones(len(f1))),
        ratio_name="F1",
        slices={
            "has an answer": has_answer,
            "has no answer": ~has_answer,
            **_answer_slices(questions, has_answer),
        },
        columns=[
            ("true", [" | ".join(a.text for a in q.answers) for q in questions]),
            ("predicted", [p["answer"] for p in predictions]),
            ("probability", [f"{p['probability']:.6f}" for p in predictions]),
            ("exact_match", [f"{each:g}" for each in exact]),
            ("f1", [f"{each:.6g}" for each in f1]),
        ],
    )


def _mean_interval(values: Sequence[float]) -> Interval:
    sums = np.array(values, np.float64)[:, np.newaxis]
    return bootstrap_interval(sums, lambda drawn: drawn[0] / len(values))


def _score(task, question, prediction) -> Dict[str, float]:
    """The metrics of one question, by what scores all of them."""
    scores = None
    if task.unanswerable:
        scores = {question.example_id: float(not prediction["answer"])}
    predicted = {question.example_id: prediction["answer"]}
    return task_metrics.of_answers(task, [question], predicted, scores, 0.5)


def _groups(questions, predictions, exact, f1) -> List[Group]:
    has_answer = np.array([bool(q.answers) for q in questions])
    answered = np.array([bool(p["answer"]) for p in predictions])
    sure = np.array([p["probability"] for p in predictions])
    both = has_answer & answered
    kinds = (
        ("wrong", "wrong: no character in common", both & (f1 == 0)),
        ("partly", "partly right", both & (f1 > 0) & (exact == 0)),
        ("invented", "answered, though there is no answer", ~has_answer & answered),
        ("withheld", "not answered, though there is an answer", has_answer & ~answered),
        ("right", "right", exact == 1),
    )
    groups = []
    for key, title, chosen in kinds:
        members = np.flatnonzero(chosen)
        is_error = key != "right"
        order = np.argsort(-sure[members] if is_error else sure[members], kind="stable")
        if len(members):
            groups.append(
                Group(key, title, members[order].tolist(), is_error, ORDERS[is_error])
            )
    return groups


def _item(task_type, question, prediction, f1) -> Dict[str, Any]:
    true = [a for a in question.answers if a.start is not None]
    spans = [(a.start, a.start + len(a.text), "true") for a in true]
    if prediction["answer"]:
        spans.append((prediction["start"], prediction["end"], "predicted"))
    passage = question.context
    first = max(0, min([s for s, _, _ in spans] + [len(passage)]) - _MARGIN)
    last = min(len(passage), max([e for _, e, _ in spans] + [0]) + _MARGIN)
    if not spans:
        first, last = 0, min(len(passage), 2 * _MARGIN)
    shown = shown_text(
        task_type.tokenizer,
        "passage",
        passage[first:last],
        [(s - first, e - first, style) for s, e, style in spans],
        most=last - first,
    )
    del shown["tokens"]
    for place, count in ((0, first), (len(shown["segments"]) + 1, len(passage) - last)):
        if count:
            shown["segments"].insert(
                place, [f" … {count:,} more characters … ", "left"]
            )
    answers = " | ".join(a.text for a in question.answers) or NOTHING
    return {
        "id": question.example_id,
        "facts": [
            ["true", answers, ""],
            [
                "predicted",
                prediction["answer"] or NOTHING,
                f"{100 * prediction['probability']:.1f}%",
            ],
            ["F1", f"{100 * f1:.0f}", ""],
        ],
        "texts": [
            shown_text(task_type.tokenizer, "question", question.question),
            shown,
        ],
    }


def _answer_slices(questions, has_answer) -> Dict[str, np.ndarray]:
    sizes = np.array(
        [min([len(a.text.split()) for a in q.answers] or [0]) for q in questions]
    )
    found = {}
    for name, low, high in (
        ("1 word", 1, 1),
        ("2 words", 2, 2),
        ("3 to 5 words", 3, 5),
    ):
        found[f"answer of {name}"] = has_answer & (low <= sizes) & (sizes <= high)
    found["answer of 6 words or more"] = sizes >= 6
    return found


def _answer_table(train, evaluated) -> PageTable:
    rows = []
    for name, questions in (("train", train), (evaluated.split, evaluated.examples)):
        texts = [a.text for q in questions for a in q.answers]
        if questions:
            sizes = [len(text) for text in texts] or [0]
            middle, most = np.percentile(sizes, [50, 95])
            without = sum(not q.answers for q in questions)
            cells = [len(questions), without, len({q.context for q in questions})]
            rows.append(
                [name, *(f"{n:,}" for n in cells), f"{middle:.0f}", f"{most:.0f}"]
            )
    header = ("split", "questions", "without an answer", "passages")
    header += ("characters of an answer: median", "95% have at most")
    return PageTable("Questions and answers", "", header, rows)
