"""TensorFlow without what only pays off in a long run: a test takes a few steps.

A tiny model's run takes 15 seconds of processor time as it is shipped and 6 inside
`quick_graphs`. Most of that compiles passes that are then made three times.
"""

import contextlib
from unittest import mock

from tensorflow.python.client import session

from encoder_ko.compat import plain_ops, tf


@contextlib.contextmanager
def quick_graphs():
    """Inside, nothing is compiled or rewritten, and no graph is written as text.

    Only for tests of what a program reads, writes and says. Numbers are those of the
    ordinary ops; other tests hold the compiled ones to the same references.
    """
    create = session.BaseSession.__init__

    def create_plainly(self, target="", graph=None, config=None):
        options = tf.ConfigProto()
        if config is not None:
            options.CopyFrom(config)
        options.graph_options.rewrite_options.disable_meta_optimizer = True
        options.graph_options.optimizer_options.opt_level = tf.OptimizerOptions.L0
        create(self, target, graph, options)

    save = tf.train.Saver.save

    def save_weights(*arguments, **named):
        return save(*arguments, **dict(named, write_meta_graph=False))

    def save_at_once(hook, session, coord):
        step = session.run(hook._global_step_tensor)
        hook._save(session, step)
        hook._timer.update_last_triggered_step(step)

    with contextlib.ExitStack() as stack:
        for owner, name, other in (
            (session.BaseSession, "__init__", create_plainly),
            # Without the graph, as text and in the events, and with each checkpoint.
            (tf.train.CheckpointSaverHook, "after_create_session", save_at_once),
            (tf.train.Saver, "save", save_weights),
        ):
            stack.enter_context(mock.patch.object(owner, name, other))
        stack.enter_context(plain_ops())
        yield
