"""The files that a command's flags name, wherever they lie."""

import os
from typing import Iterable, List, Optional, Tuple

from .errors import InputError
from .file_system import PATTERN_SIGN
from .files import (
    TEMPORARY_SUFFIX,
    exists,
    is_folder,
    is_remote,
    is_same_place,
    matching,
)


def matching_files(
    patterns: Optional[str], flag: str = "input_file"
) -> Tuple[str, ...]:
    """The files that comma-separated names or patterns mean, in order, each once.

    A name that exists is that file; only where there is none is it read as a pattern.
    What a killed process left half-written (`TEMPORARY_SUFFIX`) is passed over unless
    it is named in full.

    Args:
      patterns: such as "a.txt,corpus/*.txt,gs://bucket/b.gz".
      flag: names the flag in the message.

    Raises:
      InputError: a pattern matches no file; it is a folder.
    """
    found: List[str] = []
    for pattern in (patterns or "").split(","):
        matches = _named_by(pattern) if pattern else []
        if matches == [pattern] and is_folder(pattern):
            raise InputError(
                f"--{flag}={pattern} is a folder: name its files, such as "
                f"'{os.path.join(pattern, '*')}'."
            )
        if not matches:
            raise InputError(f"--{flag}={pattern or patterns}: there is no such file.")
        found.extend(path for path in matches if path not in found)
    return tuple(found)


def require_no_input(output_file: str, paths: Iterable[str], inputs: str) -> None:
    """Raises InputError if the output would replace one of the files to read.

    Args:
      output_file: the value of --output_file.
      paths: the files to read.
      inputs: the flag that names them, and its value: "--input_file=a/*.txt".
    """
    for path in paths:
        if is_same_place(path, output_file):
            raise InputError(
                f"--output_file={output_file} is one of the files of {inputs}: write "
                "to another place."
            )


def _named_by(pattern: str) -> List[str]:
    if exists(pattern):
        return [pattern]
    sign = PATTERN_SIGN.search(pattern)
    if sign is None:
        return []
    # Of the folders before the first sign, those that exist as they stand count as
    # they stand, too: [news]/a*.txt.
    folder, rest = "", pattern
    slash = pattern.find("/", pattern.find("://") + 3 if is_remote(pattern) else 0)
    while slash >= 0 and is_folder(pattern[: slash + 1]):
        folder, rest = pattern[: slash + 1], pattern[slash + 1 :]
        slash = pattern.find("/", slash + 1)
    found = matching(folder, rest)
    return [path for path in found if not path.endswith(TEMPORARY_SUFFIX)]
