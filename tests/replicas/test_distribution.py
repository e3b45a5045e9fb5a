"""Shares of batches, losses and random numbers, by hand."""

from types import SimpleNamespace

import pytest

from data.io.errors import InputError
from data.records.shares import Share
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.pretraining.args import Schedule
from encoder_ko.pretraining.trainer import Pretrainer
from encoder_ko.replicas import distribution
from encoder_ko.replicas.distribution import OneReplica
from encoder_ko.replicas.engines import TpuCores
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.estimator import Hardware
from encoder_ko.training.run_folder import RunFolder
from tests.support import tiny_networks
from tests.support.quick_graphs import quick_graphs


class TwoReplicas(OneReplica):
    """This one and another, whose tensors are all 10."""

    count = 2

    def index(self):
        return 1

    def sums(self, tensors):
        return [tensor + 10.0 for tensor in tensors]


def value_of(function):
    with tf.Graph().as_default(), tf.Session() as session:
        return session.run(function())


def in_training(function, replicas):
    def build():
        with distribution.training_graph(replicas):
            return function()

    return value_of(build)


def test_means_are_over_the_replicas_of_a_training_graph():
    def mean():
        return distribution.mean(tf.constant(4.0))

    assert in_training(mean, TwoReplicas()) == 7.0
    assert in_training(mean, OneReplica()) == 4.0
    assert value_of(mean) == 4.0  # of an evaluation
    with distribution.training_graph(TwoReplicas()):
        assert distribution.means([None]) == [None]
    assert distribution.count() == 1


def test_a_mean_over_tokens_counts_by_the_tokens_of_all_replicas():
    """2 over 30 tokens, where the other replica has 10: 2 x 30 / 20."""

    def share():
        return distribution.share_of_loss(tf.constant(2.0), tf.constant(30.0))

    assert in_training(share, TwoReplicas()) == 3.0
    assert in_training(share, OneReplica()) == 2.0


def test_nothing_to_learn_from_in_any_replica_is_no_loss():
    class Empty(TwoReplicas):
        def sums(self, tensors):
            return list(tensors)

    def share():
        return distribution.share_of_loss(tf.constant(0.0), tf.constant(0.0))

    assert in_training(share, Empty()) == 0.0


def test_a_sum_over_examples_is_as_great_as_that_of_all_replicas():
    def share():
        return distribution.share_of_sum(tf.constant(2.0))

    assert in_training(share, TwoReplicas()) == 4.0
    assert in_training(share, OneReplica()) == 2.0


def test_random_numbers_are_those_of_as_many_micro_batches():
    def step():
        return tf.identity(distribution.random_step(tf.constant(5, tf.int64)))

    assert in_training(step, TwoReplicas()) == 11
    assert in_training(step, OneReplica()) == 5


@pytest.mark.parametrize("core", [0, 3, 7])
def test_each_core_draws_other_random_numbers(core, monkeypatch):
    monkeypatch.setattr(compat, "xla_replica_id", lambda: tf.constant(core))

    def step():
        return tf.identity(distribution.random_step(tf.constant(5, tf.int64)))

    assert in_training(step, TpuCores(8)) == 40 + core


def test_a_host_reads_the_pieces_of_its_cores():
    """params of TPUEstimator are per core, those of flags over all cores."""
    context = SimpleNamespace(
        num_replicas=16, current_input_fn_deployment=lambda: ("/cpu:0", 1, 2, 8)
    )
    share = TpuCores(16).share_of({"batch_size": 4, "context": context})
    assert share == Share(batch_size=64, replicas=16, first=8, last=16)
    assert share.piece_size == 4
    assert OneReplica().share_of({"batch_size": 4}) == Share(4, 1, 0, 1)


def test_batches_that_cannot_be_shared_out_are_refused():
    TpuCores(8).require_divisible(32, "--train_batch_size=32")
    OneReplica().require_divisible(7, "--train_batch_size=7")
    message = (
        "--train_batch_size=20 makes batches of 20 examples, which cannot be shared "
        "out equally to 8 TPU cores: make it a multiple."
    )
    with pytest.raises(InputError, match=message):
        TpuCores(8).require_divisible(20, "--train_batch_size=20")


def test_a_tpu_that_does_not_answer_is_one_line():
    with pytest.raises(InputError) as raised, TpuCores(8).explained_errors():
        raise tf.errors.CancelledError(None, None, "Received status: 404\nmore")
    assert str(raised.value) == (
        "The TPU does not answer (Received status: 404). Check --tpu_name (or "
        "--master), and that the TPU runs this version of TensorFlow "
        f"({compat.TF_VERSION}). The same command resumes at the last checkpoint."
    )
    with pytest.raises(tf.errors.DataLossError), TpuCores(8).explained_errors():
        raise tf.errors.DataLossError(None, None, "of a record")


@pytest.mark.slow
def test_a_process_that_is_not_the_chief_trains_and_saves_nothing(tmp_path):
    """The Estimator takes listeners to checkpoints only where some are saved."""

    class Other(OneReplica):
        count, is_chief = 2, False

    updates = []

    class Counts(tf.train.SessionRunHook):
        def after_run(self, run_context, run_values):
            updates.append(1)

    records = tiny_networks.pretraining_records(tmp_path, "bert", 20)
    folder = tmp_path / "other"
    with quick_graphs():
        Pretrainer(
            tiny_networks.network_of("bert"),
            Schedule(train_steps=2, batch_size=8),
            RunFolder(str(folder)),
            Hardware(),
            8,
            OutputArgs(str(folder)),
            Other(),
        ).train(records, 2, [Counts()])
    assert len(updates) == 2
    assert not list(folder.glob("model.ckpt*"))
