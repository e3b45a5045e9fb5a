"""The files that a command's flags name, wherever they lie."""

from typing import BinaryIO, List, Optional, Tuple

from .errors import InputError
from .files import TEMPORARY_SUFFIX, file_system


def open_file(path: str, mode: str) -> BinaryIO:
    """Opens a path on this machine or, as `scheme://...`, with tf.io.gfile."""
    return file_system(path).open(path, mode)


def read_bytes(path: str) -> bytes:
    """The whole of a file, wherever it lies.

    Raises:
      FileNotFoundError: there is no such file.
    """
    files = file_system(path)
    if not files.exists(path):
        raise FileNotFoundError(path)
    with files.open(path, "rb") as stream:
        return stream.read()


def matching_files(
    patterns: Optional[str], flag: str = "input_file"
) -> Tuple[str, ...]:
    """The files that comma-separated patterns match, in order, without repetition.

    What a killed process left half-written (`TEMPORARY_SUFFIX`) is passed over unless
    it is named in full.

    Args:
      patterns: such as "a.txt,corpus/*.txt,gs://bucket/b.gz".
      flag: names the flag in the message.
    Raises:
      InputError: a pattern matches no file.
    """
    found: List[str] = []
    for pattern in (patterns or "").split(","):
        matches = [
            path
            for path in (file_system(pattern).glob(pattern) if pattern else [])
            if path == pattern or not path.endswith(TEMPORARY_SUFFIX)
        ]
        if not matches:
            raise InputError(f"--{flag}={pattern or patterns}: there is no such file.")
        found.extend(path for path in matches if path not in found)
    return tuple(found)
