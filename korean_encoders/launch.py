"""Starts a command of this package in a process of its own."""

import os
import shlex
import sys
from typing import List, Sequence

from data.io import files
from encoder_ko.recipes import child_process
from korean_encoders import console

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# These packages, wherever they are, before any other of the name in the user's folder.
_PROGRAM = (
    f"import sys; sys.path[0] = {_ROOT!r}; "
    "from korean_encoders import launch; launch.run_in_this_process()"
)


def call(name: str, arguments: Sequence[str]) -> int:
    """Runs a command to its end; see `child_process.call`.

    Args:
      name: of the command, as `korean-encoders` takes it.
      arguments: its flags.

    Returns:
      Its exit status.
    """
    return child_process.call([sys.executable, "-c", _PROGRAM, name, *arguments])


def run_in_this_process() -> None:
    """What `call` starts: the command, under the name by which a user gives it."""
    name, arguments = sys.argv[1], sys.argv[2:]
    words = _words(name)
    if words[0] == "python3":  # which is no part of a script's own arguments
        del words[0]
    sys.argv[:] = words + arguments
    console.main([name, *arguments])


def print_and_call(name: str, arguments: Sequence[str]) -> int:
    """`call`, after the command was printed so that it can be given by hand."""
    print(f"\n$ {shell_command(name, arguments)}", flush=True)
    return call(name, arguments)


def shell_command(name: str, arguments: Sequence[str]) -> str:
    """What a user types: in the root of a checkout the script, else the console's."""
    return " ".join(map(shlex.quote, [*_words(name), *arguments]))


def _words(name: str) -> List[str]:
    script = os.path.join(_ROOT, "run_recipe.py")
    if files.exists(script) and files.is_same_place(os.curdir, _ROOT):
        return ["python3", *console.COMMANDS[name].script.split()]
    return ["korean-encoders", name]
