"""What the commands of this package do around their work. No TensorFlow."""

import contextlib
import errno
import gc
import math
import os
import signal
import sys
import tempfile
import textwrap
import threading
from typing import Any, Callable, Iterator, List, Optional, Sequence

from absl import flags

from .errors import InputError, StoppedBySignal
from .file_system import is_remote
from .flag_files import apply_settings

# Why a disk refuses: it is full, the user's share of it is, no file may be that large,
# it is closed to him, it is failing, a file is where a folder should be or the other
# way round, or a folder is gone since the command began.
REFUSALS = (
    errno.ENOENT,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EACCES,
    errno.EROFS,
    errno.EIO,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
)


def parse(
    define_flags: Callable[[flags.FlagValues], None],
    argv: Sequence[str],
    description: str,
) -> Optional[flags.FlagValues]:
    """The flags in `argv`; None after --help, which prints `description` and them.

    Args:
      define_flags: defines all flags on the object that it is given, so that commands
        with flags of the same names can be used side by side.
      argv: the command's name and its arguments.

    Raises:
      InputError: an argument is no flag; --config names a file that does not fit.
      flags.Error: a flag is unknown, or its value is not allowed.
    """
    values = flags.FlagValues()
    define_flags(values)
    return values if parse_into(values, argv, description) else None


def parse_into(values: flags.FlagValues, argv: Sequence[str], description: str) -> bool:
    """Gives `values` the flags in `argv`; --config and --help belong to each command.

    Returns:
      False after --help, which prints `description` and the flags.

    Raises:
      as `parse`.
    """
    if "config" not in values:
        flags.DEFINE_string(
            "config",
            None,
            "JSON file of flags, for example of configs/.",
            flag_values=values,
        )
        flags.DEFINE_bool("help", False, "Show these flags.", flag_values=values)
    unparsed = values(with_underscores(argv, values))
    if len(unparsed) > 1:
        raise InputError(
            f"Unexpected argument {unparsed[1]!r}: settings are --flag=value."
        )
    if values.help:
        print(f"{description}\nFlags:\n{flags_help(values)}")
        return False
    if values.config:
        apply_settings(values, values.config)
    for name in values:
        value = values[name].value
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"--{name}={value}, expected a finite number.")
        if isinstance(value, str):
            _require_text(name, value)
    return True


def _require_text(name, value):
    """A word in another encoding comes as lone surrogates; TensorFlow takes UTF-8."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"--{name}={value!r} is not UTF-8: rename the file or folder."
        ) from None
    if "\0" in value:
        raise InputError(f"--{name}={value!r} has a null character: leave it out.")


def flags_help(values: flags.FlagValues) -> str:
    """What each flag means, and its default, in the order of their definition."""
    lines = []
    for name in values:
        flag = values[name]
        text = f"--{'[no]' if flag.boolean else ''}{name}: {flag.help}"
        if flag.default not in (None, ""):
            text += " (default: {})".format(str(flag.default_as_str).strip("'"))
        lines.append(
            textwrap.fill(text, 80, initial_indent="  ", subsequent_indent="    ")
        )
    return "\n".join(lines)


def with_underscores(argv: Sequence[str], values: flags.FlagValues) -> List[str]:
    """Flags that are written with hyphens, by their names: --data-dir=a."""
    words = list(argv)
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        plain = "--" + name[2:].replace("-", "_")
        if name.startswith("--") and plain[2:] in values:
            words[place] = plain + equals + value
    return words


def require(values: flags.FlagValues, *names: str) -> None:
    """Raises InputError for the first of these flags that has no value."""
    for name in names:
        if not values[name].value:
            raise InputError(f"--{name} is missing. {values[name].help}")


def require_local(values: flags.FlagValues, command: str) -> None:
    """Raises InputError for a URL where a command takes this machine's files only.

    Args:
      command: what it is, such as "a recipe".
    """
    for name in values:
        value = values[name].value
        paths = value if isinstance(value, list) else str(value).split(",")
        if any(is_remote(str(path)) for path in paths):
            raise InputError(
                f"--{name}={','.join(map(str, paths))}: {command} takes files of this "
                "machine only, no URLs. Copy them here first."
            )


def run(
    main: Callable[[Sequence[str]], None], argv: Optional[Sequence[str]] = None
) -> None:
    """Runs a command with `argv`, default sys.argv; see `one_line_errors`."""
    with one_line_errors("Stopped."), leaving_on_sigterm():
        call_with_stack_room(main, sys.argv if argv is None else argv)


def call_with_stack_room(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls `function` where Python's stack has room for all that it calls.

    Python 3.11 keeps frames in chunks of 16 KiB. A call across the end of one maps the
    next, and its return unmaps it again; a loop that happens to stand there does so in
    every turn: up to a sixth of the time in which a graph is built. A frame that needs
    half a MiB gets a chunk of one, and what it calls has the other half.
    """
    return function(*arguments)


if sys.version_info >= (3, 11):
    call_with_stack_room.__code__ = call_with_stack_room.__code__.replace(
        co_stacksize=70_000  # words of 8 bytes
    )


@contextlib.contextmanager
def without_garbage_collection() -> Iterator[None]:
    """For the imports of a command: a third of their time is a search for garbage.

    What is there at the end is left out of all later searches, too.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_on:
            gc.enable()


@contextlib.contextmanager
def leaving_on_sigterm() -> Iterator[None]:
    """A command that is asked to end cleans up what it was writing first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def one_line_errors(stopped: str) -> Iterator[None]:
    """Makes what a user can fix one line and status 1: mistakes, a disk that refuses.

    When the reader of standard output has read enough (`| head`), that is no mistake.

    Args:
      stopped: what Ctrl-C prints.
    """
    try:
        yield
        print(end="", flush=True)
    except BrokenPipeError:
        if not _is_output_closed():
            raise
    except InputError as error:
        _exit(error)
    except flags.Error as error:
        mistake = f"{error}".replace(" ?", "?")
        end = "" if mistake.endswith("?") else "."
        _exit(f"{mistake}{end} --help lists the flags.")
    except OSError as error:
        if error.errno not in REFUSALS:
            raise
        _exit(
            f"{error}. Make room, or choose a place where you may read and write, and "
            f"give the same command again. (Temporary files go to "
            f"{tempfile.gettempdir()}; TMPDIR names another folder.)"
        )
    except StoppedBySignal as stop:
        sys.exit(128 + stop.number)
    except KeyboardInterrupt:
        print(stopped, file=sys.stderr)
        sys.exit(130)


def _is_output_closed() -> bool:
    """Whether nobody reads standard output any more; what is left for it is dropped."""
    try:
        print(flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _exit(message: object) -> None:
    print("error:", " ".join(str(message).split()), file=sys.stderr)
    sys.exit(1)
