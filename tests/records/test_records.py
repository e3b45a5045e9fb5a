"""Records: the schema, the bytes, and what is said of a damaged file."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from data.io.errors import InputError
from data.records import record_bytes, schema, tfrecords

ALBERT = schema.pretraining_features("albert", 16, 4, wop_positions=3)


def _random_values(features, rows, seed=0, largest=40000):
    rng = np.random.default_rng(seed)
    values = {}
    for feature in features:
        shape = (rows, feature.length)
        if feature.dtype == "int64":
            values[feature.name] = rng.integers(0, largest, shape)
        else:
            values[feature.name] = rng.random(shape).astype(np.float32)
    return values


def _serialized(features, values):
    pieces = schema.encode_batch(features, values)
    data, used, size = record_bytes.join(pieces)
    assert size.tolist() == used.sum(1).tolist()
    return [row[mask].tobytes() for row, mask in zip(data, used)]


def _run(tensors):
    with tf.Session() as session:
        return session.run(tensors)


# The names and shapes that google-research/{bert,albert,electra} read.
UPSTREAM_SHAPES = {
    "input_ids": 128,
    "input_mask": 128,
    "segment_ids": 128,
    "masked_lm_positions": 20,
    "masked_lm_ids": 20,
    "masked_lm_weights": 20,
    "next_sentence_labels": 1,
}


@pytest.mark.parametrize("model_type", ["bert", "albert"])
def test_pretraining_features_are_those_of_upstream(model_type):
    features = schema.pretraining_features(model_type, 128, 20)
    assert {f.name: f.length for f in features} == UPSTREAM_SHAPES
    assert [f.name for f in features if f.dtype != "int64"] == ["masked_lm_weights"]


def test_electra_records_hold_inputs_only():
    names = [f.name for f in schema.pretraining_features("electra", 128, 20)]
    assert names == ["input_ids", "input_mask", "segment_ids"]


def test_wop_adds_its_three_features():
    features = schema.pretraining_features("albert", 128, 20, wop_positions=18)
    assert features[7:] == (
        schema.Feature("wop_positions", "int64", 18),
        schema.Feature("wop_ids", "int64", 18),
        schema.Feature("wop_weights", "float32", 18),
    )


@pytest.mark.parametrize(
    "length, prob, ngram, expected",
    [(128, 0.15, 3, 18), (512, 0.15, 3, 75), (128, 0, 3, 0), (8, 0.15, 3, 3)],
)
def test_wop_length_is_whole_ngrams(length, prob, ngram, expected):
    assert schema.wop_length(length, prob, ngram) == expected


def test_unknown_model_type_is_named():
    with pytest.raises(InputError, match="model_type is 'gpt'; expected one of bert"):
        schema.pretraining_features("gpt", 128, 20)


def test_batch_encoding_equals_protobuf_byte_for_byte():
    values = _random_values(ALBERT, 50)
    values["input_ids"][0] = 0
    values["input_ids"][1] = [0, 127, 128, 16383, 16384, 2097151, 2097152] + [1] * 9
    expected = []
    for row in range(50):
        example = tf.train.Example()
        for feature in ALBERT:
            entry = example.features.feature[feature.name]
            target = entry.int64_list if feature.dtype == "int64" else entry.float_list
            target.value.extend(values[feature.name][row].tolist())
        expected.append(example.SerializeToString(deterministic=True))
    assert _serialized(ALBERT, values) == expected


def test_batches_of_small_ids_are_framed(tmp_path):
    """Below 128 every id is one byte, so that all records are of one size."""
    values = _random_values(ALBERT, 5, largest=100)
    path = tmp_path / "small.tfrecord"
    framed = record_bytes.frames(schema.encode_batch(ALBERT, values))
    path.write_bytes(framed.tobytes())
    expected = [
        schema.encode_example(ALBERT, {n: v[row] for n, v in values.items()})
        for row in range(5)
    ]
    assert list(tfrecords.read_records(str(path))) == expected


def test_one_example_encodes_as_its_row_of_the_batch():
    values = _random_values(ALBERT, 3)
    singly = [
        schema.encode_example(ALBERT, {name: a[i] for name, a in values.items()})
        for i in range(3)
    ]
    assert singly == _serialized(ALBERT, values)


def test_decode_returns_what_was_encoded():
    values = _random_values(ALBERT, 5)
    serialized = _serialized(ALBERT, values)
    with tf.Graph().as_default():
        batch = _run(schema.decode(ALBERT, tf.constant(serialized)))
    with tf.Graph().as_default():
        single = _run(schema.decode(ALBERT, tf.constant(serialized[2])))
    for feature in ALBERT:
        dtype = {"int64": np.int32, "float32": np.float32}[feature.dtype]
        assert batch[feature.name].dtype == dtype
        np.testing.assert_array_equal(batch[feature.name], values[feature.name])
        np.testing.assert_array_equal(single[feature.name], values[feature.name][2])


def test_classification_records_are_unpadded_and_padded_in_a_batch():
    features = schema.classification_features()
    rows = [
        {"example_index": 7, "input_ids": [2, 9, 3], "segment_ids": [0] * 3},
        {"example_index": 8, "input_ids": [2, 3], "segment_ids": [0] * 2},
    ]
    serialized = [
        schema.encode_example(
            features, dict(row, label_ids=1, num_tokens=len(row["input_ids"]))
        )
        for row in rows
    ]
    with tf.Graph().as_default():
        single = _run(schema.decode(features, tf.constant(serialized[1])))
    with tf.Graph().as_default():
        batch = _run(schema.decode(features, tf.constant(serialized)))
    assert single["input_ids"].tolist() == [2, 3]
    assert batch["input_ids"].tolist() == [[2, 9, 3], [2, 3, 0]]
    assert batch["example_index"].tolist() == [[7], [8]]


def test_regression_labels_are_float():
    features = schema.classification_features(regression=True)
    row = {"example_index": 0, "input_ids": [], "segment_ids": [], "label_ids": 3.8}
    row["num_tokens"] = 0
    with tf.Graph().as_default():
        serialized = tf.constant(schema.encode_example(features, row))
        decoded = _run(schema.decode(features, serialized))
    assert decoded["label_ids"].tolist() == [np.float32(3.8)]
    assert decoded["input_ids"].tolist() == []


def test_wrong_values_are_named():
    features = schema.pretraining_features("electra", 4, 0)
    with pytest.raises(ValueError, match=r"expected \['input_ids', 'input_mask'"):
        schema.encode_example(features, {"input_ids": [1] * 4})
    row = {"input_ids": [1] * 3, "input_mask": [1] * 4, "segment_ids": [0] * 4}
    with pytest.raises(ValueError, match="input_ids has 3 values; expected 4"):
        schema.encode_example(features, row)
    batch = {name: np.zeros((2, 5), int) for name in row}
    with pytest.raises(ValueError, match=r"input_ids has shape \[2, 5\]; expected"):
        schema.encode_batch(features, batch)
    batch = {name: np.full((2, 4), -1) for name in row}
    with pytest.raises(ValueError, match="input_ids holds -1, less than 0"):
        schema.encode_batch(features, batch)


# RFC 3720, B.4: CRC-32C of 32 zero bytes, 32 of 0xFF, and 0..31.
@pytest.mark.parametrize(
    "data, crc",
    [
        (b"\x00" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"", 0),
        (b"a", 0xC1D04330),
    ],
)
def test_checksums_are_those_of_the_standard(data, crc):
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    expected = (rotated + 0xA282EAD8) & 0xFFFFFFFF
    array, sizes = np.frombuffer(data, np.uint8), np.array([len(data)])
    assert record_bytes.data_checksums(array, sizes).tolist() == [expected]


def test_files_are_read_by_tensorflow_and_tensorflows_by_us(tmp_path):
    lengths = [0, 1, 2, 3, 4, 5, 700, 701, 70000]
    written = [bytes([n % 251]) * n for n in lengths]
    ours, theirs = str(tmp_path / "ours"), str(tmp_path / "theirs")
    assert tfrecords.write_records(ours, iter(written)) == len(written)
    with tf.python_io.TFRecordWriter(theirs) as writer:
        for record in written:
            writer.write(record)
    assert open(ours, "rb").read() == open(theirs, "rb").read()
    assert list(tfrecords.read_records(theirs)) == written


def test_files_may_be_anything_that_tensorflow_opens(tmp_path):
    path = f"file://{tmp_path}/shard"
    assert tfrecords.write_records(path, [b"abc"]) == 1
    assert list(tfrecords.read_records(path)) == [b"abc"]


def test_existing_file_is_kept_unless_told(tmp_path):
    path = str(tmp_path / "shard")
    tfrecords.write_records(path, [b"first"])
    with pytest.raises(InputError, match="exists already. Pass --overwrite"):
        tfrecords.write_records(path, [b"second"])
    assert list(tfrecords.read_records(path)) == [b"first"]
    tfrecords.write_records(path, [b"second"], overwrite=True)
    assert list(tfrecords.read_records(path)) == [b"second"]


def test_nothing_is_left_when_writing_stops_halfway(tmp_path):
    def failing():
        yield b"x" * 5000
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        tfrecords.write_records(str(tmp_path / "shard"), failing())
    assert list(tmp_path.iterdir()) == []


def test_full_disk_is_an_input_error_and_leaves_nothing():
    with pytest.raises(InputError, match="no-such-folder/shard could not be written"):
        tfrecords.write_records("no-such-folder/shard", [b"abc"])


def _damage(path, offset, value=None):
    data = bytearray(open(path, "rb").read())
    if value is None:
        del data[offset:]
    else:
        data[offset] ^= value
    with open(path, "wb") as stream:
        stream.write(data)


@pytest.mark.parametrize(
    "offset, value, message",
    [
        (120, None, "at byte 116 is cut off in its header"),
        (231, None, "at byte 116 is cut off: 1 bytes are missing"),
        (117, 1, "at byte 116 has a corrupt length"),
        (150, 4, "at byte 116 does not match its checksum"),
    ],
)
def test_damage_is_named_with_file_and_byte(tmp_path, offset, value, message):
    path = str(tmp_path / "shard")
    tfrecords.write_records(path, [b"a" * 100, b"b" * 100])  # 116 bytes each
    _damage(path, offset, value)
    read = tfrecords.read_records(path)
    assert next(read) == b"a" * 100
    with pytest.raises(InputError, match=f"{path}: the record {message}"):
        next(read)


def test_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="none could not be read"):
        list(tfrecords.read_records(str(tmp_path / "none")))


def test_a_file_whose_first_record_is_damaged(tmp_path):
    path = tmp_path / "a.tfrecord"
    tfrecords.write_records(str(path), [b"abc"] * 2)
    content = bytearray(path.read_bytes())
    content[7] = 0xAF  # of the length
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match="the record at byte 0 has a corrupt length"):
        list(tfrecords.read_records(str(path)))


def test_a_text_is_no_file_of_records(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("아무 문장이나 하나\n", encoding="utf-8")
    with pytest.raises(InputError, match="Is it a file of records?.*data.create_pre"):
        list(tfrecords.read_records(str(path)))
