"""The graphs of a TPU's cores, compiled whole by XLA for the CPU, with fixed shapes.

What XLA for CPUs has not, or crashes at, is replaced: the sum over cores, and which of
them this is.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from data.records import schema
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.finetuning import model_fn as finetuning_graphs
from encoder_ko.finetuning import trainer as finetuning
from encoder_ko.finetuning.family import Hyperparameters
from encoder_ko.pretraining import model_fn as pretraining_graphs
from encoder_ko.pretraining.args import Schedule
from encoder_ko.replicas.distribution import OneReplica
from encoder_ko.replicas.engines import TpuCores
from encoder_ko.training.hooks import StopOnSignalHook
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.model_types import MODEL_TYPES
from tests.support.tiny_networks import (
    LENGTH,
    PREDICTIONS,
    VOCABULARY,
    config_of,
    network_of,
    task_type_of,
)

pytestmark = pytest.mark.slow

TRAIN, EVAL, PREDICT = (
    tf.estimator.ModeKeys.TRAIN,
    tf.estimator.ModeKeys.EVAL,
    tf.estimator.ModeKeys.PREDICT,
)
B, S, P = 2, LENGTH, PREDICTIONS

OBJECTIVES = {  # name -> model type, options
    "bert": ("bert", {}),
    "bert, dynamic masking": ("bert", dict(wop_prob=0.0)),
    "albert": ("albert", {}),
    "albert, dynamic masking and word order": ("albert", dict(wop_prob=0.2)),
    "electra": ("electra", {}),
    "electra, masked words": ("electra", dict(electra_objective=False)),
}
EIGHT_CORES = TpuCores(8)
TASKS = ("NSMC", "KorSTS", "NaverNER", "KorQuAD")


@pytest.fixture(autouse=True)
def equal_cores(monkeypatch):
    """The fourth of eight cores, which all compute the same."""
    monkeypatch.setattr(tf.tpu, "cross_replica_sum", lambda tensor: tensor * 8)
    monkeypatch.setattr(compat, "xla_replica_id", lambda: tf.constant(3))


def values_of(features, width=lambda feature: [feature.length]):
    """Whole rows of random tokens; `width` says what a row of a feature has."""
    generator = np.random.RandomState(0)
    found = {}
    for feature in features:
        shape = [B] + ([S] if feature.length is None else width(feature))
        if feature.name in ("label_ids", "next_sentence_labels"):
            values = np.arange(np.prod(shape)).reshape(shape) % 2
        elif feature.name.endswith("ids") and feature.name != "segment_ids":
            values = generator.randint(5, VOCABULARY, shape)
        elif feature.name.endswith("positions"):
            values = generator.randint(1, S, shape)
        else:
            values = np.ones(shape)
        is_float = feature.dtype == "float32"
        found[feature.name] = values.astype(np.float32 if is_float else np.int32)
    found["input_mask"] = np.ones([B, S], np.int32)
    found["is_real_example"] = np.ones([B], np.float32)
    return found


def outputs_of(spec):
    """What leaves the cores, by name, after the update if there is one."""
    if spec.mode == PREDICT:
        return spec.predictions
    if spec.mode == EVAL:
        return spec.eval_metrics[1]
    with tf.control_dependencies([spec.train_op]):
        return dict(spec.host_call[1], loss=tf.identity(spec.loss))


def run(build, values, compiled):
    """One run of a graph, as one XLA program or as plain operations."""
    names, found = sorted(values), {}

    def program(*features):
        outputs = outputs_of(build(dict(zip(names, features))))
        found["names"] = sorted(outputs)
        for name, tensor in outputs.items():
            assert tensor.shape.is_fully_defined() or not compiled, name
        return [outputs[name] for name in found["names"]]

    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        # As TPUEstimator does: XLA knows no reference variables.
        tf.get_variable_scope().set_use_resource(True)
        tf.train.get_or_create_global_step()
        features = [tf.constant(values[name]) for name in names]
        if compiled:
            outputs = tf.xla.experimental.compile(program, features)
        else:
            with compat.plain_ops():
                outputs = program(*features)
        session.run(tf.global_variables_initializer())
        return dict(zip(found["names"], session.run(outputs)))


@pytest.mark.parametrize("mode", [TRAIN, EVAL])
@pytest.mark.parametrize("objective", sorted(OBJECTIVES))
def test_pretraining_compiles(objective, mode, tmp_path):
    model_type, options = OBJECTIVES[objective]
    wop = schema.wop_length(S, options.get("wop_prob", 0.0), 3)
    values = values_of(schema.pretraining_features(model_type, S, P, wop))
    if mode == TRAIN:
        del values["is_real_example"]

    def build(features):
        model_fn = pretraining_graphs.model_fn_builder(
            network_of(model_type, **options),
            Schedule(10, 16),
            pretraining_graphs.Surroundings(
                RunFolder(str(tmp_path)), EIGHT_CORES, signal_hook=StopOnSignalHook()
            ),
        )
        return model_fn(features, None, mode, {})

    found = run(build, values, compiled=True)
    for name, value in found.items():
        assert np.isfinite(value).all(), name
    if mode == TRAIN:
        assert found["step"] == [1] and found["tokens"] == [8 * B * S]
        assert found["loss"] > 0 and found["gradient_norm"] > 0


@pytest.mark.parametrize("mode", [TRAIN, PREDICT])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model_type", sorted(MODEL_TYPES))
def test_fine_tuning_compiles(model_type, task, mode):
    """Predictions are those of the plain graph."""
    task_type = task_type_of(task)
    encoder = finetuning.Encoder(
        MODEL_TYPES[model_type].family, config_of(model_type), task_type
    )
    settings = Hyperparameters(0.1, 10, 2, 10)
    watched = SimpleNamespace(save_summary_steps=100, model_dir="unused")
    values = values_of(task_type.features(), width=lambda feature: [])

    def build(features, replicas=EIGHT_CORES):
        model_fn = finetuning_graphs.model_fn_builder(encoder, settings, 16, replicas)
        return model_fn(features, None, mode, {}, watched)

    found = run(build, values, compiled=True)
    for name, value in found.items():
        assert np.isfinite(value).all(), name
    if mode == TRAIN:
        assert found["step"] == [1] and found["gradient_norm"] > 0
        return
    plain = run(lambda features: build(features, OneReplica()), values, compiled=False)
    # XLA of TensorFlow 1.15 takes "fast math" on a CPU, 3e-5 away at most here.
    tolerance = 1e-6 if compat.IS_TF2 else 1e-4
    for name, value in plain.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=tolerance)
