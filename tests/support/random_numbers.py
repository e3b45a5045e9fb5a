"""Random numbers that do not depend on where a batch is cut."""

from encoder_ko.compat import tf


def same_in_every_row(stream, shape):
    """In place of RandomStream.uniform."""
    stream._places += 1
    places = tf.range(shape[-1]) * 7919 + stream._places * 104729
    row = tf.math.floormod(tf.cast(places, tf.float32) * 0.618, 1.0)
    return tf.broadcast_to(row, shape)
