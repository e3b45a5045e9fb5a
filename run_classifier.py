"""Fine-tunes, evaluates and predicts on the Korean benchmarks.

Flags of google-research/bert's run_classifier.py keep their names and meaning.

  python3 run_classifier.py --task_name=NSMC --do_train=true --do_eval=true \
      --do_predict=true --do_lower_case=False --max_seq_length=128 \
      --train_batch_size=128 --learning_rate=5e-05 --num_train_epochs=5.0 \
      --output_dir=runs/nsmc
"""

import math
import os
import sys

from absl import flags, logging

from bert_ko.finetuning import FAMILY as BERT
from data import tasks
from data.errors import InputError
from data.text_files import ReadingOptions
from data.tokenization import build_tokenizer, check_vocabulary, resolve_config
from encoder_ko import command_line, estimator, fine_tuning_job, model_files
from encoder_ko.compat import tf

FLAGS = flags.FLAGS

FAMILIES = {family.name: family for family in (BERT,)}

flags.DEFINE_string("task_name", None, "Benchmark, for example NSMC or HATE.")
flags.DEFINE_string("output_dir", None, "Folder of checkpoints and results.")
flags.DEFINE_string("data_dir", None, "Data folder; default datasets/<task>/.")
flags.DEFINE_enum("model_type", "bert", sorted(FAMILIES), "Kind of encoder.")
flags.DEFINE_string("model_dir", "models", "Where files that are not named are found.")
flags.DEFINE_string("bert_config_file", None, "Model configuration (JSON).")
flags.DEFINE_string("vocab_file", None, "Vocabulary of the model.")
flags.DEFINE_string("init_checkpoint", None, "Checkpoint to start from.")
flags.DEFINE_boolean(
    "do_lower_case",
    None,
    "Lower-case Latin letters; Hangul is never taken apart. Default: what "
    "tokenizer_config.json beside the vocabulary says, else no.",
)
flags.DEFINE_integer("max_seq_length", 128, "Longest input in tokens; longer is cut.")
flags.DEFINE_boolean("do_train", False, "Train.")
flags.DEFINE_boolean("do_eval", False, "Evaluate on dev.")
flags.DEFINE_boolean("do_predict", False, "Predict test, once.")
flags.DEFINE_integer("train_batch_size", 32, "Examples per update.")
flags.DEFINE_integer("eval_batch_size", 32, "Examples per step of evaluation.")
flags.DEFINE_integer("predict_batch_size", 32, "Examples per step of prediction.")
flags.DEFINE_float("learning_rate", 5e-5, "Peak learning rate.")
flags.DEFINE_float("num_train_epochs", 3.0, "Passes over the training data.")
flags.DEFINE_float("warmup_proportion", 0.1, "Share of the steps that warm up.")
flags.DEFINE_integer("save_checkpoints_steps", 1000, "Steps between checkpoints.")
flags.DEFINE_integer("iterations_per_loop", 1000, "Steps per call of the TPU.")
flags.DEFINE_boolean("use_tpu", False, "Train on a TPU.")
flags.DEFINE_string("tpu_name", None, "Name or grpc:// address of the TPU.")
flags.DEFINE_string("tpu_zone", None, "Zone of the TPU.")
flags.DEFINE_string("gcp_project", None, "Project of the TPU.")
flags.DEFINE_string("master", None, "TensorFlow master.")
flags.DEFINE_integer("num_tpu_cores", 8, "Cores of the TPU.")

flags.DEFINE_float("dev_fraction", 0.05, "Share of train that is dev without a file.")
flags.DEFINE_boolean("pad_to_max", False, "Pad every batch to max_seq_length.")
flags.DEFINE_integer("eval_every_steps", 0, "Steps between evaluations; 0 = an epoch.")
flags.DEFINE_integer("patience", 0, "Evaluations without gain until stop; 0 = never.")
flags.DEFINE_integer("keep_checkpoints", 1, "Newest checkpoints kept beside the best.")
flags.DEFINE_enum(
    "compute_type",
    "float32",
    ["float32", "bfloat16"],
    "Type of the activations; weights are float32. bfloat16 is faster.",
)
flags.DEFINE_integer("random_seed", 12345, "Seed of every random choice.")
flags.DEFINE_integer("num_trials", 1, "Runs with seeds random_seed, +1, ...")
flags.DEFINE_string("encoding", "utf-8", "Encoding of the data files.")
flags.DEFINE_integer("max_bad_rows", 0, "Bad rows to skip in each data file.")
flags.DEFINE_boolean("overwrite", False, "Delete another run's results first.")

# Flags that do not decide the trained model: the same run may change them.
_FREE_FLAGS = (
    "do_train",
    "do_eval",
    "do_predict",
    "overwrite",
    "eval_batch_size",
    "predict_batch_size",
    "output_dir",
    "save_checkpoints_steps",
    "keep_checkpoints",
    "iterations_per_loop",
    "tpu_name",
    "tpu_zone",
    "gcp_project",
    "master",
)

# The least and the greatest value of a number; None = no limit.
_RANGES = {
    "max_seq_length": (3, None),  # [CLS], a token, [SEP]
    "train_batch_size": (1, None),
    "eval_batch_size": (1, None),
    "predict_batch_size": (1, None),
    "save_checkpoints_steps": (1, None),
    "iterations_per_loop": (1, None),
    "num_tpu_cores": (1, None),
    "num_trials": (1, None),
    "keep_checkpoints": (1, None),
    "eval_every_steps": (0, None),
    "patience": (0, None),
    "max_bad_rows": (0, None),
    "random_seed": (0, 2**31 - 1),
    "warmup_proportion": (0, 1),
}


def main():
    task = _task()
    output_dir = _required("output_dir")
    if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
        raise InputError("Nothing to do: pass --do_train, --do_eval or --do_predict.")
    _check_ranges()
    network = _network()
    job = fine_tuning_job.Job(
        task=task,
        data_dir=FLAGS.data_dir or task.folder,
        output_dir=output_dir,
        batch_sizes=estimator.BatchSizes(
            FLAGS.train_batch_size, FLAGS.eval_batch_size, FLAGS.predict_batch_size
        ),
        hardware=estimator.Hardware(
            **{name: FLAGS[name].value for name in estimator.Hardware.flag_names()}
        ),
        reading=ReadingOptions(FLAGS.encoding, FLAGS.max_bad_rows),
        compute_type=tf.as_dtype(FLAGS.compute_type),
        optimizer_options={},
        settings=_settings(network),
        flags=_flags(),
        **{
            name: FLAGS[name].value
            for name in (
                "do_train",
                "do_eval",
                "do_predict",
                "max_seq_length",
                "pad_to_max",
                "learning_rate",
                "num_train_epochs",
                "warmup_proportion",
                "dev_fraction",
                "eval_every_steps",
                "patience",
                "random_seed",
                "num_trials",
                "save_checkpoints_steps",
                "keep_checkpoints",
                "overwrite",
            )
        },
    )
    fine_tuning_job.run(job, network)


def _task():
    task = tasks.get_task(_required("task_name"))
    if task.kind != tasks.CLASSIFICATION:
        raise InputError(
            f"{task.name} is a task of the kind {task.kind.replace('_', ' ')}; "
            f"{os.path.basename(__file__)} fine-tunes classification."
        )
    return task


def _required(name):
    value = FLAGS[name].value
    if not value:
        raise InputError(f"--{name} is missing.")
    return value


def _check_ranges():
    command_line.check_ranges(FLAGS, _RANGES)
    for name in ("learning_rate", "num_train_epochs"):
        value = FLAGS[name].value
        if not 0 < value < math.inf:
            raise InputError(f"--{name}={value}, expected a number above 0.")
    if not 0 < FLAGS.dev_fraction < 1:
        raise InputError(
            f"--dev_fraction={FLAGS.dev_fraction}, expected more than 0, less than 1."
        )
    if FLAGS.use_tpu and not (FLAGS.tpu_name or FLAGS.master):
        raise InputError(
            "--use_tpu needs --tpu_name, the TPU's name or grpc:// address."
        )


def _network():
    """Reads configuration and vocabulary and checks that they fit together."""
    family = FAMILIES[FLAGS.model_type]
    files = model_files.find_model_files(
        FLAGS.model_dir,
        family.name,
        FLAGS.bert_config_file,
        FLAGS.vocab_file,
        FLAGS.init_checkpoint,
    )
    config = family.config_class.from_json_file(files.config_file)
    if FLAGS.max_seq_length > config.max_position_embeddings:
        raise InputError(
            f"--max_seq_length={FLAGS.max_seq_length} is above "
            f"max_position_embeddings={config.max_position_embeddings} of "
            f"{files.config_file}: lower it."
        )
    tokenizer = build_tokenizer(
        resolve_config(files.vocab_file, {"lower_case": FLAGS.do_lower_case}),
        files.vocab_file,
    )
    check_vocabulary(
        tokenizer.vocabulary, config.vocab_size, tokenizer.config.special_tokens
    )
    if len(tokenizer.vocabulary) < config.vocab_size:
        logging.warning(
            "%s has %d pieces, fewer than the %d rows of the embedding table. Is it "
            "the vocabulary of this model?",
            files.vocab_file,
            len(tokenizer.vocabulary),
            config.vocab_size,
        )
    return fine_tuning_job.Network(family, config, tokenizer, files)


def _flags():
    return {
        flag.name: flag.value
        for flag in FLAGS.get_key_flags_for_module(sys.modules[__name__])
    }


def _settings(network):
    """Every flag that decides the result, and what the named files hold."""
    chosen = {k: v for k, v in _flags().items() if k not in _FREE_FLAGS}
    return dict(
        chosen,
        model_config=network.config.to_dict(),
        tokenizer=network.tokenizer.fingerprint,
        init_checkpoint=network.files.init_checkpoint,
    )


if __name__ == "__main__":
    command_line.run(main)
