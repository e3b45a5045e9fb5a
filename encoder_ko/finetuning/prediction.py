"""Prediction in a fine-tuning run: one graph and session for all evaluations."""

import dataclasses
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from data.records import input_pipeline
from encoder_ko.compat import Tensor, tf
from encoder_ko.finetuning.model_fn import prediction_graph
from encoder_ko.training import restoring

Batch = Dict[str, np.ndarray]


class _Reader(NamedTuple):
    """Batches of whatever file `path` is fed with when it begins."""

    session: tf.Session
    path: Tensor
    begin: tf.Operation
    batch: Dict[str, Tensor]


class PredictionSession:
    """The network with the weights of one checkpoint after another.

    Built at the first prediction: a graph that is built and compiled anew for each
    evaluation costs more than a small evaluation itself.

    Args:
      encoder: trainer.Encoder.
      batch_size: examples at a time.
    """

    def __init__(self, encoder: Any, batch_size: int):
        self._encoder = encoder
        self._batch_size = batch_size
        self._session: Optional[tf.Session] = None
        self._readers: Dict[input_pipeline.FineTuningData, _Reader] = {}

    def outputs(
        self, data: input_pipeline.FineTuningData, checkpoint: str
    ) -> Iterator[Batch]:
        """What the network puts out for each batch of the data, with filling examples.

        Raises:
          InputError: the checkpoint does not hold this network.
        """
        self._restore(checkpoint)
        for batch in self._batches(data):
            feed = {self._features[name]: values for name, values in batch.items()}
            yield self._session.run(self._outputs, feed)

    def _restore(self, checkpoint):
        if self._session is None:
            with tf.Graph().as_default():
                self._features, self._outputs = prediction_graph(self._encoder)
                self._variables = tf.global_variables()
                self._saver = tf.train.Saver(self._variables)
                self._session = tf.Session()
        restoring.load(checkpoint, self._session, self._saver, self._variables)

    def _batches(self, data) -> Iterator[Batch]:
        reader = self._reader(dataclasses.replace(data, path="", num_examples=0))
        reader.session.run(reader.begin, {reader.path: data.path})
        while True:
            try:
                yield reader.session.run(reader.batch)
            except tf.errors.OutOfRangeError:
                return

    def _reader(self, data) -> _Reader:
        """Of files like this one: dev, again and again, and test."""
        if data not in self._readers:
            with tf.Graph().as_default():
                path = tf.placeholder(tf.string, [])
                read = input_pipeline.evaluation_input_fn(
                    dataclasses.replace(data, path=path)
                )
                batches = read({"batch_size": self._batch_size})
                iterator = tf.data.make_initializable_iterator(batches)
                self._readers[data] = _Reader(
                    tf.Session(), path, iterator.initializer, iterator.get_next()
                )
        return self._readers[data]


def in_order(batches: Sequence[Batch], count: int) -> Batch:
    """The rows of batches by their example_index, without those of filling examples.

    Args:
      batches: arrays [B, ...] by name; example_index is -1 for a filling example.
        Beyond the first axis they may differ in size, and are padded with 0.
      count: records of the file, each of which is in one batch.

    Returns:
      Arrays [count, ...] by name.
    """
    found = {}
    for name in sorted(set(batches[0]) - {"example_index"}):
        shapes = [batch[name].shape[1:] for batch in batches]
        found[name] = np.zeros(
            (count,) + tuple(map(max, zip(*shapes))), batches[0][name].dtype
        )
        for batch in batches:
            real = batch["example_index"] >= 0
            values = batch[name][real]
            place = tuple(slice(size) for size in values.shape[1:])
            found[name][(batch["example_index"][real],) + place] = values
    return found
