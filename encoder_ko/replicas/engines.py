"""The engines that train on replicas: a TPU's cores, a machine's GPUs, processes.

Each answers the questions of `distribution.OneReplica`. Nothing else knows them.
"""

import contextlib
import os
from typing import Sequence

from data.io.errors import InputError
from data.records.shares import Share
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.replicas.distribution import OneReplica
from encoder_ko.replicas.processes import HorovodProcesses

_TPU_IS_GONE = (
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.UnavailableError,
)


def choose(tpu_cores: int = 0, gpus: int = 0) -> OneReplica:
    """The engine that flags ask for.

    Args:
      tpu_cores: of all hosts; 0 = no TPU.
      gpus: of this machine; 0 = what TensorFlow takes by itself.

    Raises:
      InputError: the machine has not so many GPUs.
    """
    if "HOROVOD_RANK" in os.environ:
        if tpu_cores or gpus:
            raise InputError(
                "--use_tpu and --num_gpus are for one process, but horovodrun started "
                "several, with a GPU each: leave them out."
            )
        return HorovodProcesses()
    if tpu_cores:
        return TpuCores(tpu_cores)
    found = _gpus(gpus) if gpus else []
    if len(found) > 1:
        return MirroredDevices(found)
    return OneReplica()


def _gpus(count):
    found = compat.gpu_devices()
    if len(found) < count:
        raise InputError(
            f"--num_gpus={count}, but TensorFlow {compat.TF_VERSION} finds "
            f"{len(found)} GPUs here: lower it, or see whether nvidia-smi shows the "
            "others and CUDA's libraries are installed."
        )
    return found[:count]


class TpuCores(OneReplica):
    """The cores of a TPU, each a replica; TPUEstimator builds one graph for them all.

    Training: every host has an input pipeline, and every core of it takes a piece per
    step, in the order of the cores. Evaluation and prediction: one pipeline reads whole
    batches, which are sliced to the cores.

    Args:
      count: cores of all hosts.
    """

    on_tpu = True
    _unit = "TPU cores"

    def __init__(self, count: int):
        self.count = count

    def index(self):
        return compat.xla_replica_id()

    def sums(self, tensors):
        return [tf.tpu.cross_replica_sum(tensor) for tensor in tensors]

    def share_of(self, params):
        context = params["context"]
        _, host, _, on_this_host = context.current_input_fn_deployment()
        first = host * on_this_host
        return Share(
            params["batch_size"] * context.num_replicas,  # given per core
            context.num_replicas,
            first,
            first + on_this_host,
        )

    @contextlib.contextmanager
    def explained_errors(self):
        try:
            yield
        except _TPU_IS_GONE as error:
            raise InputError(
                f"The TPU does not answer ({error.message.splitlines()[0]}). Check "
                "--tpu_name (or --master), and that the TPU runs this version of "
                f"TensorFlow ({compat.TF_VERSION}). The same command resumes at the "
                "last checkpoint."
            ) from error


class MirroredDevices(OneReplica):
    """Devices of one machine, each a replica with its copy of every variable.

    By MirroredStrategy, which calls a model_fn once for each device. Evaluation and
    prediction use the first one.

    Args:
      devices: "/gpu:0", "/gpu:1", ...; CPUs are for tests.
    """

    sums_in_conditions = False  # merge_call has to be outside of them
    _unit = "GPUs"

    def __init__(self, devices: Sequence[str]):
        self.count = len(devices)
        self._cpus = sum("cpu" in device.lower() for device in devices)
        across = tf.distribute.NcclAllReduce()
        if self._cpus:
            across = tf.distribute.ReductionToOneDevice()
        with tf.Graph().as_default():  # else it looks for devices of eager mode
            self._strategy = tf.distribute.MirroredStrategy(devices, across)

    def index(self):
        return tf.distribute.get_replica_context().replica_id_in_sync_group

    def sums(self, tensors):
        # On the CPU: what a hook fetches must not wait for the other devices.
        are_scalars = all(tensor.shape.ndims == 0 for tensor in tensors)
        return tf.distribute.get_replica_context().merge_call(
            _sums_on_host if are_scalars else _sums_on_devices, args=(list(tensors),)
        )

    def assign_add(self, variable, value):
        # tf.assign_add would be a merge_call, which no tf.cond can have.
        added = tf.raw_ops.AssignAddVariableOp(
            resource=variable.handle, value=tf.cast(value, variable.dtype)
        )
        return _value_after(added, variable)

    def assign(self, variable, value):
        assigned = tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)
        return _value_after(assigned, variable)

    def run_config(self):
        session_config = compat.session_config()
        if self._cpus:  # a session with fewer devices than asked for hangs
            session_config.device_count["CPU"] = self._cpus
        return dict(train_distribute=self._strategy, session_config=session_config)

    def share_of(self, params):
        # The batch size is that of the flags; each device takes the next piece.
        return Share(params["batch_size"], self.count, 0, self.count)


def _sums_on_host(strategy, tensors):
    with tf.device("/cpu:0"):
        return [
            strategy.extended.reduce_to(
                tf.distribute.ReduceOp.SUM, tensor, destinations="/cpu:0"
            )
            for tensor in tensors
        ]


def _sums_on_devices(strategy, tensors):
    return strategy.extended.batch_reduce_to(
        tf.distribute.ReduceOp.SUM, [(tensor, tensor) for tensor in tensors]
    )


def _value_after(operation, variable):
    with tf.control_dependencies([operation]):
        return tf.raw_ops.ReadVariableOp(
            resource=variable.handle, dtype=variable.dtype.base_dtype
        )
