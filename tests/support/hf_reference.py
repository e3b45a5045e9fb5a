"""Small models with every head, run by TensorFlow, to compare conversions with."""

import numpy as np

from albert_ko import hugging_face as albert
from albert_ko.modeling import AlbertConfig, AlbertModel
from bert_ko import hugging_face as bert
from bert_ko.modeling import BertConfig, BertModel
from electra_ko import hugging_face as electra
from electra_ko.model.modeling import ElectraConfig, ElectraModel, generator_config
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.modeling import heads, layers
from tests.support.reference_graphs import load_parameters

MODELS = {"bert": BertModel, "albert": AlbertModel, "electra": ElectraModel}
NETWORKS = {
    "bert": (bert.NAMES,),
    "albert": (albert.NAMES,),
    "electra": electra.NETWORKS,
}
HEADS = (
    "pretraining",
    "classification",
    "regression",
    "tagging",
    "question_answering",
    "encoder",
)
TASK = "nsmc"
NUM_LABELS = {"classification": 3, "regression": 1, "tagging": 5}

_SIZES = dict(
    vocab_size=90,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=64,
    max_position_embeddings=40,
    type_vocab_size=2,
)
CONFIGS = {
    "bert": BertConfig(**_SIZES),
    "albert": AlbertConfig(
        **dict(_SIZES, num_hidden_layers=4),
        embedding_size=16,
        num_hidden_groups=2,
        inner_group_num=2,
    ),
    "electra": ElectraConfig(**_SIZES, embedding_size=16),
}


def batch(vocab_size, length=13):
    """Two sequences, the second one padded and of two segments."""
    generator = np.random.RandomState(5)
    input_ids = generator.randint(5, vocab_size, (2, length)).astype(np.int32)
    input_mask = np.ones([2, length], np.int32)
    input_mask[1, length - 4 :] = 0
    segment_ids = np.zeros([2, length], np.int32)
    segment_ids[1, 4:] = 1
    return {
        "input_ids": input_ids * input_mask,
        "input_mask": input_mask,
        "segment_ids": segment_ids * input_mask,
    }


def disturbed(name, shape, generator):
    """Noise for a variable: no bias is 0, no gamma is 1."""
    if name.endswith("gamma"):
        values = 1 + 0.2 * generator.randn(*shape)
    elif len(shape) == 1:
        values = 0.1 * generator.randn(*shape)
    elif "embeddings/" in name:
        values = 0.2 * generator.randn(*shape)
    else:
        values = 0.7 * generator.randn(*shape) / np.sqrt(max(shape))
    return values.astype(np.float32)


def run(model_type, head, config, features, seed=1):
    """Builds the graph, disturbs every variable, runs it.

    Returns:
      (variable name -> value, output name -> array).
    """
    generator = np.random.RandomState(seed)
    with tf.Graph().as_default(), tf.Session() as session:
        with compat.plain_ops():  # as exported; compiling each takes seconds
            outputs = _BUILDERS[head](model_type, config, features)
        values = {
            v.op.name: disturbed(v.op.name, v.shape.as_list(), generator)
            for v in tf.trainable_variables()
        }
        load_parameters(session, values)
        return values, session.run(outputs)


def outputs_of(model_type, head, config, features, values):
    """What the graph gives with given values of its variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        with compat.plain_ops():  # as exported; compiling each takes seconds
            outputs = _BUILDERS[head](model_type, config, features)
        load_parameters(session, values)
        return session.run(outputs)


def _encoder(model_type, config, features, **options):
    return MODELS[model_type](
        config,
        False,
        features["input_ids"],
        features["input_mask"],
        features["segment_ids"],
        **options,
    )


def _token_logits(model, features, scope):
    length = features["input_ids"].shape[1]
    positions = np.tile(np.arange(length, dtype=np.int32), [2, 1])
    return heads.predict_tokens(
        model, positions, features["input_ids"], transform_scope=scope
    ).logits()


def _pretraining(model_type, config, features):
    model = _encoder(model_type, config, features)
    if model_type == "electra":
        return _electra_pretraining(model, config, features)
    with tf.variable_scope("cls/predictions"):
        tokens = _token_logits(model, features, "transform")
    with tf.variable_scope("cls/seq_relationship"):
        sentences = heads.classifier_logits(model.get_pooled_output(), 2)
    return {"tokens": tokens, "sentences": sentences}


def _electra_pretraining(model, config, features):
    hidden = model.get_sequence_output()
    with tf.variable_scope("discriminator_predictions"):
        first = layers.dense_variables(
            "dense",
            config.hidden_size,
            config.hidden_size,
            layers.truncated_normal(0.02),
        )
        last = layers.dense_variables(
            "dense_1", config.hidden_size, 1, layers.glorot_uniform()
        )
        flat = tf.reshape(hidden, [-1, config.hidden_size])
        flat = layers.dense(layers.dense(flat, first, model.activation), last)
        replaced = tf.reshape(flat, features["input_ids"].shape)
    small = generator_config(config, 0.5)
    generator = _encoder("electra", small, features, scope="generator")
    return {"replaced": replaced, "tokens": _masked_words_of(generator, features)}


def _masked_words_of(model, features):
    with tf.variable_scope("generator_predictions"):
        return _token_logits(model, features, None)


def _masked_words(model_type, config, features):
    """ELECTRA's --electra_objective=false."""
    model = _encoder(model_type, config, features)
    return {"tokens": _masked_words_of(model, features)}


def _logits(model_type, inputs, num_labels):
    if model_type == "electra":
        return heads.task_specific_logits(inputs, num_labels, TASK)
    return heads.classifier_logits(inputs, num_labels)


def _pooled(kind):
    def build(model_type, config, features):
        model = _encoder(model_type, config, features)
        pooled = model.get_pooled_output()
        return {"logits": _logits(model_type, pooled, NUM_LABELS[kind])}

    return build


def _per_token(model_type, config, features, logits_of):
    sequence = _encoder(model_type, config, features).get_sequence_output()
    logits = logits_of(tf.reshape(sequence, [-1, config.hidden_size]))
    return tf.reshape(logits, list(sequence.shape[:2]) + [logits.shape[-1]])


def _tagging(model_type, config, features):
    def logits_of(rows):
        return _logits(model_type, rows, NUM_LABELS["tagging"])

    return {"logits": _per_token(model_type, config, features, logits_of)}


def _question_answering(model_type, config, features):
    def logits_of(rows):
        if model_type != "electra":
            with tf.variable_scope("cls/squad"):
                return heads.classifier_logits(rows, 2)
        with tf.variable_scope("task_specific/" + TASK):
            ends = [
                layers.dense_variables(
                    name, config.hidden_size, 1, layers.glorot_uniform()
                )
                for name in ("dense", "dense_1")
            ]
        return tf.concat([layers.dense(rows, variables) for variables in ends], -1)

    return {"spans": _per_token(model_type, config, features, logits_of)}


def _only_encoder(model_type, config, features):
    model = _encoder(model_type, config, features)
    return {"hidden": model.get_sequence_output()}


_BUILDERS = {
    "pretraining": _pretraining,
    "classification": _pooled("classification"),
    "regression": _pooled("regression"),
    "tagging": _tagging,
    "question_answering": _question_answering,
    "encoder": _only_encoder,
    "masked_words": _masked_words,
}
