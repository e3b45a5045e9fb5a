"""Flags from a JSON file: `--config=configs/kr_electra/pretraining.json`.

A file holds an object of flag names and values. What stands on the command line wins.
Files that it names are looked for beside it first.
"""

import difflib
import os
from typing import Any, Mapping

from absl import flags

from .errors import InputError
from .files import exists
from .json_files import object_of_flag


def apply_settings(values: flags.FlagValues, source: str) -> None:
    """Gives flags the values of a JSON file, but for those of the command line.

    Args:
      source: the file, or its object itself.

    Raises:
      InputError: as `object_of_flag` and `apply_values`.
    """
    apply_values(values, object_of_flag(source, "--config"), source)


def apply_values(
    values: flags.FlagValues, settings: Mapping[str, Any], source: str
) -> None:
    """Gives flags values, but for those of the command line.

    Args:
      settings: flag name -> value; names that begin with "_" are remarks.
      source: where they come from; files that they name may be beside it.

    Raises:
      InputError: there is no such flag, or it cannot have this value.
    """
    for name, value in settings.items():
        if name.startswith("_"):
            continue
        if name not in values:
            near = difflib.get_close_matches(name, list(values), 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{source} sets {name!r}, which is no flag.{hint}")
        if name == "config":
            raise InputError(
                f"{source} names another file by 'config': put its flags into it."
            )
        if values[name].present:
            continue
        if name.endswith("_file") and isinstance(value, str):
            value = _beside(value, source)
        try:
            values[name].value = values[name].parser.parse(value)
            values[name].using_default_value = False
        except (ValueError, TypeError) as error:
            # absl's BooleanParser gives the words and the value as two arguments.
            reason = error.args[0] if error.args else error
            raise InputError(f"{source} sets {name}={value!r}: {reason}") from None


def fill_in(
    values: flags.FlagValues, settings: Mapping[str, Any], as_given: bool = False
) -> None:
    """Gives values to those flags that were not given; other names are passed over.

    Args:
      settings: flag name -> value of the flag's type.
      as_given: whether they count as given, so that no other default replaces them.
    """
    for name, value in settings.items():
        if name in values and values[name].using_default_value:
            values[name].value = value
            values[name].using_default_value = not as_given


def _beside(value: str, source: str) -> str:
    """A path as seen from the file that names it; other values as they are."""
    path = os.path.join(os.path.dirname(source), value)
    return path if value and exists(path) else value
