"""Replicas: how many there are, which one this is, means over them.

N replicas of B examples compute what one replica of N x B does: every batch is cut into
equal pieces (`shares.Share`), losses over tokens are divided by the tokens of
all replicas, gradients are averaged before anything else is done with them, and random
numbers differ from replica to replica. Batch sizes of flags are over all replicas; what
is per replica has it in its name.

`engines` has what does the work; nothing else in the code knows them.
"""

import contextlib
import threading
from typing import (
    Any,
    Callable,
    Dict,
    Iterator,
    List,
    Mapping,
    Optional,
    Sequence,
)

from data.io.errors import InputError
from data.records.shares import Share, whole_batches
from encoder_ko.compat import tf


class OneReplica:
    """One device computes everything; the base of the other engines.

    Attributes:
      count: replicas of the run.
      on_tpu: whether graphs need fixed shapes, and loops of steps are one call.
      sums_in_conditions: whether `sums` may be asked for inside of a tf.cond.
      processes: of the run. Only the chief of them claims the output folder, saves,
        logs and evaluates.
      is_chief: whether this process is it.
    """

    count = 1
    on_tpu = False
    sums_in_conditions = True
    processes = 1
    is_chief = True
    _unit = "devices"

    def index(self):
        """The number of this replica, from 0: an int or, in its graph, an int32."""
        return 0

    def sums(self, tensors: Sequence[Any]) -> List[Any]:
        """Each tensor added up over the replicas; all of them ask for it."""
        return list(tensors)

    def assign_add(self, variable, value):
        """Adds to this replica's copy of a variable; the new value."""
        return tf.assign_add(variable, value)

    def assign(self, variable, value):
        """Sets this replica's copy of a variable; the new value."""
        return tf.assign(variable, value)

    def run_config(self) -> Dict[str, Any]:
        """Arguments of tf.estimator.tpu.RunConfig for training."""
        return {}

    def share_of(self, params: Dict[str, Any]) -> Share:
        """What an input pipeline for training reads, by its TPUEstimator `params`."""
        return whole_batches(params)

    # --- Processes

    def of_chief(self, function: Callable[[], Any]) -> Any:
        """What the chief's `function()` returns or raises; the others wait for it.

        The value is pickled; of errors, InputError reaches the others.
        """
        return function()

    def folder(self, path: str) -> str:
        """Where this process writes what belongs to `path`: the chief there."""
        return path

    def session_hooks(self) -> List[tf.train.SessionRunHook]:
        """What a session for training needs."""
        return []

    def require_equal(self, settings: Mapping[str, Any]) -> None:
        """Raises InputError unless all processes have been told the same.

        Args:
          settings: JSON values by name.
        """

    @contextlib.contextmanager
    def explained_errors(self) -> Iterator[None]:
        """Turns what the engine says of the end of another process into InputError."""
        yield

    def require_divisible(self, batch_size: int, flags: str) -> None:
        """Raises InputError unless a batch can be cut into a piece for each replica.

        Args:
          flags: what decides the batch size, for the message.
        """
        if batch_size % self.count:
            raise InputError(
                f"{flags} makes batches of {batch_size} examples, which cannot be "
                f"shared out equally to {self.count} {self._unit}: make it a multiple."
            )


# --- In the graph ----------------------------------------------------------------

_NO_WEIGHT = 1e-9  # nothing to learn from in any replica
_OPEN = threading.local()  # a replica may be built in a thread of its own


@contextlib.contextmanager
def training_graph(replicas: OneReplica):
    """A training graph for one of `replicas` is built inside.

    Outside, in evaluation and prediction, there is one replica: itself.
    """
    outer = _replicas()
    _OPEN.replicas = replicas
    try:
        yield
    finally:
        _OPEN.replicas = outer


def _replicas() -> OneReplica:
    return getattr(_OPEN, "replicas", None) or OneReplica()


def count() -> int:
    """Replicas of the training graph that is being built."""
    return _replicas().count


def means(tensors: Sequence[Optional[Any]]) -> List[Optional[Any]]:
    """Each tensor's mean over the replicas, None where it is None.

    With one replica these are the tensors themselves; sparse ones become dense
    otherwise.
    """
    replicas = _replicas()
    if replicas.count == 1:
        return list(tensors)
    found = [tf.convert_to_tensor(tensor) for tensor in tensors if tensor is not None]
    sums = iter(replicas.sums(found))
    return [None if t is None else next(sums) / replicas.count for t in tensors]


def mean(tensor):
    """`means` of one tensor."""
    return means([tensor])[0]


def total(tensor):
    """The sum of a tensor over the replicas."""
    return _replicas().sums([tensor])[0]


def sums_in_conditions() -> bool:
    """Whether means and totals may be asked for inside of a tf.cond."""
    return _replicas().sums_in_conditions


def assign_add(variable, value):
    """tf.assign_add of this replica's copy of a variable."""
    return _replicas().assign_add(variable, value)


def assign(variable, value):
    """tf.assign of this replica's copy of a variable."""
    return _replicas().assign(variable, value)


def share_of_loss(loss, weight=None):
    """What a replica minimises for the mean over all replicas to be the whole loss.

    Args:
      loss: float32 scalar, a mean over `weight` tokens of this replica.
      weight: float32 scalar; None = a mean over examples, equally many in each replica.

    Returns:
      float32 scalar. Two replicas with means 2 and 5 over 30 and 10 tokens get 3 and
      2.5, since (30 x 2 + 10 x 5) / 40 = 2.75; without regard to the weights it would
      be 3.5.
    """
    if weight is None or count() == 1:
        return loss
    return loss * (weight / tf.maximum(mean(weight), _NO_WEIGHT))


def share_of_sum(loss):
    """What a replica minimises where the whole loss is the sum over all examples.

    Args:
      loss: float32 scalar, the sum over the examples of this replica.
    """
    return loss if count() == 1 else loss * count()


def random_step(step):
    """`step` for random streams that differ in each replica: step x replicas + index.

    Args:
      step: int scalar tensor, the number of the (micro-)batch over all replicas.

    Returns:
      The same type. Two replicas draw in one step what one that accumulates two
      micro-batches draws for them.
    """
    replicas = _replicas()
    if replicas.count == 1:
        return step
    return step * replicas.count + tf.cast(replicas.index(), step.dtype)
