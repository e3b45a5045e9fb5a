"""Takes chosen files out of a zip or tar archive that nobody has to trust."""

import contextlib
import lzma
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from typing import Dict, Iterator, Mapping, NamedTuple

from ..io.errors import InputError
from ..io.files import new_file

MAX_BYTES = 2 * 10**9
MAX_MEMBERS = 100000
_BLOCK = 2**20
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # of zipfile: encrypted, or packed in a way that it does not know
)


class _Member(NamedTuple):
    """Name in the archive, size in bytes, kind ("file", "folder" or other)."""

    name: str
    size: int
    kind: str


def unpack(
    path: str,
    wanted: Mapping[str, str],
    overwrite: bool = False,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Writes files of an archive under names that the caller chose.

    Nothing is written before the whole archive was looked through: one with any
    member that points outside the folder, is a link or a device, or with more content
    than allowed, is refused as a whole.

    Args:
      path: a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz, told apart by the content.
      wanted: path inside the archive -> file to write.
      overwrite: whether existing files may be replaced.
      max_bytes: the most that all members together may unpack to.

    Raises:
      InputError: the archive is broken, is refused, or lacks a wanted file.
    """
    try:
        with _opened(path) as archive:
            found = _checked_members(path, archive, max_bytes)
            for name, target in wanted.items():
                if name not in found:
                    raise InputError(f"{path} holds no file {name!r}.")
                with archive.read(name) as stream, new_file(target, overwrite) as out:
                    _copy(path, stream, out, found[name])
    except _BROKEN as error:
        raise InputError(
            f"{path} is not a whole archive ({error}): delete it and fetch it again."
        ) from error


def _checked_members(path, archive, max_bytes) -> Dict[str, _Member]:
    """The files by name; an error for the first member that is not harmless."""
    found, total = {}, 0
    for count, member in enumerate(archive.members(), 1):
        total += member.size
        if count > MAX_MEMBERS or total > max_bytes:
            raise InputError(
                f"{path} would unpack to more than {MAX_MEMBERS:,} files or "
                f"{max_bytes:,} bytes: nothing is unpacked."
            )
        if _points_outside(member.name) or member.kind not in ("file", "folder"):
            raise InputError(
                f"{path} holds {member.name!r}, a {member.kind} that could reach "
                "outside its folder: nothing is unpacked."
            )
        if member.kind == "file":
            found[member.name] = member
    return found


def _points_outside(name: str) -> bool:
    name = name.replace("\\", "/")
    parts = posixpath.normpath(name).split("/")
    return name.startswith("/") or ".." in parts or bool(re.match("[A-Za-z]:", name))


def _copy(path, stream, out, member: _Member) -> None:
    left = member.size
    while True:
        block = stream.read(min(_BLOCK, left + 1))
        if not block:
            break
        left -= len(block)
        if left < 0:
            raise InputError(f"{path}: {member.name!r} is longer than it says.")
        out.write(block)
    if left:
        raise InputError(f"{path}: {member.name!r} is shorter than it says.")


class _Tar:
    """What `unpack` needs of a tar archive."""

    def __init__(self, archive: tarfile.TarFile):
        self._archive = archive

    def members(self) -> Iterator[_Member]:
        for info in self._archive:
            kind = "link or device"
            if info.isreg():
                kind = "file"
            elif info.isdir():
                kind = "folder"
            yield _Member(info.name, info.size, kind)

    def read(self, name):
        return self._archive.extractfile(name)


class _Zip:
    """What `unpack` needs of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive

    def members(self) -> Iterator[_Member]:
        for info in self._archive.infolist():
            mode = stat.S_IFMT(info.external_attr >> 16)
            kind = "link or device"
            if info.filename.endswith("/"):
                kind = "folder"
            elif mode in (0, stat.S_IFREG):
                kind = "file"
            yield _Member(info.filename, info.file_size, kind)

    def read(self, name):
        return self._archive.open(name)


@contextlib.contextmanager
def _opened(path):
    with open(path, "rb") as stream:
        is_zip = stream.read(2) == b"PK"
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            yield _Zip(archive)
    else:
        with tarfile.open(path, "r:*") as archive:
            yield _Tar(archive)
