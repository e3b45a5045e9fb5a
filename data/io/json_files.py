"""Reads JSON files, and says where a broken one breaks off."""

import json
from typing import Any, Dict, List, Optional, Tuple

from .errors import InputError
from .files import read_bytes
from .tables import ReadingOptions, check_file
from .text_encoding import (
    check_head,
    name_encoding,
    refuse_foreign_encoding,
    refuse_lfs_pointer,
)


def read_json_object(
    path: str, options: Optional[ReadingOptions] = None
) -> Dict[str, Any]:
    """Reads a file that holds one JSON object; a byte order mark is dropped.

    Args:
      path: the file; it is read into memory as a whole.
      options: the encoding, where users choose it by --encoding; else it is UTF-8.

    Raises:
      InputError: a missing, empty or plainly foreign file, or as `parse_object`.
    """
    return _only(dict, _read(path, options), path)


def read_json_list(path: str, options: Optional[ReadingOptions] = None) -> List[Any]:
    """As `read_json_object`, for a file that holds one JSON list."""
    return _only(list, _read(path, options), path)


def parse_object(content: bytes, source: str) -> Dict[str, Any]:
    """The JSON object that UTF-8 holds; a byte order mark is dropped.

    Args:
      source: where it is from, for messages.

    Raises:
      InputError: another encoding, text that is not JSON (with line and character) or
        nested too deeply, a key twice, or no object.
    """
    return _only(dict, _parse(content, source), source)


def parse_list(content: bytes, source: str) -> List[Any]:
    """As `parse_object`, for one JSON list."""
    return _only(list, _parse(content, source), source)


def object_of_flag(value: str, flag: str) -> Dict[str, Any]:
    """The object of a file, or, where what a flag has begins with "{", of itself.

    Raises:
      InputError: as `read_json_object`.
    """
    if value.lstrip().startswith("{"):
        return parse_object(value.encode("utf-8", "replace"), flag)
    return read_json_object(value)


def _only(kind, document, source):
    if not isinstance(document, kind):
        wanted = "an object: {...}" if kind is dict else "a list: [...]"
        raise InputError(
            f"{source}: a JSON {type(document).__name__}, expected {wanted}."
        )
    return document


def unique_keys(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    """For ``json.loads``, which would take the last of several values without a word.

    Raises:
      ValueError: a key stands in an object twice.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice!r} stands in an object twice")
    return found


def _read(path, options):
    check_file(path)
    if options is None:
        return _parse(read_bytes(path), path)
    encoding = name_encoding(options.encoding)
    check_head(path, encoding)
    hint = "Name another encoding with --encoding."
    return _decode(read_bytes(path), path, encoding, hint)


def _parse(content, source):
    refuse_lfs_pointer(content, source)
    refuse_foreign_encoding(content, source, "JSON")
    return _decode(content, source, "utf-8", "JSON is read as UTF-8: convert it.")


def _decode(content: bytes, source: str, encoding: str, hint: str) -> Any:
    try:
        text = content.decode(encoding).lstrip("\ufeff")
        return json.loads(text, object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{source}: byte 0x{content[error.start]:02X} at offset {error.start} is "
            f"not valid {encoding}. {hint}"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{source}, line {error.lineno}, character {error.colno}: not JSON "
            f"({error.msg}). Was it cut off? It has {len(content):,} bytes."
        ) from error
    except RecursionError:
        raise InputError(
            f"{source}: lists or objects nested too deeply. Is it another file?"
        ) from None
    except ValueError as error:  # a key twice, or a number of thousands of digits
        raise InputError(f"{source} cannot be read as JSON: {error}.") from error
