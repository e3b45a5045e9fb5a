"""Fine-tunes, evaluates and predicts on the Korean benchmarks.

Flags of google-research/bert's run_classifier.py keep their names and meaning.

  python3 run_classifier.py --task_name=NSMC --do_train=true --do_eval=true \\
      --do_predict=true --do_lower_case=False --max_seq_length=128 \\
      --train_batch_size=128 --learning_rate=5e-05 --num_train_epochs=5.0 \\
      --output_dir=runs/nsmc
"""

import dataclasses
import os

from absl import flags, logging

from data import tasks
from data.io import flag_files
from data.io.cli import require
from data.io.errors import InputError
from data.io.files import is_folder
from data.tokenization import named_vocabulary
from encoder_ko import cli
from encoder_ko.finetuning import job, joint, saved_run, task_types
from encoder_ko.finetuning.args import FineTuningArgs
from encoder_ko.optimization.optimizers import ADAM_FLAGS, OPTIMIZERS
from encoder_ko.training import agreement, model_files
from encoder_ko.training.agreement import ALLOW_MISMATCH
from encoder_ko.training.loaded_model import load_model
from encoder_ko.training.run_folder import weights_setting
from korean_encoders.commands import electra_settings
from korean_encoders.model_types import FAMILIES

FLAGS = flags.FlagValues()

_string, _integer, _float, _boolean, _enum = cli.definers(
    FLAGS, "string", "integer", "float", "boolean", "enum"
)

_string("task_name", None, "Benchmark, for example NSMC; several at once: NSMC,HATE.")
_string("output_dir", None, "Folder of checkpoints and results.")
_string("data_dir", None, "Data folder; default datasets/<task>/.")
_enum("model_type", "bert", sorted(FAMILIES), "Kind of encoder.")
_string("model_dir", "models", "Where files that are not named are found.")
for _name in FAMILIES:
    _string(f"{_name}_config_file", None, "Model configuration (JSON).")
_string("vocab_file", None, "Vocabulary of the model.")
_string("spm_model_file", None, "SentencePiece model; --vocab_file may list it.")
_string("init_checkpoint", None, "Checkpoint to start from.")
_enum("model_size", None, ["small", "base", "large"], "ELECTRA without a config file.")
_integer("vocab_size", None, "ELECTRA without a configuration file.", 1)
_integer("embedding_size", None, "ELECTRA without a configuration file.", 1)
_string(
    "model_hparam_overrides",
    None,
    "JSON, file or text: keys of the model's configuration.",
)
_string("model_name", None, "ELECTRA's: name of the model in data_dir.")
_string("hparams", None, "ELECTRA's: JSON of settings, file or text.")
_boolean("allow_mismatch", False, ALLOW_MISMATCH)
_boolean(
    "do_lower_case",
    None,
    "Lower-case Latin letters; Hangul is never taken apart. Default: what "
    "tokenizer_config.json beside the vocabulary says, else no.",
)
_integer(
    "max_seq_length",
    128,
    "Longest input in tokens; longer is cut. Default for question answering: 384.",
    3,  # [CLS], a token, [SEP]
)
_boolean("do_train", False, "Train.")
_boolean("do_eval", False, "Evaluate on dev.")
_boolean("do_predict", False, "Predict the test set, once.")
_integer("train_batch_size", 32, "Examples per update.", 1)
_integer("eval_batch_size", 32, "Examples per step of evaluation.", 1)
_integer("predict_batch_size", 32, "Examples per step of prediction.", 1)
_float("learning_rate", 5e-5, "Peak learning rate.", above=0)
_float("num_train_epochs", 3.0, "Passes over the training data.", above=0)
_float("warmup_proportion", 0.1, "Share of the steps that warm up.", 0, 1)
_float("weight_decay_rate", 0.01, "Decoupled weight decay.", 0, 1)
_float(
    "layerwise_lr_decay",
    1.0,
    "Factor on the learning rate, layer by layer down.",
    most=1,
    above=0,
)
_enum("optimizer", "adamw", sorted(OPTIMIZERS), "Optimizer.")
_float("adam_beta1", 0.9, "Decay of Adam's first moment.", 0, below=1)
_float("adam_beta2", 0.999, "Decay of Adam's second moment.", 0, below=1)
_float("adam_epsilon", 1e-6, "Added to the root of Adam's second moment.", above=1e-37)
_boolean(
    "adam_bias_correction",
    False,
    "Divide Adam's moments by 1 - beta^t, which Google's code leaves out; steadier on "
    "few examples.",
)
_integer("save_checkpoints_steps", 1000, "Steps between checkpoints.", 1)
_integer("iterations_per_loop", 1000, "Steps per call of the TPU.", 1)
_boolean("use_tpu", False, "Train on a TPU.")
_string("tpu_name", None, "Name or grpc:// address of the TPU.")
_string("tpu_zone", None, "Zone of the TPU.")
_string("gcp_project", None, "Project of the TPU.")
_string("master", None, "TensorFlow master.")
_integer("num_tpu_cores", 8, "Cores of the TPU.", 1)
_integer("num_gpus", 0, "GPUs to share each batch out to; 0 = the first, if any.", 0)

_boolean(
    "task_defaults",
    False,
    "Where a hyper-parameter is not given, that of the task in KR-ELECTRA's table.",
)
_OF_QUESTIONS = [
    "doc_stride",
    "max_query_length",
    "n_best_size",
    "max_answer_length",
    "null_score_diff_threshold",
]
_integer("doc_stride", 128, "Tokens between windows of a long passage.", 1)
_integer("max_query_length", 64, "Longest question in tokens; longer is cut.", 1)
_integer("n_best_size", 20, "Answers to a question that are written.", 1)
_integer("max_answer_length", 30, "Longest answer in tokens.", 1)
_boolean(
    "version_2_with_negative",
    False,
    "Questions may have no answer, as in SQuAD 2.0; KLUE-MRC's always may.",
)
_float(
    "null_score_diff_threshold",
    0.0,
    "No answer is given where its score exceeds the best answer's by this; "
    "ELECTRA: -2.75.",
)
_string(
    "class_weights",
    "",
    'Factors on the training loss by class: "balanced", or numbers such as "1,2.5" in '
    "the order of the labels.",
)
_float(
    "dev_fraction", 0.05, "Share of train that is dev without a file.", above=0, below=1
)
_boolean(
    "double_unordered",
    False,
    "Train pairs whose order means nothing, such as paraphrases, in both orders.",
)
_boolean("pad_to_max", False, "Pad every batch to max_seq_length.")
_integer("eval_every_steps", 0, "Steps between evaluations; 0 = an epoch.", 0)
_integer("patience", 0, "Evaluations without gain until stop; 0 = never.", 0)
_integer("keep_checkpoints", 1, "Newest checkpoints kept beside the best.", 1)
_enum(
    "compute_type",
    "float32",
    ["float32", "bfloat16", "float16"],
    "Of activations; weights are float32. bfloat16 is faster, float16 for older GPUs.",
)
_integer("random_seed", 12345, "Seed of every random choice.", 0, 2**31 - 1)
_integer(
    "split_seed",
    None,
    "Draws the dev set that is held out of train; default: random_seed.",
    0,
    2**31 - 1,
)
_integer(
    "num_trials",
    1,
    "Runs with seeds random_seed, +1, ...; a dev set held out of train is the same in "
    "all of them.",
    1,
)
_string("encoding", "utf-8", "Encoding of the data files.")
_integer("max_bad_rows", 0, "Bad rows to skip in each data file.", 0)
_boolean("overwrite", False, "Delete another run's results first.")

# Flags that do not decide the trained model: the same run may change them.
_FREE_FLAGS = (
    "config",
    "spm_model_file",  # which the tokenizer's fingerprint stands for
    "hparams",  # which shows in other flags
    "model_name",
    "model_size",  # which shows in the configuration
    "vocab_size",
    "embedding_size",
    "model_hparam_overrides",
    "allow_mismatch",  # what it allows shows in what the files hold
    "task_defaults",  # which shows in the flags that it sets
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
    "num_gpus",
    "tpu_name",
    "tpu_zone",
    "gcp_project",
    "master",
)


def main():
    electra_settings.apply(FLAGS, electra_settings.FINETUNING)
    electra_settings.finetuning_defaults(FLAGS)
    _take_settings_of_run()
    require(FLAGS, "task_name", "output_dir")
    chosen = _chosen_tasks()
    _tell_unused(chosen)
    if not (FLAGS.do_train or FLAGS.do_eval or FLAGS.do_predict):
        raise InputError("Nothing to do: pass --do_train, --do_eval or --do_predict.")
    if FLAGS.use_tpu and not (FLAGS.tpu_name or FLAGS.master):
        raise InputError(
            "--use_tpu needs --tpu_name, the TPU's name or grpc:// address."
        )
    family = FAMILIES[FLAGS.model_type]
    by_size = electra_settings.names_a_size(FLAGS)
    files = model_files.find_model_files(
        FLAGS.model_dir,
        family.name,
        _config_file(family.name),
        named_vocabulary(FLAGS.vocab_file, FLAGS.spm_model_file),
        FLAGS.init_checkpoint,
        needs_weights=FLAGS.do_train and not FLAGS["model_dir"].using_default_value,
        needs_config=not by_size,
    )
    if by_size:
        config = electra_settings.config_of_flags(FLAGS)
    else:
        overrides = electra_settings.overrides_of(FLAGS)
        config = family.config_class.from_json_file(files.config_file)
        config = config.overridden(overrides, "--model_hparam_overrides")
    _set_defaults(chosen, family, config)
    model = load_model(
        files,
        family.name,
        config,
        FLAGS.max_seq_length,
        FLAGS.do_lower_case,
        FLAGS.allow_mismatch,
    )
    for task in chosen:
        agreement.settle(
            saved_run.differences_of_labels(files.init_checkpoint, task),
            FLAGS.allow_mismatch,
        )
    args = [_args(task, model) for task in chosen]
    if len(chosen) == 1:
        job.run(args[0], family, model)
    else:
        joint.run([_in_own_folder(each) for each in args], family, model)


# What names the files of a model.
_MODEL_FLAGS = ("model_dir", "init_checkpoint", "vocab_file", "spm_model_file") + tuple(
    f"{name}_config_file" for name in FAMILIES
)


def _take_settings_of_run():
    """A run that is evaluated or predicts again needs no settings of its training."""
    if FLAGS.do_train or not FLAGS.output_dir or electra_settings.names_a_size(FLAGS):
        return
    settings = model_files.settings_of_run(FLAGS.output_dir)
    if not all(FLAGS[name].using_default_value for name in _MODEL_FLAGS):
        settings = {k: v for k, v in settings.items() if k not in _MODEL_FLAGS}
    flag_files.fill_in(FLAGS, settings, as_given=True)


def _args(task, model):
    settings = _settings(task, model)
    return FineTuningArgs.from_flags(FLAGS, task, settings, cli.settings(FLAGS))


def _chosen_tasks():
    """The tasks, whose questions may have no answer if the user says so."""
    names = FLAGS.task_name.strip(", ").split(",")
    chosen = [tasks.get_task(name.strip()) for name in names]
    if not FLAGS.version_2_with_negative:
        return chosen
    if not any(task.task_type == tasks.QUESTION_ANSWERING for task in chosen):
        raise InputError(
            "--version_2_with_negative is for question answering; "
            f"{chosen[0].name} is a task of the type "
            f"{chosen[0].task_type.replace('_', ' ')}: leave it out."
        )
    return [
        dataclasses.replace(task, unanswerable=True)
        if task.task_type == tasks.QUESTION_ANSWERING
        else task
        for task in chosen
    ]


def _tell_unused(chosen):
    """Warns of flags that were given, but are for tasks of another type."""
    unused = []
    if not any(task.task_type == tasks.QUESTION_ANSWERING for task in chosen):
        unused += _OF_QUESTIONS
    if not any(task.is_unordered for task in chosen):
        unused.append("double_unordered")
    names = ", ".join(f"--{name}" for name in unused if FLAGS[name].present)
    if names:
        logging.warning(
            "%s: not used, since %s is no task of that type.",
            names,
            " or ".join(task.name for task in chosen),
        )


def _in_own_folder(args):
    """The same, where --data_dir holds a folder for each task: nsmc/, hate/."""
    if not FLAGS.data_dir or args.task.data_folder:
        return args
    name = os.path.basename(args.task.folder)
    folder = os.path.join(FLAGS.data_dir, name)
    if not is_folder(folder):
        raise InputError(
            f"--data_dir={FLAGS.data_dir} has no folder {name}: with several tasks it "
            f"holds one for each, such as {name}/."
        )
    data = dataclasses.replace(args.data, folder=folder)
    return dataclasses.replace(args, data=data)


def _set_defaults(chosen, family, config):
    """Gives flags that were not given the values of model, and of the only task."""
    values = family.defaults(config)
    if len(chosen) == 1:
        task_type = task_types.TASK_TYPES[chosen[0].task_type]
        values = dict(values, **task_type.defaults)
    if FLAGS.task_defaults and len(chosen) > 1:
        raise InputError(
            "--task_defaults is for one task: give the hyper-parameters for several."
        )
    if FLAGS.task_defaults:
        values = dict(values, **dataclasses.asdict(chosen[0].defaults))
    for name, value in values.items():
        if FLAGS[name].using_default_value:
            FLAGS[name].value = FLAGS[name].parser.parse(value)


def _config_file(model_type):
    """The configuration that was named, which must be of this type."""
    for name in FAMILIES:
        if name != model_type and FLAGS[f"{name}_config_file"].value:
            raise InputError(
                f"--{name}_config_file goes with --model_type={name}, which is "
                f"{model_type} now: change one of them."
            )
    return FLAGS[f"{model_type}_config_file"].value


def _settings(task, model):
    """Every flag that decides the result, and what the named files hold."""
    chosen = {k: v for k, v in cli.settings(FLAGS).items() if k not in _FREE_FLAGS}
    if FLAGS.split_seed is None:  # as in runs from before there was this flag
        del chosen["split_seed"]
    if not task.unanswerable:  # likewise
        del chosen["version_2_with_negative"], chosen["null_score_diff_threshold"]
    for name in (*ADAM_FLAGS, "optimizer", "double_unordered"):  # likewise
        if FLAGS[name].value == FLAGS[name].default:
            del chosen[name]
    if task.data_folder:  # a user's: its file may change
        record = dataclasses.asdict(task)
        record["kind"] = record.pop("task_type")  # as in runs before it was renamed
        for name in {*saved_run.LATER_FIELDS, "is_unordered"} - {"is_pair"}:  # likewise
            del record[name]
        for layout in record["layouts"]:
            del layout["entities"]
        chosen["task"] = record
    return dict(
        chosen,
        **weights_setting(model.files.init_checkpoint),
        model_config=model.config.to_dict(),
        tokenizer=model.tokenizer.fingerprint,
        init_checkpoint=model.files.init_checkpoint,
    )
