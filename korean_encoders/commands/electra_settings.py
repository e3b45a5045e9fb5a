"""ELECTRA's way to run: --data_dir, --model_name and --hparams, as upstream has them.

Each of upstream's hyperparameters becomes the flag that stands for it. One for which
there is no flag may have the one value that says what is done here, and no other.

Source: google-research/electra, configure_pretraining.py, configure_finetuning.py.
"""

import json
import os
from typing import Any, Dict, Mapping, NamedTuple, Sequence

from absl import flags

from data import tasks
from data.io import files, flag_files
from data.io.cli import require
from data.io.errors import InputError
from data.io.json_files import object_of_flag
from electra_ko import hyperparameters
from electra_ko.configure_finetuning import FinetuningConfig
from electra_ko.configure_pretraining import PretrainingConfig
from electra_ko.model.modeling import config_of_size
from encoder_ko.modeling.config import EncoderConfig

_VOCAB_SIZE = hyperparameters.MODEL["vocab_size"]


class KnownHparams(NamedTuple):
    """The hyperparameters of one of upstream's scripts.

    Attributes:
      config_class: has their names and upstream's defaults.
      flags: hyperparameter -> flag, where the names differ.
      without_effect: those that have no flag, since they change no result.
      supported: of others that have no flag the only value, where it is not upstream's
        default.
    """

    config_class: Any
    flags: Mapping[str, str]
    without_effect: Sequence[str] = ()
    supported: Mapping[str, Any] = {}


PRETRAINING = KnownHparams(
    PretrainingConfig,
    {
        "num_eval_steps": "max_eval_steps",
        "model_dir": "output_dir",
        "pretrain_tfrecords": "input_file",
    },
)
FINETUNING = KnownHparams(
    FinetuningConfig,
    {
        "model_dir": "output_dir",
        "qa_na_threshold": "null_score_diff_threshold",
        "task_names": "task_name",
        "write_test_outputs": "do_predict",
    },
    without_effect=(
        "log_examples",
        "use_tfrecords_if_existing",
        "n_writes_test",
        "beam_size",  # of joint_prediction
    ),
    supported={"joint_prediction": False},
)


def apply(values: flags.FlagValues, hparams: KnownHparams) -> None:
    """Gives flags the values of --hparams, and ELECTRA's defaults where it is used.

    Raises:
      InputError: --hparams cannot be read, has an unknown key, a value that its key
        cannot have, or one that is not supported; --model_name stands alone.
    """
    if values.model_name and not values.data_dir:
        raise InputError("--model_name names a folder in --data_dir: pass both.")
    if not uses_hparams(values):
        return
    if values["model_type"].using_default_value:
        _set(values, "model_type", "electra")
    if values.hparams:
        settings = object_of_flag(values.hparams, "--hparams")
        flag_files.apply_values(
            values, _as_flags(settings, values, hparams), values.hparams
        )


def uses_hparams(values: flags.FlagValues) -> bool:
    """Whether a command was given as upstream has it."""
    return bool(values.hparams or values.model_name)


def _as_flags(
    settings: Mapping[str, Any], values: flags.FlagValues, hparams: KnownHparams
) -> Dict[str, Any]:
    """Hyperparameters as flags and their values; null leaves a flag at its default."""
    known = vars(hparams.config_class("", ""))
    found = {}
    for name, value in settings.items():
        flag = hparams.flags.get(name, name)
        if flag in values or name not in known:  # an unknown flag is named later
            if isinstance(value, dict):
                value = json.dumps(value)
            elif isinstance(value, list):
                value = ",".join(map(str, value))
            elif value is None and name == "keep_checkpoint_max":
                value = 0  # all
            if value is not None:
                found[flag] = value
        elif name not in hparams.without_effect:
            only = hparams.supported.get(name, known[name])
            if value not in (only, None):
                raise InputError(
                    f"--hparams: {name}={json.dumps(value)} is not supported, only "
                    f"{json.dumps(only, default=str)}: leave it out."
                )
    return found


def pretraining_defaults(values: flags.FlagValues) -> None:
    """What upstream's run_pretraining.py takes for what was not named."""
    if uses_hparams(values) and not values.electra_config_file:
        _fill(values, "model_size", "small")
    if not (values.data_dir and values.model_name):
        return
    places = {
        "vocab_file": "vocab.txt",
        "input_file": "pretrain_tfrecords/pretrain_data.tfrecord*",
        "output_dir": f"models/{values.model_name}",
    }
    for name, place in places.items():
        _fill(values, name, os.path.join(values.data_dir, place))


def finetuning_defaults(values: flags.FlagValues) -> None:
    """What upstream's run_finetuning.py takes for what was not named.

    Tasks without a folder in finetuning_data/ are read from their usual places.

    Raises:
      InputError: --task_name is missing, or there is no such task.
    """
    if not values.model_name:
        return
    require(values, "task_name")
    data_dir = values.data_dir
    folder = os.path.join(data_dir, "models", values.model_name)
    if values["model_dir"].using_default_value:
        _set(values, "model_dir", folder)
    if not files.matching(values.model_dir, "*vocab*.txt"):
        _fill(values, "vocab_file", os.path.join(data_dir, "vocab.txt"))
    name = f"{values.task_name}_model"
    _fill(values, "output_dir", os.path.join(folder, "finetuning_models", name))
    data, names = os.path.join(data_dir, "finetuning_data"), values.task_name.split(",")
    if len(names) == 1:
        data = os.path.join(data, os.path.basename(tasks.get_task(names[0]).folder))
    _set(values, "data_dir", data if files.is_folder(data) else None)
    for name in ("do_train", "do_eval"):
        if values[name].using_default_value:
            _set(values, name, True)
    if not values.electra_config_file and not files.matching(
        values.model_dir, "*electra_config*.json"
    ):
        _fill(values, "model_size", "small")


def names_a_size(values: flags.FlagValues) -> bool:
    """Whether --model_size stands for a configuration file.

    Raises:
      InputError: both are there, or sizes that the configuration file decides on.
    """
    if values.electra_config_file:
        if values.model_size:
            raise InputError(
                "--electra_config_file and --model_size exclude each other."
            )
        _require_no_sizes(values)
    return values.model_type == "electra" and bool(values.model_size)


def _require_no_sizes(values: flags.FlagValues) -> None:
    for name in ("vocab_size", "embedding_size"):
        if values[name].value is not None:
            raise InputError(
                f"--{name} goes with --model_size; --electra_config_file says it "
                "itself. To change what that says: --model_hparam_overrides="
                f"'{{\"{name}\": {values[name].value}}}'."
            )


def config_of_flags(values: flags.FlagValues) -> EncoderConfig:
    """The network that --model_size, --vocab_size and --embedding_size mean.

    Raises:
      InputError: one of them is missing or cannot be.
    """
    vocab_size = values.vocab_size
    if not vocab_size and uses_hparams(values):
        vocab_size = _VOCAB_SIZE
    if not vocab_size:
        raise InputError("--model_size needs --vocab_size, the rows of the embeddings.")
    return config_of_size(
        values.model_size,
        vocab_size,
        values.embedding_size,
        overrides_of(values),
    )


def overrides_of(values: flags.FlagValues) -> Dict[str, Any]:
    """The object of --model_hparam_overrides."""
    if not values.model_hparam_overrides:
        return {}
    return object_of_flag(values.model_hparam_overrides, "--model_hparam_overrides")


def _fill(values, name, value):
    if not values[name].value:
        values[name].value = value


def _set(values, name, value):
    values[name].value = value
    values[name].using_default_value = False
