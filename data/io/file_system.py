"""Where a path leads: to this machine's disks, or by tf.io.gfile to `scheme://...`.

Both have the same few operations, and both say with Python's OSErrors what went wrong.
TensorFlow is imported for the second only. Everything else goes through `files.py`.
"""

import contextlib
import errno
import fnmatch
import io
import os
import re
import shutil
from typing import Any, BinaryIO, Iterator, List

from .errors import InputError

PATTERN_SIGN = re.compile(r"[*?[]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# What is meant as a URL, and would be a local folder of that name.
_ONE_SLASH = re.compile(r"(file|gs|hdfs|https?|ram|s3|viewfs):/(?!/)")
_BUFFER_BYTES = 1 << 20
_SHOWN_CHARACTERS = 200


def is_remote(path: str) -> bool:
    """Whether a path is a URL such as gs://bucket/corpus.txt."""
    return _SCHEME.match(path) is not None


class LocalFiles:
    """This machine's disks. All paths are strings."""

    open = staticmethod(open)
    exists = staticmethod(os.path.exists)
    is_folder = staticmethod(os.path.isdir)
    size = staticmethod(os.path.getsize)  # in bytes
    changed = staticmethod(os.path.getmtime)  # in seconds since 1970
    names = staticmethod(os.listdir)
    rename = staticmethod(os.replace)
    copy = staticmethod(shutil.copyfile)
    remove = staticmethod(os.remove)
    remove_tree = staticmethod(shutil.rmtree)

    @staticmethod
    def make_folder(path: str) -> None:
        os.makedirs(path, exist_ok=True)


class RemoteFiles:
    """What tf.io.gfile opens: gs://, hdfs://, file://, ram:// and so on."""

    def __init__(self):
        import tensorflow.compat.v1 as tf

        self._gfile = tf.io.gfile
        self._error = tf.errors.OpError

    def open(self, path: str, mode: str) -> BinaryIO:
        """Modes "rb", "wb" and "ab"."""
        raw = _RemoteFile(self._gfile.GFile(path, mode), path, mode, self.errors)
        if mode == "rb":
            raw.check()
            return io.BufferedReader(raw, _BUFFER_BYTES)
        return io.BufferedWriter(raw, _BUFFER_BYTES)

    def exists(self, path: str) -> bool:
        with self.errors(path):
            return self._gfile.exists(path)

    def is_folder(self, path: str) -> bool:
        with self.errors(path):
            return self._gfile.isdir(path)

    def size(self, path: str) -> int:
        with self.errors(path):
            return self._gfile.stat(path).length

    def changed(self, path: str) -> float:
        with self.errors(path):
            return self._gfile.stat(path).mtime_nsec / 1e9

    def names(self, path: str) -> List[str]:
        """As os.listdir; an object store lists folders with a slash at the end."""
        with self.errors(path):
            return [name.rstrip("/") for name in self._gfile.listdir(path)]

    def rename(self, source: str, target: str) -> None:
        """Of a file. In an object store this is a copy, then a deletion."""
        with self.errors(target):
            self._gfile.rename(source, target, overwrite=True)

    def copy(self, source: str, target: str) -> None:
        with self.errors(target):
            self._gfile.copy(source, target, overwrite=True)

    def remove(self, path: str) -> None:
        with self.errors(path):
            self._gfile.remove(path)

    def remove_tree(self, path: str) -> None:
        with self.errors(path):
            self._gfile.rmtree(path)

    def make_folder(self, path: str) -> None:
        with self.errors(path):
            self._gfile.makedirs(path)

    @contextlib.contextmanager
    def errors(self, path: str) -> Iterator[None]:
        """TensorFlow's errors as Python's.

        Raises:
          FileNotFoundError, FileExistsError, PermissionError, OSError: as for a local
            file.
          InputError: the place cannot be reached.
        """
        try:
            yield
        except self._error as error:
            raise _as_python_error(error, path) from error


LOCAL = LocalFiles()
_REMOTE: List[Any] = []  # the one RemoteFiles, once it is needed


def file_system(path: str) -> Any:
    """What opens `path`: a LocalFiles or a RemoteFiles.

    Raises:
      InputError: a URL has one slash only.
    """
    if not is_remote(path):
        if _ONE_SLASH.match(path):
            scheme, _, rest = path.partition(":/")
            slashes = ":///" if scheme == "file" else "://"  # file has no host
            raise InputError(
                f"{path} is no URL: pass {scheme}{slashes}{rest}. For a local path of "
                f"that name pass ./{path}."
            )
        return LOCAL
    if not _REMOTE:
        _REMOTE.append(RemoteFiles())
    return _REMOTE[0]


# --- Listing ---------------------------------------------------------------------


def list_folder(path: str) -> List[str]:
    """Sorted names of all files and folders in a folder; [] where there is none."""
    try:
        return sorted(filter(None, file_system(path).names(path or os.curdir)))
    except (FileNotFoundError, NotADirectoryError):
        return []


def matching(folder: str, pattern: str) -> List[str]:
    """Sorted paths in a folder whose names match, as glob has it.

    Args:
      folder: is taken as it stands, whatever characters are in its name.
      pattern: such as "trial_*/model.ckpt-*"; no pattern sign = one name.
    """
    first, slash, rest = pattern.partition("/")
    if not PATTERN_SIGN.search(first):
        path = os.path.join(folder, first)
        if slash:
            return matching(path, rest)
        return [path] if file_system(path).exists(path) else []
    names = fnmatch.filter(list_folder(folder), first)
    if not first.startswith("."):
        names = [name for name in names if not name.startswith(".")]
    paths = [os.path.join(folder, name) for name in names]
    if slash:
        paths = [found for path in paths for found in matching(path, rest)]
    return sorted(paths)


def walk(folder: str) -> List[str]:
    """Names of all files below a folder, those in the deepest folders first."""
    found = []
    for name in list_folder(folder):
        path = os.path.join(folder, name)
        if file_system(path).is_folder(path):
            found += [os.path.join(name, inner) for inner in walk(path)]
        else:
            found.append(name)
    return sorted(found, key=lambda name: (-name.count(os.sep), name))


# --- Through TensorFlow ----------------------------------------------------------

# Codes of TensorFlow's errors (those of gRPC), as the system would say it.
_ERROR_NUMBERS = {
    5: errno.ENOENT,
    6: errno.EEXIST,
    7: errno.EACCES,
    8: errno.ENOSPC,
    16: errno.EACCES,
}
# Of local disks (file://) the number is known from the words.
_WORDS = {
    os.strerror(number): number
    for number in (errno.EISDIR, errno.ENOTDIR, errno.EROFS, errno.EIO, errno.EFBIG)
}
_UNREACHABLE = "Check its name, the network, and your rights and credentials for it."


def _as_python_error(error: Any, path: str) -> Exception:
    message = " ".join(str(error.message).split())[:_SHOWN_CHARACTERS]
    number = _ERROR_NUMBERS.get(error.error_code)
    for words, found in _WORDS.items():
        if words in message:
            number = found
    if message.endswith(" is a directory."):  # ram://
        number = errno.EISDIR
    if number is None:
        return InputError(f"{path} cannot be reached ({message}). {_UNREACHABLE}")
    if number == errno.EACCES:
        return OSError(number, message, path)
    return OSError(number, os.strerror(number), path)


class _RemoteFile(io.RawIOBase):
    """A GFile as Python's buffered files want it."""

    def __init__(self, stream: Any, path: str, mode: str, errors: Any):
        self._stream, self._mode, self._errors = stream, mode, errors
        self.name = path

    def check(self) -> None:
        """Raises OSError now, not at the first read, where there is no such file."""
        with self._errors(self.name):
            self._stream.seek(0)

    def readable(self) -> bool:
        return self._mode == "rb"

    def writable(self) -> bool:
        return not self.readable()

    def seekable(self) -> bool:
        return self.readable()

    def readinto(self, target: Any) -> int:
        with self._errors(self.name):
            found = self._stream.read(len(target))
        target[: len(found)] = found
        return len(found)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with self._errors(self.name):
            self._stream.seek(offset, whence)
            return self._stream.tell()

    def tell(self) -> int:
        with self._errors(self.name):
            return self._stream.tell()

    def write(self, content: Any) -> int:
        with self._errors(self.name):
            self._stream.write(bytes(content))
        return len(content)

    def close(self) -> None:
        """What was written is there, whole, only after this."""
        if not self.closed:
            try:
                with self._errors(self.name):
                    self._stream.close()
            finally:
                super().close()
