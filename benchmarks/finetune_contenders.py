"""The training loops that `finetune_throughput.py` compares, one function each.

Each runs in a process of its own, under an interpreter of its own: hence the imports
inside the functions. All train the same model on the same token ids.
"""

import dataclasses
import functools
import json
import os
import sys
from typing import Any, Dict, Iterator, List, NamedTuple

import numpy as np

from benchmarks import products
from benchmarks.turns import TurnTaker

LEARNING_RATE = 5e-5
TRAIN_STEPS = 10000  # of the learning rate's schedule; no run gets so far
WARMUP_STEPS = 1000
BATCHES_SORTED_TOGETHER = 50  # both our default and that of Hugging Face's Trainer


class Work(NamedTuple):
    """What the parent prepared, as `work.json` holds it.

    Attributes:
      folder: where the files are.
      model: keys of upstream's bert_config.json.
      num_labels: classes.
      batch_size: examples per step. max_seq_length: tokens.
      num_examples: examples in the files, a whole number of batches.
      upstream_dir: checkout of google-research/bert, or None.
    """

    folder: str
    model: Dict[str, Any]
    num_labels: int
    batch_size: int
    max_seq_length: int
    num_examples: int
    upstream_dir: str

    @property
    def records_path(self) -> str:
        """The examples as TFRecords of `records.classification_features`."""
        return os.path.join(self.folder, "train.tf_record")

    @property
    def arrays_path(self) -> str:
        """The same examples as arrays: token ids end to end, lengths, labels."""
        return os.path.join(self.folder, "train.npz")

    def save(self) -> None:
        with open(os.path.join(self.folder, "work.json"), "w") as stream:
            json.dump(self._asdict(), stream)

    @classmethod
    def load(cls, folder: str) -> "Work":
        with open(os.path.join(folder, "work.json")) as stream:
            return cls(**json.load(stream))


class Examples(NamedTuple):
    """input_ids: unpadded token ids of each example; labels: int64 [N]."""

    input_ids: List[np.ndarray]
    labels: np.ndarray


def load_examples(work: Work) -> Examples:
    arrays = np.load(work.arrays_path)
    ends = np.cumsum(arrays["lengths"])[:-1]
    return Examples(np.split(arrays["input_ids"], ends), arrays["labels"])


class Batch(NamedTuple):
    """input_ids and input_mask int64 [B, S], labels int64 [B]."""

    input_ids: np.ndarray
    input_mask: np.ndarray
    labels: np.ndarray


def padded_batch(examples: Examples, rows, length: int) -> Batch:
    """The examples `rows`, padded with 0 to `length` tokens."""
    input_ids = np.zeros((len(rows), length), np.int64)
    input_mask = np.zeros_like(input_ids)
    for place, row in enumerate(rows):
        tokens = examples.input_ids[row]
        input_ids[place, : len(tokens)] = tokens
        input_mask[place, : len(tokens)] = 1
    return Batch(input_ids, input_mask, examples.labels[list(rows)])


# --- This project ----------------------------------------------------------------


def run_ours(work: Work, precision: str) -> None:
    """run_classifier.py's graph, input pipeline and Estimator, without checkpoints."""
    from bert_ko.finetuning import FAMILY
    from data import tasks
    from data.records import input_pipeline, schema
    from encoder_ko import compat
    from encoder_ko.compat import tf
    from encoder_ko.finetuning import model_fn, task_types, trainer
    from encoder_ko.finetuning.family import Hyperparameters
    from encoder_ko.training import estimator

    compat.keep_freed_memory()  # as command_line.run does
    taker = TurnTaker(f"TensorFlow {compat.TF_VERSION}")
    labels = tuple(map(str, range(work.num_labels)))
    task = dataclasses.replace(
        tasks.get_task("NSMC"), label_values=labels, label_names=labels
    )
    encoder = trainer.Encoder(
        FAMILY,
        FAMILY.config_class.from_dict(work.model),
        task_types.build(task, None, task_types.TaskSettings()),
        dtype=tf.as_dtype(precision),
    )
    hyperparameters = Hyperparameters(
        LEARNING_RATE, TRAIN_STEPS, WARMUP_STEPS, eval_every_steps=TRAIN_STEPS
    )
    data = input_pipeline.FineTuningData(
        work.records_path,
        work.num_examples,
        schema.classification_features(),
        work.max_seq_length,
    )
    build = model_fn.model_fn_builder(encoder, hyperparameters, work.batch_size)

    def model_fn(features, labels, mode, params, config):
        spec = build(features, labels, mode, params, config)
        hook = _turns_hook(tf, taker, features)
        return spec._replace(training_hooks=tuple(spec.training_hooks) + (hook,))

    estimator.build_estimator(
        model_fn,
        os.path.join(work.folder, "ours_" + precision),
        estimator.BatchSizes(work.batch_size),
        estimator.Hardware(),
        hyperparameters.seed,
        save_checkpoints_steps=None,
    ).train(
        input_pipeline.training_input_fn(data, hyperparameters.seed, TRAIN_STEPS),
        max_steps=TRAIN_STEPS,
    )


def _turns_hook(tf, taker: TurnTaker, features):
    examples = tf.reduce_sum(features["is_real_example"])
    length = tf.shape(features["input_ids"])[1]

    class TurnsHook(tf.train.SessionRunHook):
        def before_run(self, run_context):
            taker.before_step()
            return tf.train.SessionRunArgs([examples, length])

        def after_run(self, run_context, run_values):
            taker.after_step(*map(int, run_values.results))

    return TurnsHook()


# --- Google's graph --------------------------------------------------------------


def run_google(work: Work, precision: str) -> None:
    """create_model and create_optimizer of google-research/bert in a bare session.

    Its run_classifier pads every example to max_seq_length.
    """
    if precision != "float32":
        raise ValueError(f"Google's graph has float32 only, not {precision}.")
    sys.path.insert(0, work.upstream_dir)
    import modeling
    import optimization
    import tensorflow as tf

    import run_classifier

    taker = TurnTaker(f"TensorFlow {tf.__version__}")
    shape = [work.batch_size, work.max_seq_length]
    input_ids, input_mask, segment_ids = (
        tf.placeholder(tf.int32, shape) for _ in range(3)
    )
    labels = tf.placeholder(tf.int32, [work.batch_size])
    loss = run_classifier.create_model(
        modeling.BertConfig.from_dict(work.model),
        True,
        input_ids,
        input_mask,
        segment_ids,
        labels,
        work.num_labels,
        use_one_hot_embeddings=False,
    )[0]
    train = optimization.create_optimizer(
        loss, LEARNING_RATE, TRAIN_STEPS, WARMUP_STEPS, use_tpu=False
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for batch in _batches_of_fixed_length(work):
            taker.before_step()
            session.run(
                [loss, train],
                {
                    input_ids: batch.input_ids,
                    input_mask: batch.input_mask,
                    segment_ids: np.zeros_like(batch.input_ids),
                    labels: batch.labels,
                },
            )
            taker.after_step(*batch.input_ids.shape)


def _batches_of_fixed_length(work: Work) -> Iterator[Batch]:
    examples = load_examples(work)
    while True:
        for start in range(0, work.num_examples, work.batch_size):
            rows = range(start, start + work.batch_size)
            yield padded_batch(examples, rows, work.max_seq_length)


# --- Hugging Face ----------------------------------------------------------------


def run_hf(work: Work, precision: str, is_compiled: bool = False) -> None:
    """Transformers as its Trainer runs on a CPU, without the Trainer's bookkeeping.

    Dynamic padding, `group_by_length`, fused AdamW, gradients clipped to norm 1, linear
    schedule; bfloat16 by autocast.

    Args:
      is_compiled: whether torch.compile has the network, once for all lengths.
    """
    import torch
    import transformers

    taker = TurnTaker(f"PyTorch {torch.__version__}, {transformers.__version__}")
    torch.manual_seed(0)
    model = transformers.BertForSequenceClassification(
        transformers.BertConfig(num_labels=work.num_labels, **work.model)
    )
    model.train()
    if is_compiled:
        model = torch.compile(model, dynamic=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True
    )
    schedule = transformers.get_linear_schedule_with_warmup(
        optimizer, WARMUP_STEPS, TRAIN_STEPS
    )
    for batch in _batches_grouped_by_length(work):
        taker.before_step()
        input_ids, input_mask, labels = (torch.from_numpy(array) for array in batch)
        with torch.autocast(
            "cpu", dtype=torch.bfloat16, enabled=precision == "bfloat16"
        ):
            loss = model(
                input_ids=input_ids, attention_mask=input_mask, labels=labels
            ).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        loss.item()
        taker.after_step(*batch.input_ids.shape)


def _batches_grouped_by_length(work: Work) -> Iterator[Batch]:
    from transformers.trainer_pt_utils import get_length_grouped_indices

    examples = load_examples(work)
    lengths = [len(tokens) for tokens in examples.input_ids]
    while True:
        order = get_length_grouped_indices(
            lengths, work.batch_size, mega_batch_mult=BATCHES_SORTED_TOGETHER
        )
        for start in range(0, work.num_examples, work.batch_size):
            rows = order[start : start + work.batch_size]
            yield padded_batch(examples, rows, max(lengths[row] for row in rows))


# --- The least that a step costs ---------------------------------------------------


def run_products(work: Work, precision: str) -> None:
    """The products of a step over a batch of mean length, without padding."""
    tokens = float(np.mean([len(ids) for ids in load_examples(work).input_ids]))
    rows = work.batch_size
    least = products.of_fine_tuning(work.model, round(rows * tokens), rows)
    products.run(least, precision, rows, tokens)


RUNNERS = {
    "ours": run_ours,
    "products": run_products,
    "google": run_google,
    "hf": run_hf,
    "hf_compiled": functools.partial(run_hf, is_compiled=True),
}
