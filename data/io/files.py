"""The one door to users' files: opening, listing, writing, renaming, deleting.

A path is a string: of this machine, or a URL (`gs://bucket/a.txt`) for tf.io.gfile.
Nothing else in this project opens, lists, renames or deletes a user's file.

Every output is written under a temporary name that becomes the real one only when it is
whole (`new_file`, `new_local`, `new_folder`).
"""

import contextlib
import fnmatch
import os
import re
import shutil
import tempfile
import uuid
from typing import BinaryIO, Iterator, List, Sequence

from . import locks
from .errors import InputError
from .file_system import file_system, is_remote, list_folder, matching, walk
from .locks import TEMPORARY_SUFFIX

_MACHINE = uuid.uuid4().hex[:8]  # two may have processes of the same number
# Endings of what is not whole: a file, a folder, and the folder that one replaces.
_FILE_ENDING = r"(\.\w{8})?\.\d+" + re.escape(TEMPORARY_SUFFIX)
_FOLDER_ENDING = r"\.\w{8}" + re.escape(TEMPORARY_SUFFIX)
_BEFORE = ".before"


# --- Reading ---------------------------------------------------------------------


def open_file(path: str, mode: str = "rb") -> BinaryIO:
    """Opens a file for bytes: "rb", or "ab" for a log. Outputs are `new_file`s."""
    return file_system(path).open(path, mode)


def read_bytes(path: str) -> bytes:
    """The whole of a file.

    Raises:
      FileNotFoundError: there is no such file.
    """
    try:
        with open_file(path) as stream:
            return stream.read()
    except NotADirectoryError as error:  # a file is where a folder should be
        raise FileNotFoundError(error.errno, error.strerror, path) from None


def read_text(path: str) -> str:
    """The whole of a UTF-8 file; see `read_bytes`."""
    return read_bytes(path).decode("utf-8")


def exists(path: str) -> bool:
    """Whether there is a file or folder of this name."""
    return file_system(path).exists(path)


def is_folder(path: str) -> bool:
    """Whether there is a folder of this name."""
    return file_system(path).is_folder(path)


def file_size(path: str) -> int:
    """Bytes of a file."""
    return file_system(path).size(path)


def modification_time(path: str) -> float:
    """Seconds since 1970; 0 where the place keeps none."""
    return file_system(path).changed(path)


def absolute(path: str) -> str:
    """The path from the root; a URL as it stands."""
    return path if is_remote(path) else os.path.abspath(path)


def is_same_place(first: str, second: str) -> bool:
    """Whether two paths mean the same file or folder, links followed."""
    return _place(first) == _place(second)


def _place(path: str) -> str:
    return path.rstrip("/") if is_remote(path) else os.path.realpath(path)


# --- Writing ---------------------------------------------------------------------


def make_folder(path: str, advice: str = "Choose another place.") -> None:
    """Makes a folder and those above it; none that is there is touched.

    Raises:
      InputError: the disk refuses; the message ends with `advice`.
    """
    try:
        file_system(path).make_folder(path)
    except OSError as error:
        reason = error.strerror
        if isinstance(error, (FileExistsError, NotADirectoryError)):
            reason = "a file is in its place"
        raise InputError(
            f"The folder {path} cannot be made: {reason}. {advice}"
        ) from error


def remove(path: str) -> None:
    """Deletes a file."""
    file_system(path).remove(path)


def remove_folder(path: str) -> None:
    """Deletes a folder and all that is in it."""
    file_system(path).remove_tree(path)


def rename(source: str, target: str) -> None:
    """Gives a file another name in the same place; a file that has it is replaced."""
    file_system(source).rename(source, target)


def copy(source: str, target: str) -> None:
    """Copies a file, from or to anywhere; it gets its name when it is whole."""
    with open_file(source) as reader, new_file(target, overwrite=True) as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)


@contextlib.contextmanager
def new_file(path: str, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write; it gets its name only after the last byte.

    Args:
      path: the final name. Until then the bytes are in `temporary_name(path)`, which is
        removed when writing fails, as is what a killed process left there.
      overwrite: whether an existing file may be replaced.

    Raises:
      InputError: the file exists and `overwrite` is false, or the file system refuses
        (no space, no permission); nothing is then left under `path`.
    """
    with _new(path, overwrite) as temporary:
        with open_file(temporary, "wb") as stream:
            locks.hold(temporary)
            yield stream


def temporary_name(path: str) -> str:
    """Where this process, and no other on any machine, writes a file."""
    return f"{path}.{_MACHINE}.{os.getpid()}{TEMPORARY_SUFFIX}"


@contextlib.contextmanager
def _new(path: str, overwrite: bool) -> Iterator[str]:
    """A temporary name for a file, which gets its own at the end.

    That of a link is the one of the file that it leads to.
    """
    if not is_remote(path):
        if exists(path) and not os.path.isfile(path) and not is_folder(path):
            raise InputError(f"{path} is a device or pipe: choose another name.")
        if os.path.islink(path):
            path = os.path.realpath(path)
    if not overwrite and exists(path):
        raise InputError(
            f"{path} exists already. Pass --overwrite to replace it, or another name."
        )
    temporary = temporary_name(path)
    try:
        _remove_left_behind(path, temporary)
        yield temporary
        rename(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written: {error}. Nothing half-written is left: "
            "make room or choose another place, and run the same command again."
        ) from error
    finally:
        if not is_remote(path):
            locks.let_go(temporary)
        with contextlib.suppress(OSError, InputError):
            remove(temporary)


def _remove_left_behind(path: str, ours: str) -> None:
    """Removes what killed processes were writing; what one writes now is locked."""
    if is_remote(path):  # locks are not known there
        return
    for other in locks.abandoned_beside(path, _FILE_ENDING):
        if other != absolute(ours) and not is_folder(other):
            with contextlib.suppress(OSError):
                remove(other)


def write_text(path: str, text: str) -> None:
    """Writes a UTF-8 file, whole or not at all, in place of the one that is there."""
    with new_file(path, overwrite=True) as stream:
        stream.write(text.encode("utf-8"))


# --- For libraries that must have a real file ------------------------------------


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """A file or folder on this machine: itself, or a copy that goes at the end."""
    if not is_remote(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        target = os.path.join(folder, os.path.basename(path.rstrip("/")))
        if is_folder(path):
            for name in walk(path):
                make_folder(os.path.dirname(os.path.join(target, name)))
                copy(os.path.join(path, name), os.path.join(target, name))
        else:
            copy(path, target)
        yield target


@contextlib.contextmanager
def new_local(path: str, overwrite: bool = False) -> Iterator[str]:
    """A path of this machine for a library to write a file to; see `new_file`.

    It has no ending that tells what is in it: say the format to the library.
    """
    if not is_remote(path):
        with _new(path, overwrite) as temporary:
            open_file(temporary, "wb").close()
            locks.hold(temporary)
            yield temporary
        return
    with tempfile.TemporaryDirectory() as folder:
        temporary = os.path.join(folder, os.path.basename(path))
        with new_file(path, overwrite) as stream:
            yield temporary
            with open_file(temporary) as reader:
                shutil.copyfileobj(reader, stream, 1 << 20)


@contextlib.contextmanager
def new_folder(
    path: str, written: Sequence[str], overwrite: bool = False
) -> Iterator[str]:
    """A local folder to fill, which gets its name only when it is whole.

    Elsewhere than on this machine a folder cannot be renamed: its files are copied
    there when all are made, those in the folder itself last.

    Args:
      path: the final name.
      written: names or patterns of all files that it gets, first of one that always is
        there. A folder with anything else is never replaced.
      overwrite: whether an existing folder of such files may be replaced.

    Raises:
      InputError: it exists and may not be replaced, or the disk refuses.
    """
    path = path.rstrip("/" + os.sep)
    if not is_remote(path):
        _settle(path, written)
    _require_replaceable(path, written, overwrite)
    with _unfinished(path) as temporary:
        yield temporary
        if is_remote(path):
            if exists(path):
                remove_folder(path)
            _copy_files(temporary, path)
            return
        before = temporary + _BEFORE
        if os.path.lexists(path):
            os.replace(path, before)
        os.replace(temporary, path)
        _remove_replaced(before)


def _settle(path: str, written: Sequence[str]) -> None:
    """Puts back the folder that a killed process was replacing, or ends its removal."""
    moved = locks.abandoned_beside(path, _FOLDER_ENDING + re.escape(_BEFORE))
    for before in sorted(moved, key=lambda each: -os.lstat(each).st_mtime):
        new = before[: -len(_BEFORE)]
        if os.path.lexists(new) and not locks.is_abandoned(new):
            continue  # its process is alive
        if not os.path.lexists(path):
            os.replace(before, path)
        elif not _strange_names(before, written):
            _remove_replaced(before)


def _remove_replaced(before: str) -> None:
    if os.path.islink(before):
        os.remove(before)
    else:
        shutil.rmtree(before, ignore_errors=True)


def _require_replaceable(path: str, written: Sequence[str], overwrite: bool) -> None:
    names = list_folder(path)
    if exists(path) and not is_folder(path):
        raise InputError(f"{path} is a file. Choose another --output_dir.")
    if names and matching(path, written[0]):
        names = _strange_names(path, written)
    if names:
        raise InputError(
            f"{path} holds {', '.join(names[:3])}, not just what this command writes, "
            "and is left as it is. Choose another --output_dir."
        )
    if (exists(path) or os.path.lexists(path)) and not overwrite:
        raise InputError(
            f"{path} exists already. Pass --overwrite to replace it, or another "
            "--output_dir."
        )


def _strange_names(folder: str, written: Sequence[str]) -> List[str]:
    """What is in a folder besides `written`; of strange folders just the name."""
    tops = [pattern.partition("/")[0] for pattern in written]
    names = list_folder(folder)
    strange = [n for n in names if not any(fnmatch.fnmatch(n, top) for top in tops)]
    if strange:
        return strange
    known = {path for pattern in written for path in matching(folder, pattern)}
    return [name for name in walk(folder) if os.path.join(folder, name) not in known]


@contextlib.contextmanager
def new_files(path: str, overwrite: bool = False) -> Iterator[str]:
    """A local folder to fill, whose files get to `path` when all are whole.

    Other files there stay. Those in folders get there first, the others last.

    Raises:
      InputError: a file of the same name is there and `overwrite` is false, or the
        disk refuses.
    """
    path = path.rstrip("/" + os.sep)
    with _unfinished(path) as temporary:
        yield temporary
        require_free(path, walk(temporary), overwrite)
        _copy_files(temporary, path)


def require_free(folder: str, names: List[str], overwrite: bool) -> None:
    """Raises InputError if one of the files is there and may not be replaced."""
    if overwrite:
        return
    taken = [name for name in names if exists(os.path.join(folder, name))]
    if taken:
        raise InputError(
            f"{folder} holds {', '.join(sorted(taken))} already. Choose another "
            "--output_dir, or pass --overwrite to replace them."
        )


@contextlib.contextmanager
def _unfinished(path: str) -> Iterator[str]:
    """An empty local folder, beside `path` if that is local; it goes at the end."""
    temporary = None
    try:
        if is_remote(path):
            temporary = tempfile.mkdtemp(TEMPORARY_SUFFIX)
        else:
            parent, name = os.path.split(os.path.abspath(path))
            os.makedirs(parent, exist_ok=True)
            for other in filter(
                is_folder, locks.abandoned_beside(path, _FOLDER_ENDING)
            ):
                shutil.rmtree(other, ignore_errors=True)
            temporary = tempfile.mkdtemp(TEMPORARY_SUFFIX, name + ".", parent)
            locks.hold(temporary)
            os.chmod(temporary, 0o777 & ~_umask())
        yield temporary
    except OSError as error:
        raise InputError(
            f"{path} could not be written: {error}. Make room or choose another "
            "--output_dir."
        ) from error
    finally:
        if temporary is not None:
            locks.let_go(temporary)
            shutil.rmtree(temporary, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _copy_files(source: str, target: str) -> None:
    for name in walk(source):
        made = os.path.join(target, name)
        make_folder(os.path.dirname(made))
        if is_remote(target):
            copy(os.path.join(source, name), made)
        else:
            os.replace(os.path.join(source, name), made)
