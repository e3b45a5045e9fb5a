"""What all input pipelines have in common."""

from data.records import shares
from encoder_ko import compat
from encoder_ko.compat import tf


def test_nothing_is_tuned_while_a_pipeline_runs():
    """The thread that would tune it keeps a session open for up to a minute."""
    input_fn = shares.as_input_fn(lambda params: tf.data.Dataset.range(params["size"]))
    with tf.Graph().as_default(), tf.Session() as session:
        numbers = input_fn({"size": 3})
        options = numbers.options()
        following = tf.data.make_one_shot_iterator(numbers).get_next()
        assert [session.run(following) for _ in range(3)] == [0, 1, 2]
    if compat.IS_TF2:
        assert options.autotune.enabled is False
    else:
        assert options.experimental_optimization.autotune is False


def test_pieces_of_a_batch_are_cut_in_order():
    """[6, 2] for three replicas, of which the last two are here: rows 2 to 5."""
    share = shares.Share(batch_size=6, replicas=3, first=1, last=3)
    with tf.Graph().as_default(), tf.Session() as session:
        rows = tf.reshape(tf.range(12), [6, 2])
        batches = tf.data.Dataset.from_tensors({"ids": rows})
        pieces = shares.pieces_of(batches, share)
        following = tf.data.make_one_shot_iterator(pieces).get_next()
        found = [session.run(following)["ids"].tolist() for _ in range(2)]
    assert found == [[[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert share.piece_size == 2
