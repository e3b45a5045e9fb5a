"""How large an exported model is, and how fast."""

import os
import time
from typing import Any, Callable, Dict, Sequence

import numpy as np

from data.io import files
from encoder_ko.compat import tf
from encoder_ko.training import checkpoints

Runner = Callable[[Dict[str, np.ndarray]], Dict[str, Any]]
BATCH_SIZES = (1, 32)


def size_of(path: str) -> int:
    """Bytes of a file, or of all files in a folder."""
    if not files.is_folder(path):
        return files.file_size(path)
    return sum(files.file_size(os.path.join(path, name)) for name in files.walk(path))


def saved_model_runner(path: str, signature: str) -> Runner:
    """A SavedModel's signature as a function: inputs by name -> outputs by name."""
    graph = tf.Graph()
    session = tf.Session(graph=graph)
    with graph.as_default():
        loaded = tf.saved_model.loader.load(
            session,
            [tf.saved_model.tag_constants.SERVING],
            checkpoints.readable_folder(path),
        )
    definition = loaded.signature_def[signature]
    outputs = {name: info.name for name, info in definition.outputs.items()}

    def run(inputs):
        feed = {definition.inputs[name].name: inputs[name] for name in inputs}
        return session.run(outputs, feed)

    return run


def sentences_per_second(
    run: Runner,
    batch_size: int,
    length: int,
    masks: Sequence[str] = (),
    seconds: float = 2.0,
) -> float:
    """How many inputs of `length` tokens a runner takes in a second.

    Args:
      run: inputs by name -> outputs.
      masks: names of inputs that it has beside those of the encoder.
      seconds: the least time that is measured, after one call to warm up.
    """
    ones = np.ones([batch_size, length], np.int32)
    inputs = {"input_ids": ones, "input_mask": ones, "segment_ids": 0 * ones}
    inputs.update(dict.fromkeys(masks, ones))
    run(inputs)
    calls, started = 0, time.time()
    while calls < 3 or time.time() - started < seconds:
        run(inputs)
        calls += 1
    return calls * batch_size / (time.time() - started)


def report(run: Runner, length: int, masks: Sequence[str] = ()) -> str:
    """ "Sentences of 128 tokens per second: 21.3 at batch 1, 25.0 at batch 32"."""
    rates = [
        f"{sentences_per_second(run, size, length, masks):.1f} at batch {size}"
        for size in BATCH_SIZES
    ]
    return f"Sentences of {length} tokens per second: {', '.join(rates)}"
