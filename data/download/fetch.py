"""Fetches one file over HTTP: resumes after a cut, verifies, then names the file.

Bytes are collected in `<name>.part` beside the target. A later call asks the server for
the rest only. The file gets its name when its checksum is the published one.
"""

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import sys
import tarfile
import time
import urllib.error
import urllib.request
from typing import Iterable, List, NamedTuple, Optional

from tqdm import tqdm

from ..io import files
from ..io.errors import InputError
from .sources import SOURCES, RemoteFile

PART_SUFFIX = ".part"
_BLOCK = 2**16
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 4
_NOT_SATISFIABLE = 416


class Unreachable(InputError):
    """The server could not be reached at all."""


class _Cut(Exception):
    """The connection broke off; what arrived is in the .part file."""


class _Reply(NamedTuple):
    """A server's answer: where its bytes start in the file, and how long that is."""

    stream: http.client.HTTPResponse
    start: int
    total: Optional[int]


def checksum_of(path: str, algorithm: str) -> str:
    """The checksum of a file, in the form of `RemoteFile.checksum`.

    Args:
      algorithm: "sha256", or "git": SHA-1 of "blob <bytes>", a zero byte and the
        content.
    """
    if algorithm == "git":
        digest = hashlib.sha1(b"blob %d\0" % files.file_size(path))
    else:
        digest = hashlib.sha256()
    with files.open_file(path) as stream:
        for block in iter(lambda: stream.read(2**20), b""):
            digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def is_published(path: str, file: RemoteFile) -> bool:
    """Whether a file's content is the published one."""
    return checksum_of(path, file.checksum.split(":")[0]) == file.checksum


def unpublished_files(task_name: str, paths: Iterable[str]) -> List[str]:
    """Names of those files of a task whose content is not the published one.

    A file under another name may be a copy of any published one. Tasks without
    published checksums of files, as those of an archive, have none.
    """
    source = SOURCES.get(task_name.lower())
    plain = [file for file in source.files if not file.members] if source else []
    published = {file.name: [file] for file in plain}
    named = [(os.path.basename(path), path) for path in paths]
    return [
        name
        for name, path in named
        if plain
        and not any(is_published(path, file) for file in published.get(name, plain))
    ]


def are_published(task_name: str, paths: Iterable[str]) -> bool:
    """Whether all files are known to be the task's published ones, byte by byte.

    False where nobody published their checksums.
    """
    paths = list(paths)
    source = SOURCES.get(task_name.lower())
    known = bool(source) and any(not file.members for file in source.files)
    return bool(paths and known) and not unpublished_files(task_name, paths)


def fetch(file: RemoteFile, folder: str, overwrite: bool = False, wait: float = 1.0):
    """Fetches one file, or an archive and the files in it, into a folder.

    An archive that already lies in the folder is unpacked and kept.

    Args:
      overwrite: whether existing files may be replaced.
      wait: seconds before a broken connection is tried again; doubled each time.

    Raises:
      Unreachable: there is no way to the server.
      InputError: the server refuses, the connection keeps breaking, the bytes are not
        the published ones, the disk is full.
    """
    target = os.path.join(folder, file.name)
    part = target + PART_SUFFIX
    try:
        files.make_folder(
            folder, f"{target} could not be written: choose another --output_dir."
        )
        if file.members and files.exists(target):
            _check(file, target, "Delete it, and run the same command again.")
            _unpack(file, target, folder, overwrite)
            return
        _fetch_part(file, part, wait)
        _check_part(file, part)
        if file.members:
            _unpack(file, part, folder, overwrite)
            files.remove(part)
        else:
            files.rename(part, target)
    except OSError as error:
        raise InputError(
            f"{target} could not be written: {error}. Make room or choose another "
            "--output_dir; the same command resumes the download."
        ) from error


def _unpack(file, archive, folder, overwrite):
    """Writes the wanted members of an archive whose checksum has been verified."""
    with tarfile.open(archive) as members:
        for inside, name in file.members:
            path = os.path.join(folder, name)
            if overwrite or not files.exists(path):
                with files.new_file(path, overwrite) as out:
                    shutil.copyfileobj(members.extractfile(inside), out)


def _check(file: RemoteFile, path: str, advice: str) -> None:
    algorithm = file.checksum.split(":")[0]
    found = checksum_of(path, algorithm)
    if found != file.checksum:
        raise InputError(
            f"{path} ({files.file_size(path):,} bytes) has the checksum {found}, but "
            f"{file.checksum} is published for {file.url}. {advice}"
        )


def _check_part(file: RemoteFile, part: str) -> None:
    try:
        _check(file, part, "It was deleted: try again, or see whether the file moved.")
    except InputError:
        files.remove(part)
        raise


def _fetch_part(file: RemoteFile, part: str, wait: float) -> None:
    """Completes the .part file, with a few attempts where the connection breaks."""
    for attempt in range(1, _ATTEMPTS + 1):
        before = _size(part)
        try:
            _fetch_once(file, part)
            return
        except _Cut as cut:
            if attempt == _ATTEMPTS:
                raise InputError(
                    f"The connection to {file.url} keeps breaking ({cut}). "
                    f"{_size(part):,} bytes are in {part}: the same command resumes "
                    "from there."
                ) from cut
        if _size(part) <= before:
            time.sleep(wait * 2 ** (attempt - 1))


def _size(path: str) -> int:
    return files.file_size(path) if files.exists(path) else 0


def _fetch_once(file: RemoteFile, part: str) -> None:
    reply = _ask(file, _size(part))
    if reply is None:  # the server has no bytes beyond those in the .part file
        return
    limit = 2 * file.size
    with contextlib.closing(reply.stream), files.open_file(part, "ab") as out:
        out.truncate(reply.start)
        with _progress_bar(file, reply) as bar:
            for block in _blocks(reply.stream):
                out.write(block)
                bar.update(len(block))
                if out.tell() > limit:
                    break
        received = out.tell()
    if received > limit:
        files.remove(part)
        raise InputError(
            f"{file.url} sends more than {limit:,} bytes, twice as many as expected: "
            "that is not the data set. Nothing is kept."
        )
    if reply.total is not None and received < reply.total:
        raise _Cut(f"{received:,} of {reply.total:,} bytes arrived")


def _blocks(stream):
    try:
        yield from iter(lambda: stream.read(_BLOCK), b"")
    except (http.client.HTTPException, OSError) as error:
        raise _Cut(f"{type(error).__name__}: {error}") from error


def _ask(file: RemoteFile, start: int) -> Optional[_Reply]:
    """Asks for the file from byte `start` on; None where there is nothing beyond it."""
    request = urllib.request.Request(
        file.url, headers={"User-Agent": "korean-encoders"}
    )
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        stream = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _NOT_SATISFIABLE and start:
            return None
        raise InputError(
            f"{file.url}: the server answers {error.code} {error.reason}. If the file "
            "has moved, fetch it from its new place by hand."
        ) from error
    except urllib.error.URLError as error:
        raise Unreachable(f"{file.url} is out of reach ({error.reason})") from error
    except (http.client.HTTPException, OSError) as error:
        raise _Cut(f"{type(error).__name__}: {error}") from error
    length = stream.headers.get("Content-Length")
    length = int(length) if length and length.isdigit() else None
    sent_from = (
        _first_byte(stream) if stream.status == http.client.PARTIAL_CONTENT else 0
    )
    if sent_from not in (0, start):
        stream.close()
        raise InputError(f"{file.url}: the server sends other bytes than asked for.")
    return _Reply(stream, sent_from, None if length is None else sent_from + length)


def _first_byte(stream) -> int:
    match = re.match(r"bytes (\d+)-", stream.headers.get("Content-Range", ""))
    return int(match.group(1)) if match else -1


def _progress_bar(file: RemoteFile, reply: _Reply) -> tqdm:
    """Bytes so far, rate and time left; seldom where nobody looks on."""
    return tqdm(
        desc=file.name,
        total=reply.total,
        initial=reply.start,
        unit="B",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 10,
    )
