"""TPUEstimator's own graphs for a simulated TPU, and what an evaluation there adds up.

The graphs are built whole, with infeed, program and outfeed of every core; there is no
TPU to run them on.
"""

import collections

import numpy as np
import pytest

from data.records import input_pipeline, pretraining_pipeline, shares
from encoder_ko.compat import tf
from encoder_ko.finetuning import trainer as finetuning
from encoder_ko.finetuning.family import Hyperparameters
from encoder_ko.pretraining import model_fn
from encoder_ko.pretraining import trainer as pretraining
from encoder_ko.pretraining.args import Schedule
from encoder_ko.replicas.distribution import OneReplica
from encoder_ko.replicas.engines import TpuCores
from encoder_ko.training import estimator as estimators
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.model_types import MODEL_TYPES
from tests.support import simulated_tpu
from tests.support.tiny_networks import (
    LENGTH,
    config_of,
    network_of,
    pretraining_records,
    task_type_of,
)

pytestmark = pytest.mark.slow

TRAIN, EVAL, PREDICT = (
    tf.estimator.ModeKeys.TRAIN,
    tf.estimator.ModeKeys.EVAL,
    tf.estimator.ModeKeys.PREDICT,
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return pretraining_records(tmp_path_factory.mktemp("records"), "bert", 21)


def pretrainer(folder, hosts):
    built = pretraining.Pretrainer(
        network_of("bert"),
        Schedule(train_steps=8, batch_size=16),
        RunFolder(str(folder)),
        simulated_tpu.hardware(hosts),
        16,
        OutputArgs(str(folder)),
    )
    return simulated_tpu.attach(built._estimator)


def ops_of(graph):
    """Type -> number of operations, those in bodies of loops counted."""
    definition = graph.as_graph_def()
    nodes = list(definition.node)
    for function in definition.library.function:
        nodes += function.node_def
    return collections.Counter(node.op for node in nodes)


@pytest.mark.parametrize("hosts", [1, 2])
def test_pretraining_is_built_for_all_cores(records, tmp_path, hosts):
    cores = 8 * hosts
    estimator = pretrainer(tmp_path, hosts)
    batches = shares.Batches(0, 8)
    train_input = pretraining_pipeline.training_input_fn(
        records, 1, batches, share_of=TpuCores(cores).share_of
    )
    graph, spec = simulated_tpu.build_graph(estimator, train_input, TRAIN)
    found = ops_of(graph)
    assert found["OutfeedDequeueTuple"] == cores
    assert found["CrossReplicaSum"] > 2
    assert any("ReplayHook" in type(hook).__name__ for hook in spec.training_hooks)
    eval_input = pretraining_pipeline.evaluation_input_fn(records, 9, fixed=True)
    graph, spec = simulated_tpu.build_graph(estimator, eval_input, EVAL)
    assert ops_of(graph)["OutfeedDequeueTuple"] == cores
    assert ops_of(graph)["CrossReplicaSum"] == 0
    assert {"masked_lm_accuracy", "next_sentence_loss"} < set(spec.eval_metric_ops)


@pytest.mark.parametrize("hosts", [1, 2])
def test_fine_tuning_is_built_for_all_cores(tmp_path, hosts):
    task_type = task_type_of("NSMC")
    path = str(tmp_path / "train.tf_record")
    data = input_pipeline.FineTuningData(
        path, 32, task_type.features(), LENGTH, pad_to_max=True
    )
    tuner = finetuning.FineTuner(
        finetuning.Encoder(MODEL_TYPES["bert"].family, config_of("bert"), task_type),
        Hyperparameters(0.1, 8, 2, 8),
        RunFolder(str(tmp_path)),
        estimators.BatchSizes(16, 16, 16),
        simulated_tpu.hardware(hosts),
    )
    estimator = simulated_tpu.attach(tuner._estimator)
    train_input = input_pipeline.training_input_fn(
        data, 1, 8, share_of=TpuCores(8 * hosts).share_of
    )
    graph, _ = simulated_tpu.build_graph(estimator, train_input, TRAIN)
    assert ops_of(graph)["OutfeedDequeueTuple"] == 8 * hosts
    graph, spec = simulated_tpu.build_graph(
        estimator, input_pipeline.evaluation_input_fn(data), PREDICT
    )
    assert ops_of(graph)["OutfeedDequeueTuple"] == 8 * hosts
    assert "probabilities" in spec.predictions


def evaluate(replicas, steps):
    """The metrics over steps of lists of batches, one for each core."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        tf.train.get_or_create_global_step()
        build = model_fn.model_fn_builder(
            network_of("bert"),
            Schedule(8, 16),
            model_fn.Surroundings(RunFolder("unused"), replicas),
        )
        fed = {
            name: tf.placeholder(values.dtype, (None,) + values.shape[1:])
            for name, values in steps[0][0].items()
        }
        spec = build(fed, None, EVAL, {})
        add_up, tensors = spec.eval_metrics
        tensors = dict(tensors, loss=spec.loss[None])
        host = {
            n: tf.placeholder(t.dtype, (None,) + tuple(t.shape.as_list()[1:]))
            for n, t in tensors.items()
        }
        metrics = add_up(**{n: t for n, t in host.items() if n != "loss"})
        metrics.setdefault("mean_loss", tf.metrics.mean(host["loss"]))
        session.run([tf.global_variables_initializer()])
        session.run([tf.local_variables_initializer()])
        for cores in steps:
            outputs = [
                session.run(tensors, {fed[n]: v for n, v in core.items()})
                for core in cores
            ]
            joined = {
                host[n]: np.concatenate([output[n] for output in outputs]) for n in host
            }
            session.run([update for _, update in metrics.values()], joined)
        return session.run({name: value for name, (value, _) in metrics.items()})


def test_an_evaluation_on_a_tpu_is_that_of_one_device(records, tmp_path):
    """Every record counts once, what fills up the second batch not at all."""
    input_fn = pretraining_pipeline.evaluation_input_fn(records, 9, fixed=True)
    steps = simulated_tpu.batches_of_cores(pretrainer(tmp_path, 1), input_fn, EVAL)
    assert len(steps) == 2 and steps[1][3]["is_real_example"].tolist() == [0.0, 0.0]
    found = evaluate(TpuCores(8), steps)
    input_fn = pretraining_pipeline.evaluation_input_fn(records, 9, fixed=False)
    whole = simulated_tpu.read(input_fn, {"batch_size": 7}, fixed=False)
    expected = evaluate(OneReplica(), [[batch] for batch in whole])
    for name in ("loss", "accuracy"):
        for objective in ("masked_lm", "next_sentence"):
            key = f"{objective}_{name}"
            assert found[key] == pytest.approx(expected[key], rel=1e-5), key
    assert found["mean_loss"] == pytest.approx(expected["mean_loss"], rel=0.05)
