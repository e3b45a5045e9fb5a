import collections

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
        ("가 나\tO B-PER", "tag 'B-PER', expected one of 29: O, PER-B"),
        ("가  나\tO O O", "an empty word, expected words with one space"),
        ("\tO", "an empty word"),
        ("가 나", "1 columns, expected 2 as in line 1"),
        ("가\tO\tO", "3 columns, expected 2 as in line 1"),
    ],
)
def test_bad_rows_are_named(load, row, message):
    with pytest.raises(InputError, match=message):
        load(f"가\tO\n{row}\n")


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
