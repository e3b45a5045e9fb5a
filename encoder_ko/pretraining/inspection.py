"""What a network makes of a few records: the same at every call."""

import itertools
from typing import Dict, List

import numpy as np

from data.records import schema
from data.records.dataset import RecordFiles
from data.records.tfrecords import read_records
from encoder_ko.compat import tf
from encoder_ko.pretraining.model_fn import evaluation_output
from encoder_ko.training import restoring


def inspect(
    network, seed: int, data: RecordFiles, checkpoint: str, examples: int, guesses: int
) -> Dict[str, np.ndarray]:
    """The network's predictions of the first records of evenly chosen files.

    They are masked as in an evaluation of these records as one batch, and computed on
    this machine, without replicas.

    Args:
      network: trainer.PretrainingNetwork.
      seed: of the run.
      examples, guesses: how many records, and tokens for each masked one, at most.

    Returns:
      input_mask and PretrainingOutput's `predictions` by name; of each objective that
      predicts tokens, `<objective>_guesses`, int32 [B, P, K], and
      `<objective>_guess_probabilities`, float32 [B, P, K].
    """
    with tf.Graph().as_default():
        records = tf.constant(_first_records(data, examples))
        features = schema.decode(data.features, records)
        output = evaluation_output(network, seed, features)
        fetched = dict(output.predictions, input_mask=features["input_mask"])
        for name, guess in output.guesses.items():
            tokens, probabilities = guess(guesses)
            fetched[name + "_guesses"] = tokens
            fetched[name + "_guess_probabilities"] = probabilities
        with restoring.open_session(checkpoint) as session:
            return session.run(fetched)


def _first_records(data: RecordFiles, count: int) -> List[bytes]:
    """As many from each of up to `count` files, so that no file is read to its end."""
    files = min(count, len(data.paths))
    chosen = [data.paths[n * len(data.paths) // files] for n in range(files)]
    of_each = -(-count // files)
    found = [
        r for path in chosen for r in itertools.islice(read_records(path), of_each)
    ]
    return found[:count]
