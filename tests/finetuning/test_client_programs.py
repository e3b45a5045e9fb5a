"""Programs written for Google's modules run on ours, with Google's numbers."""

import numpy as np
import pytest

from albert_ko import modeling as albert_modeling
from albert_ko import optimization as albert_optimization
from bert_ko import modeling as bert_modeling
from bert_ko import optimization as bert_optimization
from bert_ko.tokenization import FullTokenizer
from electra_ko.model import modeling as electra_modeling
from electra_ko.model import optimization as electra_optimization
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.modeling import heads
from tests.support import client_programs
from tests.support.client_programs import Client
from tests.support.reference_graphs import (
    check_final_values,
    load_values,
    recorded_batch,
    recorded_head,
)
from tests.support.reference_variables import reference_variables  # noqa: F401
from tests.support.shared_data import OWN as golden

# What a program for ELECTRA knows from its hyperparameters.
EMBEDDING_SIZE, LAYERS = 16, 3

CLIENTS = {
    "bert": Client(
        bert_modeling,
        lambda config, ids, mask, segments: bert_modeling.BertModel(
            config=config,
            is_training=False,
            input_ids=ids,
            input_mask=mask,
            token_type_ids=segments,
            use_one_hot_embeddings=False,
        ),
        lambda *args: bert_optimization.create_optimizer(*args, False),
    ),
    "albert": Client(
        albert_modeling,
        lambda config, ids, mask, segments: albert_modeling.AlbertModel(
            config=config,
            is_training=False,
            input_ids=ids,
            input_mask=mask,
            token_type_ids=segments,
            use_one_hot_embeddings=False,
            use_einsum=True,
        ),
        lambda *args: albert_optimization.create_optimizer(*args, False, "adamw"),
    ),
    "electra": Client(
        electra_modeling,
        lambda config, ids, mask, segments: electra_modeling.BertModel(
            bert_config=config,
            is_training=False,
            input_ids=ids,
            input_mask=mask,
            token_type_ids=segments,
            use_one_hot_embeddings=False,
            embedding_size=EMBEDDING_SIZE,
        ),
        lambda *args: electra_optimization.create_optimizer(
            *args[:3],
            weight_decay_rate=0.01,
            use_tpu=False,
            warmup_proportion=0.1,
            layerwise_lr_decay_power=0.8,
            n_transformer_layers=LAYERS,
        ),
    ),
}
CONFIGS = {
    "bert": (bert_modeling.BertConfig, "bert_config_nodropout.json"),
    "albert": (albert_modeling.AlbertConfig, "albert_config_nodropout.json"),
}


# On a busy machine most of the time is compilation.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def own_graph():
    with tf.Graph().as_default():
        yield


def golden_checkpoint(name):
    return golden(name, "model.ckpt.index")[: -len(".index")]


# --- A classifier, against Google's curves ---------------------------------------


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_classifier_follows_googles_curve(name, reference_variables):  # noqa: F811
    """Losses of eight updates and the weights after them."""
    recorded = np.load(golden(name, "classifier_trajectory.npz"))
    config_class, config_file = CONFIGS[name]
    config = config_class.from_json_file(golden(name, config_file))
    length = recorded["batch/input_ids"].shape[-1]
    features, labels, loss, _ = client_programs.classifier(
        CLIENTS[name], config, length, recorded_head(recorded)[1]
    )
    tensors = dict(zip(("input_ids", "input_mask", "segment_ids"), features))
    tensors["label_ids"] = labels
    check_curve(name, recorded, tensors, loss)


def test_electra_classifier_follows_googles_curve(reference_variables):  # noqa: F811
    """A head in the scope that layer-wise rates know; the sum of the task's losses."""
    recorded = np.load(golden("electra", "classifier_trajectory.npz"))
    full = electra_modeling.ElectraConfig.from_json_file(
        golden("electra", "discriminator_config.json")
    ).replace(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    config = electra_modeling.BertConfig(
        **{k: v for k, v in full.to_dict().items() if k != "embedding_size"}
    )
    features = client_programs.inputs(recorded["batch/input_ids"].shape[-1])
    labels = tf.placeholder(tf.int32, [None])
    model = CLIENTS["electra"].build_model(config, *features)
    task_name, num_labels = recorded_head(recorded)
    with tf.variable_scope(f"task_specific/{task_name}/dense"):
        kernel = tf.get_variable("kernel", [config.hidden_size, num_labels])
        bias = tf.get_variable("bias", [num_labels], initializer=tf.zeros_initializer())
    logits = tf.nn.xw_plus_b(model.get_pooled_output(), kernel, bias)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits
    )
    task_ids = tf.placeholder(tf.int32, [None])
    loss = tf.reduce_sum(losses * tf.cast(tf.equal(task_ids, 0), tf.float32))
    tensors = dict(zip(("input_ids", "input_mask", "segment_ids"), features))
    tensors.update({f"{task_name}_label_ids": labels, "task_id": task_ids})
    check_curve("electra", recorded, tensors, loss)


def check_curve(name, recorded, tensors, loss):
    client = CLIENTS[name]
    restored = client_programs.start_from(client.modeling, golden_checkpoint(name))
    heads_variables = [v for v in tf.trainable_variables() if v.op.name not in restored]
    head = {v: recorded["head_init/" + v.op.name] for v in heads_variables}
    assert len(head) == 2
    assert not any(compat.is_resource_variable(v) for v in head)
    warmup = recorded["num_warmup_steps"] if "num_warmup_steps" in recorded else 0
    train_op = client.create_optimizer(
        loss, float(recorded["init_lr"]), int(recorded["num_train_steps"]), int(warmup)
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        load_values(head, session)
        for step, expected in enumerate(recorded["loss"]):
            batch = recorded_batch(recorded, step, tensors)
            actual, _ = session.run([loss, train_op], batch)
            assert actual == pytest.approx(expected, rel=1e-5), step
        assert session.run(tf.train.get_global_step()) == len(recorded["loss"])
        check_final_values(session, recorded)


# --- A tagger and a multi-label classifier, on text -------------------------------

LENGTH = 12
PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] 김 ##민수 ##가 서울 ##에 ##서 부산 ##으로 갔 ##다 "
    "이 ##영희 ##는 왔 . !"
).split()
SENTENCES = [
    ("김민수가 서울에서 부산으로 갔다.", "PER LOC LOC O"),
    ("이영희는 부산에서 왔다!", "PER LOC O"),
    ("서울에서 이영희가 왔다", "LOC PER O"),
]
TAGS = ["X", "O", "PER", "LOC"]


@pytest.fixture
def tokenizer(tmp_path):
    path = tmp_path / "vocab.txt"
    path.write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return FullTokenizer(vocab_file=str(path), do_lower_case=False)


def tagged(tokenizer):
    """Ids, mask, segments, tags [B, LENGTH]; X where no word begins."""
    columns = [np.zeros([len(SENTENCES), LENGTH], np.int32) for _ in range(4)]
    for row, (text, tags) in enumerate(SENTENCES):
        tokens, labels = ["[CLS]"], [0]
        for word, tag in zip(text.split(), tags.split()):
            pieces = tokenizer.tokenize(word)
            tokens += pieces
            labels += [TAGS.index(tag)] + [0] * (len(pieces) - 1)
        ids = tokenizer.convert_tokens_to_ids((tokens + ["[SEP]"])[:LENGTH])
        assert "[UNK]" not in tokens
        columns[0][row, : len(ids)] = ids
        columns[1][row, : len(ids)] = 1
        columns[3][row, : len(labels)] = labels[:LENGTH]
    return columns


def tiny(name):
    sizes = dict(
        vocab_size=len(PIECES),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=LENGTH,
        type_vocab_size=2,
    )
    classes = {
        "bert": bert_modeling.BertConfig,
        "albert": albert_modeling.AlbertConfig,
        "electra": electra_modeling.BertConfig,
    }
    return classes[name](**sizes)


def curve_of(program, name, features, labels, steps, rate):
    """Losses of each update and the last predictions."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        fed, wanted, loss, predictions = program(CLIENTS[name], tiny(name), LENGTH, 4)
        train_op = bert_optimization.create_optimizer(loss, rate, steps, 5, False)
        session.run(tf.global_variables_initializer())
        batch = dict(zip(fed, features))
        batch[wanted] = labels
        losses = [session.run([loss, train_op], batch)[0] for _ in range(steps)]
        return losses, session.run(predictions, batch)


@pytest.mark.parametrize("name", sorted(CLIENTS))
def test_tagger_learns_its_sentences(name, tokenizer):
    *features, labels = tagged(tokenizer)
    _, tags = curve_of(
        client_programs.tagger, name, features, labels, steps=60, rate=5e-3
    )
    real = features[1] == 1
    np.testing.assert_array_equal(tags[real], labels[real])


def test_multi_label_classifier_trains_as_our_own_update_does(
    tokenizer,
    reference_variables,  # noqa: F811
):
    """`create_optimizer` on a head of reference variables, against our own head."""
    *features, _ = tagged(tokenizer)
    labels = np.array([[1, 0, 1, 0], [0, 0, 1, 1], [1, 1, 0, 0]], np.float32)
    losses, _ = curve_of(
        client_programs.multi_label_classifier, "bert", features, labels, 10, 1e-2
    )
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(3)
        fed = client_programs.inputs(LENGTH)
        model = CLIENTS["bert"].build_model(tiny("bert"), *fed)
        logits = heads.classifier_logits(model.get_pooled_output(), 4)
        loss = tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        )
        train = bert_optimization.create_train_op(loss, 1e-2, 10, 5)
        session.run(tf.global_variables_initializer())
        start = tf.truncated_normal([4, 16], stddev=0.02, seed=1)
        weights = [v for v in tf.trainable_variables() if v.op.name == "output_weights"]
        weights[0].load(session.run(start), session)
        batch = dict(zip(fed, features))
        ours = [session.run([loss, train.op], batch)[0] for _ in range(10)]
    np.testing.assert_allclose(losses, ours, rtol=1e-4)
