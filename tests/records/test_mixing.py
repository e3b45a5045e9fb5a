"""Pre-training records of all files together: shares, epochs, resuming."""

import numpy as np
import pytest

from data.records import dataset, mixing, pretraining_pipeline, shares, tfrecords
from tests.records.test_pretraining_records import (
    LENGTH,
    PREDICTIONS,
    numbers,
    record,
)

COUNTS = (60, 24, 9, 3)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Three lanes for four files; cycles of 10 and stretches of 16 of 96 records."""
    monkeypatch.setattr(mixing, "LANES", 3)
    monkeypatch.setattr(mixing, "_CYCLE", 10)
    monkeypatch.setattr(dataset, "SHUFFLED_TOGETHER", 16)


@pytest.fixture()
def data(tmp_path):
    start = 0
    for file, count in enumerate(COUNTS):
        path = str(tmp_path / f"part-{file}.tfrecord")
        tfrecords.write_records(path, map(record, range(start, start + count)))
        start += count
    pattern = str(tmp_path / "*.tfrecord")
    return dataset.open_records(pattern, "electra", LENGTH, PREDICTIONS)


def read(data, first, last, seed=5, share_of=shares.whole_batches):
    batches = shares.Batches(first, last)
    return numbers(
        pretraining_pipeline.training_input_fn(
            data, seed, batches, share_of=share_of, mix_files=True
        ),
        8,
    )


def file_of(records):
    return np.searchsorted(np.cumsum(COUNTS), records, side="right")


def test_every_epoch_reads_every_record_once_in_another_order(data):
    epochs = np.concatenate(read(data, 0, 36)).reshape(3, 96)
    for epoch in epochs:
        assert sorted(epoch) == list(range(96))
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_every_stretch_has_its_share_of_every_lane(data, monkeypatch):
    """One file a lane where there are as many lanes: 10, 4, 1.5 and 0.5 of 16."""
    monkeypatch.setattr(mixing, "LANES", 4)
    monkeypatch.setattr(mixing, "_CYCLE", 4)
    stretches = np.concatenate(read(data, 0, 12)).reshape(6, 16)
    for stretch in stretches:
        shares = np.bincount(file_of(stretch), minlength=4)
        assert np.abs(shares - np.array(COUNTS) / 6).max() < 2
    assert any((np.diff(stretch) < 0).any() for stretch in stretches)


@pytest.mark.slow
def test_reading_resumes_at_any_batch(data):
    whole = read(data, 0, 30)
    assert len(whole) == 30
    for first in (1, 2, 5, 11, 12, 13, 23, 25, 29):
        assert read(data, first, 30) == whole[first:], first


def test_the_order_depends_on_the_seed(data):
    assert read(data, 0, 3) == read(data, 0, 3) != read(data, 0, 3, seed=6)


def test_two_replicas_share_the_batches_of_one(data):
    def half(params):
        return shares.Share(params["batch_size"], 2, 1, 2)

    whole = read(data, 3, 9)
    assert read(data, 3, 9, share_of=half) == [batch[4:] for batch in whole]


def test_plan_by_hand(monkeypatch):
    """Of 30 records in 3 cycles, from 17 on: stretch 1 begins in cycle 1."""
    monkeypatch.setattr(mixing, "LANES", 2)
    plan = mixing.plan_mixing([20, 4, 6], 17, 40, 5)
    order = [list(lane[lane >= 0]) for lane in plan.files[1]]
    assert sorted(order[0] + order[1]) == [0, 1, 2]
    assert plan.cycles == 3
    assert plan.epoch.tolist() == [0, 1]
    assert plan.cycle.tolist() == [1, 0] and plan.piece.tolist() == [1, 0]
    # Cycle 0 has a third of either lane; stretches have 16 records.
    first = sum(size // 3 for size in plan.sizes[0].tolist())
    assert plan.skipped.tolist() == [16 - first, 0]
    assert plan.skipped_in_piece == 1


def test_files_that_were_read_are_not_read_again(monkeypatch):
    """Stretch 1 begins at record 16, its cycle at 10: 1 2/3 files were read before."""
    monkeypatch.setattr(mixing, "LANES", 1)
    plan = mixing.plan_mixing([6, 6, 6, 6, 6], 20, 30, 5)
    assert (plan.files >= 0).sum() == 4
    assert plan.starts.tolist() == [[4]] and plan.skipped.tolist() == [6]
    assert plan.skipped_in_piece == 4
