"""Converts a model from TensorFlow's files to Hugging Face's, or back.

  python3 convert_checkpoint.py --from tf --to hf --model_type=bert \\
      --input_dir=runs/nsmc --output_dir=exports/nsmc
  python3 convert_checkpoint.py --from hf --to tf --model_type=electra \\
      --input_dir=downloads/KR-ELECTRA-discriminator --output_dir=models
"""

import itertools
import os

from absl import flags, logging

from data.io import files
from data.io.cli import leaving_on_sigterm, require
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.tokenization import build_tokenizer, resolve_config
from encoder_ko.hub import config, convert, model_card
from encoder_ko.training import agreement, checkpoints, model_files, run_folder
from korean_encoders.model_types import MODEL_TYPES

FLAGS = flags.FlagValues()

NETWORKS = {name: found.networks for name, found in MODEL_TYPES.items()}
_FORMS = ["tf", "hf"]
_HEAD_TYPES = sorted(
    {a.head_type for names in NETWORKS.values() for n in names for a in n.architectures}
    | {"regression"}
)

_CHOICES = {
    "from": (None, _FORMS, "Form of the input: TensorFlow or Hugging Face."),
    "to": (None, _FORMS, "Form of the output."),
    "model_type": (
        None,
        sorted(NETWORKS),
        "Kind of encoder; default: as task.json or the configuration.",
    ),
    "head_type": (
        None,
        _HEAD_TYPES,
        "What the head is for, where there is no task.json.",
    ),
}
_STRINGS = {
    "input_dir": "Output folder of a run, or folder of a published model.",
    "output_dir": "Folder of the result.",
    "config_file": "Model configuration; default: found in input_dir.",
    "vocab_file": "Vocabulary; default: found in input_dir.",
    "init_checkpoint": "Checkpoint; default: the best, else the newest of input_dir.",
    "labels": "Label names in the order of the outputs, comma-separated.",
    "task_name": "From hf: name of the task, where config.json does not tell.",
}
_BOOLEANS = {
    "encoder_only": (False, "From hf: leave the head out."),
    "split_special_tokens": (
        True,
        "To hf: the tokenizer reads [MASK] in a text as plain text, as in training; "
        "false for demonstrations that fill masks.",
    ),
    "allow_mismatch": (False, agreement.ALLOW_MISMATCH),
    "overwrite": (False, "Replace files that exist."),
}
for _name, _text in _STRINGS.items():
    flags.DEFINE_string(_name, None, _text, flag_values=FLAGS)
for _define, _table in (
    (flags.DEFINE_enum, _CHOICES),
    (flags.DEFINE_boolean, _BOOLEANS),
):
    for _name, _rest in _table.items():
        _define(_name, *_rest, flag_values=FLAGS)
flags.DEFINE_alias("head", "head_type", flag_values=FLAGS)


@leaving_on_sigterm()
def main():
    require(FLAGS, "from", "to", "input_dir", "output_dir")
    if FLAGS["from"].value == FLAGS.to:
        raise InputError(f"--from and --to are both {FLAGS.to}: nothing to convert.")
    if not files.is_folder(FLAGS.input_dir):
        raise InputError(f"There is no folder {FLAGS.input_dir!r}: check --input_dir.")
    if FLAGS.to == "hf":
        _to_hugging_face()
    else:
        _to_tensorflow()


def _to_hugging_face():
    described = _read_json(run_folder.TASK)
    model_type = FLAGS.model_type or described.get("model_type") or _configured_type()
    folders = convert.export(
        NETWORKS[_required_type(model_type)],
        _tensorflow_model(model_type, described),
        FLAGS.output_dir,
        FLAGS.overwrite,
        FLAGS.split_special_tokens,
    )
    logging.info("Written: %s", ", ".join(folders))


def _to_tensorflow():
    path = os.path.join(FLAGS.input_dir, "config.json")
    inner = [
        os.path.join(FLAGS.input_dir, names.folder, "config.json")
        for networks in NETWORKS.values()
        for names in networks
    ]
    found = next((p for p in (path, *inner) if files.exists(p)), None)
    if found is None:
        raise InputError(f"There is no {path}: name a Hugging Face model's folder.")
    model_type = FLAGS.model_type or read_json_object(found).get("model_type")
    checkpoint = convert.import_(
        NETWORKS[_required_type(model_type)],
        FLAGS.input_dir,
        FLAGS.output_dir,
        FLAGS.overwrite,
        FLAGS.encoder_only,
        FLAGS.task_name,
        FLAGS.allow_mismatch,
    )
    logging.info("Written: %s", checkpoint)


def _configured_type():
    """The type whose configuration lies in the folder, as in that of a pre-training."""
    found = [
        name
        for name in NETWORKS
        if files.exists(os.path.join(FLAGS.input_dir, f"{name}_config.json"))
    ]
    return found[0] if len(found) == 1 else None


def _required_type(model_type):
    if model_type not in NETWORKS:
        raise InputError(
            f"--model_type is {model_type or 'missing'}; known are "
            f"{', '.join(sorted(NETWORKS))}."
        )
    return model_type


def _tensorflow_model(model_type, described):
    """What a run's folder, or a published model's, holds."""
    best = os.path.join(FLAGS.input_dir, run_folder.BEST)
    checkpoint = FLAGS.init_checkpoint or checkpoints.find_checkpoint(best)
    found = model_files.find_model_files(
        FLAGS.input_dir,
        model_type,
        FLAGS.config_file,
        FLAGS.vocab_file,
        checkpoint or FLAGS.input_dir,
    )
    task = described.get("task", {})
    names = task.get("label_names", ())
    labels = FLAGS.labels.split(",") if FLAGS.labels else names
    encoder = NETWORKS[model_type][0].config_class.from_json_file(found.config_file)
    tokenizer = build_tokenizer(resolve_config(found.vocab_file), found.vocab_file)
    agreement.settle(
        itertools.chain(
            agreement.differences_of_model(found, model_type, encoder, tokenizer),
            _differences_of_type(model_type, described),
            _differences_of_labels(labels, names),
        ),
        FLAGS.allow_mismatch,
    )
    return convert.TensorFlowModel(
        config=encoder,
        tokenizer=tokenizer,
        checkpoint=found.init_checkpoint,
        head=config.HeadDescription(
            head_type=FLAGS.head_type or task.get("task_type", task.get("kind", "")),
            labels=tuple(labels),
            task=task.get("name", ""),
        ),
        run=model_card.facts_of(FLAGS.input_dir, described),
        described=described,
    )


def _differences_of_type(model_type, described):
    trained = described.get("model_type", model_type)
    if trained != model_type:
        yield (
            f"--model_type={model_type}, but {FLAGS.input_dir}/{run_folder.TASK} says "
            f"{trained}. Leave the flag out."
        )


def _differences_of_labels(labels, trained):
    """Other names are the user's choice; the same in another order are a mistake."""
    if set(labels) == set(trained) and list(labels) != list(trained):
        number = [a == b for a, b in zip(labels, trained)].index(False)
        yield (
            f"--labels calls output {number} {labels[number]!r}, but "
            f"{FLAGS.input_dir}/{run_folder.TASK} calls it {trained[number]!r}. Leave "
            "the flag out, or give the names in that order."
        )


def _read_json(name):
    path = os.path.join(FLAGS.input_dir, name)
    return read_json_object(path) if files.exists(path) else {}
