"""The training loops that `pretrain_throughput.py` compares, one function each.

Each runs in a process of its own, under an interpreter of its own: hence the imports
inside the functions. All train the same network on the same files of records.
"""

import importlib
import json
import os
import sys
import types
from typing import Any, Dict, NamedTuple

from benchmarks import products
from benchmarks.turns import TurnTaker

LEARNING_RATE = 1e-4
TRAIN_STEPS = 10000  # of the learning rate's schedule; no run gets so far
WARMUP_STEPS = 1000
MAX_PREDICTIONS = 20


class Work(NamedTuple):
    """What the parent prepared, as `work.json` holds it.

    Attributes:
      folder: where the files are.
      model_type: bert, albert or electra.
      model: keys of upstream's configuration file.
      batch_size: sequences per step. max_seq_length: tokens.
      vocab_file: of the records.
      upstream_dir: checkout of Google's repository of this model, or None.
      settings: of pre-training, ours and Google's by the same names.
    """

    folder: str
    model_type: str
    model: Dict[str, Any]
    batch_size: int
    max_seq_length: int
    vocab_file: str
    upstream_dir: str
    settings: Dict[str, Any]

    @property
    def records_path(self) -> str:
        """The records, one file of `data.create_pretraining_data`."""
        return os.path.join(self.folder, "pretrain.tfrecord")

    @property
    def config_path(self) -> str:
        return os.path.join(self.folder, "config.json")

    def save(self) -> None:
        with open(self.config_path, "w") as stream:
            json.dump(self.model, stream)
        with open(os.path.join(self.folder, "work.json"), "w") as stream:
            json.dump(self._asdict(), stream)

    @classmethod
    def load(cls, folder: str) -> "Work":
        with open(os.path.join(folder, "work.json")) as stream:
            return cls(**json.load(stream))


# --- This project ----------------------------------------------------------------


def run_ours(work: Work, precision: str) -> None:
    """What run_pretraining.py does with these flags, without checkpoints."""
    from data.io.cli import parse_into
    from encoder_ko import compat
    from encoder_ko.compat import tf
    from encoder_ko.pretraining import job as pretraining_job
    from encoder_ko.training.run_folder import RunFolder
    from korean_encoders.commands import pretrain

    compat.keep_freed_memory()  # as cli.run does
    taker = TurnTaker(f"TensorFlow {compat.TF_VERSION}")
    settings = {
        "model_type": work.model_type,
        f"{work.model_type}_config_file": work.config_path,
        "input_file": work.records_path,
        "vocab_file": work.vocab_file,
        "output_dir": os.path.join(work.folder, "ours_" + precision),
        "max_seq_length": work.max_seq_length,
        "max_predictions_per_seq": MAX_PREDICTIONS,
        "train_batch_size": work.batch_size,
        "learning_rate": LEARNING_RATE,
        "num_train_steps": TRAIN_STEPS,
        "num_warmup_steps": WARMUP_STEPS,
        "save_checkpoints_steps": TRAIN_STEPS,
        "compute_type": precision,
        **work.settings,
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    parse_into(pretrain.FLAGS, ["run_pretraining.py", *flags], "")
    job = pretrain.job_of_flags()

    class TurnsHook(tf.train.SessionRunHook):
        def before_run(self, run_context):
            taker.before_step()

        def after_run(self, run_context, run_values):
            taker.after_step(work.batch_size, work.max_seq_length)

    pretrainer = pretraining_job.build_pretrainer(job, RunFolder(job.output.folder))
    pretrainer.train(job.data, TRAIN_STEPS, [TurnsHook()])


# --- Google's graphs -------------------------------------------------------------


def run_google(work: Work, precision: str) -> None:
    """input_fn and model_fn of Google's run_pretraining.py in a bare session.

    It reads our records.
    """
    if precision != "float32":
        raise ValueError(f"Google's graph has float32 only, not {precision}.")
    import tensorflow as tf

    taker = TurnTaker(f"TensorFlow {tf.__version__}")
    input_fn, model_fn = _UPSTREAM[work.model_type](work)
    features = input_fn({"batch_size": work.batch_size})
    features = tf.compat.v1.data.make_one_shot_iterator(features).get_next()
    spec = model_fn(features, None, tf.estimator.ModeKeys.TRAIN, {})
    with tf.compat.v1.Session() as session:
        session.run(tf.compat.v1.global_variables_initializer())
        while True:
            taker.before_step()
            session.run([spec.loss, spec.train_op])
            taker.after_step(work.batch_size, work.max_seq_length)


def _bert(work: Work):
    sys.path.insert(0, work.upstream_dir)
    import modeling

    import run_pretraining

    input_fn = run_pretraining.input_fn_builder(
        [work.records_path], work.max_seq_length, MAX_PREDICTIONS, is_training=True
    )
    model_fn = run_pretraining.model_fn_builder(
        modeling.BertConfig.from_dict(work.model),
        init_checkpoint=None,
        learning_rate=LEARNING_RATE,
        num_train_steps=TRAIN_STEPS,
        num_warmup_steps=WARMUP_STEPS,
        use_tpu=False,
        use_one_hot_embeddings=False,
    )
    return input_fn, model_fn


def _albert(work: Work):
    package = types.ModuleType("albert")  # whatever the checkout's folder is called
    package.__path__ = [work.upstream_dir]
    sys.modules["albert"] = package
    modeling = importlib.import_module("albert.modeling")
    run_pretraining = importlib.import_module("albert.run_pretraining")
    run_pretraining.FLAGS(["run_pretraining.py"])
    input_fn = run_pretraining.input_fn_builder(
        [work.records_path], work.max_seq_length, MAX_PREDICTIONS, is_training=True
    )
    model_fn = run_pretraining.model_fn_builder(
        modeling.AlbertConfig.from_dict(work.model),
        init_checkpoint=None,
        learning_rate=LEARNING_RATE,
        num_train_steps=TRAIN_STEPS,
        num_warmup_steps=WARMUP_STEPS,
        use_tpu=False,
        use_one_hot_embeddings=False,
        optimizer="lamb",
        poly_power=1.0,
        start_warmup_step=0,
    )
    return input_fn, model_fn


def _electra(work: Work):
    return electra_of_google(
        work.upstream_dir,
        work.folder,
        work.model,
        vocab_file=work.vocab_file,
        pretrain_tfrecords=work.records_path,
        max_seq_length=work.max_seq_length,
        train_batch_size=work.batch_size,
        learning_rate=LEARNING_RATE,
        num_train_steps=TRAIN_STEPS,
        num_warmup_steps=WARMUP_STEPS,
        **work.settings,
    )


def electra_of_google(
    upstream_dir: str, folder: str, model: Dict[str, Any], **settings: Any
):
    """input_fn and model_fn of google-research/electra.

    Args:
      upstream_dir: its checkout.
      model: keys of its configuration of a network.
      settings: attributes of its PretrainingConfig.
    """
    sys.path.insert(0, upstream_dir)
    import configure_pretraining
    from pretrain import pretrain_data

    import run_pretraining

    model = dict(model)
    config = configure_pretraining.PretrainingConfig(
        "benchmark",
        folder,
        embedding_size=model.pop("embedding_size"),
        vocab_size=model["vocab_size"],
        model_hparam_overrides=model,
        **settings,
    )
    input_fn = pretrain_data.get_input_fn(config, is_training=True)
    return input_fn, run_pretraining.model_fn_builder(config)


_UPSTREAM = {"bert": _bert, "albert": _albert, "electra": _electra}


# --- The least that a step costs ---------------------------------------------------


def run_products(work: Work, precision: str) -> None:
    """The products of a step over a batch of mean length, without padding."""
    rows = work.batch_size
    tokens, masked = products.tokens_and_masked(work.records_path, every=10)
    if work.model_type == "electra":
        masked = work.settings.get("mask_prob", 0.15) * tokens
    least = products.of_pretraining(
        work.model_type,
        work.model,
        round(rows * tokens),
        round(rows * masked),
        rows,
        work.settings.get("electra_objective", True),
    )
    products.run(least, precision, rows, tokens)


RUNNERS = {"ours": run_ours, "products": run_products, "google": run_google}
