"""Files as they are opened, listed and replaced, on whatever holds them.

A `FileSystem` is the handful of operations that reading and writing need. `LOCAL` is
this machine's; `file_system` makes one of tf.io.gfile for paths such as `gs://...`, so
that nothing else has to know about TensorFlow.

`new_file` is how every output of this project is written: under a temporary name that
becomes the real one only when the file is whole.
"""

import contextlib
import glob as _glob
import os
import shutil
from typing import Callable, Iterator, List, NamedTuple, Tuple, Type

from .errors import InputError


class FileSystem(NamedTuple):
    """Operations on paths (all strings)."""

    open: Callable  # (path, mode) -> binary file object
    exists: Callable  # (path) -> bool
    size: Callable  # (path) -> bytes
    replace: Callable  # (source, target): target is overwritten
    remove: Callable  # (path)
    glob: Callable  # (pattern) -> paths
    make_directories: Callable  # (path); no error when it exists
    remove_tree: Callable  # (path)
    errors: Tuple[Type[Exception], ...]  # what these raise when the disk refuses


def _make_directories(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"The folder {path} cannot be made: {error.strerror}. Choose another place."
        ) from error


def _local_glob(pattern: str) -> List[str]:
    return sorted(_glob.glob(pattern))


LOCAL = FileSystem(
    open=open,
    exists=os.path.exists,
    size=os.path.getsize,
    replace=os.replace,
    remove=os.remove,
    glob=_local_glob,
    make_directories=_make_directories,
    remove_tree=shutil.rmtree,
    errors=(OSError,),
)


def file_system(path: str) -> FileSystem:
    """What opens `path`: this machine, or TensorFlow for `scheme://...`."""
    if "://" not in path:
        return LOCAL
    import tensorflow.compat.v1 as tf

    gfile = tf.io.gfile

    def glob(pattern: str) -> List[str]:
        try:
            return sorted(gfile.glob(pattern))
        except tf.errors.NotFoundError:  # TensorFlow 1.15, where the folder is missing
            return []

    return FileSystem(
        open=gfile.GFile,
        exists=gfile.exists,
        size=lambda path: gfile.stat(path).length,
        replace=lambda source, target: gfile.rename(source, target, overwrite=True),
        remove=gfile.remove,
        glob=glob,
        make_directories=gfile.makedirs,
        remove_tree=gfile.rmtree,
        errors=(OSError, tf.errors.OpError),
    )


TEMPORARY_SUFFIX = ".incomplete"


@contextlib.contextmanager
def new_file(path: str, overwrite: bool = False, files: FileSystem = LOCAL) -> Iterator:
    """A binary file to write; it gets its name only after the last byte.

    Args:
      path: the final name. Until then the bytes are in a file beside it, named after
        it, the process and `TEMPORARY_SUFFIX`, which is removed when writing fails.
      overwrite: whether an existing file may be replaced.

    Raises:
      InputError: the file exists and `overwrite` is false, or the file system refuses
        (no space, no permission); nothing is then left under `path`.
    """
    if not overwrite and files.exists(path):
        raise InputError(
            f"{path} exists already. Pass --overwrite to replace it, or another name."
        )
    temporary = f"{path}.{os.getpid()}{TEMPORARY_SUFFIX}"
    try:
        with files.open(temporary, "wb") as stream:
            yield stream
        files.replace(temporary, path)
    except files.errors as error:
        raise InputError(
            f"{path} could not be written: {error}. Nothing half-written is left: "
            "make room or choose another place, and run the same command again."
        ) from error
    finally:
        with contextlib.suppress(*files.errors):
            files.remove(temporary)
