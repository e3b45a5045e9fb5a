"""Tensors by name in the three formats: TensorFlow, safetensors, PyTorch.

Of PyTorch's files only tensors are read (`weights_only`): nothing else is unpickled.
"""

import os
import pickle
import re

import numpy as np

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.io.text_encoding import POINTER_BYTES, refuse_lfs_pointer
from encoder_ko.hub.weight_map import Tensors
from encoder_ko.training import checkpoints

SAFETENSORS = "model.safetensors"
PYTORCH = "pytorch_model.bin"
_INDEX = ".index.json"
# Types of safetensors' header; bfloat16 as its bits.
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}


def read_checkpoint(prefix: str) -> Tensors:
    """The variables of a TensorFlow checkpoint, without those of an optimizer."""
    tensors = checkpoints.read_tensors(prefix)
    return {name: _widened(tensor) for name, tensor in tensors.items()}


def write_checkpoint(prefix: str, tensors: Tensors) -> None:
    """Writes a TensorFlow checkpoint; its folder's `checkpoint` file names it."""
    checkpoints.write_checkpoint(
        prefix, {name: np.asarray(tensors[name], np.float32) for name in tensors}
    )
    folder, name = os.path.split(prefix)
    files.write_text(
        os.path.join(folder, "checkpoint"), f'model_checkpoint_path: "{name}"\n'
    )


def write_safetensors(path: str, tensors: Tensors) -> None:
    """Writes one safetensors file, as PyTorch would."""
    safetensors = _import_safetensors()
    try:
        safetensors.numpy.save_file(
            {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)},
            path,
            metadata={"format": "pt"},
        )
    except safetensors.SafetensorError as error:  # the disk is full
        raise InputError(
            f"{path} could not be written: {error}. Make room or choose another "
            "--output_dir."
        ) from error


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
    index = read_json_object(path + _INDEX)
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


def _import_safetensors():
    try:
        import safetensors.numpy
    except ImportError:
        raise InputError(
            f"{SAFETENSORS} needs a package that is not installed. Run: "
            "pip install safetensors"
        ) from None
    return safetensors


def _read_safetensors(copy, path):
    """By the bytes, since NumPy has no bfloat16."""
    safetensors = _import_safetensors()
    try:
        content = files.read_bytes(copy)
        refuse_lfs_pointer(content, path)
        found = safetensors.deserialize(content)
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} could not be read: {error}.") from None
    return {name: _array(name, tensor, path) for name, tensor in found}


def _array(name, tensor, path):
    dtype = tensor["dtype"]
    if dtype not in _DTYPES:
        raise InputError(
            f"{path}: {name} is of the type {dtype}, which is not read here. Save the "
            "model in float32 first."
        )
    values = np.frombuffer(tensor["data"], _DTYPES[dtype])
    if dtype == "BF16":  # the upper half of a float32
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return _widened(values.reshape(tensor["shape"]))


def _widened(values: np.ndarray) -> np.ndarray:
    """float16 and bfloat16 as float32, which has all their numbers; others stay."""
    is_half = values.dtype == np.float16 or values.dtype.name == "bfloat16"
    return values.astype(np.float32) if is_half else values


def _read_pytorch(copy, path):
    with files.open_file(copy) as reader:
        refuse_lfs_pointer(reader.read(POINTER_BYTES), path)
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
    # NumPy has no bfloat16.
    return {
        name: _widened(
            (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        )
        for name, value in tensors.items()
    }
