"""Tensors by name in the three formats: TensorFlow, safetensors, PyTorch.

Of PyTorch's files only tensors are read (`weights_only`): nothing else is unpickled.
"""

import json
import os
import pickle
import re

import numpy as np

from data.io import files
from data.io.errors import InputError
from encoder_ko.compat import tf
from encoder_ko.hub.weight_map import Tensors
from encoder_ko.training import checkpoints

SAFETENSORS = "model.safetensors"
PYTORCH = "pytorch_model.bin"
_INDEX = ".index.json"


def read_checkpoint(prefix: str) -> Tensors:
    """The variables of a TensorFlow checkpoint, without those of an optimizer."""
    names = checkpoints.checkpoint_shapes(prefix)
    reader = tf.train.load_checkpoint(checkpoints.readable(prefix))
    return {
        name: reader.get_tensor(name)
        for name in names
        if not checkpoints.OPTIMIZER_STATE.search(name)
    }


def write_checkpoint(prefix: str, tensors: Tensors) -> None:
    """Writes a TensorFlow checkpoint; its folder's `checkpoint` file names it."""
    names = sorted(tensors)
    with tf.Graph().as_default(), tf.Session() as session:
        values = [tf.placeholder(tf.float32) for _ in names]
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=values,
        )
        session.run(save, {v: tensors[name] for v, name in zip(values, names)})
    folder, name = os.path.split(prefix)
    files.write_text(
        os.path.join(folder, "checkpoint"), f'model_checkpoint_path: "{name}"\n'
    )


def write_safetensors(path: str, tensors: Tensors) -> None:
    """Writes one safetensors file, as PyTorch would."""
    _safetensors().save_file(
        {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)},
        path,
        metadata={"format": "pt"},
    )


def read_hugging_face(folder: str) -> Tensors:
    """The tensors of a folder's model.safetensors or pytorch_model.bin.

    Names of old files (gamma, beta) are brought up to date.

    Raises:
      InputError: neither exists, or a file cannot be read.
    """
    for name, read in ((SAFETENSORS, _read_safetensors), (PYTORCH, _read_pytorch)):
        tensors = {}
        for path in _files(os.path.join(folder, name)):
            with files.local_copy(path) as copy:
                tensors.update(read(copy, path))
        if tensors:
            return {_current_name(key): value for key, value in tensors.items()}
    raise InputError(
        f"{folder} holds neither {SAFETENSORS} nor {PYTORCH}. Give the folder of a "
        "Hugging Face model with --input_dir."
    )


def _files(path):
    """The file, or the parts that its index names; [] if there are neither."""
    if files.exists(path):
        return [path]
    if not files.exists(path + _INDEX):
        return []
    index = json.loads(files.read_text(path + _INDEX))
    parts = sorted(set(index["weight_map"].values()))
    folder = os.path.dirname(path)
    return [os.path.join(folder, os.path.basename(part)) for part in parts]


def _current_name(name):
    return re.sub(
        r"(LayerNorm)\.(gamma|beta)$",
        lambda found: (
            found.group(1) + (".weight" if found.group(2) == "gamma" else ".bias")
        ),
        name,
    )


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            f"{SAFETENSORS} needs a package that is not installed. Run: "
            "pip install safetensors"
        ) from None
    return safetensors.numpy


def _read_safetensors(copy, path):
    reader = _safetensors()
    from safetensors import SafetensorError

    try:
        return reader.load_file(copy)
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path} could not be read: {error}.") from None
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} holds tensors of the type {error}, which NumPy does not have. "
            "Save the model in float32 first."
        ) from None


def _read_pytorch(copy, path):
    try:
        import torch
    except ImportError:
        raise InputError(
            f"{path} needs PyTorch, which is not installed. Run: pip install torch; "
            f"or save the model as {SAFETENSORS}."
        ) from None
    try:
        tensors = torch.load(copy, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise InputError(
            f"{path} could not be read as tensors alone: "
            f"{str(error).splitlines()[0]} Files that hold other Python objects are "
            "not opened, since they could run code."
        ) from None
    strange = [key for key, value in tensors.items() if not torch.is_tensor(value)]
    if strange:
        raise InputError(f"{path} holds more than tensors: {', '.join(strange[:3])}.")
    return {name: _as_array(value) for name, value in tensors.items()}


def _as_array(tensor):
    """bfloat16 becomes float32, exactly; other types stay."""
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    return tensor.numpy()
