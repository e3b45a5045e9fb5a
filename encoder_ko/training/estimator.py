"""TPUEstimator and its settings; on CPU and GPU it trains there."""

import dataclasses
import sys
from typing import Any, Callable, Optional

from absl import flags, logging

from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.replicas import distribution, engines


@dataclasses.dataclass(frozen=True)
class Hardware:
    """Where to run: upstream's flags of the same names."""

    use_tpu: bool = False
    tpu_name: Optional[str] = None
    tpu_zone: Optional[str] = None
    gcp_project: Optional[str] = None
    master: Optional[str] = None
    num_tpu_cores: int = 8
    iterations_per_loop: int = 1000
    num_gpus: int = 0

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "Hardware":
        return cls(
            use_tpu=values.use_tpu,
            tpu_name=values.tpu_name,
            tpu_zone=values.tpu_zone,
            gcp_project=values.gcp_project,
            master=values.master,
            num_tpu_cores=values.num_tpu_cores,
            iterations_per_loop=values.iterations_per_loop,
            num_gpus=values.num_gpus,
        )

    def replicas(self) -> distribution.OneReplica:
        """What trains on it."""
        return engines.choose(self.num_tpu_cores if self.use_tpu else 0, self.num_gpus)


@dataclasses.dataclass(frozen=True)
class BatchSizes:
    """Examples per step over all replicas."""

    train: int = 32
    evaluate: int = 32
    predict: int = 32

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "BatchSizes":
        return cls(
            values.train_batch_size, values.eval_batch_size, values.predict_batch_size
        )


def build_estimator(
    model_fn: Callable[..., Any],
    model_dir: str,
    batch_sizes: BatchSizes,
    hardware: Hardware,
    seed: int,
    save_checkpoints_steps: Optional[int] = 1000,
    keep_checkpoints: int = 5,
    save_summary_steps: int = 100,
    replicas: Optional[distribution.OneReplica] = None,
):
    """A TPUEstimator for `model_fn(features, labels, mode, params, config)`.

    Args:
      seed: of the initial values.
      save_checkpoints_steps: steps between checkpoints; one is always written at the
        end of a train call.
      keep_checkpoints: newest checkpoints that are kept.
      save_summary_steps: steps between summaries; 0 = none.
      replicas: what trains; None = what the hardware asks for.
    """
    replicas = replicas or hardware.replicas()
    tpu = tf.estimator.tpu
    pipelines = tpu.InputPipelineConfig
    config = tpu.RunConfig(
        cluster=_cluster(hardware),
        master=hardware.master,
        model_dir=model_dir,
        tf_random_seed=seed,
        save_checkpoints_steps=save_checkpoints_steps if replicas.is_chief else None,
        keep_checkpoint_max=keep_checkpoints,
        save_summary_steps=save_summary_steps,
        log_step_count_steps=None,
        **replicas.run_config(),
        tpu_config=tpu.TPUConfig(
            iterations_per_loop=hardware.iterations_per_loop if hardware.use_tpu else 1,
            num_shards=hardware.num_tpu_cores if hardware.use_tpu else None,
            per_host_input_for_training=pipelines.PER_HOST_V2,
            # One pipeline for all hosts, as TPUEstimator needs it to predict on many.
            eval_training_input_configuration=(
                pipelines.SLICED if hardware.use_tpu else pipelines.PER_HOST_V1
            ),
        ),
    )
    estimator = tpu.TPUEstimator(
        model_fn=_as_it_is(model_fn),
        config=config,
        use_tpu=hardware.use_tpu,
        train_batch_size=batch_sizes.train,
        eval_batch_size=batch_sizes.evaluate,
        predict_batch_size=batch_sizes.predict,
    )
    return compat.with_input_context(estimator)


def _as_it_is(model_fn):
    """A model_fn whose Python MirroredStrategy does not rewrite."""
    unconverted = tf.autograph.experimental.do_not_convert(model_fn)

    def call(features, labels, mode, params, config):
        return unconverted(features, labels, mode, params, config)

    return call


# Errors of Google's client libraries that are of no common kind.
_ERRORS_OF_CLIENTS = (
    ("google.auth.exceptions", "GoogleAuthError"),
    ("googleapiclient.errors", "Error"),
    ("httplib2.error", "HttpLib2Error"),
    ("oauth2client.client", "Error"),
)


def _lookup_errors():
    """What can be raised where a TPU is looked up, by the libraries that are in use."""
    used = [(sys.modules.get(module), name) for module, name in _ERRORS_OF_CLIENTS]
    found = [getattr(module, name) for module, name in used if module]
    return (ImportError, OSError, RuntimeError, ValueError, *found)


def _cluster(hardware: Hardware):
    """Where the TPU is.

    Raises:
      InputError: it cannot be looked up.
    """
    if not (hardware.use_tpu and hardware.tpu_name):
        return None
    try:
        cluster = tf.distribute.cluster_resolver.TPUClusterResolver(
            hardware.tpu_name, zone=hardware.tpu_zone, project=hardware.gcp_project
        )
        address = cluster.master()
    except _lookup_errors() as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"--tpu_name={hardware.tpu_name} cannot be looked up ({reason}). Check the "
            "name, --tpu_zone, --gcp_project, the network and your credentials, or "
            "pass its address: grpc://HOST:8470."
        ) from error
    # It is tried for hours, and TensorFlow's own lines about that are not shown.
    logging.info("Connecting to the TPU at %s, until it answers.", address)
    return cluster
