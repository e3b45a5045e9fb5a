"""Pre-trains BERT, ALBERT or ELECTRA on records of data.create_pretraining_data.

Flags of the run_pretraining.py of google-research/{bert,albert,electra} keep their
names and meaning; records of theirs can be read, too.

  python3 run_pretraining.py --config=configs/kr_electra/pretraining.json \\
      --input_file='records/*.tfrecord' --vocab_file=vocab.txt --output_dir=runs/electra
"""

import functools

from absl import flags, logging

from data.io import flag_files
from data.io.cli import require
from data.io.errors import InputError
from data.pretraining.shards import vocabulary_traits
from data.records.dataset import open_records
from data.tokenization import named_vocabulary
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.optimization.optimizers import ADAM_FLAGS, OPTIMIZERS
from encoder_ko.pretraining import inputs, job, trainer
from encoder_ko.pretraining.args import EvaluationArgs, OptimizerArgs, Schedule
from encoder_ko.training import agreement, checkpoints, estimator, model_files
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.loaded_model import check_length, load_tokenizer, require_start
from encoder_ko.training.run_folder import weights_setting
from korean_encoders.commands import electra_settings, masking_flags
from korean_encoders.model_types import MODEL_TYPES

FLAGS = flags.FlagValues()

RECIPES = {name: found.recipe for name, found in MODEL_TYPES.items()}

_STRINGS = {
    "input_file": "Records, comma-separated; patterns allowed.",
    "eval_input_file": "Records to evaluate; default input_file.",
    "output_dir": "Folder of checkpoints and results.",
    "bert_config_file": "BERT's configuration (JSON).",
    "albert_config_file": "ALBERT's configuration (JSON).",
    "electra_config_file": "Configuration of ELECTRA's discriminator (JSON).",
    "init_checkpoint": "Weights to start a new schedule from.",
    "vocab_file": "Vocabulary of the records (vocab.txt or *.model); ELECTRA and "
    "--dynamic_masking need it.",
    "spm_model_file": "SentencePiece model; --vocab_file may list it.",
    "tpu_name": "Name or grpc:// address of the TPU.",
    "tpu_zone": "Zone of the TPU.",
    "gcp_project": "Project of the TPU.",
    "master": "TensorFlow master.",
    "data_dir": "ELECTRA's: folder of vocabulary and records.",
    "model_name": "ELECTRA's: name of the run in data_dir.",
    "hparams": "ELECTRA's: JSON of settings, file or text.",
    "model_hparam_overrides": "JSON, file or text: keys of the model's configuration.",
}
_INTEGERS = {  # default (None = upstream's for the model), meaning, least value
    "max_seq_length": (None, "Tokens per record; 128, ALBERT 512.", 3),
    "max_predictions_per_seq": (20, "Masked tokens per record.", 1),
    "train_batch_size": (None, "Sequences per update.", 1),
    "eval_batch_size": (None, "Sequences per step of evaluation.", 1),
    "num_train_steps": (None, "Updates of the whole run.", 1),
    "num_warmup_steps": (None, "Updates of the warm-up.", 0),
    "start_warmup_step": (0, "Update at which it begins (ALBERT).", 0),
    "save_checkpoints_steps": (None, "Updates between checkpoints.", 1),
    "keep_checkpoint_max": (5, "Newest checkpoints that are kept; 0 = all.", 0),
    "iterations_per_loop": (None, "Steps per call of the TPU.", 1),
    "max_eval_steps": (100, "Steps of evaluation at most.", 1),
    "eval_every_steps": (0, "Updates between evaluations; 0 = at the end only.", 0),
    "log_every_steps": (100, "Updates between lines of the log.", 1),
    "gradient_accumulation_steps": (
        1,
        "Micro-batches per update, computed one by one.",
        1,
    ),
    "num_tpu_cores": (8, "Cores of the TPU.", 1),
    "num_gpus": (0, "GPUs to share each batch out to; 0 = the first, if any.", 0),
    "random_seed": (12345, "Seed of every random choice.", 0),
    "embedding_size": (None, "ELECTRA without a configuration file.", 1),
    "vocab_size": (None, "ELECTRA without a configuration file.", 1),
    "ngram": (None, "Dynamic masking: words masked at once at most.", 1),
    "wop_ngram": (None, "Dynamic masking: tokens per moved n-gram.", 2),
}
_FLOATS = {  # default, meaning, least, greatest, and what it has to be above
    "learning_rate": (None, "Peak learning rate.", None, None, 0.0),
    "weight_decay_rate": (0.01, "Decoupled weight decay.", 0.0),
    "poly_power": (1.0, "Power of the decay (ALBERT).", 0.0),
    "lr_decay_power": (1.0, "Power of the decay (ELECTRA).", 0.0),
    "mask_prob": (0.15, "ELECTRA: share of the tokens masked.", 0.0, 1.0),
    "gen_weight": (1.0, "ELECTRA: weight of the generator's loss.", 0.0),
    "disc_weight": (50.0, "ELECTRA: weight of the discriminator's loss.", 0.0),
    "generator_hidden_size": (0.25, "ELECTRA: share of the width.", None, None, 0.0),
    "generator_layers": (1.0, "ELECTRA: share of the layers.", None, None, 0.0),
    "temperature": (1.0, "ELECTRA: divides the logits to sample.", None, None, 0.0),
    "masked_lm_budget": (
        0.0,
        "ALBERT: --dynamic_masking of this share of the tokens; 0 = off.",
        0.0,
        1.0,
    ),
    "wop_weight": (1.0, "Weight of word order prediction.", 0.0),
    "masked_lm_prob": (None, "Dynamic masking: share of the tokens masked.", 0.0, 1.0),
    "wop_prob": (None, "Dynamic masking: share moved; 0 = off.", 0.0, 1.0),
}
_BOOLEANS = {
    "allow_mismatch": (False, agreement.ALLOW_MISMATCH),
    "do_lower_case": (None, "As for the records."),
    "do_train": (True, "Train; else the run's settings are the defaults of flags."),
    "do_eval": (False, "Evaluate."),
    "use_tpu": (False, "Train on a TPU."),
    "dynamic_masking": (False, "BERT and ALBERT: draw masks anew at every step."),
    "do_whole_word_mask": (None, "Dynamic masking: whole words."),
    "favor_shorter_ngram": (None, "Dynamic masking: n words with probability 1/n."),
    "adam_bias_correction": (
        False,
        "Divide the moments by 1 - beta^t, which Google's code leaves out; for runs "
        "with a short warm-up.",
    ),
    "skip_nonfinite": (False, "Leave out updates that are not finite."),
    "uniform_generator": (False, "ELECTRA: every token of the vocabulary as probable."),
    "untied_generator": (True, "ELECTRA: else the discriminator's layers generate."),
    "untied_generator_embeddings": (False, "ELECTRA: embeddings of its own, too."),
    "disallow_correct": (False, "ELECTRA: never sample the original token."),
    "init_from_group0": (
        False,
        "ALBERT: layer groups that init_checkpoint lacks start from its group 0.",
    ),
    "electra_objective": (True, "ELECTRA: else masked words, as BERT."),
    "shuffle": (True, "Shuffle the records; else file order."),
    "mix_files": (False, "Draw records from all files at a time, not from some."),
    "overwrite": (False, "Delete another run's results first."),
}
_CHOICES = {
    "model_type": ("bert", sorted(RECIPES), "Kind of encoder."),
    "model_size": (None, ["small", "base", "large"], "ELECTRA without a config file."),
    "optimizer": (None, sorted(OPTIMIZERS), "Optimizer."),
    "compute_type": ("float32", ["float32", "bfloat16", "float16"], "Of activations."),
}

_string, _integer, _float, _boolean, _enum = cli.definers(
    FLAGS, "string", "integer", "float", "boolean", "enum"
)
for _name, _text in _STRINGS.items():
    _string(_name, None, _text)
for _define, _table in (
    (_integer, _INTEGERS),
    (_float, _FLOATS),
    (_boolean, _BOOLEANS),
    (_enum, _CHOICES),
):
    for _name, _rest in _table.items():
        _define(_name, *_rest)
_float("adam_beta1", 0.9, "Decay of Adam's (or LAMB's) first moment.", 0, below=1)
_float("adam_beta2", 0.999, "Decay of the second moment.", 0, below=1)
_float("adam_epsilon", 1e-6, "Added to the root of the second moment.", above=1e-37)

# Flags that do not decide the trained model (of files, what they hold does).
_FREE_FLAGS = (
    "config hparams data_dir model_name input_file eval_input_file vocab_file "
    "spm_model_file model_hparam_overrides masked_lm_budget allow_mismatch "
    "bert_config_file albert_config_file electra_config_file output_dir do_train "
    "do_eval eval_batch_size max_eval_steps eval_every_steps log_every_steps "
    "save_checkpoints_steps keep_checkpoint_max iterations_per_loop overwrite tpu_name "
    "tpu_zone gcp_project master num_gpus"
).split()

# Flags that decide it, and are not in the settings of earlier runs.
_NEWER_FLAGS = (
    "uniform_generator untied_generator untied_generator_embeddings disallow_correct "
    "temperature init_from_group0 mix_files"
).split()

# Flags that concern some models only.
_ONLY_FOR = {
    "albert": "poly_power start_warmup_step init_from_group0 masked_lm_budget",
    "electra": "lr_decay_power model_size embedding_size vocab_size mask_prob "
    "gen_weight disc_weight generator_hidden_size generator_layers electra_objective "
    "uniform_generator untied_generator untied_generator_embeddings disallow_correct "
    "temperature",
    "bert or albert": "dynamic_masking wop_weight",
}
_ONLY_WITH_DYNAMIC_MASKING = (
    "masked_lm_prob do_whole_word_mask ngram favor_shorter_ngram wop_prob wop_ngram"
).split()


def main():
    job.run(job_of_flags())


def job_of_flags():
    """Checks the flags and opens what they name."""
    electra_settings.apply(FLAGS, electra_settings.PRETRAINING)
    electra_settings.pretraining_defaults(FLAGS)
    _set_defaults()
    _check_flags()
    model_type = FLAGS.model_type
    config = _model_config()
    tokenizer = _tokenizer(config)
    files = _files()
    if files.init_checkpoint and FLAGS.overwrite:
        require_start(
            MODEL_TYPES[model_type].model_class,
            config,
            files.init_checkpoint,
            RECIPES[model_type].resizable,
        )
    data = _open_records(FLAGS.input_file, "input_file", config, tokenizer)
    eval_data = data
    if FLAGS.eval_input_file:
        eval_data = _open_records(
            FLAGS.eval_input_file, "eval_input_file", config, tokenizer
        )
    chosen = ("num_hidden_groups",) if FLAGS.init_from_group0 else ()
    differences = inputs.differences(
        files, model_type, config, tokenizer, data, eval_data, chosen
    )
    agreement.settle(differences, FLAGS.allow_mismatch)
    return job.PretrainingJob(
        model_type=model_type,
        do_train=FLAGS.do_train,
        do_eval=FLAGS.do_eval,
        data=data,
        eval_data=eval_data,
        tokenizer=tokenizer,
        network=_network(config, tokenizer, data, files.init_checkpoint),
        schedule=Schedule.from_flags(FLAGS),
        evaluation=EvaluationArgs.from_flags(FLAGS),
        output=OutputArgs(
            folder=FLAGS.output_dir,
            save_checkpoints_steps=FLAGS.save_checkpoints_steps,
            keep_checkpoints=FLAGS.keep_checkpoint_max,
            overwrite=FLAGS.overwrite,
        ),
        hardware=estimator.Hardware.from_flags(FLAGS),
        settings=_settings(config, tokenizer, data, files.init_checkpoint),
        flags=cli.settings(FLAGS),
    )


# --- Flags -----------------------------------------------------------------------


def _set_defaults():
    if not FLAGS.do_train and FLAGS.output_dir:
        flag_files.fill_in(FLAGS, model_files.settings_of_run(FLAGS.output_dir))
    for name, value in RECIPES[FLAGS.model_type].defaults.items():
        if FLAGS[name].value is None:
            FLAGS[name].value = value


def _check_flags():
    if FLAGS.masked_lm_budget:
        if FLAGS.masked_lm_prob not in (None, FLAGS.masked_lm_budget):
            raise InputError(
                "--masked_lm_budget and --masked_lm_prob both say how much is masked: "
                "leave one out."
            )
        means = {"dynamic_masking": True, "masked_lm_prob": FLAGS.masked_lm_budget}
        flag_files.apply_values(FLAGS, means, "--masked_lm_budget")
    if FLAGS.uniform_generator and not FLAGS.electra_objective:
        raise InputError(
            "--uniform_generator replaces tokens for --electra_objective: without it "
            "nothing is trained."
        )
    require(FLAGS, "input_file", "output_dir")
    if not (FLAGS.do_train or FLAGS.do_eval):
        raise InputError("Nothing to do: pass --do_train or --do_eval.")
    if FLAGS.use_tpu and not (FLAGS.tpu_name or FLAGS.master):
        raise InputError("--use_tpu needs --tpu_name, its name or grpc:// address.")
    if FLAGS.do_train and FLAGS.num_train_steps == 1 and FLAGS.num_warmup_steps:
        logging.warning(
            "--num_train_steps=1 is one step of learning rate 0, the first of the "
            "warm-up: no weight changes. Pass --num_warmup_steps=0, or train longer."
        )
    elif FLAGS.do_train and FLAGS.num_warmup_steps > FLAGS.num_train_steps:
        logging.warning(
            "--num_warmup_steps=%d is above --num_train_steps=%d: the learning rate "
            "never reaches its peak. Lower it, or train longer.",
            FLAGS.num_warmup_steps,
            FLAGS.num_train_steps,
        )
    if FLAGS.use_tpu and FLAGS.num_gpus:
        raise InputError("--use_tpu and --num_gpus exclude each other: leave one out.")
    if FLAGS.use_tpu and FLAGS.gradient_accumulation_steps > 1:
        raise InputError(
            "--gradient_accumulation_steps is for CPU and GPU: with --use_tpu the "
            "batch is shared out to the cores already."
        )
    if FLAGS.model_type == "electra" and FLAGS["max_predictions_per_seq"].present:
        logging.warning("--max_predictions_per_seq: not used; --mask_prob decides.")
    for models, names in _ONLY_FOR.items():
        for name in names.split():
            given = FLAGS[name].value != FLAGS[name].default
            if given and FLAGS.model_type not in models.split():
                raise InputError(
                    f"--{name} is for {models}: leave it out with "
                    f"--model_type={FLAGS.model_type}."
                )
    for name in _ONLY_WITH_DYNAMIC_MASKING:
        if FLAGS[name].value is not None and not FLAGS.dynamic_masking:
            raise InputError(
                f"--{name} is for --dynamic_masking; without it the masks are those of "
                "the records, made by data.create_pretraining_data."
            )


# --- What they name --------------------------------------------------------------


def _model_config():
    model_type = FLAGS.model_type
    config_file = FLAGS[f"{model_type}_config_file"].value
    by_size = electra_settings.names_a_size(FLAGS)
    if config_file:
        config = RECIPES[model_type].config_class.from_json_file(config_file)
        overrides = electra_settings.overrides_of(FLAGS)
        config = config.overridden(overrides, "--model_hparam_overrides")
    elif by_size:
        config = electra_settings.config_of_flags(FLAGS)
    else:
        raise InputError(
            f"--{model_type}_config_file is missing: name a model configuration, for "
            f"example one of configs/. (--model_type is {model_type}.)"
        )
    check_length(config, FLAGS.max_seq_length, config_file or "the model")
    return config


def _files():
    start = FLAGS.do_train and FLAGS.init_checkpoint
    return model_files.ModelFiles(
        FLAGS[f"{FLAGS.model_type}_config_file"].value,
        named_vocabulary(FLAGS.vocab_file, FLAGS.spm_model_file),
        checkpoints.require_checkpoint(start) if start else None,
    )


def _tokenizer(config):
    vocab_file = named_vocabulary(FLAGS.vocab_file, FLAGS.spm_model_file)
    if not vocab_file:
        if FLAGS.model_type == "electra" or FLAGS.dynamic_masking:
            raise InputError(
                "--vocab_file is missing: masking at run time needs to know [MASK]."
            )
        return None
    return load_tokenizer(vocab_file, config, FLAGS.do_lower_case)


def _open_records(input_file, flag, config, tokenizer):
    data = open_records(
        input_file,
        FLAGS.model_type,
        FLAGS.max_seq_length,
        FLAGS.max_predictions_per_seq,
        flag,
    )
    inputs.check_records(data, config, tokenizer, f"--{flag}={input_file}")
    return data


def _network(config, tokenizer, data, init_checkpoint):
    recipe = RECIPES[FLAGS.model_type]
    build, masker, power = recipe.build, None, FLAGS.poly_power
    if FLAGS.model_type == "electra":
        power = FLAGS.lr_decay_power
        build = functools.partial(
            build, electra=masking_flags.electra_options(FLAGS, tokenizer)
        )
    elif FLAGS.dynamic_masking:
        masking = masking_flags.dynamic_options(FLAGS, data)
        masker = trainer.Masker(masking, vocabulary_traits(tokenizer))
    options = OptimizerArgs.from_flags(FLAGS, power)
    return trainer.PretrainingNetwork(
        config,
        build,
        lambda loss, update: recipe.create_optimizer(loss, options, update),
        masker,
        FLAGS.wop_weight,
        init_checkpoint,
        tf.as_dtype(FLAGS.compute_type),
        recipe.resizable,
        recipe.group_0 if FLAGS.init_from_group0 else None,
    )


def _settings(config, tokenizer, data, init_checkpoint):
    """Every flag that decides the result, and what the named files hold."""
    given = cli.settings(FLAGS)
    left_out = set(_FREE_FLAGS)  # and, as in runs from before there were these:
    newer = (*ADAM_FLAGS, *_NEWER_FLAGS)
    left_out |= {n for n in newer if FLAGS[n].value == FLAGS[n].default}
    return dict(
        {name: value for name, value in given.items() if name not in left_out},
        **weights_setting(init_checkpoint),
        model_config=config.to_dict(),
        tokenizer=tokenizer.fingerprint if tokenizer else None,
        records=dict(files=len(data.paths), total=data.total, digest=data.digest),
    )
