"""Entities, sentences, questions and answers in the page, from made-up predictions."""

import pytest

from data.tasks.question_answering import Answer, Question
from data.tasks.tagging import TaggedSentence
from encoder_ko.report.finetuning import tagging
from encoder_ko.report.finetuning.tagging import (
    BORDER,
    MISSED,
    RIGHT,
    SPURIOUS,
    TYPE,
    Span,
)
from tests.support import made_up_runs as made_up
from tests.support.made_up_runs import Page


def spans(*rows):
    return [Span(name, start, end, 0.9) for name, start, end in rows]


@pytest.mark.parametrize(
    "true, found, kinds",
    [
        ([("PER", 0, 2)], [("PER", 0, 2)], ([RIGHT], [RIGHT])),
        ([("PER", 0, 2)], [], ([MISSED], [])),
        ([], [("PER", 0, 2)], ([], [SPURIOUS])),
        ([("PER", 0, 2)], [("LOC", 0, 2)], ([TYPE], [TYPE])),
        ([("PER", 0, 2)], [("PER", 0, 5)], ([BORDER], [BORDER])),
        ([("PER", 0, 2)], [("LOC", 1, 5)], ([TYPE], [TYPE])),
        ([("PER", 0, 2)], [("PER", 2, 5)], ([MISSED], [SPURIOUS])),
        # One of two predicted parts has the type.
        ([("PER", 0, 5)], [("PER", 0, 2), ("LOC", 3, 5)], ([BORDER], [BORDER, TYPE])),
    ],
)
def test_what_is_wrong_with_an_entity(true, found, kinds):
    assert tagging.compare(spans(*true), spans(*found)) == kinds


@pytest.fixture(scope="module")
def entities(tmp_path_factory):
    """철수 is found, 서울 has another type, 영희 is missed, 어제 is spurious."""
    task_type = made_up.task_type_of("NaverNER", max_seq_length=32)
    number = {name: index for index, name in enumerate(task_type.task.label_values)}
    rows = (
        ("a", "철수 서울 갔다", "PER-B LOC-B O"),
        ("b", "어제 영희 갔다", "O PER-B O"),
    )
    examples = [
        TaggedSentence(name, tuple(words.split()), tuple(map(number.get, tags.split())))
        for name, words, tags in rows
    ]
    predictions = [
        {"entities": [entity("PER", 0, 2, 0.8), entity("ORG", 3, 5, 0.7)]},
        {"entities": [entity("DAT", 0, 2, 0.6)]},
    ]
    task_type.predictions = lambda *_: predictions
    task_type.metrics = lambda *_: {"f1": 0.4, "precision": 1 / 3, "recall": 1 / 3}
    folder = tmp_path_factory.mktemp("entities")
    return folder, Page(made_up.write(folder, task_type, examples, {}, examples[:1]))


def entity(name, start, end, probability):
    return {"type": name, "start": start, "end": end, "probability": probability}


def test_table_of_entities(entities):
    page = entities[1]
    per, org = (
        next(row for row in page.rows if row[0] == name and len(row) == 11)
        for name in ("PER", "ORG")
    )
    assert per[1:8] == ["2", "1", "1", "1", "0", "0", "0"]
    assert per[8:] == ["100.00", "50.00", "66.67"]
    assert org[1:8] == ["0", "1", "0", "0", "0", "1", "0"]


def test_sentences_show_true_and_predicted_entities(entities):
    page = entities[1]
    assert set(page.data["groups"]) == {RIGHT, MISSED, SPURIOUS, TYPE}
    (item,) = page.items(TYPE)
    assert item["facts"] == [["type", "서울", ""], ["type", "ORG", "70.0%"]]
    true, predicted = item["texts"]
    plain = [[s[0], *s[2:]] for s in true["segments"]]
    assert plain == [["철수", "PER"], [" "], ["서울", "LOC"], [" 갔다"]]
    assert predicted["segments"][2][0::2] == ["서울", "ORG"]
    assert "type" in predicted["segments"][2][1].split()
    (missed,) = page.items(MISSED)
    assert missed["facts"][0] == [MISSED, "영희", ""]


def test_table_file_lists_entities(entities):
    lines = (entities[0] / "report.tsv").read_text(encoding="utf-8").split("\n")
    row = dict(zip(lines[0].split("\t"), lines[1].split("\t")))
    assert row["true"] == "철수 (PER); 서울 (LOC)"
    assert row["predicted"] == "철수 (PER); 서울 (ORG)"
    assert row["missed_or_wrong"] == "1" and row["spurious"] == "0"


PASSAGE = "앞말 " * 300 + "서울은 수도이고 부산은 항구이다." + " 뒷말" * 300


def test_questions_show_both_answers_in_their_passage(tmp_path):
    task_type = made_up.task_type_of("KorQuAD", max_seq_length=384)
    start = PASSAGE.index("서울")
    questions = [
        Question("right", "수도는?", PASSAGE, (Answer("서울", start),), "t"),
        Question("partly", "수도는?", PASSAGE, (Answer("서울", start),), "t"),
        Question("wrong", "수도는?", PASSAGE, (Answer("서울", start),), "t"),
    ]
    other = PASSAGE.index("부산")
    answers = ((start, start + 2), (start, start + 3), (other, other + 2))
    predictions = [
        {"answer": PASSAGE[a:b], "start": a, "end": b, "probability": 0.5}
        for a, b in answers
    ]
    task_type.predictions = lambda *_: predictions
    task_type.metrics = lambda *_: {"exact_match": 1 / 3, "f1": 0.6}
    page = Page(made_up.write(tmp_path, task_type, questions, {}))
    assert {k: len(g["shown"]) for k, g in page.data["groups"].items()} == {
        "wrong": 1,
        "partly": 1,
        "right": 1,
    }
    segments = page.items("wrong")[0]["texts"][1]["segments"]
    styles = {style: text for text, style in segments if style in ("true", "predicted")}
    assert styles == {"true": "서울", "predicted": "부산"}
    left = [text for text, style in segments if style == "left"]
    # 600 characters are shown on either side of the answers.
    assert left == [" … 300 more characters … ", " … 307 more characters … "]
    shown = "".join(text for text, style in segments if style != "left")
    assert shown == PASSAGE[300:-307]
    assert page.items("partly")[0]["facts"][2] == ["F1", "80", ""]
    # 1, 0.8 and 0.
    assert page.row("all examples")[3] == "60.00"


def test_questions_without_an_answer(tmp_path):
    task_type = made_up.task_type_of("KLUE-MRC", max_seq_length=384)
    none = dict(answers=(), is_impossible=True, title="t")
    questions = [
        Question(example_id="kept", question="왜?", context="모른다.", **none),
        Question(example_id="made", question="왜?", context="모른다.", **none),
    ]
    predictions = [
        {"answer": "", "start": 0, "end": 0, "probability": 0.9},
        {"answer": "모른다", "start": 0, "end": 3, "probability": 0.8},
    ]
    task_type.predictions = lambda *_: predictions
    task_type.metrics = lambda *_: {"exact_match": 0.5, "f1": 0.5, "rouge_w": 0.5}
    page = Page(made_up.write(tmp_path, task_type, questions, {}))
    assert [item["id"] for item in page.items("invented")] == ["made"]
    assert [item["id"] for item in page.items("right")] == ["kept"]
    assert page.items("right")[0]["facts"][0] == ["true", "no answer", ""]
