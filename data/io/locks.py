"""Keeping a second writer out of a folder, until this process ends.

On this machine's disks that is the system's own lock (flock), which ends with the
process whatever way it ends. Elsewhere there is none, so a lock object in the folder
says who writes there since when; who ends without cleaning up leaves it behind.
"""

import atexit
import contextlib
import getpass
import json
import os
import re
import socket
import time
from typing import Any, Dict, List, Optional

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from .errors import InputError
from .file_system import file_system, is_remote

LOCK_NAME = "writer.lock"
TEMPORARY_SUFFIX = ".incomplete"  # ends the name of what is not whole
# What another process may take between looking for a lock and writing its own.
_SECONDS_TO_SETTLE = 0.5

# What this process holds: real paths and the descriptors that lock them, and the lock
# objects with what they say.
_DESCRIPTORS: Dict[str, int] = {}
_OBJECTS: Dict[str, bytes] = {}


def lock_folder(folder: str) -> None:
    """Keeps other processes out of an existing folder until this one ends.

    Raises:
      InputError: another process has locked it.
    """
    if is_remote(folder):
        _lock_remote(folder.rstrip("/"))
    elif not hold(folder):
        raise InputError(
            f"Another process is writing to {folder}: wait until it ends, or choose "
            "another --output_dir."
        )


def unlock_folder(folder: str) -> None:
    """Ends what `lock_folder` began; does nothing where it did not."""
    if is_remote(folder):
        _release(f"{folder.rstrip('/')}/{LOCK_NAME}")
    else:
        let_go(folder)


def hold(path: str) -> bool:
    """Locks a local file or folder; False if another process holds it.

    True, without a lock, on a file system that knows none.
    """
    place = os.path.realpath(path)
    if fcntl is None or place in _DESCRIPTORS:
        return True
    try:
        descriptor = os.open(place, os.O_RDONLY)
    except OSError:  # write-only, or gone
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:  # a file system without locks
        os.close(descriptor)
        return True
    _DESCRIPTORS[place] = descriptor
    return True


def is_abandoned(path: str) -> bool:
    """Whether neither this process nor another holds a file or folder."""
    if os.path.realpath(path) in _DESCRIPTORS or not hold(path):
        return False
    let_go(path)
    return True


def abandoned_beside(path: str, ending: str) -> List[str]:
    """Local files and folders named `path` + `ending` that no process holds.

    Args:
      ending: a regular expression.
    """
    folder, name = os.path.split(os.path.abspath(path))
    names = re.compile(re.escape(name) + ending)
    try:
        found = [os.path.join(folder, each) for each in os.listdir(folder)]
    except OSError:  # no such folder
        return []
    return [
        each
        for each in sorted(found)
        if names.fullmatch(os.path.basename(each)) and is_abandoned(each)
    ]


def let_go(path: str) -> None:
    """Ends what `hold` began."""
    descriptor = _DESCRIPTORS.pop(os.path.realpath(path), None)
    if descriptor is not None:
        os.close(descriptor)


def _forget_in_child() -> None:
    """A worker process must not keep what its parent locked."""
    for descriptor in _DESCRIPTORS.values():
        os.close(descriptor)
    _DESCRIPTORS.clear()
    _OBJECTS.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)


# --- Lock objects ----------------------------------------------------------------


def _lock_remote(folder: str) -> None:
    path = f"{folder}/{LOCK_NAME}"
    if path in _OBJECTS:
        return
    found = _read(path)
    if found is not None and not _is_ours_and_dead(found):
        raise _refusal(folder, path, found)
    mine = _my_lock()
    _write(path, mine)
    # Nothing makes a file only where there is none: of two that write one at the same
    # time, the later one has it, and the earlier one sees that here.
    time.sleep(_SECONDS_TO_SETTLE)
    if _read(path) != mine:
        raise _refusal(folder, path, _read(path))
    if not _OBJECTS:
        atexit.register(release_objects)
    _OBJECTS[path] = mine


def release_objects() -> None:
    """Takes this process's lock objects away; another's, in their place, stay."""
    for path in list(_OBJECTS):
        _release(path)


def _release(path: str) -> None:
    mine = _OBJECTS.pop(path, None)
    with contextlib.suppress(OSError, InputError):
        if mine is not None and _read(path) == mine:
            file_system(path).remove(path)


def _my_lock() -> bytes:
    try:
        user = getpass.getuser()
    except (KeyError, ImportError, OSError):  # a container whose user has no name
        user = str(os.getuid())
    content = {
        "owner": f"{user}@{socket.gethostname()}",
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "started": time.time(),  # so that no two are the same
    }
    return json.dumps(content, sort_keys=True).encode("utf-8")


def _read(path: str) -> Optional[bytes]:
    try:
        with file_system(path).open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _write(path: str, content: bytes) -> None:
    with file_system(path).open(path, "wb") as stream:
        stream.write(content)


def _parsed(content: Optional[bytes]) -> Dict[str, Any]:
    try:
        found = json.loads((content or b"{}").decode("utf-8"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_ours_and_dead(content: bytes) -> bool:
    """Whether a lock is of this machine and of a process that has ended."""
    found = _parsed(content)
    host = str(found.get("owner", "")).rpartition("@")[2]
    process = found.get("process")
    if host != socket.gethostname() or not isinstance(process, int) or fcntl is None:
        return False
    if process == os.getpid():  # of an earlier one with the same number
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _refusal(folder: str, path: str, content: Optional[bytes]) -> InputError:
    found = _parsed(content)
    return InputError(
        f"{folder} is locked: {found.get('owner', 'somebody')}, process "
        f"{found.get('process', 'unknown')}, has been writing to it since "
        f"{found.get('since', 'an unknown time')}. Wait until it ends, or choose "
        f"another --output_dir. If it was killed, take over: delete {path} and give "
        "the same command again."
    )
