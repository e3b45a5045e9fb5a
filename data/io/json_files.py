"""Reads JSON files, and says where a broken one breaks off."""

import json
from typing import Any, Dict, List, Tuple

from .errors import InputError
from .files import read_bytes
from .tables import ReadingOptions, check_file
from .text_encoding import check_head, name_encoding


def read_json_object(
    path: str,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
) -> Dict[str, Any]:
    """Reads a file that holds one JSON object; a byte order mark is dropped.

    Args:
      path: the file; it is read into memory as a whole.
      options: the encoding.

    Raises:
      InputError: a missing, empty or plainly foreign file, invalid bytes, text that is
        not JSON (with line and character) or nested too deeply, or no object.
    """
    document = _read(path, options)
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: a JSON {type(document).__name__}, expected an object: {{...}}."
        )
    return document


def read_json_list(
    path: str,
    options: ReadingOptions = ReadingOptions(),  # noqa: B008 (frozen)
) -> List[Any]:
    """As `read_json_object`, for a file that holds one JSON list."""
    document = _read(path, options)
    if not isinstance(document, list):
        raise InputError(
            f"{path}: a JSON {type(document).__name__}, expected a list: [...]."
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


def _read(path: str, options: ReadingOptions) -> Any:
    check_file(path)
    encoding = name_encoding(options.encoding)
    check_head(path, encoding)
    content = read_bytes(path)
    try:
        text = content.decode(encoding).lstrip("\ufeff")
        return json.loads(text, object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte 0x{content[error.start]:02X} at offset {error.start} is not "
            f"valid {encoding}. Name another encoding with --encoding."
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}, character {error.colno}: not JSON "
            f"({error.msg}). Was it cut off? It has {len(content):,} bytes."
        ) from error
    except RecursionError:
        raise InputError(
            f"{path}: lists or objects nested too deeply. Is it another file?"
        ) from None
    except ValueError as error:  # a key twice, or a number of thousands of digits
        raise InputError(f"{path} cannot be read as JSON: {error}.") from error
