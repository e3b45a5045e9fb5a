"""A folder that a command writes to: whose it is, what may be replaced or deleted.

A file of settings says whose the folder is. A command lists all that it ever writes
there, and never touches anything else.
"""

import json
import os
from typing import Any, Dict, Iterable, List, Optional, Sequence

from .errors import InputError
from .files import (
    TEMPORARY_SUFFIX,
    exists,
    is_folder,
    is_same_place,
    make_folder,
    matching,
    read_bytes,
    remove,
    write_text,
)
from .json_files import parse_list, parse_object
from .locks import lock_folder, unlock_folder


class OwnedFolder:
    """The files of one command in a folder.

    Args:
      path: the folder, which need not exist.
      settings_name: the JSON file that says whose it is.
      written: names or patterns of all else that the command writes.
    """

    def __init__(self, path: str, settings_name: str, written: Sequence[str]):
        self.path = path
        self.settings_name = settings_name
        self._written = tuple(written)

    def __call__(self, *names: str) -> str:
        """The path of a file of this folder."""
        return os.path.join(self.path, *names)

    def lock(self) -> None:
        """Makes the folder and keeps other processes out of it until this one ends.

        Raises:
          InputError: it cannot be made, or another process writes to it.
        """
        make_folder(self.path, "Choose another --output_dir.")
        lock_folder(self.path)

    def unlock(self) -> None:
        """Lets other processes in again."""
        unlock_folder(self.path)

    def settings(self) -> Optional[Dict[str, Any]]:
        """The content of the file of settings; None where there is none."""
        return self.read_json(self.settings_name)

    def files(self, patterns: Optional[Iterable[str]] = None) -> List[str]:
        """Paths of the files that match; by default all that the command writes."""
        if patterns is None:
            patterns = (self.settings_name, *self._written)
        return [
            path
            for pattern in patterns
            for path in matching(self.path, pattern)
            if not is_folder(path)
        ]

    def left_behind(self) -> List[str]:
        """What a killed process was writing here."""
        return self.files(
            f"{name}.*{TEMPORARY_SUFFIX}"
            for name in (self.settings_name, *self._written)
        )

    def delete(self, paths: Iterable[str], inputs: Iterable[str], why: str) -> None:
        """Deletes files of the command, unless they are needed.

        Args:
          inputs: files that are needed.
          why: "which is to be read".

        Raises:
          InputError: one of `inputs` would be deleted; then nothing is.
        """
        paths = list(paths)
        self.require_not_among(paths, inputs, why)
        for path in paths:
            remove(path)

    @staticmethod
    def require_not_among(
        paths: Iterable[str], inputs: Iterable[str], why: str
    ) -> None:
        """Raises InputError if a file that is needed is one of those to delete."""
        paths = list(paths)
        for needed in inputs:
            # A checkpoint is named by what its files' names begin with.
            if any(
                is_same_place(path, needed) or is_same_place(path, needed + ".index")
                for path in paths
            ):
                raise InputError(
                    f"--overwrite would delete {needed}, {why}. Choose another "
                    "--output_dir."
                )

    def read_json(self, name: str) -> Optional[Dict[str, Any]]:
        """The object of a JSON file; None where it does not exist."""
        return self._read(name, parse_object)

    def read_json_list(self, name: str) -> Optional[List[Any]]:
        """As `read_json`, for a file that holds one JSON list."""
        return self._read(name, parse_list)

    def _read(self, name, parse):
        if not exists(self(name)):
            return None
        try:
            return parse(read_bytes(self(name)), self(name))
        except InputError as error:
            raise InputError(f"{error} {self.advice(name)}") from None

    def advice(self, name: str) -> str:
        """What to do about a JSON file that is damaged."""
        if name == self.settings_name:
            return "Put a copy of it back, or choose another --output_dir."
        return "Delete it and run the same command again."

    def required_json(self, name: str) -> Dict[str, Any]:
        """`read_json` of a file that this command has written or found."""
        return self._required(name, self.read_json(name))

    def required_json_list(self, name: str) -> List[Any]:
        """`read_json_list` of a file that this command has written or found."""
        return self._required(name, self.read_json_list(name))

    def _required(self, name, content):
        if content is None:
            raise InputError(
                f"{self(name)} is gone: was its folder moved or deleted since the "
                "command began? Give the command again."
            )
        return content

    def write_json(self, name: str, content: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self.write_text(name, text + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file, whole or not at all."""
        write_text(self(name), text)
