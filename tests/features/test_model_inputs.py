"""Texts to ids and segments: special pieces, cutting, pairs, records."""

import itertools

import pytest

from data.features import model_inputs
from data.records import schema
from data.tasks.classification import Example
from data.tokenization import TokenizerConfig, build_tokenizer
from tests.support import fine_tuning_runs as runs

CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """[CLS] is 2, [SEP] 3, 재밌다 5, 지루함 10, 영화 15."""
    folder = runs.write_model(tmp_path_factory.mktemp("inputs") / "model")
    return build_tokenizer(TokenizerConfig(), str(folder / "vocab.txt"))


def test_a_single_text_stands_between_cls_and_sep(tokenizer):
    built = model_inputs.build_input(tokenizer, [5, 15], None, 8)
    assert built.input_ids == [CLS, 5, 15, SEP]
    assert built.segment_ids == [0, 0, 0, 0]


def test_a_long_text_is_cut_at_its_end(tokenizer):
    built = model_inputs.build_input(tokenizer, list(range(5, 20)), None, 6)
    assert built.input_ids == [CLS, 5, 6, 7, 8, SEP]
    assert model_inputs.build_input(tokenizer, [], None, 6).input_ids == [CLS, SEP]


def test_a_pair_has_segment_one_from_its_second_text_on(tokenizer):
    built = model_inputs.build_input(tokenizer, [5, 6], [7], 8)
    assert built.input_ids == [CLS, 5, 6, SEP, 7, SEP]
    assert built.segment_ids == [0, 0, 0, 0, 1, 1]


def test_a_long_pair_is_cut_from_the_longer_text(tokenizer):
    built = model_inputs.build_input(tokenizer, [5, 6, 7, 8, 9], [10, 11], 8)
    assert built.input_ids == [CLS, 5, 6, 7, SEP, 10, 11, SEP]
    assert built.segment_ids == [0, 0, 0, 0, 0, 1, 1, 1]


def test_pair_lengths_are_those_of_popping_token_by_token():
    """Upstream takes one token at a time off the longer text, else off the second."""
    for sizes in itertools.product(range(7), range(7), range(9)):
        size_a, size_b, room = sizes
        while size_a + size_b > room:
            if size_a > size_b:
                size_a -= 1
            else:
                size_b -= 1
        assert model_inputs.pair_lengths(*sizes) == (size_a, size_b)


def test_records_keep_the_order_and_the_labels(tokenizer):
    examples = [
        Example("a", "재밌다 영화", None, 1),
        Example("b", "지루함", "영화", None),
        Example("c", "", None, 0),
    ]
    found = list(model_inputs.classification_records(tokenizer, examples, 8))
    assert [values["example_index"] for values in found] == [0, 1, 2]
    assert [values["label_ids"] for values in found] == [1, 0, 0]
    assert [values["input_ids"] for values in found] == [
        [CLS, 5, 15, SEP],
        [CLS, 10, SEP, 15, SEP],
        [CLS, SEP],
    ]
    assert found[1]["segment_ids"] == [0, 0, 0, 1, 1]
    assert [values["num_tokens"] for values in found] == [4, 5, 2]
    features = schema.classification_features()
    for values in found:
        assert {feature.name for feature in features} == set(values)
        schema.encode_example(features, values)  # they fit the schema


def test_it_is_known_which_inputs_were_cut(tokenizer):
    texts = [("재밌다 영화", None), ("재밌다 영화 최고", None), ("재밌다", "영화 최고")]
    examples = [Example(str(i), *pair, 0) for i, pair in enumerate(texts)]
    found = list(model_inputs.text_records(tokenizer, examples, [0.5] * 3, 5))
    # Room for three pieces of a text, for two of a pair.
    assert [encoded.is_cut for encoded in found] == [False, False, True]
    found = list(model_inputs.text_records(tokenizer, examples, [0.5] * 3, 4))
    assert [encoded.is_cut for encoded in found] == [False, True, True]
    assert found[0].values["label_ids"] == 0.5


def test_blocks_of_texts_do_not_show(tokenizer, monkeypatch):
    texts = list(runs.texts_and_labels(11))
    examples = [
        Example(str(i), text, text if i % 3 else None, label)
        for i, (text, label) in enumerate(texts)
    ]
    whole = list(model_inputs.classification_records(tokenizer, examples, 12))
    monkeypatch.setattr(model_inputs, "_TEXTS_AT_A_TIME", 4)
    assert list(model_inputs.classification_records(tokenizer, examples, 12)) == whole
    assert [values["example_index"] for values in whole] == list(range(11))
