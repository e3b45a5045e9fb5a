"""Processes as replicas, on one machine or several, by Horovod.

`horovodrun` starts the same command as often as it is told to, and ends all processes
when one ends badly. Each has its share of every batch, and the GPU of its number on its
machine; the first one is the chief.

Source: horovod.ai; version 0.28.1.
"""

import atexit
import contextlib
import json
import os
import pickle
import shutil
import tempfile
from typing import Any, Dict, List, Mapping

import numpy as np
from absl import logging

from data.io.errors import InputError
from data.records.shares import Share
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.replicas.distribution import OneReplica

# Of these, what one machine has may differ from what another has.
_PATH_ENDS = ("_dir", "_file", "_checkpoint")


class HorovodProcesses(OneReplica):
    """The processes that horovodrun started, each a replica; this is one of them."""

    _unit = "processes"

    def __init__(self):
        # The others wait as long as the chief evaluates: that is no stall.
        os.environ.setdefault("HOROVOD_STALL_CHECK_DISABLE", "1")
        if not compat.gpu_devices():
            # Looking, each so many ms, for what to exchange takes time of the cores.
            os.environ.setdefault("HOROVOD_CYCLE_TIME", "5")
        self._horovod = _horovod()
        self._horovod.init()
        self.count = self.processes = self._horovod.size()
        self.is_chief = self._horovod.rank() == 0
        self._exchange = None
        self._scratch = None
        if not self.is_chief:
            logging.set_verbosity(logging.WARNING)

    def index(self):
        return self._horovod.rank()

    def sums(self, tensors):
        # As one group, so that rounding does not depend on which were ready first.
        return self._horovod.grouped_allreduce(list(tensors), op=self._horovod.Sum)

    def share_of(self, params):
        rank = self._horovod.rank()
        return Share(params["batch_size"], self.count, rank, rank + 1)

    def run_config(self) -> Dict[str, Any]:
        config = compat.session_config()
        config.gpu_options.visible_device_list = str(self._horovod.local_rank())
        return dict(session_config=config)

    def session_hooks(self) -> List[tf.train.SessionRunHook]:
        """All begin with the chief's variables, which it may have restored."""
        return [self._horovod.BroadcastGlobalVariablesHook(0)]

    def of_chief(self, function):
        value = error = None
        if self.is_chief:
            try:
                value = function()
            except InputError as found:
                error = str(found)
        value, error = self._from_all((value, error))[0]
        if error is not None:
            raise InputError(error)
        return value

    def folder(self, path: str) -> str:
        """The others' files are thrown away; they are in a folder of each one's own."""
        if self.is_chief:
            return path
        if self._scratch is None:
            self._scratch = tempfile.mkdtemp(prefix="process_")
            atexit.register(shutil.rmtree, self._scratch, ignore_errors=True)
        return self._scratch

    def require_equal(self, settings: Mapping[str, Any]) -> None:
        compared = {
            name: value
            for name, value in settings.items()
            if not name.endswith(_PATH_ENDS)
        }
        compared["TensorFlow"] = compat.TF_VERSION
        found = self._from_all(json.dumps(compared, sort_keys=True))
        chief = json.loads(found[0])
        for rank, text in enumerate(found):
            other = json.loads(text)
            names = [n for n in sorted(set(chief) | set(other))]
            differing = [n for n in names if chief.get(n) != other.get(n)]
            if differing:
                raise InputError(
                    "The processes of this run were not told the same: "
                    + "; ".join(
                        f"{name} is {chief.get(name)!r} in process 0 and "
                        f"{other.get(name)!r} in process {rank}"
                        for name in differing
                    )
                    + ". Give all of them the same command and the same data."
                )

    def _from_all(self, value: Any) -> List[Any]:
        """What each process says here, by its number."""
        if self._exchange is None:
            self._exchange = _Exchange(self._horovod, self.run_config())
        with self.explained_errors():
            return self._exchange(value)

    @contextlib.contextmanager
    def explained_errors(self):
        try:
            yield
        except tf.errors.OpError as error:
            if "Horovod" not in error.message:
                raise
            raise InputError(
                "Another process of this run has ended, so this one ends too: see what "
                "it said. The same command resumes at the last checkpoint."
            ) from error


class _Exchange:
    """Gathers Python values from all processes, through a graph of its own."""

    def __init__(self, horovod, run_config):
        with tf.Graph().as_default() as graph, tf.device("/cpu:0"):
            self._own = tf.placeholder(tf.uint8, [None])
            sizes = horovod.allgather(tf.shape(self._own), name="sizes")
            self._all = horovod.allgather(self._own, name="values"), sizes
        self._session = tf.Session(graph=graph, config=run_config["session_config"])

    def __call__(self, value):
        own = np.frombuffer(pickle.dumps(value), np.uint8)
        values, sizes = self._session.run(self._all, {self._own: own})
        parts = np.split(values, np.cumsum(sizes)[:-1])
        return [pickle.loads(part.tobytes()) for part in parts]


def _horovod():
    try:
        import horovod.tensorflow as horovod
    except ImportError as error:
        raise InputError(
            f"horovodrun started this program, but {error}. Install it for this "
            "Python: HOROVOD_WITH_TENSORFLOW=1 HOROVOD_WITH_GLOO=1 pip install "
            "--no-build-isolation horovod==0.28.1"
        ) from error
    return horovod
