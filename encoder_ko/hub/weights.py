"""Variables of a TensorFlow checkpoint as tensors of a Hugging Face model, and back.

Pure: arrays in, arrays out. The names are those of `*_ko/hugging_face.py`.
"""

import re
from typing import Any, List, NamedTuple, Sequence

import numpy as np

from data.io.errors import InputError
from encoder_ko.hub.weight_map import (
    Architecture,
    ModelNames,
    Pair,
    Tensors,
    choose_architecture,
    expand,
    parts_of,
    translate,
)

_TASK_OF_NAME = re.compile(r"task_specific/([^/]+)/")
_BUFFER = re.compile(r"(^|\.)embeddings\.position_ids$")


class Model(NamedTuple):
    """One Hugging Face model and what it is of ours.

    Attributes:
      names: ModelNames.
      config: EncoderConfig of this network.
      architecture: Architecture, with the parts that are there.
      tensors: by Hugging Face's names.
      task: as in the names of ELECTRA's heads, "" elsewhere.
      num_labels: outputs of a fine-tuned head; 0 without one.
    """

    names: ModelNames
    config: Any
    architecture: Architecture
    tensors: Tensors
    task: str
    num_labels: int


def to_hugging_face(
    networks: Sequence[ModelNames],
    config,
    variables: Tensors,
    head_type: str,
    source: str,
) -> List[Model]:
    """Every network of a checkpoint as a Hugging Face model.

    Args:
      networks: the networks that a checkpoint of this model can hold.
      config: EncoderConfig of the run.
      variables: all of the checkpoint.
      head_type: Architecture.head_type, "" if unknown.
      source: names the checkpoint in messages.

    Raises:
      InputError: a variable is missing, left over or of another shape.
    """
    models = []
    for names, owned in _owned(networks, variables):
        own_config = names.config_of(config, owned)
        architecture = choose_architecture(
            names, own_config, list(owned), True, head_type, source
        )
        task = _task(owned, source)
        pairs = _pairs(names, architecture, own_config, task)
        tensors = translate(owned, pairs, own_config, True, source)
        models.append(
            Model(
                names,
                own_config,
                architecture,
                names.complete(tensors, own_config),
                task,
                _num_labels(pairs, owned),
            )
        )
    return models


def to_tensorflow(
    names: ModelNames,
    config,
    tensors: Tensors,
    architecture: Architecture,
    task: str,
    source: str,
) -> Tensors:
    """The variables of one Hugging Face model.

    Args:
      tensors: as `plain_tensors` gives them.
      architecture: of config.json.
      task: part of the names of ELECTRA's heads.

    Raises:
      InputError: a tensor is missing, left over or of another shape.
    """
    reduced = names.reduce(tensors, config)
    architecture = choose_architecture(
        names._replace(architectures=(architecture,)),
        config,
        list(reduced),
        False,
        architecture.head_type,
        source,
    )
    pairs = _pairs(names, architecture, config, task)
    return translate(reduced, pairs, config, False, source)


def num_labels(
    names: ModelNames, config, variables: Tensors, architecture: Architecture, task: str
) -> int:
    """Outputs of a fine-tuned head among the variables; 0 without one."""
    return _num_labels(_pairs(names, architecture, config, task), variables)


def plain_tensors(names: ModelNames, tensors: Tensors, source: str) -> Tensors:
    """Tensors without copies and buffers, under the names that the heads' files have.

    Raises:
      InputError: embeddings that are not tied, or positions that do not count from 0.
    """
    tensors = dict(tensors)
    if not any(name.startswith(names.base_prefix) for name in tensors):
        tensors = {names.base_prefix + name: value for name, value in tensors.items()}
    for name in [name for name in tensors if _BUFFER.search(name)]:
        positions = tensors.pop(name).reshape(-1)
        if not np.array_equal(positions, np.arange(len(positions))):
            raise InputError(f"{source}: {name} does not count from 0.")
    for copy, original in names.copies.items():
        if copy not in tensors:
            continue
        value = tensors.pop(copy)
        if original not in tensors:
            tensors[original] = value
        elif not np.array_equal(value, tensors[original]):
            raise InputError(
                f"{source}: {copy} differs from {original}. Google's network has one "
                "table for both (tied embeddings), so this model cannot be converted."
            )
    return tensors


def names_of_head(names: ModelNames, tensors: Tensors) -> List[str]:
    """The names of the tensors that are not the encoder's."""
    base = next(a for a in names.architectures if a.head_type == "encoder")
    present = parts_of(names, tensors, False)
    encoder = set().union(
        *(present.get(part, ()) for part in base.parts + base.may_have + names.adapters)
    )
    return sorted(set(tensors) - encoder)


def _owned(networks, variables):
    """(names, its variables) of each network that the checkpoint has."""
    possible = [n for n in networks if n.is_in is None or n.is_in(variables)]
    owned = [
        {n: v for n, v in variables.items() if re.match(names.owns, n)}
        for names in possible
    ]
    present = []
    for number, (names, own) in enumerate(zip(possible, owned)):
        others = owned[:number] + owned[number + 1 :]
        if names.is_in is not None or set(own).difference(*others):
            present.append((names, own))
    return present


def _pairs(names, architecture, config, task) -> List[Pair]:
    counts = names.placeholders(config)
    return [
        pair
        for part in architecture.parts
        for pair in expand(names.parts[part], counts, task)
    ]


def _task(variables, source):
    tasks = {found.group(1) for found in map(_TASK_OF_NAME.match, variables) if found}
    if len(tasks) > 1:
        raise InputError(
            f"{source} holds heads of several tasks ({', '.join(sorted(tasks))}); a "
            "Hugging Face model has one."
        )
    return tasks.pop() if tasks else ""


def _num_labels(pairs, variables):
    for pair in pairs:
        if "L" in pair.shape:
            return variables[pair.tf].shape[pair.shape.index("L")]
    return 0
