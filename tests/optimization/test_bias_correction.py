"""Adam's and LAMB's bias correction: the papers' equations, PyTorch, the count t."""

import copy

import numpy as np
import pytest
from absl import flags

from encoder_ko.compat import tf
from encoder_ko.optimization import updates
from encoder_ko.optimization.optimizers import AdamOptions, AdamWeightDecay, Lamb
from korean_encoders.commands import finetune, pretrain

STEPS, RATE, DECAY = 15, 0.01, 0.1
NAMES = ("dense/kernel", "dense/bias")  # the second is not decayed
SHAPES = ((4, 3), (3,))
OPTIONS = [
    AdamOptions(bias_correction=True),
    AdamOptions(0.9, 0.98, 1e-8, True),
    AdamOptions(0.8, 0.999, 1e-2, True),  # an epsilon whose place shows
    AdamOptions(0.0, 0.9, 1e-6, True),
]


def drawn():
    """Initial values by name, and the gradients of each step."""
    generator = np.random.RandomState(5)
    start = [0.2 * generator.randn(*shape).astype(np.float32) for shape in SHAPES]
    gradients = [
        [generator.randn(*shape).astype(np.float32) for shape in SHAPES]
        for _ in range(STEPS)
    ]
    return start, gradients


def reference(adam, trust):
    """The values after each update, in float64.

    AdamW, algorithm 2 of arXiv:1711.05101 in torch.optim.AdamW's form (t from 1):

        m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
        u = m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + decay w
        w = w - rate u

    and LAMB, algorithm 2 of arXiv:1904.00962: w = w - rate (|w| / |u|) u. Google's,
    and this one, leaves the ratio out where there is no decay.
    """
    values, gradients = drawn()
    values = [value.astype(np.float64) for value in values]
    m, v = ([np.zeros_like(value) for value in values] for _ in range(2))
    found = []
    for t, of_step in enumerate(gradients, 1):
        for i, g in enumerate(of_step):
            g = g.astype(np.float64)
            decay = DECAY if NAMES[i].endswith("kernel") else 0.0
            m[i] = adam.beta_1 * m[i] + (1 - adam.beta_1) * g
            v[i] = adam.beta_2 * v[i] + (1 - adam.beta_2) * g**2
            corrected = np.sqrt(v[i] / (1 - adam.beta_2**t)) + adam.epsilon
            u = m[i] / (1 - adam.beta_1**t) / corrected + decay * values[i]
            if trust and decay:
                u *= np.linalg.norm(values[i]) / np.linalg.norm(u)
            values[i] = values[i] - RATE * u
        found.append([value.copy() for value in values])
    return found


def ours(optimizer_class, adam):
    """The values after each update."""
    start, gradients = drawn()
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [
            tf.get_variable(name, initializer=value, use_resource=True)
            for name, value in zip(NAMES, start)
        ]
        fed = [tf.placeholder(tf.float32, shape) for shape in SHAPES]
        optimizer = optimizer_class(RATE, weight_decay_rate=DECAY, adam=adam)
        step = tf.train.get_or_create_global_step()
        with tf.control_dependencies([optimizer.apply_gradients(fed, variables)]):
            train = tf.assign_add(step, 1)
        session.run(tf.global_variables_initializer())
        found = []
        for of_step in gradients:
            session.run(train, dict(zip(fed, of_step)))
            found.append(session.run(variables))
        return found


def require_equal(actual, expected):
    assert len(actual) == len(expected) == STEPS
    for ours_of_step, theirs_of_step in zip(actual, expected):
        for value, other in zip(ours_of_step, theirs_of_step):
            np.testing.assert_allclose(value, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("adam", OPTIONS)
@pytest.mark.parametrize("optimizer_class", [AdamWeightDecay, Lamb])
def test_updates_are_those_of_the_papers(optimizer_class, adam):
    expected = reference(adam, optimizer_class is Lamb)
    require_equal(ours(optimizer_class, adam), expected)


@pytest.mark.parametrize("adam", OPTIONS)
def test_updates_are_those_of_pytorch(adam):
    torch = pytest.importorskip("torch", reason="needs PyTorch, an extra")
    start, gradients = drawn()
    kernel, bias = parameters = [torch.nn.Parameter(torch.tensor(v)) for v in start]
    optimizer = torch.optim.AdamW(
        [
            {"params": [kernel], "weight_decay": DECAY},
            {"params": [bias], "weight_decay": 0.0},
        ],
        lr=RATE,
        betas=(adam.beta_1, adam.beta_2),
        eps=adam.epsilon,
    )
    expected = []
    for of_step in gradients:
        for parameter, gradient in zip(parameters, of_step):
            parameter.grad = torch.tensor(gradient)
        optimizer.step()
        expected.append([p.detach().numpy().copy() for p in parameters])
    require_equal(ours(AdamWeightDecay, adam), expected)
    require_equal(reference(adam, False), expected)


@pytest.mark.parametrize("step, times", [(1, 3.162), (100, 3.241), (500, 1.594)])
def test_the_first_updates_are_smaller_by_what_the_correction_says(step, times):
    """With equal gradients m and v differ from g and g^2 by the correction alone."""
    moved = {}
    for corrected in (False, True):
        with tf.Graph().as_default(), tf.Session() as session:
            bias = tf.get_variable("bias", initializer=[0.0], use_resource=True)
            optimizer = AdamWeightDecay(
                1.0, adam=AdamOptions(bias_correction=corrected)
            )
            number = tf.placeholder(tf.int64, [])
            update = optimizer.apply_gradients(
                [tf.constant([1.0])], [bias], update_number=number
            )
            session.run(tf.global_variables_initializer())
            for name, beta in (("adam_m", 0.9), ("adam_v", 0.999)):
                (slot,) = [v for v in tf.global_variables() if name in v.name]
                slot.load([1 - beta ** (step - 1)], session)
            session.run(update, {number: step})
            moved[corrected] = -session.run(bias)[0]
    assert moved[True] == pytest.approx(1.0, rel=1e-5)
    assert moved[False] == pytest.approx(times, rel=3e-4)


# --- What t counts -----------------------------------------------------------------


def train(batches, options=updates.PLAIN_UPDATE, save_after=None, folder=None):
    """The weights after feeding gradients one call at a time.

    Args:
      save_after: calls after which the session ends, and another goes on from its
        checkpoint in `folder`.
    """

    def build():
        kernel = tf.get_variable("kernel", initializer=[1.0, -2.0], use_resource=True)
        fed = tf.placeholder(tf.float32, [2])
        optimizer = AdamWeightDecay(0.1, adam=AdamOptions(bias_correction=True))
        train = updates.train_op(
            tf.reduce_sum(kernel * fed), optimizer, options=options
        )
        return kernel, fed, train.op

    parts = [batches] if save_after is None else [batches[:save_after]]
    parts += [] if save_after is None else [batches[save_after:]]
    for number, part in enumerate(parts):
        with tf.Graph().as_default(), tf.Session() as session:
            kernel, fed, op = build()
            saver = tf.train.Saver()
            session.run(tf.global_variables_initializer())
            session.run(tf.local_variables_initializer())
            if number:
                saver.restore(session, str(folder / "saved"))
            for batch in part:
                session.run(op, {fed: batch})
            if folder:
                saver.save(session, str(folder / "saved"))
            weights = session.run(kernel)
    return weights


BATCHES = np.random.RandomState(0).randn(8, 2).astype(np.float32)


def test_t_survives_a_checkpoint_to_the_bit(tmp_path):
    resumed = train(BATCHES, save_after=3, folder=tmp_path)
    np.testing.assert_array_equal(resumed, train(BATCHES))
    # A t that began anew would show.
    assert np.abs(resumed - train(np.concatenate([BATCHES[3:], BATCHES[:3]]))).max() > 0


def test_t_counts_updates_not_micro_batches():
    """Eight micro-batches, two an update, against four updates of their means."""
    accumulated = train(BATCHES, updates.UpdateOptions(accumulation_steps=2))
    means = BATCHES.reshape(4, 2, 2).mean(1)
    np.testing.assert_allclose(accumulated, train(means), rtol=1e-6)


@pytest.mark.parametrize("micro_batches", [1, 2])
def test_t_does_not_count_skipped_updates(micro_batches, tmp_path):
    """Nor after a checkpoint: the number of those skipped is part of it."""
    lost = np.full([micro_batches, 2], np.nan, np.float32)
    options = updates.UpdateOptions(
        accumulation_steps=micro_batches, skip_nonfinite=True
    )
    first, rest = BATCHES[: 2 * micro_batches], BATCHES[2 * micro_batches :]
    expected = train(BATCHES, options)
    with_lost = np.concatenate([lost, first, lost, rest])
    np.testing.assert_array_equal(train(with_lost, options), expected)
    resumed = train(with_lost, options, 4 * micro_batches, tmp_path)
    np.testing.assert_array_equal(resumed, expected)


# --- Options -----------------------------------------------------------------------


@pytest.mark.parametrize("command", [finetune, pretrain])
@pytest.mark.parametrize(
    "flag, message",
    [
        ("--adam_beta1=1", "expected at least 0, less than 1"),
        ("--adam_beta2=-0.1", "expected at least 0, less than 1"),
        ("--adam_beta2=nan", "expected at least 0, less than 1"),
        ("--adam_epsilon=0", "expected more than 1e-37"),
        ("--adam_epsilon=1e-60", "expected more than 1e-37"),  # 0 in float32
    ],
)
def test_values_out_of_range_are_named_by_their_flags(command, flag, message):
    values = copy.deepcopy(command.FLAGS)
    with pytest.raises(flags.IllegalFlagValueError, match=f"{flag}: {message}"):
        values(["command", flag])
