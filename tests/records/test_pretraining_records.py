"""Which pre-training records are read, in what order, from any position on."""

import numpy as np
import pytest

from data.io.errors import InputError
from data.records import dataset as pretraining_records
from data.records import pretraining_pipeline, schema, shares, tfrecords
from data.records.manifest import Manifest, save_manifest
from encoder_ko.compat import tf

LENGTH, PREDICTIONS = 8, 2
COUNTS = (7, 4, 9)


def record(number, model_type="electra", length=LENGTH, wop=0):
    """A record whose first token is its number."""
    features = schema.pretraining_features(model_type, length, PREDICTIONS, wop)
    values = {feature.name: [0] * feature.length for feature in features}
    values["input_ids"] = [number] + [1] * (length - 1)
    return schema.encode_example(features, values)


@pytest.fixture()
def folder(tmp_path):
    """Three files of 7, 4 and 9 records, numbered through, and an empty file."""
    start = 0
    for number, count in enumerate(COUNTS):
        tfrecords.write_records(
            str(tmp_path / f"part-{number}.tfrecord"),
            (record(i) for i in range(start, start + count)),
        )
        start += count
    (tmp_path / "part-9.tfrecord").write_bytes(b"")
    return tmp_path


def open_pattern(pattern, model_type="electra", length=LENGTH, predictions=PREDICTIONS):
    return pretraining_records.open_records(pattern, model_type, length, predictions)


def open_folder(folder, *expected, **changes):
    return open_pattern(str(folder / "*.tfrecord"), *expected, **changes)


def write_manifest(folder, counts, tokenizer="0", **settings):
    """The manifest of a whole build whose files hold so many records, by number."""
    files = {}
    for number, count in dict(counts).items():
        name = f"part-{number}.tfrecord"
        size = (folder / name).stat().st_size
        files[name] = {"instances": count, "bytes": size, "sha256": "0" * 64}
    settings = dict({"model_type": "electra", "max_seq_length": LENGTH}, **settings)
    manifest = Manifest(settings, {"fingerprint": tokenizer}, files, complete=True)
    save_manifest(manifest, str(folder / "manifest.json"))


def numbers(input_fn, batch_size=3):
    """The numbers of the records of each batch."""
    with tf.Graph().as_default(), tf.Session() as session:
        dataset = input_fn({"batch_size": batch_size})
        following = tf.data.make_one_shot_iterator(dataset).get_next()
        found = []
        while True:
            try:
                found.append(session.run(following)["input_ids"][:, 0].tolist())
            except tf.errors.OutOfRangeError:
                return found


def training_numbers(data, first, last, seed=5, shuffle=True):
    batches = shares.Batches(first, last)
    return numbers(pretraining_pipeline.training_input_fn(data, seed, batches, shuffle))


def test_files_are_counted_and_empty_ones_left_out(folder):
    data = open_folder(folder)
    assert data.counts == COUNTS and data.total == 20
    assert [path[-10:] for path in data.paths] == [f"{i}.tfrecord" for i in range(3)]
    assert [feature.name for feature in data.features] == [
        "input_ids",
        "input_mask",
        "segment_ids",
    ]


@pytest.mark.parametrize("together", [1, 8, 32768])
def test_every_epoch_reads_every_record_once(folder, monkeypatch, together):
    monkeypatch.setattr(pretraining_records, "SHUFFLED_TOGETHER", together)
    read = np.concatenate(training_numbers(open_folder(folder), 0, 20))
    epochs = read.reshape(3, 20)
    for epoch in epochs:
        assert sorted(epoch) == list(range(20))
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(tuple(epoch) != tuple(range(20)) for epoch in epochs)


@pytest.mark.slow
@pytest.mark.parametrize("together", [1, 8, 32768])
@pytest.mark.parametrize("shuffle", [True, False])
def test_reading_resumes_at_any_step(folder, monkeypatch, together, shuffle):
    monkeypatch.setattr(pretraining_records, "SHUFFLED_TOGETHER", together)
    data = open_folder(folder)
    whole = training_numbers(data, 0, 16, shuffle=shuffle)
    assert len(whole) == 16
    for first in (1, 2, 6, 7, 11, 15):
        assert training_numbers(data, first, 16, shuffle=shuffle) == whole[first:]


def test_without_shuffling_records_come_in_file_order(folder):
    read = np.concatenate(training_numbers(open_folder(folder), 0, 14, shuffle=False))
    assert read.tolist() == [i % 20 for i in range(42)]


def test_order_depends_on_the_seed(folder):
    data = open_folder(folder)
    first, same, other = (training_numbers(data, 0, 6, seed) for seed in (5, 5, 6))
    assert first == same
    assert first != other


def test_plan_by_hand():
    """Files of 3 and 2, records 4 to 11: the end of epoch 0, epoch 1, file 0."""
    plan = pretraining_records.plan_reading([3, 2], 4, 12, None)
    assert plan.files.tolist() == [[0, 1], [0, 1], [0, 1]]
    assert plan.skipped == 4 and plan.largest == 5


def test_plan_passes_over_groups_of_files(monkeypatch):
    monkeypatch.setattr(pretraining_records, "SHUFFLED_TOGETHER", 3)
    plan = pretraining_records.plan_reading([3, 2, 1], 4, 9, None)
    assert plan.files.tolist() == [[1, 2], [0, -1]]
    assert plan.skipped == 1 and plan.largest == 3


@pytest.mark.slow
def test_a_large_file_is_shuffled_in_pieces(tmp_path, monkeypatch):
    """24 records, at most 8 at once: a permutation of its own for each piece."""
    path = str(tmp_path / "one.tfrecord")
    tfrecords.write_records(path, (record(i) for i in range(24)))
    data = pretraining_records.open_records(path, "electra", LENGTH, PREDICTIONS)
    monkeypatch.setattr(pretraining_records, "SHUFFLED_TOGETHER", 4)
    assert pretraining_records.plan_reading(data.counts, 0, 48, 5).largest == 8
    whole = training_numbers(data, 0, 16)
    orders = set()
    for epoch in np.concatenate(whole).reshape(2, 3, 8):
        for number, piece in enumerate(epoch - [[0], [8], [16]]):
            assert sorted(piece) == list(range(8)), number
            orders.add(tuple(piece))
    assert len(orders) == 6 and tuple(range(8)) not in orders
    for first in (1, 3, 7, 8, 15):
        assert training_numbers(data, first, 16) == whole[first:]


@pytest.mark.parametrize(
    "together, order",
    [
        (32768, [11, 10, 7, 8, 4, 14, 16, 17, 15, 0, 2, 18, 5, 1, 12, 19, 3, 6, 13, 9]),
        (10, [11, 4, 14, 16, 17, 15, 0, 2, 18, 5, 1, 12, 19, 3, 6, 13, 9, 7, 10, 8]),
    ],
)
def test_the_order_of_a_release_is_kept(folder, monkeypatch, together, order):
    """A run that began with an older version goes on with the same batches."""
    monkeypatch.setattr(pretraining_records, "SHUFFLED_TOGETHER", together)
    read = np.concatenate(training_numbers(open_folder(folder), 0, 7))
    assert read[:20].tolist() == order


def test_evaluation_reads_in_order_and_once(folder):
    data = open_folder(folder)

    def read(steps, fixed):
        return numbers(pretraining_pipeline.evaluation_input_fn(data, steps, fixed), 8)

    assert read(100, False) == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]
    filled = [*range(16, 20), 0, 0, 0, 0]
    assert read(100, True) == [[*range(8)], [*range(8, 16)], filled]
    assert read(1, False) == [[*range(8)]]


# --- What does not fit ---------------------------------------------------------------


def test_records_of_another_length_are_refused(folder):
    message = r"part-0.tfrecord was made with --max_seq_length=8 \(now 16\). Rebuild"
    with pytest.raises(InputError, match=message):
        open_folder(folder, length=16)


def test_records_of_another_model_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match="lacks the features masked_lm_positions, "):
        open_folder(folder, "bert")
    masked = str(tmp_path / "bert.records")
    tfrecords.write_records(masked, [record(1, "bert")])
    with pytest.raises(InputError, match="holds masked records, but ELECTRA masks at"):
        pretraining_records.open_records(masked, "electra", LENGTH, PREDICTIONS)
    message = r"--max_predictions_per_seq=2 \(now 20\)"
    with pytest.raises(InputError, match=message):
        pretraining_records.open_records(masked, "bert", LENGTH, 20)


def test_word_order_features_are_read_where_they_are(tmp_path):
    path = str(tmp_path / "albert.records")
    tfrecords.write_records(path, [record(1, "albert", wop=3)])
    data = pretraining_records.open_records(path, "albert", LENGTH, PREDICTIONS)
    lengths = {feature.name: feature.length for feature in data.features}
    assert lengths["wop_positions"] == lengths["wop_weights"] == 3


def test_manifest_settings_are_compared_with_the_flags(folder):
    settings = {"model_type": "bert", "max_seq_length": LENGTH}
    manifest = Manifest(settings, {"fingerprint": "0"}, complete=True)
    save_manifest(manifest, str(folder / "manifest.json"))
    message = r"manifest.json was made with --model_type=bert \(now electra\)"
    with pytest.raises(InputError, match=message):
        open_folder(folder)
    manifest.settings["model_type"] = "electra"
    manifest.complete = False
    save_manifest(manifest, str(folder / "manifest.json"))
    with pytest.raises(InputError, match="this build of records is not finished"):
        open_folder(folder)
    manifest.complete = True
    save_manifest(manifest, str(folder / "manifest.json"))
    data = open_folder(folder)
    assert data.settings == manifest.settings
    assert data.tokenizer == {"fingerprint": "0"}


def test_shards_of_another_size_than_the_manifests_are_refused(folder):
    """Cut off between two records, and to nothing: fewer records, but no damage."""
    write_manifest(folder, enumerate(COUNTS))
    assert open_folder(folder).counts == COUNTS
    path = folder / "part-1.tfrecord"
    whole = path.read_bytes()
    for kept in (len(whole) // 4, 0):
        path.write_bytes(whole[:kept])
        message = (
            f"part-1.tfrecord has {kept} bytes, but {len(whole)} by .*manifest.json: "
            "it was cut off or changed. Copy it again, or give the command that built"
        )
        with pytest.raises(InputError, match=message):
            open_folder(folder)


def test_missing_shards_are_named(folder):
    write_manifest(folder, enumerate(COUNTS))
    some = str(folder / "part-[01].tfrecord")
    assert open_pattern(some).counts == COUNTS[:2]
    (folder / "part-2.tfrecord").unlink()
    message = "manifest.json lists files that are not there, 1 of 3: part-2.tfrecord. C"
    with pytest.raises(InputError, match=message):
        open_pattern(some)


def test_a_shard_is_counted_by_the_manifest_beside_it(folder, tmp_path):
    """Shards of two builds have the same names."""
    write_manifest(folder, enumerate(COUNTS))
    other = tmp_path / "other"
    other.mkdir()
    (other / "part-1.tfrecord").write_bytes((folder / "part-2.tfrecord").read_bytes())
    write_manifest(other, {1: COUNTS[2]})
    data = open_pattern(f"{folder}/part-1.tfrecord,{other}/*.tfrecord")
    assert data.counts == COUNTS[1:]


@pytest.fixture()
def builds(tmp_path):
    """Makes a build of one file and answers its path; Google's without a tokenizer."""

    def make(name, wop=0, tokenizer="0", length=LENGTH):
        build = tmp_path / name
        build.mkdir()
        path = str(build / "part-0.tfrecord")
        tfrecords.write_records(path, [record(1, "albert", length, wop)] * 2)
        if tokenizer:
            write_manifest(
                build,
                {0: 2},
                tokenizer,
                model_type="albert",
                max_predictions_per_seq=PREDICTIONS,
            )
        return path

    return make


def test_builds_of_different_tokenizers_are_refused(builds):
    pattern = f"{builds('a')},{builds('b')},{builds('c', tokenizer='1')}"
    message = (
        "a/manifest.json and .*c/manifest.json are of different tokenizers: "
        "fingerprint='0' and '1'. Train on one of them, or build both with one"
    )
    with pytest.raises(InputError, match=message):
        open_pattern(pattern, "albert")


@pytest.mark.parametrize("tokenizer", ["0", None])
def test_layouts_of_all_builds_are_checked(builds, tokenizer):
    """With manifests, and Google's without one."""
    first = builds("a", wop=3, tokenizer=tokenizer)
    same = builds("b", wop=3, tokenizer=tokenizer)
    assert open_pattern(f"{first},{same}", "albert").total == 4
    for name, wop in (("none", 0), ("more", 6)):
        other = builds(name, wop, tokenizer)
        message = f"a/.*has 3 wop_positions in a record, but .*{name}/.* has {wop}. Tr"
        with pytest.raises(InputError, match=message):
            open_pattern(f"{first},{same},{other}", "albert")
    longer = builds("longer", 3, tokenizer, length=16)
    message = r"longer/part-0.tfrecord was made with --max_seq_length=16 \(now 8\)"
    with pytest.raises(InputError, match=message):
        open_pattern(f"{first},{longer}", "albert")


def test_damage_is_named_with_file_and_byte(folder):
    path = folder / "part-1.tfrecord"
    whole = path.read_bytes()
    size = len(whole) // 4
    path.write_bytes(whole[:-5])
    with pytest.raises(
        InputError, match=f"part-1.tfrecord: the record at byte {3 * size} is cut off"
    ):
        open_folder(folder)
    path.write_bytes(whole[: size + 20] + b"x" + whole[size + 21 :])
    data = open_folder(folder)
    with pytest.raises(InputError, match=f"byte {size} does not match its checksum"):
        pretraining_records.name_damage(data.paths)
    with pytest.raises(tf.errors.DataLossError):
        training_numbers(data, 0, 8)


def test_missing_and_empty_records(tmp_path):
    with pytest.raises(InputError, match="--input_file=.*none.*: there is no such"):
        open_folder(tmp_path / "none")
    (tmp_path / "a.tfrecord").write_bytes(b"")
    with pytest.raises(InputError, match="holds no records: build them with"):
        open_folder(tmp_path)
