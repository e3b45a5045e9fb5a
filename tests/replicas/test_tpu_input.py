"""What the cores of a simulated TPU are fed: in every step, epoch and host."""

import numpy as np
import pytest

from data.records import (
    dataset,
    input_pipeline,
    pretraining_pipeline,
    schema,
    shares,
    tfrecords,
)
from encoder_ko.compat import tf
from encoder_ko.replicas.engines import TpuCores
from encoder_ko.training import estimator as estimators
from tests.support import simulated_tpu

TRAIN, EVAL, PREDICT = (
    tf.estimator.ModeKeys.TRAIN,
    tf.estimator.ModeKeys.EVAL,
    tf.estimator.ModeKeys.PREDICT,
)
LENGTH = 8
COUNTS = (30, 11, 29)  # records in three files
TOTAL = sum(COUNTS)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Pre-training records of ELECTRA, whose first token is their number."""
    folder = tmp_path_factory.mktemp("records")
    features = schema.pretraining_features("electra", LENGTH, 0)
    paths, number = [], 0
    for file, count in enumerate(COUNTS):
        paths.append(str(folder / f"{file}.tfrecord"))
        examples = []
        for _ in range(count):
            values = {f.name: [1] * f.length for f in features}
            values["input_ids"] = [number] + [1] * (LENGTH - 1)
            examples.append(schema.encode_example(features, values))
            number += 1
        tfrecords.write_records(paths[-1], examples)
    return dataset.RecordFiles(
        paths=tuple(paths),
        counts=COUNTS,
        features=features,
        tokenizer=None,
        settings={},
        digest="",
    )


@pytest.fixture(scope="module")
def sentences(tmp_path_factory):
    """Fine-tuning records of different lengths."""
    features = schema.classification_features()
    lengths = [3 + (7 * n) % 30 for n in range(TOTAL)]
    path = str(tmp_path_factory.mktemp("sentences") / "train.tf_record")
    tfrecords.write_records(
        path,
        (
            schema.encode_example(
                features,
                {
                    "example_index": n,
                    "num_tokens": length,
                    "input_ids": [n] * length,
                    "segment_ids": [0] * length,
                    "label_ids": n % 2,
                },
            )
            for n, length in enumerate(lengths)
        ),
    )
    return input_pipeline.FineTuningData(path, TOTAL, features, 32, pad_to_max=True)


def tpu_estimator(tmp_path, hosts, batch_size):
    built = estimators.build_estimator(
        lambda features, labels, mode, params: None,
        str(tmp_path),
        estimators.BatchSizes(batch_size, batch_size, batch_size),
        simulated_tpu.hardware(hosts),
        seed=1,
    )
    return simulated_tpu.attach(built)


def replicas(hosts):
    return TpuCores(simulated_tpu.CORES_PER_HOST * hosts)


def on_one_replica(input_fn, batch_size):
    return simulated_tpu.read(input_fn, {"batch_size": batch_size})


def numbers(batch):
    return batch["input_ids"][:, 0].tolist()


def pretraining_input(records, first, last, **changes):
    batches = shares.Batches(first, last)
    return pretraining_pipeline.training_input_fn(records, 5, batches, **changes)


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("first", [0, 4])
def test_pretraining_feeds_every_step_of_the_run(records, tmp_path, hosts, first):
    """Twelve batches of 32 are five epochs; each core has its piece of each batch."""
    whole = on_one_replica(pretraining_input(records, first, 12), 32)
    steps = simulated_tpu.batches_of_cores(
        tpu_estimator(tmp_path, hosts, 32),
        pretraining_input(records, first, 12, share_of=replicas(hosts).share_of),
        TRAIN,
    )
    assert len(steps) == len(whole) == 12 - first
    for batch, cores in zip(whole, steps):
        assert [len(numbers(core)) for core in cores] == [4 // hosts] * 8 * hosts
        assert [n for core in cores for n in numbers(core)] == numbers(batch)


def test_an_epoch_on_two_hosts_has_each_record_once(records, tmp_path):
    """64 records of 70 are four batches of 16: no record twice, on any host."""
    steps = simulated_tpu.batches_of_cores(
        tpu_estimator(tmp_path, 2, 16),
        pretraining_input(records, 0, 4, share_of=replicas(2).share_of),
        TRAIN,
    )
    hosts = [
        [
            n
            for cores in steps
            for core in cores[8 * h : 8 * h + 8]
            for n in numbers(core)
        ]
        for h in (0, 1)
    ]
    assert [len(host) for host in hosts] == [32, 32]
    assert len(set(hosts[0] + hosts[1])) == 64


@pytest.mark.parametrize("hosts", [1, 2])
@pytest.mark.parametrize("first", [0, 3])
def test_fine_tuning_feeds_every_step_of_the_run(sentences, tmp_path, hosts, first):
    whole = on_one_replica(input_pipeline.training_input_fn(sentences, 7, 9, first), 16)
    steps = simulated_tpu.batches_of_cores(
        tpu_estimator(tmp_path, hosts, 16),
        input_pipeline.training_input_fn(
            sentences, 7, 9, first, replicas(hosts).share_of
        ),
        TRAIN,
    )
    assert len(steps) == len(whole) == 9 - first
    for batch, cores in zip(whole, steps):
        for name in batch:
            joined = np.concatenate([core[name] for core in cores])
            np.testing.assert_array_equal(joined, batch[name], name)


@pytest.mark.parametrize("hosts", [1, 2])
def test_evaluation_has_each_record_once_and_fills_up(records, tmp_path, hosts):
    steps = simulated_tpu.batches_of_cores(
        tpu_estimator(tmp_path, hosts, 32),
        pretraining_pipeline.evaluation_input_fn(records, 100, fixed=True),
        EVAL,
    )
    assert len(steps) == 3
    cores = [core for step in steps for core in step]
    assert {len(numbers(core)) for core in cores} == {4 // hosts}
    read = np.concatenate([numbers(core) for core in cores])
    real = np.concatenate([core["is_real_example"] for core in cores])
    assert read[real == 1].tolist() == list(range(TOTAL))
    assert real.sum() == TOTAL and len(real) == 96
    filling = [core["input_mask"][core["is_real_example"] == 0] for core in cores]
    assert not np.concatenate(filling).any()


@pytest.mark.parametrize("hosts", [1, 2])
def test_prediction_has_each_record_once(sentences, tmp_path, hosts):
    steps = simulated_tpu.batches_of_cores(
        tpu_estimator(tmp_path, hosts, 16),
        input_pipeline.evaluation_input_fn(sentences),
        PREDICT,
    )
    cores = [core for step in steps for core in step]
    found = np.concatenate([core["example_index"] for core in cores])
    assert sorted(found[found >= 0]) == list(range(TOTAL))
    assert {len(core["input_ids"]) for core in cores} == {2 // hosts}
