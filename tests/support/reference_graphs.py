"""What every comparison of a graph with recorded numbers needs."""

import json
import re

import numpy as np

from encoder_ko.compat import tf


def load_parameters(session, parameters):
    """Gives every trainable variable the recorded value of its name."""
    load_values({v: parameters[v.op.name] for v in tf.trainable_variables()}, session)


def load_values(values, session):
    """{variable: value}, all in one run of the session."""
    session.run(
        [variable.initializer for variable in values],
        {variable.initializer.inputs[1]: value for variable, value in values.items()},
    )


def relative(actual, expected):
    """The greatest difference, as a share of the greatest expected value."""
    difference = np.abs(np.asarray(actual) - expected).max()
    return difference / np.abs(expected).max() if difference else 0.0


def recorded_graph(golden, name):
    """The description of an upstream pre-training graph of real size."""
    with open(golden("checkpoints", name + "_pretraining.json")) as reader:
        return json.load(reader)


def generator_share(recorded):
    """The generator's width as a share of the discriminator's in a recorded graph."""
    return recorded["hparams"].get("generator_hidden_size", 0.25)


def variables_below(recorded, *scopes):
    """Names and shapes of a recorded graph's variables in some scopes."""
    return {n: s for n, s in recorded["variables"] if n.startswith(scopes)}


def trainable_shapes():
    """Names and shapes of the current graph's trainable variables."""
    return {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}


def recorded_head(recorded):
    """(task name, number of labels) of a classifier's trajectory.

    ELECTRA's head is named after its task, the others' are not: None.
    """
    [bias] = [n for n in recorded.files if re.match("head_init/.*bias$", n)]
    scopes = bias.split("/")[1:]
    return (scopes[1] if len(scopes) > 1 else None), len(recorded[bias])


def recorded_batch(recorded, step, placeholders):
    """What the tensors of these names were fed at a step: one batch after another."""
    count = len(recorded["batch/input_ids"])
    return {
        tensor: recorded["batch/" + name][step % count]
        for name, tensor in placeholders.items()
    }


def head_start(recorded, parameters):
    """Recorded encoder weights with the recorded start of a classifier's head."""
    start = dict(parameters)
    for name in recorded.files:
        if name.startswith("head_init/"):
            start[name[len("head_init/") :]] = recorded[name]
    return start


def check_final_values(session, curve):
    """Weights after the last update; key biases have gradient 0, so only noise."""
    final = session.run({v.op.name: v for v in tf.trainable_variables()})
    for name in curve.files:
        if name.startswith("final/"):
            allowed = 5e-5 if name.endswith("key/bias") else 1e-5
            assert np.abs(final[name[6:]] - curve[name]).max() < allowed, name
