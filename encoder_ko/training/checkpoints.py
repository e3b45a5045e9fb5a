"""Checkpoints as files: finding, reading and keeping them."""

import atexit
import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from typing import Dict, Iterable, List, Mapping, Optional

import numpy as np
from absl import logging

from data.io import files
from data.io.errors import InputError
from data.io.text_encoding import POINTER_BYTES, refuse_lfs_pointer
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.training import missing_weights

OPTIMIZER_STATE = re.compile(
    r"/(adam_m|adam_v)$|^(global_step|skipped_updates|loss_scale.*)$"
)
_SHOWN_NAMES = 3


def find_checkpoint(path: str) -> Optional[str]:
    """The checkpoint that a path means: a prefix, or a folder's newest; None if none.

    A folder without TensorFlow's `checkpoint` file may hold one `*.index` file, as
    published models do.

    Raises:
      InputError: the folder holds several checkpoints and no `checkpoint` file.
    """
    if files.exists(path + ".index"):
        return path
    newest = newest_checkpoint(path)
    if newest or not files.is_folder(path):
        return newest
    found = files.matching(path, "*.index")
    if len(found) > 1:
        names = ", ".join(os.path.basename(name)[: -len(".index")] for name in found)
        raise InputError(
            f"{path} holds several checkpoints ({names}): name one with "
            "--init_checkpoint."
        )
    return found[0][: -len(".index")] if found else None


def newest_checkpoint(folder: str) -> Optional[str]:
    """The one that TensorFlow's `checkpoint` file names; None if it is not there.

    Of a folder that was copied or moved it is the folder's own, whatever place the file
    names. (tf.train.latest_checkpoint takes the folder's name for a pattern.)
    """
    state = _state(folder)
    if state is None or not state.model_checkpoint_path:
        return None
    named = state.model_checkpoint_path
    for path in (os.path.join(folder, os.path.basename(named)), named):
        if files.exists(path + ".index"):
            return path
    return None


def _state(folder):
    """What TensorFlow's `checkpoint` file says; None where it is not readable."""
    try:
        return tf.train.get_checkpoint_state(folder)
    except ValueError:  # empty, as a machine that lost its power leaves it
        return None


def last_of_run(folder: str) -> Optional[str]:
    """`newest_checkpoint`, or the one of the highest step where that is not there."""
    return newest_checkpoint(folder) or _of_highest_step(folder)


def _of_highest_step(folder):
    steps = {}
    for path in files.matching(folder, "model.ckpt-*.index"):
        found = re.fullmatch(r"model\.ckpt-(\d+)\.index", os.path.basename(path))
        if found:
            steps[int(found.group(1))] = path[: -len(".index")]
    return steps[max(steps)] if steps else None


def adopt_checkpoints(folder: str) -> None:
    """Makes the `checkpoint` file of a run's folder name what is in it now.

    It names other places in a folder that was moved, and may be lost or damaged: then
    a warning says which checkpoint is taken.

    Raises:
      InputError: a file of the newest checkpoint is missing.
    """
    named = newest_checkpoint(folder)
    newest = named or _of_highest_step(folder)
    if newest:
        require_files(newest)
    if newest is None or os.path.dirname(newest) != folder.rstrip("/"):
        return
    if named is None:
        logging.warning(
            "%s is missing, damaged or names what is not there: %s is taken.",
            os.path.join(folder, "checkpoint"),
            newest,
        )
        state = tf.train.generate_checkpoint_state_proto(folder, newest)
    else:
        state = _state(folder)
        if files.is_same_place(state.model_checkpoint_path, newest):
            return
    kept = [os.path.basename(path) for path in state.all_model_checkpoint_paths]
    state.Clear()
    state.model_checkpoint_path = os.path.basename(newest)
    state.all_model_checkpoint_paths.extend(
        name for name in kept if files.exists(os.path.join(folder, name + ".index"))
    )
    files.write_text(os.path.join(folder, "checkpoint"), str(state))


def saved_step(folder: str) -> int:
    """The step of a run's newest checkpoint; 0 where it has none."""
    newest = newest_checkpoint(folder)
    return int(newest.rsplit("-", 1)[1]) if newest else 0


def require_checkpoint(path: str) -> str:
    """`find_checkpoint`, or an error."""
    found = find_checkpoint(path)
    if found is None:
        raise InputError(
            f"There is no checkpoint {path!r}{missing_weights.found_instead(path)}. "
            "Expected the prefix of its files (model.ckpt for model.ckpt.index) or a "
            "folder that holds one."
        )
    return found


def digest(checkpoint: str) -> str:
    """16 hexadecimal digits of the contents: the index has a CRC of every tensor."""
    content = files.read_bytes(checkpoint + ".index")
    return hashlib.sha256(content).hexdigest()[:16]


def checkpoint_shapes(checkpoint: str) -> Dict[str, List[int]]:
    """Variable name -> shape.

    Raises:
      InputError: a file is missing or cut off, or they are no TensorFlow checkpoint.
    """
    with _explained(checkpoint):
        reader = tf.train.load_checkpoint(readable(checkpoint))
    shapes = dict(sorted(reader.get_variable_to_shape_map().items()))
    require_files(checkpoint)
    types = reader.get_variable_to_dtype_map()
    _require_bytes(checkpoint, shapes, types)
    return shapes


def read_tensors(
    checkpoint: str, names: Optional[Iterable[str]] = None
) -> Dict[str, np.ndarray]:
    """The tensors of these names; None = all, but for those of an optimizer.

    Raises:
      InputError: as `checkpoint_shapes`, or its contents are damaged.
    """
    if names is None:
        found = checkpoint_shapes(checkpoint)
        names = [name for name in found if not OPTIMIZER_STATE.search(name)]
    reader = tf.train.load_checkpoint(readable(checkpoint))
    with _explained(checkpoint):
        return {name: np.asarray(reader.get_tensor(name)) for name in names}


def restore(saver: tf.train.Saver, session: tf.Session, checkpoint: str) -> None:
    """Restores what the saver knows.

    Raises:
      InputError: the checkpoint's contents are damaged.
    """
    with _explained(checkpoint):
        saver.restore(session, readable(checkpoint))


_READ_AGAIN = "Fetch or copy it again, or use another checkpoint."


@contextlib.contextmanager
def _explained(checkpoint):
    """Says it in one line where a checkpoint cannot be read."""
    try:
        yield
    except (tf.errors.OpError, ValueError, IndexError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        _refuse_lfs_pointers(_index_and_data(checkpoint))
        reason = (
            compat.checkpoint_damage(str(error)) or str(error).partition("\n")[0][:200]
        )
        raise InputError(
            f"{checkpoint} could not be read as a TensorFlow checkpoint: its files are "
            f"damaged, or something else ({reason}). {_READ_AGAIN}"
        ) from error


def _require_bytes(checkpoint, shapes, types):
    """Raises InputError if the data files are shorter than their tensors together."""
    expected = sum(
        int(np.prod(shape, dtype=np.int64)) * types[name].size
        for name, shape in shapes.items()
        if types[name] != tf.string
    )
    paths = [p for p in _index_and_data(checkpoint) if not p.endswith(".index")]
    found = sum(map(files.file_size, paths))
    if found < expected:
        raise InputError(
            f"{checkpoint} is cut off: {os.path.basename(paths[0])} has {found:,} of "
            f"at least {expected:,} bytes. {_READ_AGAIN}"
        )


def require_finite(name: str, tensor: np.ndarray, source: str) -> None:
    """Raises InputError if a tensor of a checkpoint, `source`, has NaN or infinity."""
    broken = np.argwhere(~np.isfinite(tensor))
    if len(broken):
        raise InputError(
            f"{source}: {name} holds {len(broken)} values that are not finite, the "
            f"first of them {tensor[tuple(broken[0])]} at {broken[0].tolist()}. The "
            "model is broken: use an earlier checkpoint, or fetch the file again."
        )


def require_files(checkpoint: str) -> None:
    """Raises InputError if data of a checkpoint are missing, or Git LFS pointers."""
    paths = _index_and_data(checkpoint)
    _refuse_lfs_pointers(paths)
    parts = [path for path in paths if not path.endswith(".index")]
    expected = int(parts[0].rsplit("-", 1)[1]) if parts else 1
    if len(paths) > len(parts) and len(parts) < expected:
        raise InputError(
            f"{checkpoint}.index has {len(parts)} of its {expected} data files "
            f"({os.path.basename(checkpoint)}.data-*) beside it: copy those that are "
            "missing, or name another checkpoint."
        )


def _index_and_data(checkpoint):
    return [
        path
        for path in _files_of(checkpoint)
        if re.search(r"\.index$|\.data-\d+-of-\d+$", path)
    ]


def _refuse_lfs_pointers(paths):
    for path in paths:
        with files.open_file(path) as reader:
            refuse_lfs_pointer(reader.read(POINTER_BYTES), path)


# Names by which TensorFlow does not read a checkpoint: signs of a pattern, and those of
# a place where it takes what several files' names begin with for a folder.
_UNREADABLE = re.compile(r"[*?\[\\]|^ram://")
_LINKED = {}  # such checkpoints, with their index, and what stands for them


def readable(checkpoint: str) -> str:
    """A checkpoint under a name by which TensorFlow reads it.

    It takes signs such as [ in the name for a pattern. Such a checkpoint is read
    through links in a temporary folder, or copies where it is not on this machine.
    """
    if not _UNREADABLE.search(checkpoint) or not files.exists(checkpoint + ".index"):
        return checkpoint
    key = checkpoint, files.read_bytes(checkpoint + ".index")
    if key not in _LINKED:
        _LINKED[key] = _linked(
            "model.ckpt",
            {path: path[len(checkpoint) :] for path in _files_of(checkpoint)},
        )
    return _LINKED[key]


def readable_folder(folder: str) -> str:
    """The same for the folder of a SavedModel."""
    if not _UNREADABLE.search(folder):
        return folder
    names = files.walk(folder)
    return _linked("", {os.path.join(folder, name): f"/{name}" for name in names})


def _linked(name: str, endings: Dict[str, str]) -> str:
    """What stands for files until this process ends; the path of `name` + ending."""
    place = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    beginning = os.path.join(place, "linked", name).rstrip("/")
    for path, ending in endings.items():
        target = beginning + ending
        files.make_folder(os.path.dirname(target))
        if files.is_remote(path):
            files.copy(path, target)
        else:
            os.symlink(os.path.abspath(path), target)
    return beginning


def _files_of(checkpoint: str) -> List[str]:
    folder, name = os.path.split(checkpoint)
    found = files.list_folder(folder)
    names = [other for other in found if other.startswith(name + ".")]
    return [
        os.path.join(folder, other)
        for other in names
        if not other.endswith(files.TEMPORARY_SUFFIX)
    ]


def copy_checkpoint(checkpoint: str, folder: str) -> str:
    """Copies a checkpoint's files into a folder, replacing what was there.

    Whenever it is interrupted, the folder's newest checkpoint is a whole one.

    Returns:
      The prefix of the copy.
    """
    files.make_folder(folder)
    name = os.path.basename(checkpoint)
    kept = os.path.join(folder, name)
    for path in _files_of(checkpoint):
        files.copy(path, kept + path[len(checkpoint) :])
    newest = os.path.join(folder, "checkpoint")
    # The name alone, so that the folder may be moved.
    files.write_text(newest, f'model_checkpoint_path: "{name}"\n')
    for path in files.matching(folder, "*"):
        if path != newest and not path.startswith(kept + "."):
            files.remove(path)
    return kept


def write_checkpoint(prefix: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Writes arrays by name as a checkpoint."""
    names = sorted(tensors)
    with tf.Graph().as_default(), tf.Session() as session:
        values = [tf.placeholder(tf.as_dtype(tensors[name].dtype)) for name in names]
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=names,
            shape_and_slices=[""] * len(names),
            tensors=values,
        )
        session.run(save, {v: tensors[name] for v, name in zip(values, names)})


def remove_checkpoint(checkpoint: str) -> None:
    """Removes its files, if it has any."""
    for path in _files_of(checkpoint):
        files.remove(path)
