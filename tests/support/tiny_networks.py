"""Networks of one narrow layer, and records for them: for graphs, not for learning."""

import functools

import numpy as np

from data import tasks
from data.pretraining import masking
from data.records import dataset, input_pipeline, schema, tfrecords
from electra_ko.pretrain.masking import GeneratorMasking
from electra_ko.pretrain.pretraining import ElectraOptions
from encoder_ko.finetuning import task_types
from encoder_ko.pretraining import trainer as pretraining
from encoder_ko.pretraining.args import OptimizerArgs
from korean_encoders.model_types import MODEL_TYPES

LENGTH, PREDICTIONS, VOCABULARY = 16, 3, 40

_CONFIG = {
    "vocab_size": VOCABULARY,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": LENGTH,
    "type_vocab_size": 2,
}
_OWN_KEYS = {"albert": {"embedding_size": 4}, "electra": {"embedding_size": 4}}
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


def config_of(model_type, **changes):
    keys = dict(_CONFIG, **_OWN_KEYS.get(model_type, {}))
    return MODEL_TYPES[model_type].config_class.from_dict(dict(keys, **changes))


def network_of(model_type, wop_prob=None, config=None, **electra):
    """What pre-training trains; `wop_prob` is for masks that are drawn in the graph."""
    found = MODEL_TYPES[model_type].recipe
    masker, build = None, found.build
    if model_type == "electra":
        options = ElectraOptions(GeneratorMasking(4, (2, 3, 4)), **electra)
        build = functools.partial(build, electra=options)
    elif wop_prob is not None:
        is_special = np.arange(VOCABULARY) < 5
        masker = pretraining.Masker(
            masking.MaskingOptions(
                max_predictions_per_seq=PREDICTIONS, wop_prob=wop_prob
            ),
            masking.VocabularyTraits(4, is_special, np.zeros_like(is_special)),
        )
    options = OptimizerArgs("adamw", 0.01, 10, 2)
    return pretraining.PretrainingNetwork(
        config or config_of(model_type),
        build,
        lambda loss, update: found.create_optimizer(loss, options, update),
        masker,
    )


def pretraining_records(folder, model_type, count):
    """Records of different lengths and numbers of masks."""
    features = schema.pretraining_features(model_type, LENGTH, PREDICTIONS)
    names = {feature.name for feature in features}
    generator = np.random.RandomState(0)
    examples = []
    for number in range(count):
        size, masks = 4 + 5 * number % (LENGTH - 4), 1 + number % PREDICTIONS
        is_mask = np.arange(PREDICTIONS) < masks
        is_token = np.arange(LENGTH) < size
        values = {
            "input_ids": generator.randint(5, VOCABULARY, LENGTH) * is_token,
            "input_mask": is_token * 1,
            "segment_ids": [0] * LENGTH,
            "masked_lm_positions": generator.randint(1, size, PREDICTIONS) * is_mask,
            "masked_lm_ids": generator.randint(5, VOCABULARY, PREDICTIONS) * is_mask,
            "masked_lm_weights": is_mask * 1.0,
            "next_sentence_labels": [number % 2],
        }
        own = {name: value for name, value in values.items() if name in names}
        examples.append(schema.encode_example(features, own))
    path = str(folder / f"{model_type}.tfrecord")
    tfrecords.write_records(path, examples)
    return dataset.RecordFiles((path,), (count,), features)


def task_type_of(task):
    return task_types.build(
        tasks.get_task(task),
        None,
        task_types.TaskSettings(
            max_seq_length=LENGTH, max_query_length=4, doc_stride=4
        ),
    )


def finetuning_data(folder, task_type, count):
    """Records of different lengths, and, of tags, of different numbers of words."""
    features, generator = task_type.features(), np.random.RandomState(0)
    examples = []
    for number in range(count):
        size = 4 + 5 * number % (LENGTH - 4)
        values = {
            "example_index": number,
            "num_tokens": size,
            "input_ids": generator.randint(5, VOCABULARY, size),
            "segment_ids": [0] * size,
            "label_ids": number % 2,
        }
        if features[-1].length is None:  # a tag for some tokens, 0 for the others
            values["label_ids"] = generator.randint(0, 3, size)
        examples.append(schema.encode_example(features, values))
    path = str(folder / "train.tf_record")
    tfrecords.write_records(path, examples)
    return input_pipeline.FineTuningData(path, count, features, LENGTH)
