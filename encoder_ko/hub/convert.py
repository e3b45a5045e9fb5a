"""Converts a model between the files of TensorFlow and of Hugging Face.

Everything is written beside its place first, so that a folder that exists is whole.
"""

import contextlib
import json
import os
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from absl import logging

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.tokenization import (
    CONFIG_FILE_NAME,
    Tokenizer,
    build_tokenizer,
    check_vocabulary,
)
from encoder_ko.finetuning.task_types.base import scope_of
from encoder_ko.hub import config as hf_config
from encoder_ko.hub import model_card, task_card, tokenizer_files, weights
from encoder_ko.hub import tensors as tensor_files
from encoder_ko.hub.tokenizer_import import import_tokenizer
from encoder_ko.hub.weight_map import ModelNames, Tensors
from encoder_ko.training import agreement, run_folder

_HF_CONFIG = "config.json"
_CHECKPOINT = "model.ckpt"


class TensorFlowModel(NamedTuple):
    """What the TensorFlow form of a model is made of.

    Attributes:
      config: EncoderConfig.
      tokenizer: Tokenizer.
      checkpoint: prefix.
      head: hf_config.HeadDescription; its head_type may be "".
      run: see `model_card.facts_of`.
      described: content of task.json; {} without one.
    """

    config: Any
    tokenizer: Tokenizer
    checkpoint: str
    head: hf_config.HeadDescription
    run: Dict[str, Any]
    described: Dict[str, Any] = {}


def export(
    networks: Sequence[ModelNames],
    model: TensorFlowModel,
    output_dir: str,
    overwrite: bool = False,
    split_special: bool = True,
) -> List[str]:
    """Writes Hugging Face's files.

    Args:
      networks: the tables of the model; a checkpoint that holds several networks gives
        a folder for each.
      output_dir: the folder of the result.
      overwrite: whether files of the same names may be replaced.
      split_special: see `tokenizer_files.write_tokenizer`.

    Returns:
      The folders.

    Raises:
      InputError: the checkpoint does not fit the tables, or the folder is taken.
    """
    check_vocabulary(
        model.tokenizer.vocabulary,
        model.config.vocab_size,
        model.tokenizer.config.special_tokens,
    )
    found = weights.to_hugging_face(
        networks,
        model.config,
        tensor_files.read_checkpoint(model.checkpoint),
        _network_head(model.head.head_type),
        model.checkpoint,
    )
    folders = []
    with _new_files(output_dir, overwrite) as temporary:
        for network in found:
            inner = network.names.folder if len(found) > 1 else ""
            folders.append(os.path.join(output_dir, inner) if inner else output_dir)
            place = os.path.join(temporary, inner)
            files.make_folder(place)
            title = os.path.basename(files.absolute(output_dir).rstrip("/"))
            _export_one(
                network, model, place, f"{title} {inner}".strip(), split_special
            )
    return folders


def _network_head(head_type):
    """Regression has the network of classification."""
    return "classification" if head_type == "regression" else head_type


def _export_one(network, model, folder, title, split_special):
    architecture = network.architecture
    head = model.head._replace(
        head_type=architecture.head_type,
        labels=_labels(network, model.head, model.checkpoint),
        task=network.task or model.head.task,
        is_regression=model.head.is_regression or model.head.head_type == "regression",
    )
    content = hf_config.hugging_face_config(
        network.config,
        network.names.model_type,
        architecture.name,
        model.tokenizer.pad_id,
        head,
    )
    content.update(network.names.marks)
    content.update(task_card.kept_of(model.described))
    _write_json(os.path.join(folder, _HF_CONFIG), content)
    tensors = network.tensors
    scores = model.described.get("task", {}).get("score_range")
    if head.is_regression and scores:
        tensors = network.names.scores(tensors, *scores)
    tensor_files.write_safetensors(
        os.path.join(folder, tensor_files.SAFETENSORS), tensors
    )
    tokenizer_files.write_tokenizer(
        model.tokenizer, folder, network.config.max_position_embeddings, split_special
    )
    before = tokenizer_files.unsupported_steps(model.tokenizer.config)
    for step in before:
        logging.warning("Hugging Face's tokenizer does not %s: do it before.", step)
    inexact = tokenizer_files.inexactness(model.tokenizer.config)
    if inexact:
        logging.warning("%s", inexact)
    card = model_card.Card(
        title,
        architecture.name,
        architecture.head_type,
        head.labels,
        model.run,
        before,
        inexact,
        split_special,
    )
    files.write_text(os.path.join(folder, "README.md"), model_card.model_card(card))


def _labels(network, head, source):
    """Names of the outputs of a classifier or tagger, in order."""
    if not network.num_labels:
        return ()
    if head.head_type == "regression" or head.is_regression:
        return ("LABEL_0",)
    return task_card.label_names(head.labels, network.num_labels, source)


# --- From Hugging Face -----------------------------------------------------------


def import_(
    networks: Sequence[ModelNames],
    input_dir: str,
    output_dir: str,
    overwrite: bool = False,
    encoder_only: bool = False,
    task: Optional[str] = None,
    allow_mismatch: bool = False,
) -> str:
    """Writes a checkpoint, its configuration and vocabulary from Hugging Face's files.

    Args:
      networks: the tables of the model.
      input_dir: folder of a model, or of ELECTRA's `discriminator` and `generator`.
      output_dir: the folder of the result.
      overwrite: whether files of the same names may be replaced.
      encoder_only: whether the head is left out.
      task: name of the task; None = what config.json says.
      allow_mismatch: whether files may contradict each other; tokenizer.json and
        id2label count then.

    Returns:
      The prefix of the checkpoint, which is in `best/` beside a task.json if the model
      is a fine-tuned one: the folder is then like that of a fine-tuning run.

    Raises:
      InputError: the files do not fit the tables, or the folder is taken.
    """
    found = [
        _import_one(names, folder, encoder_only, task)
        for names, folder in _networks_of(networks, input_dir)
    ]
    for one in found:
        agreement.settle(one.origin.differences(), allow_mismatch)
    with _new_files(output_dir, overwrite) as temporary:
        for one in found:
            name = one.names.config_file.format(model_type=one.names.model_type)
            files.write_text(os.path.join(temporary, name), one.config.to_json_string())
        vocab_file = _import_tokenizer(one, temporary, allow_mismatch)
        described = one.origin.described(one.names.model_type, vocab_file)
        checkpoint = _CHECKPOINT
        if described:
            _write_json(os.path.join(temporary, run_folder.TASK), described)
            checkpoint = os.path.join(run_folder.BEST, _CHECKPOINT)
            files.make_folder(os.path.join(temporary, run_folder.BEST))
        tensor_files.write_checkpoint(
            os.path.join(temporary, checkpoint), _together(found)
        )
    return os.path.join(output_dir, checkpoint)


class _Imported(NamedTuple):
    """One network: ModelNames, EncoderConfig, variables, and what its files tell."""

    names: ModelNames
    folder: str
    config: Any
    variables: Tensors
    origin: task_card.FineTuned


def _networks_of(networks, input_dir):
    """(names, folder) of each network; that of one folder is told by its class."""
    path = os.path.join(input_dir, _HF_CONFIG)
    if not files.exists(path):
        inner = [(names, os.path.join(input_dir, names.folder)) for names in networks]
        inner = [
            pair for pair in inner if files.exists(os.path.join(pair[1], _HF_CONFIG))
        ]
        if inner:
            return inner
    content = read_json_object(path)
    name = _class_name(content)
    fitting = [
        names
        for names in networks
        if name in [architecture.name for architecture in names.architectures]
        and all(content.get(key) == value for key, value in names.marks.items())
    ]
    return [((fitting or networks)[0], input_dir)]


def _class_name(content):
    return (content.get("architectures") or [""])[0]


def _import_one(names, folder, encoder_only, task):
    path = os.path.join(folder, _HF_CONFIG)
    content = read_json_object(path)
    config = hf_config.encoder_config(content, names, path)
    class_name = _class_name(content)
    if encoder_only:
        class_name = next(
            a.name for a in names.architectures if a.head_type == "encoder"
        )
    architecture = names.architecture(class_name)
    tensors = weights.plain_tensors(
        names, tensor_files.read_hugging_face(folder), folder
    )
    if encoder_only:
        dropped = weights.names_of_head(names, tensors)
        logging.info("Left out with --encoder_only: %s", ", ".join(dropped) or "-")
        tensors = {n: value for n, value in tensors.items() if n not in dropped}
    head = hf_config.head_of(content, architecture)
    name = task or task_card.task_name(content) or head.task or "task"
    head, scope = head._replace(task=name), scope_of(name)
    variables = weights.to_tensorflow(
        names, config, tensors, architecture, scope, folder
    )
    num_labels = weights.num_labels(names, config, variables, architecture, scope)
    origin = task_card.FineTuned(
        content,
        path,
        head,
        num_labels,
        names.score_range(tensors),
        config.max_position_embeddings,
    )
    return _Imported(names, folder, config, variables, origin)


def _together(found: Sequence[_Imported]) -> Tensors:
    """The variables of all networks; those that several have must be the same."""
    variables = {}
    for one in found:
        for name, value in one.variables.items():
            if name in variables and not (variables[name] == value).all():
                raise InputError(
                    f"{one.folder}: {name} differs between generator and discriminator,"
                    " which share their embeddings in Google's ELECTRA. Convert one of "
                    "them alone."
                )
            variables[name] = value
    return variables


def _import_tokenizer(one: _Imported, target: str, allow_mismatch: bool) -> str:
    """Copies the tokenizer, which must fit the network; the vocabulary's name."""
    config, vocab_file = import_tokenizer(
        one.folder, target, one.config.vocab_size, allow_mismatch
    )
    files.write_text(os.path.join(target, CONFIG_FILE_NAME), config.to_json_string())
    tokenizer = build_tokenizer(config, vocab_file)
    check_vocabulary(tokenizer.vocabulary, one.config.vocab_size, config.special_tokens)
    pad_id = one.origin.content.get("pad_token_id", 0)
    if pad_id not in (None, tokenizer.pad_id):
        raise InputError(
            f"{one.origin.source} says pad_token_id={pad_id} but {config.pad_token} "
            f"has the id {tokenizer.pad_id} in the vocabulary: it is not this model's."
        )
    return os.path.basename(vocab_file)


@contextlib.contextmanager
def _new_files(output_dir, overwrite):
    """`files.new_files`, each with its size in the log."""
    with files.new_files(output_dir, overwrite) as temporary:
        yield temporary
        sizes = {
            name: files.file_size(os.path.join(temporary, name))
            for name in files.walk(temporary)
        }
    for name, size in sorted(sizes.items()):
        logging.info("%s: %d bytes", os.path.join(output_dir, name), size)


def _write_json(path, content):
    files.write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
