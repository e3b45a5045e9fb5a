"""Layers: GELU, layer norm and dropout by hand values, fused gradients by autodiff."""

import numpy as np
import pytest

from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.modeling import activations, layers, transformer
from encoder_ko.modeling.config import EncoderConfig
from encoder_ko.modeling.dropout import DropoutMask, DropoutStream


def evaluate(build, *arrays):
    """Runs `build(*placeholders)`, a tensor or a structure of tensors."""
    with tf.Graph().as_default(), tf.Session() as session:
        fed = [tf.placeholder(a.dtype, a.shape) for a in arrays]
        built = build(*fed)
        session.run(tf.global_variables_initializer())
        return session.run(built, dict(zip(fed, arrays)))


def float32(*values):
    return np.array(values, np.float32)


# --- Activations -------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, expected",
    [
        # 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
        ("gelu", [0.0, 0.8411920, -0.1588080, 1.9545977, -0.0454023, 10.0, 0.0]),
        # x times the normal distribution's share below x: 0.8413447 at 1
        ("gelu_erf", [0.0, 0.8413447, -0.1586553, 1.9544997, -0.0455003, 10.0, 0.0]),
        ("relu", [0.0, 1.0, 0.0, 2.0, 0.0, 10.0, 0.0]),
        ("tanh", [0.0, 0.7615942, -0.7615942, 0.9640276, -0.9640276, 1.0, -1.0]),
        (None, [0.0, 1.0, -1.0, 2.0, -2.0, 10.0, -10.0]),
    ],
)
def test_activations_by_hand(name, expected):
    x = float32(0.0, 1.0, -1.0, 2.0, -2.0, 10.0, -10.0)
    plain = evaluate(activations.ACTIVATIONS[name], x)
    np.testing.assert_allclose(plain, expected, atol=2e-7)
    bias = np.full([7], 0.5, np.float32)
    fused = evaluate(
        lambda product, bias: layers.biased_activation(product, bias, name),
        x[None] - 0.5,
        bias,
    )
    np.testing.assert_allclose(fused, [expected], atol=1e-6)


def test_the_two_forms_of_gelu_differ():
    x = np.linspace(-4, 4, 81).astype(np.float32)
    tanh, erf = evaluate(
        lambda x: (activations.gelu_tanh(x), activations.gelu_erf(x)), x
    )
    assert 3e-4 < np.abs(tanh - erf).max() < 5e-4


def test_dense_is_a_product_with_bias():
    def build(x):
        variables = layers.DenseVariables(tf.constant(kernel), tf.constant(bias))
        return layers.dense(x, variables), layers.dense(x, variables, "relu")

    kernel, bias = float32([1, 2], [3, 4]), float32(-20, 5)
    linear, relu = evaluate(build, float32([[1, 2], [3, 4]]))
    np.testing.assert_array_equal(linear, [[[-13, 15], [-5, 27]]])
    np.testing.assert_array_equal(relu, [[[0, 15], [0, 27]]])


# --- Layer normalisation -----------------------------------------------------------


def test_layer_norm_by_hand():
    """1, 2, 3, 4 has mean 2.5 and biased variance 1.25; equal values give beta."""
    gamma, beta = float32(1, 1, 2, 1), float32(0, 0, 1, 0)
    output = evaluate(
        lambda x: layers.layer_norm(x, layers.NormVariables(gamma, beta)),
        float32([1, 2, 3, 4], [7, 7, 7, 7]),
    )
    unit = 1 / np.sqrt(1.25)
    expected = [[-1.5 * unit, -0.5 * unit, 1 + unit, 1.5 * unit], [0, 0, 1, 0]]
    np.testing.assert_allclose(output, expected, rtol=1e-6, atol=1e-6)


def test_epsilon_is_that_of_the_published_models():
    """With 1e-5 in place of 1e-12 these would come out as 0.53 and -0.53."""
    norm = layers.NormVariables(float32(1, 1), float32(0, 0))
    small = float32([0.002, -0.002])
    output = evaluate(lambda x: layers.layer_norm(x, norm), small)
    np.testing.assert_allclose(output, [[1, -1]], rtol=1e-5)


def test_statistics_are_float32_in_bfloat16():
    """A mean of 256 numbers near 100 would be off by units in 8 bits of precision."""
    x = (100 + np.random.RandomState(0).randn(3, 256)).astype(np.float32)
    norm = layers.NormVariables(
        np.ones(256, np.float32), np.zeros(256, np.float32) + 0.25
    )

    def build(x):
        rounded = tf.cast(x, tf.bfloat16)
        low = layers.layer_norm(rounded, norm)
        assert low.dtype == tf.bfloat16
        return tf.cast(low, tf.float32), layers.layer_norm(
            tf.cast(rounded, tf.float32), norm
        )

    low, high = evaluate(build, x)
    np.testing.assert_allclose(low, high, rtol=2**-8, atol=1e-6)


# --- Fused functions against TensorFlow's own gradients of the plain formula ---------


def plain_norm(x, gamma, beta):
    mean = tf.reduce_mean(x, -1, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
    return (x - mean) / tf.sqrt(variance + 1e-12) * gamma + beta


def plain_gelu_tanh(x, bias):
    x = x + bias
    return 0.5 * x * (1 + tf.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def plain_gelu_erf(x, bias):
    x = x + bias
    return 0.5 * x * (1 + tf.math.erf(x / np.sqrt(2)))


def gradients_agree(fused, plain, *shapes):
    """Value and gradient by every input: fused in float32, plain in float64."""
    generator = np.random.RandomState(1)
    arrays = [generator.randn(*shape).astype(np.float32) for shape in shapes]

    def build(function, dtype):
        def run(*fed):
            fed = [tf.cast(f, dtype) for f in fed]
            output = function(*fed)
            weights = np.cos(np.arange(np.prod(output.shape.as_list())))
            weights = tf.constant(weights.reshape(output.shape.as_list()), dtype)
            return [output] + tf.gradients(output * weights, fed)

        return run

    actual = evaluate(build(fused, tf.float32), *arrays)
    expected = evaluate(build(plain, tf.float64), *arrays)
    for ours, theirs in zip(actual, expected):
        allowed = 1e-5 * max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=allowed)


@pytest.mark.parametrize(
    "name, plain", [("gelu", plain_gelu_tanh), ("gelu_erf", plain_gelu_erf)]
)
def test_gradients_of_gelu(name, plain):
    gradients_agree(
        lambda x, bias: layers.biased_activation(x, bias, name), plain, [6, 5], [5]
    )


@pytest.mark.parametrize("width", [7, 8, 24])
def test_gradients_of_layer_norm(width):
    """Also of a width that is no multiple of 8, where rows are not cut in slices."""
    gradients_agree(
        lambda x, gamma, beta: layers.layer_norm(x, layers.NormVariables(gamma, beta)),
        plain_norm,
        [4, width],
        [width],
        [width],
    )


BYTES = np.random.RandomState(2).randint(0, 256, [4, 7]).astype(np.uint8)
KEPT = (BYTES >= 77) / 0.7  # threshold 77 of 256, rate 0.3


def mask_of(values):
    return DropoutMask(
        tf.constant(values), tf.constant(77), tf.constant(1 / 0.7, tf.float32)
    )


@pytest.mark.parametrize("with_dropout", [False, True])
def test_gradients_of_bias_dropout_residual_norm(with_dropout):
    def fused(x, bias, residual, gamma, beta):
        norm = layers.NormVariables(gamma, beta)
        mask = mask_of(BYTES) if with_dropout else None
        return layers.bias_dropout_residual_norm(x, bias, residual, norm, mask)

    def plain(x, bias, residual, gamma, beta):
        branch = (x + bias) * (KEPT if with_dropout else 1.0)
        return plain_norm(branch + residual, gamma, beta)

    gradients_agree(fused, plain, [4, 7], [7], [4, 7], [7], [7])


# One whole layer: width 8, two heads of 4, inner width 12; the inputs of the formula.
SHAPES = dict(
    x=[2, 3, 8],
    query=[8, 8],
    query_bias=[8],
    key=[8, 8],
    key_bias=[8],
    value=[8, 8],
    value_bias=[8],
    attention_output=[8, 8],
    attention_output_bias=[8],
    gamma=[8],
    beta=[8],
    intermediate=[8, 12],
    intermediate_bias=[12],
    output=[12, 8],
    output_bias=[8],
    output_gamma=[8],
    output_beta=[8],
)
INPUT_MASK = np.array([[1, 1, 1], [1, 1, 0]], np.int32)


def plain_layer(kept_attention, v):
    """The layer as its paper has it, on named float64 tensors."""

    def dense(x, name):
        return tf.tensordot(x, v[name], 1) + v[name + "_bias"]

    def heads(x):
        return tf.transpose(tf.reshape(x, [2, 3, 2, 4]), [0, 2, 1, 3])

    x = v["x"]
    query, key, value = (heads(dense(x, name)) for name in ("query", "key", "value"))
    scores = tf.matmul(query, key, transpose_b=True) / 2.0
    scores += (1.0 - INPUT_MASK[:, None, None, :]) * -10000.0
    context = tf.matmul(tf.nn.softmax(scores) * kept_attention, value)
    context = tf.reshape(tf.transpose(context, [0, 2, 1, 3]), [2, 3, 8])
    x = plain_norm(dense(context, "attention_output") + x, v["gamma"], v["beta"])
    inner = plain_gelu_tanh(dense(x, "intermediate"), 0.0)
    x = dense(inner, "output") + x
    return plain_norm(x, v["output_gamma"], v["output_beta"])


def our_layer(dropout, v):
    config = EncoderConfig(
        vocab_size=1,
        hidden_size=8,
        num_attention_heads=2,
        intermediate_size=12,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=ATTENTION_DROPOUT,
    )
    variables = transformer.LayerVariables(
        *[
            layers.DenseVariables(v[name], v[name + "_bias"])
            for name in ("query", "key", "value", "attention_output")
        ],
        attention_norm=layers.NormVariables(v["gamma"], v["beta"]),
        intermediate=layers.DenseVariables(v["intermediate"], v["intermediate_bias"]),
        output=layers.DenseVariables(v["output"], v["output_bias"]),
        output_norm=layers.NormVariables(v["output_gamma"], v["output_beta"]),
    )
    weights = transformer.layer_weights(variables, tf.float32)
    encoder = transformer.TransformerEncoder(config, "gelu", dropout, 2, 3)
    return encoder.run(v["x"], tf.constant(INPUT_MASK), [weights])[0]


ATTENTION_DROPOUT = 0.3


def stream():
    return DropoutStream(4, tf.constant(9))


@pytest.mark.parametrize("with_dropout", [False, True])
def test_gradients_of_a_whole_layer(with_dropout):
    """Attention with padding and dropout, two norms, GELU: by input and all weights."""

    def fused(*inputs):
        return our_layer(stream() if with_dropout else None, dict(zip(SHAPES, inputs)))

    def plain(*inputs):
        kept = tf.constant(1.0, tf.float64)
        if with_dropout:  # the only mask that this layer draws
            mask = stream().mask([2, 2, 3, 3], ATTENTION_DROPOUT)
            kept = tf.cast(mask.factors(), tf.float64)
        return plain_layer(kept, dict(zip(SHAPES, inputs)))

    gradients_agree(fused, plain, *SHAPES.values())


# --- Dropout -----------------------------------------------------------------------


def drawn_masks(seed, rates, steps, shape=(64, 250), extra_ops=0):
    """DropoutMask values [step][place] of a stream asked for one mask per rate."""
    with tf.Graph().as_default(), tf.Session() as session:
        for number in range(extra_ops):
            tf.constant(number)
        step = tf.placeholder(tf.int64, [])
        stream = DropoutStream(seed, step)
        masks = [tuple(stream.mask(list(shape), rate)) for rate in rates]
        return [session.run(masks, {step: number}) for number in steps]


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5])
def test_dropout_has_exactly_its_rate_in_the_mean(rate):
    """0.1 is 25.6 of 256: one byte decides, so the threshold is 25 or 26, drawn.

    Four standard deviations of the mean over 300 steps; with a fixed threshold of 25
    or 26 the share would be off by four times as much.
    """
    steps = drawn_masks(1, [rate], range(300))
    thresholds = {int(step[0][1]) for step in steps}
    assert thresholds == {int(256 * rate), int(np.ceil(256 * rate))}
    shares = [(bytes_ < threshold).mean() for [(bytes_, threshold, _)] in steps]
    assert abs(np.mean(shares) - rate) < 6e-4
    assert all(scale == np.float32(1 / (1 - rate)) for [(_, _, scale)] in steps)


def test_dropped_values_are_zero_and_others_scaled():
    x = float32([1, 2, 3, 4], [5, 6, 7, 8])
    drawn = np.array([[0, 76, 77, 255], [77, 0, 76, 78]], np.uint8)
    output = evaluate(lambda x: layers.dropout(x, mask_of(drawn)), x)
    expected = np.where(drawn < 77, 0, x * np.float32(1 / 0.7))
    np.testing.assert_array_equal(output, expected)
    assert layers.dropout(x, None) is x


def test_no_dropout_draws_nothing():
    with tf.Graph().as_default():
        stream = DropoutStream(1, tf.constant(0))
        before = len(tf.get_default_graph().get_operations())
        assert stream.mask([4, 4], 0.0) is None
        assert len(tf.get_default_graph().get_operations()) == before


def test_masks_depend_on_seed_step_and_place_alone():
    """The same bits in a new process's graph: what a restarted run draws."""
    first = drawn_masks(5, [0.1, 0.1], [0, 7])
    again = drawn_masks(5, [0.1, 0.1], [7, 0], extra_ops=13)[::-1]
    for one, other in zip(first, again):
        for (bytes_, threshold, _), (same, equal, _) in zip(one, other):
            np.testing.assert_array_equal(bytes_, same)
            assert threshold == equal
    different = [mask[0] for step in first for mask in step]
    different += [drawn_masks(6, [0.1], [0])[0][0][0]]
    for number, one in enumerate(different):
        for other in different[:number]:
            # Independent bytes are equal by chance: 16,000 / 256 is 62.5.
            assert 30 < (one == other).sum() < 100


def test_bytes_are_uniform():
    """Pearson's chi squared with 255 degrees of freedom: mean 255, deviation 22.6."""
    [[(bytes_, _, _)]] = drawn_masks(3, [0.1], [11], shape=(256, 1024))
    counts = np.bincount(bytes_.ravel(), minlength=256)
    expected = bytes_.size / 256
    assert 255 - 113 < ((counts - expected) ** 2 / expected).sum() < 255 + 113
    # No byte tells the next one.
    following = np.corrcoef(bytes_.ravel()[:-1], bytes_.ravel()[1:])[0, 1]
    assert abs(following) < 5 / np.sqrt(bytes_.size)


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (2, 8), (7,)])
def test_shapes_known_late_draw_the_same_bits(shape):
    with tf.Graph().as_default(), tf.Session() as session:
        late = tf.placeholder_with_default(np.array(shape, np.int32), [len(shape)])
        streams = [DropoutStream(1, tf.constant(4)) for _ in range(2)]
        known = streams[0].mask(list(shape), 0.1).bytes
        unknown = streams[1].mask(tf.unstack(late), 0.1).bytes
        known, unknown = session.run([known, unknown])
    assert known.shape == shape
    np.testing.assert_array_equal(known, unknown)


def test_bytes_come_without_compilation_too():
    with tf.Graph().as_default(), tf.Session() as session, compat.plain_ops():
        drawn = session.run(compat.random_bytes([64, 5], tf.constant([1, 2])))
    assert drawn.shape == (64, 5)
    assert len(set(drawn.ravel())) > 128  # of 256


# --- Variables ---------------------------------------------------------------------


def initial_values(seed, names, extra_ops=0):
    with tf.Graph().as_default(), tf.Session() as session:
        if seed is not None:
            tf.set_random_seed(seed)
        for number in range(extra_ops):
            tf.constant(number)
        with tf.variable_scope("bert"):
            found = {
                name: layers.variable(name, [50, 40], layers.truncated_normal(0.02))
                for name in names
            }
        session.run(tf.global_variables_initializer())
        return session.run(found)


def test_initial_values_depend_on_seed_and_name_alone():
    first = initial_values(1, ["a", "b"])
    again = initial_values(1, ["b", "a"], extra_ops=5)
    for name in "ab":
        np.testing.assert_array_equal(first[name], again[name])
    assert (first["a"] != first["b"]).mean() > 0.99
    assert (first["a"] != initial_values(2, ["a"])["a"]).mean() > 0.99
    # Truncated at two deviations, which leaves 0.88 of the deviation.
    assert np.abs(first["a"]).max() <= 0.04
    assert first["a"].std() == pytest.approx(0.88 * 0.02, rel=0.05)
    unseeded = [initial_values(None, ["a"])["a"] for _ in range(2)]
    assert (unseeded[0] != unseeded[1]).mean() > 0.99


def test_glorot_uniform_spreads_by_both_sides():
    """Uniform up to sqrt(6 / (inputs + outputs)): 0.2 for 100 + 50."""

    def build():
        tf.set_random_seed(1)
        return layers.dense_variables("dense", 100, 50, layers.glorot_uniform()).kernel

    kernel = evaluate(build)
    assert 0.195 < np.abs(kernel).max() <= 0.2
    assert kernel.std() == pytest.approx(0.2 / np.sqrt(3), rel=0.05)
