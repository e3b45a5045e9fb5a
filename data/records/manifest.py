"""What a build of records has done so far, in a JSON file beside them.

It holds the settings, the tokenizer and, for each file, counts and a checksum. With it
a killed build resumes with the files that are missing, and training can refuse records
that do not fit its flags.
"""

import dataclasses
import json
import os
from typing import Any, Dict, Mapping, Optional

from ..io.errors import InputError
from ..io.files import exists, read_bytes, write_text
from ..io.json_files import parse_object

MANIFEST_NAME = "manifest.json"
_FORMAT = 1
_COUNTS = ("instances", "bytes")  # of each file


@dataclasses.dataclass
class Manifest:
    """The state of a build.

    Attributes:
      settings: what decides the records, by flag name, JSON values.
      tokenizer: `Tokenizer.identity()`.
      files: by file name: instances, bytes, sha256 and, for shards, what they were
        made of.
      texts: by shard name, the CRC-32 of the text that the shard was made of.
      totals: sums over the corpus, when the build is complete.
      complete: whether all files are there.
    """

    settings: Dict[str, Any]
    tokenizer: Dict[str, Any]
    files: Dict[str, Dict[str, Any]] = dataclasses.field(default_factory=dict)
    texts: Dict[str, int] = dataclasses.field(default_factory=dict)
    totals: Dict[str, int] = dataclasses.field(default_factory=dict)
    complete: bool = False

    def total(self, name: str) -> int:
        """The sum of a count over the files there are so far."""
        return sum(entry.get(name, 0) for entry in self.files.values())


def manifest_path(records: str) -> Optional[str]:
    """The manifest of a file of records, or None: its own, or that of its folder."""
    candidates = [
        f"{records}.{MANIFEST_NAME}",
        os.path.join(os.path.dirname(records), MANIFEST_NAME),
    ]
    return next((path for path in candidates if exists(path)), None)


def load_manifest(path: str) -> Optional[Manifest]:
    """Reads a manifest; None if there is no such file.

    Raises:
      InputError: the file is not a manifest.
    """
    if not exists(path):
        return None
    try:
        content = parse_object(read_bytes(path), "it")
        problem = _problem(content)
    except InputError as error:
        problem = str(error).rstrip(".")
    if problem:
        raise InputError(
            f"{path} is not a manifest of this project: {problem}. Move it away, or "
            "choose another place for the records."
        )
    del content["format"]
    return Manifest(**content)


def _problem(content: Dict[str, Any]) -> Optional[str]:
    """Why an object is no manifest; None if it is one."""
    if content.get("format") != _FORMAT:
        return f"its format is {content.get('format')!r}, not {_FORMAT}"
    empty = dataclasses.asdict(Manifest({}, {}))
    for key, value in content.items():
        if key != "format" and not isinstance(value, type(empty.get(key))):
            return f"it has {key}={value!r}"
    if "settings" not in content or "tokenizer" not in content:
        return "it lacks settings or tokenizer"
    for name, entry in content.get("files", {}).items():
        entry = entry if isinstance(entry, dict) else {}
        if not all(_is_count(entry.get(key)) for key in _COUNTS):
            return f"the file {name!r} has no {' and '.join(_COUNTS)}"
    return None


def _is_count(value):
    return type(value) is int and value >= 0


def save_manifest(manifest: Manifest, path: str) -> None:
    """Writes a manifest in place of the one that is there."""
    content = dict(dataclasses.asdict(manifest), format=_FORMAT)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    write_text(path, text)


def require_settings(
    recorded: Mapping[str, Any], wanted: Mapping[str, Any], source: str, advice: str
) -> None:
    """Refuses settings that differ.

    Args:
      recorded: settings by flag name, as a manifest has them.
      wanted: the values of now; names that it lacks are not compared.
      source: names the records in the message.
      advice: how to fix it.

    Raises:
      InputError: a setting differs; the message has every name with both values.
    """
    differences = [
        f"--{name}={_shown(recorded.get(name))} (now {_shown(value)})"
        for name, value in wanted.items()
        if recorded.get(name) != value
    ]
    if differences:
        raise InputError(f"{source} was made with {', '.join(differences)}. {advice}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
