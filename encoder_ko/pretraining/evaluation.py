"""Evaluation in a pre-training run: one graph and session for all of a run's."""

from typing import Any, Dict, Optional

from data.records import pretraining_pipeline
from data.records.dataset import RecordFiles
from encoder_ko.compat import tf
from encoder_ko.pretraining import objectives
from encoder_ko.pretraining.model_fn import evaluation_output
from encoder_ko.training import restoring


class EvaluationSession:
    """The losses and metrics of one checkpoint after another, on the same records.

    Built at the first evaluation: a graph that is built and compiled anew for each
    costs more than a small evaluation itself.

    Args:
      network: trainer.PretrainingNetwork.
      seed: of masks and replaced tokens.
      batch_size: records at a time.
      data: what is evaluated, in the order of the files.
      max_steps: batches at most.
    """

    def __init__(
        self,
        network: Any,
        seed: int,
        batch_size: int,
        data: RecordFiles,
        max_steps: int,
    ):
        self._network, self._seed = network, seed
        self._batch_size, self._max_steps = batch_size, max_steps
        self._data = data
        self._session: Optional[tf.Session] = None

    def is_of(self, data: RecordFiles, max_steps: int) -> bool:
        """Whether it evaluates these records."""
        return (data, max_steps) == (self._data, self._max_steps)

    def metrics(self, checkpoint: str) -> Dict[str, float]:
        """Means over the batches: "loss" and every metric; and "global_step".

        Raises:
          InputError: the checkpoint does not hold this network.
        """
        if self._session is None:
            self._build()
        restoring.load(checkpoint, self._session, self._saver, self._variables)
        self._session.run(self._begin)
        while True:
            try:
                self._session.run(self._add_batch)
            except tf.errors.OutOfRangeError:
                return self._session.run(self._values)

    def _build(self):
        with tf.Graph().as_default():
            step = tf.train.get_or_create_global_step()
            read = pretraining_pipeline.evaluation_input_fn(
                self._data, self._max_steps, fixed=False
            )
            batches = read({"batch_size": self._batch_size})
            iterator = tf.data.make_initializable_iterator(batches)
            output = evaluation_output(self._network, self._seed, iterator.get_next())
            streaming, arguments = objectives.streaming_metrics(output.metrics)
            found = dict(streaming(**arguments), loss=tf.metrics.mean(output.loss))
            self._values = {name: value for name, (value, _) in found.items()}
            self._values["global_step"] = step
            self._add_batch = tf.group(*[update for _, update in found.values()])
            self._begin = tf.group(
                iterator.initializer, tf.local_variables_initializer()
            )
            self._variables = tf.global_variables()
            self._saver = tf.train.Saver(self._variables)
            self._session = tf.Session()
