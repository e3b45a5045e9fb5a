"""A training step's matrix products with weights, and nothing else: the least it costs.

No program that leaves these products to the same library is faster, whatever it does
about the rest. Padding, attention, everything between the products and the optimiser
are left out, and of the last layer all that no head reads.
"""

import itertools
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from benchmarks.turns import TurnTaker


class Product(NamedTuple):
    """[rows, inputs] x [inputs, outputs]: forward, and twice as much backward."""

    rows: int
    inputs: int
    outputs: int

    @property
    def operations(self) -> int:
        """Of a training step: two for each multiplication and addition."""
        return 3 * 2 * self.rows * self.inputs * self.outputs


def of_encoder(model: Dict[str, Any], tokens: int, read: int) -> List[Product]:
    """A network's layers, the last one for the tokens alone that a head reads.

    Args:
      model: keys of upstream's configuration file.
      tokens, read: of a batch, without padding.
    """
    width, inner = model["hidden_size"], model["intermediate_size"]
    embedding = model.get("embedding_size") or width
    layer = [
        Product(tokens, width, 3 * width),
        Product(tokens, width, width),
        Product(tokens, width, inner),
        Product(tokens, inner, width),
    ]
    last = [
        Product(tokens, width, 2 * width),  # keys and values
        Product(read, width, width),
        Product(read, width, width),
        Product(read, width, inner),
        Product(read, inner, width),
    ]
    projection = [Product(tokens, embedding, width)] * (embedding != width)
    return projection + layer * (model["num_hidden_layers"] - 1) + last


def of_masked_words(model: Dict[str, Any], masked: int) -> List[Product]:
    """The head over the vocabulary."""
    width = model["hidden_size"]
    embedding = model.get("embedding_size") or width
    return [
        Product(masked, width, embedding),
        Product(masked, embedding, model["vocab_size"]),
    ]


def of_fine_tuning(model: Dict[str, Any], tokens: int, rows: int) -> List[Product]:
    """A classifier over the first token."""
    pooler = Product(rows, model["hidden_size"], model["hidden_size"])
    return of_encoder(model, tokens, rows) + [pooler]


def of_pretraining(
    model_type: str,
    model: Dict[str, Any],
    tokens: int,
    masked: int,
    rows: int,
    electra_objective: bool = True,
    generator_hidden_size: float = 0.25,
) -> List[Product]:
    """The objectives of a model; ELECTRA's generator is as wide as upstream's small."""
    if model_type == "electra" and not electra_objective:
        return of_encoder(model, tokens, masked) + of_masked_words(model, masked)
    if model_type != "electra":
        width = model["hidden_size"]
        layers = of_encoder(model, tokens, masked + rows)
        return layers + of_masked_words(model, masked) + [Product(rows, width, width)]
    generator = dict(model)
    for key in ("hidden_size", "intermediate_size"):
        generator[key] = int(model[key] * generator_hidden_size)
    width = model["hidden_size"]
    return [
        *of_encoder(generator, tokens, masked),
        *of_masked_words(generator, masked),
        *of_encoder(model, tokens, tokens),
        Product(tokens, width, width),
    ]


def run(products: Sequence[Product], precision: str, rows: int, tokens: float) -> None:
    """A contender that runs them one after the other, each on all processors.

    Args:
      rows: examples of a step. tokens: of an example, for the report.
    """
    from encoder_ko import compat
    from encoder_ko.compat import tf

    compat.keep_freed_memory()  # as ours does
    taker = TurnTaker(f"TensorFlow {compat.TF_VERSION}")
    with tf.Graph().as_default(), open_session() as session:
        step = one_after_the_other(products, precision)
        session.run(tf.global_variables_initializer())
        while True:
            taker.before_step()
            session.run(step)
            taker.after_step(rows, tokens)


def open_session() -> Any:
    """A session that computes what nobody reads; Grappler would leave it out."""
    from encoder_ko.compat import tf

    options = tf.ConfigProto()
    options.graph_options.rewrite_options.disable_meta_optimizer = True
    return tf.Session(config=options)


def one_after_the_other(products: Sequence[Product], precision: str) -> Any:
    """The operation that is done when all products are."""
    from encoder_ko.compat import tf

    def matrix(*shape):
        values = tf.cast(tf.random.normal(shape, stddev=0.02), precision)
        return tf.Variable(values, trainable=False)

    def multiply(*operands, **transposed):
        with tf.control_dependencies(done[-1:]):
            result = tf.matmul(*operands, **transposed)
        done.append(result.op)
        return result

    inputs: Dict[Any, Any] = {}  # by shape
    done: List[Any] = []
    for product in products:
        shape = product.rows, product.inputs
        if shape not in inputs:
            inputs[shape] = matrix(*shape)
        weights = matrix(product.inputs, product.outputs)
        result = multiply(inputs[shape], weights)
        multiply(result, weights, transpose_b=True)
        multiply(inputs[shape], result, transpose_a=True)
    return done[-1]


def tokens_and_masked(records_path: str, every: int) -> Tuple[float, float]:
    """Means over every so many pre-training records: tokens, masked tokens.

    ELECTRA's records have no masks: 0.
    """
    from data.records import tfrecords
    from encoder_ko.compat import tf

    found = []
    records = tfrecords.read_records(records_path)
    for record in itertools.islice(records, 0, None, every):
        features = tf.train.Example.FromString(record).features.feature
        masked = features["masked_lm_weights"].float_list.value
        found.append((sum(features["input_mask"].int64_list.value), sum(masked)))
    tokens, masked = np.mean(found, axis=0)
    return tokens, masked
