"""Random numbers in the graph that depend on (seed, step, place) alone.

Nothing is kept between steps, so a resumed run draws what a run that was never stopped
would have drawn.
"""

from typing import Sequence, Tuple

from encoder_ko.compat import Size, Tensor, tf

_SEEDS = 2**31 - 2
_PLACES_PER_SEED = 10007  # a prime above the places of any graph
_DRAWS_PER_PLACE = 2


class RandomStream:
    """Random numbers for the places of one graph, in the order they are asked for.

    Args:
      seed: Python int.
      step: int scalar tensor, the training step (or micro-batch) that is computed.
    """

    def __init__(self, seed: int, step):
        self._seed = seed
        self._step = tf.cast(step, tf.int32)
        self._places = 0

    def next_seeds(self) -> Tuple[Tensor, ...]:
        """Two seeds of a new place, each int32 [2]."""
        self._places += 1
        place = self._seed * _PLACES_PER_SEED + _DRAWS_PER_PLACE * self._places
        return tuple(
            tf.stack([place % _SEEDS + draw, self._step])
            for draw in range(_DRAWS_PER_PLACE)
        )

    def uniform(self, shape: Sequence[Size]) -> Tensor:
        """float32 in [0, 1) of `shape` (ints or int32 scalars)."""
        return tf.random.stateless_uniform(shape, self.next_seeds()[0])


def step_of_contents(input_ids: Tensor) -> Tensor:
    """int32 scalar that stands for a batch where no step counts the batches.

    Evaluation masks the same batch in the same way at every checkpoint.

    Args:
      input_ids: int32 [B, S].
    """
    places = tf.range(tf.size(input_ids)) * 1000003 + 1
    mixed = tf.reduce_sum(tf.reshape(input_ids, [-1]) * places)  # wraps around
    return tf.bitwise.bitwise_and(mixed, 2**31 - 1)


def step_of_run(seed: int):
    """The global step or, without one, a new number for each run of the session.

    Args:
      seed: Python int, of the numbers where there is no global step.
    """
    step = tf.train.get_global_step()
    if step is not None:
        return step
    return tf.random.uniform([], maxval=2**31 - 1, dtype=tf.int32, seed=seed)
