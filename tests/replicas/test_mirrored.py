"""Two devices of one machine compute what one does with twice the batch.

The devices here are CPUs.
"""

import json

import numpy as np
import pytest

from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.finetuning import trainer as finetuning
from encoder_ko.finetuning.family import Hyperparameters
from encoder_ko.modeling import heads
from encoder_ko.modeling.random_stream import RandomStream
from encoder_ko.pretraining import trainer as pretraining
from encoder_ko.pretraining.args import Schedule
from encoder_ko.replicas import engines
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.estimator import BatchSizes, Hardware
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.model_types import MODEL_TYPES
from tests.support import tiny_networks
from tests.support.quick_graphs import quick_graphs
from tests.support.random_numbers import same_in_every_row
from tests.support.tiny_networks import NO_DROPOUT

STEPS, BATCH = 3, 8


@pytest.fixture(autouse=True)
def cpus_for_gpus(monkeypatch):
    monkeypatch.setattr(
        engines, "_gpus", lambda count: [f"/cpu:{n}" for n in range(count)]
    )


@pytest.fixture()
def same_random_numbers_in_every_row(monkeypatch):
    """So that they do not depend on where a batch is cut."""
    monkeypatch.setattr(RandomStream, "uniform", same_in_every_row)


def weights(folder):
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    names = sorted(reader.get_variable_to_shape_map())
    return {name: reader.get_tensor(name) for name in names}


def pretrain(folder, model_type, records, gpus, accumulation_steps=1):
    """Weights and moments after some updates, and the log."""
    config = tiny_networks.config_of(model_type, **NO_DROPOUT)
    with quick_graphs():
        pretraining.Pretrainer(
            tiny_networks.network_of(model_type, config=config),
            Schedule(STEPS, BATCH, accumulation_steps, log_every_steps=1),
            RunFolder(str(folder)),
            Hardware(num_gpus=gpus),
            BATCH,
            OutputArgs(str(folder)),
        ).train(records, STEPS)
    with open(str(folder / "training_log.jsonl")) as reader:
        log = [json.loads(line) for line in reader]
    return weights(folder), log


def assert_equal(found, expected):
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-5, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "model_type, accumulation_steps",
    [("bert", 1), ("bert", 2), ("albert", 1), ("electra", 1)],
)
def test_pretraining_is_that_of_one_device(
    model_type, accumulation_steps, tmp_path, same_random_numbers_in_every_row
):
    records = tiny_networks.pretraining_records(tmp_path, model_type, 40)
    runs = [
        pretrain(tmp_path / str(gpus), model_type, records, gpus, accumulation_steps)
        for gpus in (0, 2)
    ]
    (expected, log), (found, log_of_two) = runs
    assert_equal(found, expected)
    assert found["global_step"] == STEPS
    for line, other in zip(log, log_of_two):
        for name in set(line) - {"sequences_per_second", "tokens_per_second"}:
            assert other[name] == pytest.approx(line[name], rel=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize(
    "model_type, task", [("bert", "NaverNER"), ("electra", "NSMC")]
)
def test_fine_tuning_is_that_of_one_device(model_type, task, tmp_path, monkeypatch):
    """A mean over words, with sparse gradients; and a sum over examples."""
    monkeypatch.setattr(heads, "CLASSIFIER_DROPOUT", 0.0)
    task_type = tiny_networks.task_type_of(task)
    data = tiny_networks.finetuning_data(tmp_path, task_type, 40)
    found = {}
    for gpus in (0, 2):
        folder = RunFolder(str(tmp_path / str(gpus)))
        encoder = finetuning.Encoder(
            MODEL_TYPES[model_type].family,
            tiny_networks.config_of(model_type, **NO_DROPOUT),
            task_type,
        )
        with quick_graphs():
            finetuning.FineTuner(
                encoder,
                Hyperparameters(0.05, STEPS, 1, STEPS),
                folder,
                BatchSizes(BATCH, BATCH, BATCH),
                Hardware(num_gpus=gpus),
            ).train(data, None, None)
        found[gpus] = weights(folder.path)
    assert_equal(found[2], found[0])


def test_a_batch_that_two_devices_cannot_share_is_refused(tmp_path):
    message = "--train_batch_size=7 makes batches of 7 examples, .* to 2 GPUs"
    with pytest.raises(InputError, match=message):
        pretraining.Pretrainer(
            tiny_networks.network_of("bert"),
            Schedule(STEPS, 7),
            RunFolder(str(tmp_path)),
            Hardware(num_gpus=2),
            BATCH,
            OutputArgs(str(tmp_path)),
        )


def test_more_gpus_than_there_are_is_an_error(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(compat, "gpu_devices", lambda: ["/gpu:0"])
    with pytest.raises(InputError, match=r"--num_gpus=2, but .* finds 1 GPUs here"):
        engines.choose(gpus=2)
    assert engines.choose(gpus=1).count == 1
    monkeypatch.setattr(compat, "gpu_devices", lambda: [])
    with pytest.raises(InputError, match=r"--num_gpus=1, but .* finds 0 GPUs here"):
        engines.choose(gpus=1)
    assert engines.choose().count == 1
