"""The pages in Korean say what those in English say."""

import collections
import re

import pytest

from tests.support import documents

BOTH = pytest.mark.parametrize("english, korean", documents.TRANSLATIONS)


def pairs(english, korean):
    return zip(documents.sections(english), documents.sections(korean))


def test_the_readme_and_three_pages_are_translated():
    assert [english for english, _ in documents.TRANSLATIONS] == [
        "README.md",
        "docs/fine-tuning.md",
        "docs/index.md",
        "docs/pre-training.md",
    ]


def test_each_readme_names_the_other_below_its_title():
    for name, other in (documents.READMES, documents.READMES[::-1]):
        assert f"[{other}]({other})" in documents.read(name).splitlines()[2]


@BOTH
def test_both_have_the_same_code_blocks(english, korean):
    assert documents.blocks(korean) == documents.blocks(english)
    assert documents.blocks(english)


@BOTH
def test_both_have_the_same_headings(english, korean):
    marks = [[each.mark for each in documents.sections(p)] for p in (english, korean)]
    assert marks[0] == marks[1]


@BOTH
def test_both_name_the_same_files_and_flags_in_each_section(english, korean):
    for ours, theirs in pairs(english, korean):
        names = [
            collections.Counter(documents.inline_code(each.text))
            for each in (ours, theirs)
        ]
        assert names[0] == names[1], ours.title


@BOTH
def test_both_have_the_same_tables_with_the_same_numbers(english, korean):
    def shape(text):
        return [
            [sorted(re.findall(r"\d[\d.,]*", cell)) for cell in row]
            for row in documents.rows(re.sub(r"(\d)[.,](?!\d)", r"\1 ", text))
        ]

    for ours, theirs in pairs(english, korean):
        assert shape(ours.text) == shape(theirs.text), ours.title
