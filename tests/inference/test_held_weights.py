"""What depends on weights alone is computed once, and gives the same."""

import numpy as np

from encoder_ko.compat import tf
from encoder_ko.inference import held_weights

FEED = np.arange(6.0).reshape(3, 2)


def build():
    """(placeholder, variables, outputs) that join, cast and slice a kernel."""
    x = tf.placeholder(tf.float32, [None, 2])
    kernel, bias = tf.get_variable("kernel", [2, 3]), tf.get_variable("bias", [3])
    joined = tf.concat([kernel, 2.0 * kernel], 1)
    rounded = tf.cast(tf.cast(joined, tf.bfloat16), tf.float32)
    product = tf.matmul(x, rounded[:, 1:4]) + bias
    size = tf.cast(tf.shape(x)[0], tf.float32)
    return x, [kernel, bias], [product * size, product + rounded[0, 0]]


def operations(outputs):
    """Types of all operations that outputs depend on."""
    found, waiting = {}, [output.op for output in outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found[operation.name] = operation.type
            waiting += [tensor.op for tensor in operation.inputs]
    return list(found.values())


def values_of(hold):
    """Outputs before and after the weights change, and the outputs' operations."""
    with tf.Graph().as_default(), tf.Session() as session:
        x, variables, outputs = build()
        work = held_weights.hold(outputs) if hold else tf.no_op()
        assert tf.global_variables() == variables
        for variable, value in zip(variables, (np.ones([2, 3]) / 3, [1.0, 2.0, 3.0])):
            variable.load(value, session)
        session.run(work)
        first = session.run(outputs, {x: FEED})
        variables[0].load(np.zeros([2, 3]), session)
        return first, session.run(outputs, {x: FEED}), operations(outputs)


def test_the_same_numbers_from_what_is_held():
    expected, changed, plain = values_of(False)
    first, second, held = values_of(True)
    np.testing.assert_array_equal(first, expected)
    assert np.abs(np.array(changed) - expected).min() > 0
    np.testing.assert_array_equal(second, expected)  # made once, not in each call
    assert {"ConcatV2", "StridedSlice"} <= set(plain) and plain.count("Cast") == 3
    assert "ConcatV2" not in held
    assert held.count("Cast") == 1  # of the size of x
    assert held.count("StridedSlice") == 1


def test_weights_that_are_used_as_they_are_stay():
    with tf.Graph().as_default():
        x = tf.placeholder(tf.float32, [None, 2])
        kernel = tf.get_variable("kernel", [2, 3])
        output = tf.matmul(x, kernel) * (tf.constant(2.0) + tf.constant(3.0))
        before = operations([output])
        held_weights.hold([output])
        assert operations([output]) == before
