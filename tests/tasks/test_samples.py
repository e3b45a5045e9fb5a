import collections
import glob
import os
import unicodedata

import pytest

from data.io.tables import read_rows
from data.tasks import get_task, load_split
from tests.support.paths import ROOT

_SAMPLES = os.path.join(ROOT, "samples")
_SIZES = {"train": 400, "dev": 80, "test": 80}


def reviews(split):
    data_dir = os.path.join(_SAMPLES, "sentiment")
    return load_split(get_task("NSMC"), data_dir, split).examples


def corpus_lines():
    for path in sorted(glob.glob(os.path.join(_SAMPLES, "corpus", "*.txt"))):
        for _, text in read_rows(path):
            yield text


@pytest.mark.parametrize("split", sorted(_SIZES))
def test_each_split_has_both_labels_equally_often(split):
    labels = collections.Counter(example.label for example in reviews(split))
    assert labels == {0: _SIZES[split] // 2, 1: _SIZES[split] // 2}


def test_no_review_and_no_id_occurs_twice():
    examples = [example for split in _SIZES for example in reviews(split)]
    assert len({example.text_a for example in examples}) == 560
    assert len({example.example_id for example in examples}) == 560


def test_the_corpus_is_clean_and_knows_no_evaluation_sentence():
    lines = list(corpus_lines())
    assert sum(bool(line) for line in lines) == 1010
    held_back = {each.text_a for split in ("dev", "test") for each in reviews(split)}
    assert not held_back & set(lines)
    for line in lines:
        assert line == line.strip() == unicodedata.normalize("NFC", line)


def test_the_vocabulary_covers_every_character_of_the_samples():
    tokens = [text for _, text in read_rows(os.path.join(_SAMPLES, "vocab.txt"))]
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(set(tokens)) == len(tokens)
    characters = set("".join(corpus_lines()))
    for split in _SIZES:
        characters.update("".join(example.text_a for example in reviews(split)))
    characters.discard(" ")
    assert not characters - set(tokens)
    hangul = {each for each in characters if "가" <= each <= "힣"}
    assert not {"##" + each for each in hangul} - set(tokens)
