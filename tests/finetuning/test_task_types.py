"""Kinds of tasks: their losses by hand and beside upstream's, what loads into them."""

import dataclasses

import numpy as np
import pytest

from albert_ko.finetuning import FAMILY as ALBERT
from bert_ko.finetuning import FAMILY as BERT
from data import tasks
from data.io.errors import InputError
from data.tasks.classification import Example
from electra_ko.finetune.finetuning import FAMILY as ELECTRA
from encoder_ko.compat import tf
from encoder_ko.finetuning import task_types, trainer
from encoder_ko.finetuning.family import Hyperparameters
from encoder_ko.finetuning.model_fn import model_fn_builder
from encoder_ko.finetuning.task_types.classification import balanced_weights
from encoder_ko.modeling import heads
from encoder_ko.training import checkpoints, restoring
from encoder_ko.training.run_folder import RunFolder
from tests.support import tiny_networks
from tests.support.reference_graphs import (
    check_final_values,
    head_start,
    load_parameters,
    recorded_batch,
    recorded_graph,
    recorded_head,
)

FAMILIES = {family.name: family for family in (BERT, ALBERT, ELECTRA)}


def task_type_of(name, **settings):
    return task_types.build(
        tasks.get_task(name), None, task_types.TaskSettings(**settings)
    )


class Model:
    """Stands for an encoder; the families of `constant` do not look at it."""

    def get_pooled_output(self):
        return None


def constant(logits, **changes):
    """A family whose output layer puts out these numbers."""
    logits = tf.constant(logits, tf.float32)
    return BERT._replace(logits=lambda *arguments: logits, **changes)


def losses(task_type, logits, label_ids, real, **family):
    """(loss, per-example losses, outputs) of a head on given logits."""
    with tf.Graph().as_default(), tf.Session() as session:
        features = {
            "label_ids": tf.constant(label_ids),
            "is_real_example": tf.constant(real, tf.float32),
        }
        head = task_type.head(constant(logits, **family), Model(), features)
        return session.run((head.loss, head.per_example_loss, head.outputs))


# Softmax of (0, log 3) is (1/4, 3/4); the third example is a filling one.
LOGITS, LABELS, REAL = [[0.0, np.log(3.0)]] * 3, [0, 1, 0], [1, 1, 0]
FIRST, SECOND = np.log(4.0), np.log(4.0 / 3.0)


@pytest.mark.parametrize(
    "weights, reduction, expected",
    [
        ("", "mean", (FIRST + SECOND) / 2),
        ("", "sum", FIRST + SECOND),
        ("3,0.5", "mean", (3 * FIRST + 0.5 * SECOND) / 2),
        ("3,0.5", "sum", 3 * FIRST + 0.5 * SECOND),
    ],
)
def test_class_weights_are_in_the_training_loss_alone(weights, reduction, expected):
    task_type = task_type_of("NSMC", class_weights=weights)
    found = losses(task_type, LOGITS, LABELS, REAL, loss_reduction=reduction)
    loss, each, outputs = found
    assert loss == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(each, [FIRST, SECOND, FIRST], rtol=1e-6)
    np.testing.assert_allclose(outputs["probabilities"], [[0.25, 0.75]] * 3, rtol=1e-6)


def test_balanced_weights_come_from_the_training_examples():
    assert balanced_weights([0, 0, 0, 1], 2) == pytest.approx((2 / 3, 2))
    assert balanced_weights([0, 0], 3) == pytest.approx((1 / 3, 0, 0))
    task_type = task_type_of("NSMC", class_weights="balanced")
    task_type.use_training_examples([Example("", "", None, n) for n in (0, 0, 0, 1)])
    loss = losses(task_type, LOGITS, LABELS, REAL)[0]
    assert loss == pytest.approx((2 / 3 * FIRST + 2 * SECOND) / 2, rel=1e-6)


@pytest.mark.parametrize("weights", ["1", "1,2,3", "1,x", "1,0", "1,inf", "balance"])
def test_class_weights_must_fit_the_labels(weights):
    expected = f"--class_weights={weights}, expected 'balanced' or 2 numbers above 0"
    with pytest.raises(InputError, match=expected):
        task_type_of("NSMC", class_weights=weights)
    with pytest.raises(InputError, match="KorSTS is a task of the type regression"):
        task_type_of("KorSTS", class_weights=weights)


@pytest.mark.parametrize("family, unit", [(BERT, 1), (ALBERT, 1), (ELECTRA, 5)])
def test_scores_are_learnt_by_their_squared_error(family, unit):
    """ELECTRA's network puts out shares of the range, and its batch adds up."""
    predicted, scores = np.array([0.5, 0.25, 9.0]), np.array([4.0, 0.0, 0.0])
    errors = (predicted - scores / unit) ** 2
    loss, each, outputs = losses(
        task_type_of("KorSTS"),
        predicted[:, np.newaxis],
        scores.astype(np.float32),
        REAL,
        loss_reduction=family.loss_reduction,
        unit_scores=family.unit_scores,
    )
    total = errors[:2].sum() if unit == 5 else errors[:2].mean()
    assert loss == pytest.approx(total, rel=1e-6)
    np.testing.assert_allclose(each, errors, rtol=1e-5)
    np.testing.assert_allclose(outputs["scores"], predicted * unit, rtol=1e-6)


def test_outputs_come_in_the_order_of_the_records():
    """Batches differ in length; -1 is a filling example."""
    batches = [
        {
            "example_index": np.array([2, 0]),
            "tags": np.array([[1, 2, 3], [4, 5, 6]]),
            "loss": np.array([0.5, 0.25], np.float32),
        },
        {
            "example_index": np.array([1, -1]),
            "tags": np.array([[7, 8], [9, 9]]),
            "loss": np.array([0.125, 9.0], np.float32),
        },
    ]
    found = trainer.in_order(batches, 3)
    assert found["tags"].tolist() == [[4, 5, 6], [7, 8, 0], [1, 2, 3]]
    assert found["loss"].tolist() == [0.25, 0.125, 0.5]
    assert set(found) == {"tags", "loss"}


def test_an_unlabelled_test_gives_a_submission(tmp_path):
    folder = RunFolder(str(tmp_path))
    examples = [Example("test-1", '그냥 "최고", 정말', None, None)]
    examples += [Example("test-2", "별로", None, None)]
    outputs = {"probabilities": np.array([[0.1, 0.2, 0.7], [0.6, 0.2, 0.2]])}
    task_type_of("HATE").write_submission(folder, examples, outputs)
    assert (tmp_path / "submission.csv").read_text(encoding="utf-8") == (
        'comments,label\n"그냥 ""최고"", 정말",2\n별로,0\n'
    )


# --- Beside upstream ---------------------------------------------------------------


def recorded_task(recorded):
    name, num_labels = recorded_head(recorded)
    return dataclasses.replace(
        tasks.get_task("HATE"),
        name=name or "recorded",
        label_names=(),
        label_values=tuple(map(str, range(num_labels))),
    )


def recorded_run(family, golden):
    """(configuration, Hyperparameters, recorded arrays) of a golden trajectory."""
    recorded = np.load(golden(family.name, "classifier_trajectory.npz"))
    names = {"electra": "discriminator_config.json"}
    name = names.get(family.name, f"{family.name}_config_nodropout.json")
    config = family.config_class.from_json_file(golden(family.name, name))
    config = config.replace(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    steps = int(recorded["num_train_steps"])
    values = {}
    if family is ELECTRA:
        for name in ("weight_decay_rate", "layerwise_lr_decay"):
            values[name] = float(recorded[name])
        warmup = steps * float(recorded["warmup_proportion"])
    else:
        warmup = int(recorded["num_warmup_steps"])
    rate = float(recorded["init_lr"])
    return (
        config,
        Hyperparameters(rate, steps, warmup, steps, **values),
        recorded,
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", [BERT, ALBERT, ELECTRA], ids=list(FAMILIES))
def test_fine_tuning_follows_upstreams_trajectory(golden, family, monkeypatch):
    """The whole model_fn, in training, with every dropout at 0."""
    monkeypatch.setattr(heads, "CLASSIFIER_DROPOUT", 0.0)
    config, settings, recorded = recorded_run(family, golden)
    task = recorded_task(recorded)
    task_type = task_types.build(task, None, task_types.TaskSettings())
    labels = f"{task.name}_label_ids" if family is ELECTRA else "label_ids"
    names = dict(label_ids=labels)
    with tf.Graph().as_default(), tf.Session() as session:
        fed = {
            name: tf.placeholder(
                tf.int32, recorded["batch/" + names.get(name, name)].shape[1:]
            )
            for name in ("input_ids", "input_mask", "segment_ids", "label_ids")
        }
        real = tf.placeholder(tf.float32, [fed["input_ids"].shape[0]])
        spec = model_fn_builder(
            trainer.Encoder(family, config, task_type), settings, 5
        )(dict(fed, is_real_example=real), None, tf.estimator.ModeKeys.TRAIN, {})
        session.run([tf.global_variables_initializer()])
        start = np.load(golden(family.name, "params.npz"))
        load_parameters(session, head_start(recorded, start))
        for step, loss in enumerate(recorded["loss"]):
            batch = recorded_batch(
                recorded, step, {names.get(n, n): fed[n] for n in fed}
            )
            batch[real] = np.ones(real.shape.as_list())
            if family is ELECTRA:
                [task_ids] = recorded_batch(recorded, step, {"task_id": real}).values()
                batch[real] = task_ids == 0
            actual, _ = session.run([spec.loss, spec.train_op], batch)
            assert actual == pytest.approx(loss, rel=1e-5), step
        check_final_values(session, recorded)


GRAPHS = {
    "bert": ("bert_base", "config"),
    "albert": ("albert_base", "config"),
    "electra": ("electra_small_gen0.25", "discriminator_config"),
}


@pytest.mark.parametrize("model_type", sorted(GRAPHS))
def test_published_checkpoints_load_by_name(golden, model_type, tmp_path, monkeypatch):
    """Every name of the published files, in narrow tables, and the slots."""
    name, key = GRAPHS[model_type]
    family, recorded = FAMILIES[model_type], recorded_graph(golden, name)
    narrow = dict(
        vocab_size=7,
        hidden_size=2,
        num_attention_heads=1,
        intermediate_size=2,
        max_position_embeddings=4,
    )
    narrow.update({"embedding_size": 1} if "embedding_size" in recorded[key] else {})
    config = family.config_class.from_dict(dict(recorded[key], **narrow))
    with tf.Graph().as_default():
        ids = tf.placeholder(tf.int32, [2, 3])
        model = family.model_class(config, False, ids, only_first_token=True)
        features = {
            "label_ids": tf.placeholder(tf.int32, [2]),
            "is_real_example": tf.placeholder(tf.float32, [2]),
        }
        task_type_of("NSMC").head(family, model, features)
        ours = {v.op.name: v.shape.as_list() for v in tf.trainable_variables()}
        published = [name for name, _ in recorded["variables"]]
        shapes = {name: ours.get(name, [1]) for name in published}
        shapes.update(
            (f"{name}/{slot}", [1])
            for name in published
            for slot in ("adam_m", "adam_v")
        )
        shapes["global_step"] = []
        # What TensorFlow would read from the files, which need not exist for it.
        monkeypatch.setattr(checkpoints, "checkpoint_shapes", lambda path: shapes)
        monkeypatch.setattr(tf.train, "init_from_checkpoint", lambda path, names: None)
        report = restoring.restore_on_initialization(
            "published", tf.trainable_variables()
        )
    head = {
        "electra": ["task_specific/nsmc/dense/bias", "task_specific/nsmc/dense/kernel"]
    }
    assert report.missing == head.get(model_type, ["output_bias", "output_weights"])
    assert report.restored == sorted(set(published) & set(ours))
    assert len(report.restored) == len(ours) - 2
    scopes = ("cls/", "generator", "discriminator_predictions/")
    assert all(name.startswith(scopes) for name in report.unused)
    assert len(report.optimizer_state) == 2 * len(published) + 1


@pytest.mark.parametrize("model_type", sorted(FAMILIES))
def test_the_optimizer_is_the_one_that_is_asked_for(model_type):
    """Weights (3, 4) and a gradient of (1, 0): the first update by hand."""
    family = FAMILIES[model_type]
    config = tiny_networks.config_of(model_type)
    weights, rate = np.array([3.0, 4.0]), 0.01
    update = np.array([0.1 / (0.001**0.5 + 1e-6), 0.0]) + 0.01 * weights
    ratio = {"adamw": 1.0, "lamb": 5.0 / np.linalg.norm(update)}
    for optimizer, factor in ratio.items():
        settings = Hyperparameters(rate, 10, 1, 5, optimizer=optimizer)
        with tf.Graph().as_default(), tf.Session() as session:
            variable = tf.get_variable(
                "output_weights", initializer=np.float32(weights), use_resource=True
            )
            step = tf.train.get_or_create_global_step()
            train = family.create_optimizer(variable[0], config, settings)
            session.run(tf.global_variables_initializer())
            session.run(step.assign(1))
            applied = session.run(train.learning_rate)
            session.run(train.op)
            expected = weights - applied * factor * update
            np.testing.assert_allclose(session.run(variable), expected, rtol=1e-5)
            assert 0.008 < applied <= 0.01
