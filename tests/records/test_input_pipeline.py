"""Batches for fine-tuning: every example, the same ones whatever the padding."""

import collections

import numpy as np
import pytest

from data.records import input_pipeline, schema, tfrecords
from encoder_ko.compat import tf

LENGTHS = [3, 9, 4, 17, 5, 3, 30, 8, 8, 12, 6, 21, 3]
FEATURES = schema.classification_features()


@pytest.fixture()
def data(tmp_path):
    def example(index, length):
        return schema.encode_example(
            FEATURES,
            {
                "example_index": index,
                "num_tokens": length,
                "input_ids": [100 * (index + 1) + i for i in range(length)],
                "segment_ids": [0] * (length - 1) + [1],
                "label_ids": index % 2,
            },
        )

    path = str(tmp_path / "train.tf_record")
    tfrecords.write_records(path, (example(i, n) for i, n in enumerate(LENGTHS)))
    return input_pipeline.FineTuningData(path, len(LENGTHS), FEATURES, 32)


def batches(input_fn, batch_size=2):
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = input_fn({"batch_size": batch_size})
        following = tf.data.make_one_shot_iterator(dataset).get_next()
        found = []
        while True:
            try:
                found.append(session.run(following))
            except tf.errors.OutOfRangeError:
                return found


def test_evaluation_reads_every_example_once_and_marks_filling(data):
    found = batches(input_pipeline.evaluation_input_fn(data), batch_size=4)
    indices = np.concatenate([b["example_index"] for b in found])
    real = np.concatenate([b["is_real_example"] for b in found])
    assert sorted(indices[real == 1]) == list(range(len(LENGTHS)))
    assert sorted(indices[real == 0]) == [-1, -1, -1]
    for batch in found:
        for row, index in enumerate(batch["example_index"]):
            if index < 0:
                assert batch["input_mask"][row].sum() == 0
                continue
            size = LENGTHS[index]
            expected = 100 * (index + 1) + np.arange(size)
            assert batch["input_ids"][row][:size].tolist() == expected.tolist()
            assert batch["input_ids"][row][size:].sum() == 0
            assert batch["input_mask"][row].sum() == size
            assert batch["segment_ids"][row].tolist()[size - 1] == 1
            assert batch["label_ids"][row] == index % 2


def test_batches_are_as_long_as_their_longest_example(data):
    for batch in batches(input_pipeline.evaluation_input_fn(data)):
        longest = batch["input_mask"].sum(1).max()
        assert batch["input_ids"].shape[1] == longest + longest % 2


@pytest.mark.parametrize(
    "longest, expected",
    [(1, 2), (2, 2), (31, 32), (33, 36), (65, 72), (72, 72), (73, 80), (97, 100)],
)
def test_lengths_are_rounded_up_to_few_values(longest, expected):
    lengths = input_pipeline.padded_lengths(100)
    assert min(n for n in lengths if n >= longest) == expected
    assert lengths[-1] == 100 and len(lengths) == 16 + 8 + 5


def test_there_are_eight_lengths_to_a_doubling():
    lengths = input_pipeline.padded_lengths(512)
    assert lengths[15:] == (
        list(range(32, 64, 4))
        + list(range(64, 128, 8))
        + list(range(128, 256, 16))
        + list(range(256, 513, 32))
    )
    assert input_pipeline.padded_lengths(7) == [2, 4, 6, 7]


def test_padding_to_the_maximum_keeps_the_examples_of_each_step(data):
    import dataclasses

    fixed = dataclasses.replace(data, pad_to_max=True)
    grouped = batches(input_pipeline.training_input_fn(data, 7, 20))
    padded = batches(input_pipeline.training_input_fn(fixed, 7, 20))
    assert len(grouped) == len(padded) == 20
    assert {b["input_ids"].shape for b in padded} == {(2, 32)}
    assert len({b["input_ids"].shape for b in grouped}) > 1
    for left, right in zip(grouped, padded):
        assert left["example_index"].tolist() == right["example_index"].tolist()
        size = left["input_ids"].shape[1]
        assert (left["input_ids"] == right["input_ids"][:, :size]).all()
        assert right["input_mask"][:, size:].sum() == 0


def test_an_epoch_has_every_example_once(data):
    """13 steps of 2 are two epochs; pools of 6 batches straddle their border."""
    found = batches(input_pipeline.training_input_fn(data, 1, 13))
    counts = collections.Counter(int(i) for b in found for i in b["example_index"])
    assert counts == {i: 2 for i in range(len(LENGTHS))}


@pytest.mark.parametrize("first_step", [1, 5, 6, 7, 12, 19])
def test_resuming_reads_what_an_uninterrupted_run_reads(data, first_step):
    whole = batches(input_pipeline.training_input_fn(data, 3, 20))
    resumed = batches(input_pipeline.training_input_fn(data, 3, 20, first_step))
    assert len(resumed) == 20 - first_step
    for left, right in zip(whole[first_step:], resumed):
        assert left.keys() == right.keys()
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])


def test_the_seed_decides_the_order(data):
    def order(seed):
        found = batches(input_pipeline.training_input_fn(data, seed, 13))
        return [b["example_index"].tolist() for b in found]

    assert order(3) == order(3)
    assert order(3) != order(4)


def test_labels_of_tokens_are_padded_with_none(tmp_path):
    """1 + a tag at the first piece of each word; 0 is no label."""
    features = schema.tagging_features()
    path = str(tmp_path / "ner.tf_record")
    tfrecords.write_records(
        path,
        (
            schema.encode_example(
                features,
                {
                    "example_index": index,
                    "num_tokens": length,
                    "input_ids": [7] * length,
                    "segment_ids": [0] * length,
                    "label_ids": [0] + [index + 1] * (length - 2) + [0],
                },
            )
            for index, length in enumerate(LENGTHS)
        ),
    )
    data = input_pipeline.FineTuningData(path, len(LENGTHS), features, 32, pad_id=5)
    for batch in batches(input_pipeline.evaluation_input_fn(data), batch_size=4):
        assert batch["label_ids"].shape == batch["input_ids"].shape
        for index, labels in zip(batch["example_index"], batch["label_ids"]):
            size = LENGTHS[index] if index >= 0 else 2
            assert labels[1 : size - 1].tolist() == [index + 1] * (size - 2)
            assert labels[0] == 0 and not labels[size - 1 :].any()


def test_places_of_answers_are_one_value_each(tmp_path):
    features = schema.question_features()
    values = {"example_index": 0, "num_tokens": 3, "input_ids": [1, 2, 3]}
    values.update(segment_ids=[0, 1, 1], start_positions=1, end_positions=2)
    path = str(tmp_path / "questions.tf_record")
    tfrecords.write_records(path, [schema.encode_example(features, values)] * 2)
    data = input_pipeline.FineTuningData(path, 2, features, 8, pad_to_max=True)
    [batch] = batches(input_pipeline.training_input_fn(data, 1, 1))
    assert batch["start_positions"].tolist() == [1, 1]
    assert batch["end_positions"].tolist() == [2, 2]
    assert batch["segment_ids"].tolist() == [[0, 1, 1, 0, 0, 0, 0, 0]] * 2
