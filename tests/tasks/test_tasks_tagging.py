import collections
import dataclasses
import re

import pytest

from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import get_task, load_split
from data.tasks.tagging import TaggedSentence
from tests.support.shared_data import datasets

NER = get_task("NaverNER")


@pytest.fixture
def load(tmp_path):
    def write_and_load(content, split="train", **options):
        (tmp_path / f"{split}.tsv").write_bytes(content.encode())
        return load_split(NER, str(tmp_path), split, ReadingOptions(**options))

    return write_and_load


def test_there_are_29_tags_with_the_type_first():
    assert NER.num_labels == 29
    assert NER.label_values[:3] == ("O", "PER-B", "PER-I")
    assert NER.label_values[-1] == "TRM-I"


def test_words_and_tags_without_a_header(load):
    loaded = load("철수는 서울로 갔다\tPER-B LOC-B O\n비가 왔다\tO O")
    assert loaded.examples == [
        TaggedSentence("train-1", ("철수는", "서울로", "갔다"), (1, 9, 0)),
        TaggedSentence("train-2", ("비가", "왔다"), (0, 0)),
    ]


def test_words_are_cut_at_single_spaces_only(load):
    loaded = load("3\u00a0월 \u3000 \x1c다\tDAT-B O O\n")
    assert loaded.examples[0].words == ("3\u00a0월", "\u3000", "\x1c다")


def test_counts_that_differ_are_an_error_with_line_and_numbers(load):
    content = "가 나\tO O\n다 라\tO\n"
    with pytest.raises(
        InputError, match="line 2: 2 words and 1 tags, expected one tag"
    ):
        load(content)
    loaded = load(content, max_bad_rows=1)
    assert (len(loaded.examples), loaded.skipped) == (1, 1)


@pytest.mark.parametrize(
    "row, message",
    [
        ("가 나\tO XYZ-B", "line 2: tag 'XYZ-B', expected one of 29: O, PER-B"),
        ("가 나\tO B:PER", "line 2: tag 'B:PER', expected one of 29: O, PER-B"),
        ("가  나\tO O O", "an empty word, expected words with one space"),
        ("\tO", "an empty word"),
        ("가 나", "1 columns, expected 2 as in line 1"),
        ("가\tO\tO", "3 columns, expected 2 as in line 1"),
    ],
)
def test_bad_rows_are_named(load, row, message):
    with pytest.raises(InputError, match=message):
        load(f"가\tO\n{row}\n")


EXPECTED = [
    TaggedSentence("train-1", ("김민수", "씨는", "서울로", "갔다"), (1, 2, 9, 0)),
    TaggedSentence("train-6", ("비가", "왔다"), (0, 0)),
]


@pytest.mark.parametrize(
    "first", ["철수는\tB-PER\n##태그\tO", "##태그\tO\n철수는\tB-PER"]
)
def test_a_word_may_begin_with_number_signs(load, first):
    example = load(f"## s-1\t말\n{first}\n갔다\tO\n\n비가\tO\n").examples[0]
    assert example.example_id == "s-1"
    assert sorted(example.words) == ["##태그", "갔다", "철수는"]
    assert len(example.tags) == 3


@pytest.mark.parametrize(
    "content, scheme",
    [
        (
            "1\t김민수\tPER_B\n2\t씨는\tPER_I\n3\t서울로\tLOC_B\n4\t갔다\t-\n"
            "\n1\t비가\t-\n2\t왔다\t-\n\n",
            "PER_B",
        ),
        (
            "김민수\tB-PER\n씨는\tI-PER\n서울로\tB-LOC\n갔다\tO\n\n비가\tO\n왔다\tO",
            "B-PER",
        ),
        (
            "김민수\tPER-B\n씨는\tPER-I\n서울로\tLOC-B\n갔다\tO\n\t\n비가\tO\n왔다\tO\n",
            "PER-B",
        ),
    ],
    ids=["NAVER's official form", "CoNLL", "a word a line"],
)
def test_a_word_a_line(load, content, scheme):
    loaded = load(content)
    assert loaded.examples == EXPECTED
    told = f"tags are written as {scheme} and read as PER-B"
    assert [told in note for note in loaded.notes] == [True] * (scheme != "PER-B")


@pytest.mark.parametrize(
    "tags, scheme",
    [
        ("B-PER B-LOC O", "B-PER"),
        ("PER_B LOC_B -", "PER_B"),
        ("PER_B LOC_B O", "PER_B"),
    ],
)
def test_a_sentence_a_line_with_tags_of_another_scheme(load, tags, scheme):
    loaded = load(f"철수는 서울로 갔다\t{tags}\n비가 왔다\tO O")
    assert [each.tags for each in loaded.examples] == [(1, 9, 0), (0, 0)]
    assert f"tags are written as {scheme} and read as PER-B" in loaded.notes[0]


@pytest.mark.parametrize(
    "content, told",
    [
        (
            "철수는 서울로 갔다\tPER-I LOC-I O\n비가 왔다\tO O",
            "no tag such as PER-B begins an entity, only O, PER-I, LOC-I: an entity "
            "that follows one of its type is read as a part of it",
        ),
        (
            "김민수\tI-PER\n씨는\tI-PER\n서울로\tI-LOC\n",
            "no tag such as B-PER begins an entity, only I-PER, I-LOC: an entity",
        ),
        (
            "비가 왔다\tO O",
            "no tag such as PER-B begins an entity, only O: there is no entity in it",
        ),
    ],
)
def test_a_file_in_which_no_entity_begins_is_told_with_its_tags(load, content, told):
    (note,) = load(content).notes
    assert told in note and "train.tsv: " in note


@pytest.mark.parametrize(
    "content, first, second",
    [
        (
            "가 나\tO PER-B\n다\tB-LOC",
            "'PER-B' in line 1 (PER-B)",
            "'B-LOC' in line 2 (B-PER)",
        ),
        (
            "1\t가\tPER_B\n2\t나\t-\n\n1\t다\tLOC-B",
            "'PER_B' in line 1 (PER_B)",
            "'LOC-B' in line 4 (PER-B)",
        ),
        ("가\tPER-B\n나\t-", "'PER-B' in line 1 (PER-B)", "'-' in line 2 (PER_B)"),
    ],
)
def test_two_schemes_in_one_file_are_an_error(load, content, first, second):
    with pytest.raises(InputError) as raised:
        load(content)
    message = str(raised.value)
    assert f"tags of two schemes, {first} and {second}" in message
    assert "Write all of them in one: PER-B, B-PER, PER_B." in message


@pytest.mark.parametrize(
    "row, message",
    [
        (
            "3\t갔다",
            "line 3: 2 columns, expected a number, a tab, a word, a tab, a tag",
        ),
        ("3\t\t-", "line 3: an empty word, expected one word a line"),
        ("3\t갔다\tXYZ_B", "line 3: tag 'XYZ_B', expected one of 30: -, O, PER_B"),
    ],
)
def test_a_bad_line_takes_its_sentence_along(load, row, message):
    content = f"1\t철수는\tPER_B\n2\t서울로\tLOC_B\n{row}\n\n1\t비가\t-\n"
    with pytest.raises(InputError, match=re.escape(message)):
        load(content)
    loaded = load(content, max_bad_rows=1)
    assert [each.words for each in loaded.examples] == [("비가",)]


@pytest.mark.parametrize("numbers", [True, False])
def test_a_test_file_of_words_may_lack_tags(load, numbers):
    words = (
        ["1\t비가", "2\t왔다", "", "1\t또"] if numbers else ["비가", "왔다", "", "또"]
    )
    loaded = load("\n".join(words), split="test")
    assert [each.words for each in loaded.examples] == [("비가", "왔다"), ("또",)]
    assert {each.tags for each in loaded.examples} == {None}


CHARACTERS = """\
## 칼럼명 : CHAR\tNE_TAG
## ner-1\t<조지 해리:PS>는 #1
조\tB-PS
지\tI-PS
 \tI-PS
해\tI-PS
리\tI-PS
는\tO
 \tO
#\tO
1\tB-QT

## ner-2\t가
가\tO
\t
"""
LETTERS = dataclasses.replace(
    NER, by_character=True, label_values=("O", "B-PS", "I-PS", "B-QT", "I-QT")
)


def test_a_character_a_line_keeps_spaces_and_ids(tmp_path):
    (tmp_path / "train.tsv").write_text(CHARACTERS, encoding="utf-8")
    loaded = load_split(LETTERS, str(tmp_path), "train")
    assert loaded.notes == ()
    assert loaded.examples == [
        TaggedSentence("ner-1", tuple("조지 해리는 #1"), (1, 2, 2, 2, 2, 0, 0, 0, 3)),
        TaggedSentence("ner-2", ("가",), (0,)),
    ]


def test_words_where_characters_belong_are_an_error(tmp_path):
    (tmp_path / "train.tsv").write_text("## 1\t가\n가\tO\n나다\tO\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3: '나다', expected one character a"):
        load_split(LETTERS, str(tmp_path), "train")


def test_a_first_row_without_tags_is_an_error_in_train(load):
    with pytest.raises(
        InputError, match="line 1: 1 columns, expected words, a tab, and"
    ):
        load("가 나\n")


def test_a_test_file_may_lack_tags(load):
    loaded = load("가 나\n다\n", split="test")
    assert loaded.examples == [
        TaggedSentence("test-1", ("가", "나"), None),
        TaggedSentence("test-2", ("다",), None),
    ]


def test_the_converted_ner_files_give_every_row():
    data_dir = datasets("ner")
    train = load_split(NER, data_dir, "train").examples
    assert len(train) == 4023
    counts = collections.Counter(tag for sentence in train for tag in sentence.tags)
    assert counts[NER.label_values.index("PER-B")] == 3466
    assert counts[0] == 39317
    assert len(load_split(NER, data_dir, "test").examples) == 977
