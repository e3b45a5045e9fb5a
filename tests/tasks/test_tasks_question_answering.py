import dataclasses
import json

import pytest

from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import find_files, get_task, held_out_split, load_split
from data.tasks.question_answering import Answer, Question
from tests.support.shared_data import datasets

KORQUAD = get_task("KorQuAD")
CONTEXT = "대한민국의 수도는 서울은 아니라고 😀 그가 말했다."


def record(example_id="q1", text="서울", start=10, question="수도는?"):
    answers = [] if text is None else [{"text": text, "answer_start": start}]
    return {"id": example_id, "question": question, "answers": answers}


def document(*records, context=CONTEXT, title="수도"):
    paragraph = {"context": context, "qas": list(records)}
    return {
        "version": "KorQuAD_v1.0_train",
        "data": [{"title": title, "paragraphs": [paragraph]}],
    }


@pytest.fixture
def load(tmp_path):
    def write_and_load(content, split="train", **options):
        name = f"KorQuAD_v1.0_{'dev' if split == 'test' else 'train'}.json"
        if isinstance(content, dict):
            content = json.dumps(content).encode()
        (tmp_path / name).write_bytes(content)
        return load_split(KORQUAD, str(tmp_path), split, ReadingOptions(**options))

    return write_and_load


def test_an_answer_ends_inside_a_word(load):
    loaded = load(document(record()))
    assert loaded.examples == [
        Question("q1", "수도는?", CONTEXT, (Answer("서울", 10),), "수도")
    ]
    assert CONTEXT[10:12] == "서울"


def test_positions_count_characters_also_behind_an_emoji(load):
    start = CONTEXT.index("그가")
    loaded = load(document(record(text="그가", start=start)))
    assert loaded.examples[0].answers == (Answer("그가", start),)


def test_dev_serves_as_test_and_there_is_no_dev_file(tmp_path):
    (tmp_path / "KorQuAD_v1.0_dev.json").write_text("{}")
    assert find_files(KORQUAD, str(tmp_path), "dev") == ()
    assert len(find_files(KORQUAD, str(tmp_path), "test")) == 1


def test_a_misplaced_answer_is_an_error_with_the_right_place(load):
    content = document(record("q1"), record("q2", start=3))
    message = "question q2: answer_start does not point at '서울' .it is at 10"
    with pytest.raises(InputError, match=message):
        load(content)
    with pytest.raises(InputError, match="the context does not have it"):
        load(document(record(text="부산", start=3)))
    with pytest.raises(InputError, match="does not point at"):
        load(document(record(text="다.", start=-2)))


def test_misplaced_answers_leave_train_but_are_scored_in_test(load):
    content = document(record("q1"), record("q2", start=3))
    train = load(content, max_bad_rows=1)
    assert [question.example_id for question in train.examples] == ["q1"]
    assert train.skipped == 1
    assert "1 bad rows" in train.notes[0]
    test = load(content, split="test", max_bad_rows=1)
    assert test.examples[1].answers == (Answer("서울", None),)


@pytest.mark.parametrize(
    "bad, message",
    [
        (record("q1"), "question q1: this id occurs twice"),
        (record("q2", question=" "), "an empty question"),
        (record("q2", text=""), "an empty answer"),
        (record("q2", text=None), "no answer, expected one in every question"),
        (record("q2", question="\ud83d?"), "half a character or a NUL"),
    ],
)
def test_bad_questions_are_named_by_id(load, bad, message):
    with pytest.raises(InputError, match=message):
        load(document(record("q1"), bad))
    assert len(load(document(record("q1"), bad), max_bad_rows=1).examples) == 1


def test_a_context_that_is_too_long_or_empty(load):
    with pytest.raises(InputError, match="28 characters, expected at most 20"):
        load(document(record()), max_line_chars=20)
    with pytest.raises(InputError, match="an empty context"):
        load(document(record(text=None), context=" "))


def test_a_test_file_may_lack_answers(load):
    unlabelled = {"id": "q1", "question": "수도는?"}
    loaded = load(document(unlabelled), split="test")
    assert loaded.examples[0].answers == ()


def test_a_test_file_has_answers_to_all_questions_or_none(load):
    content = document(*(record(f"q{n}", None) for n in range(1, 5)), record("q5"))
    with pytest.raises(InputError) as caught:
        load(content, split="test")
    assert "dev.json: 4 of 5 questions have no answers (q1, q2, q3, ...)" in str(
        caught.value
    )


@pytest.mark.parametrize("answers", [5, True, "서울", {}])
def test_answers_are_a_list(load, answers):
    with pytest.raises(InputError, match="'answers' is of type .*, expected list"):
        load(document(dict(record(), answers=answers)))


def test_true_is_no_position(load):
    with pytest.raises(InputError, match="'answer_start' is of type bool"):
        load(document(record(start=True)))


def impossible(example_id="q2", **changes):
    plausible = [{"text": "서울", "answer_start": 10}]
    changes = dict(is_impossible=True, plausible_answers=plausible, **changes)
    return dict(record(example_id, None), **changes)


def test_questions_without_an_answer(load, tmp_path):
    content = document(record(), impossible(), dict(record("q3"), is_impossible=False))
    with pytest.raises(
        InputError, match="question q2: no answer .is_impossible.: pass"
    ):
        load(content)
    task = dataclasses.replace(KORQUAD, unanswerable=True)
    loaded = load_split(task, str(tmp_path), "train").examples
    assert [each.is_impossible for each in loaded] == [False, True, False]
    assert loaded[1].answers == () and loaded[1].is_labelled


def test_a_test_file_may_have_questions_without_an_answer(load, tmp_path):
    task = dataclasses.replace(KORQUAD, unanswerable=True)
    (tmp_path / "KorQuAD_v1.0_dev.json").write_text(
        json.dumps(document(record(), impossible()))
    )
    assert len(load_split(task, str(tmp_path), "test").examples) == 2


def test_is_impossible_is_true_or_false(load):
    with pytest.raises(InputError, match="question q2: 'is_impossible' is 'yes'"):
        load(document(record(), dict(record("q2"), is_impossible="yes")))


def test_truncated_json_is_named_with_its_place(load):
    content = json.dumps(document(record())).encode()[:-30]
    with pytest.raises(InputError) as caught:
        load(content)
    assert "line 1, character" in str(caught.value)
    assert "Was it cut off?" in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "no 'data'. Expected the form of SQuAD 1.1"),
        ({"data": {}}, "'data' is of type dict, expected list"),
        ({"data": [{"title": "t"}]}, "article 1: no 'paragraphs'"),
        ({"data": [{"paragraphs": [{"qas": []}]}]}, "article 1: no 'context'"),
        (b"[]", "a JSON list, expected an object"),
        (b'{"a": "\xff"}', "byte 0xFF at offset 7 is not valid utf-8"),
        (b"", "is empty .0 bytes"),
        pytest.param(b'{"data": ' + b"[" * 10**5, "nested too deeply", id="nested"),
    ],
)
def test_json_of_another_form_is_named(load, content, message):
    with pytest.raises(InputError, match=message):
        load(content)


def test_a_question_without_an_id_names_its_article(load):
    with pytest.raises(InputError, match="article '수도': no 'id'"):
        load(document({"question": "?"}))


def test_utf16_and_a_byte_order_mark(load):
    text = json.dumps(document(record()), ensure_ascii=False)
    with pytest.raises(InputError, match="is UTF-16, but is read as UTF-8"):
        load(text.encode("utf-16"))
    assert len(load(text.encode("utf-8-sig")).examples) == 1


def test_whole_articles_are_held_out():
    questions = [
        Question(str(number), "?", "가", (), f"article {number // 10}")
        for number in range(200)
    ]
    train, dev = held_out_split(questions, 0.1, seed=3)
    assert len(dev) == 20
    assert not {each.title for each in train} & {each.title for each in dev}


def test_one_article_cannot_be_divided():
    questions = [Question(str(number), "?", "가", (), "하나") for number in range(9)]
    with pytest.raises(InputError, match="too few to hold a dev set out of"):
        held_out_split(questions, 0.1, seed=3)


def test_the_public_dev_file_gives_every_question():
    questions = load_split(KORQUAD, datasets("korquad"), "test").examples
    assert len(questions) == 5774
    assert len({question.title for question in questions}) == 140
    assert max(len(question.context) for question in questions) == 2946
    for question in questions:
        answer = question.answers[0]
        end = answer.start + len(answer.text)
        assert question.context[answer.start : end] == answer.text


def test_the_small_split_gives_every_question():
    data_dir = datasets("korquad", "small")
    train = load_split(KORQUAD, data_dir, "train").examples
    test = load_split(KORQUAD, data_dir, "test").examples
    assert (len(train), len(test)) == (3957, 1817)
    assert not {each.title for each in train} & {each.title for each in test}
