"""What every command-line script does around its work."""

import contextlib
import functools
import math
import os
import re
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence

from absl import flags, logging

from data.io.cli import (
    REFUSALS,
    call_with_stack_room,
    one_line_errors,
    parse_into,
    without_garbage_collection,
)
from data.io.errors import InputError

with without_garbage_collection():
    from encoder_ko import compat
    from encoder_ko.compat import tf


class _Bounded:
    """A parser of numbers that says in one way what a flag may be."""

    def __init__(self, least=None, most=None, above=None, below=None):
        super().__init__()
        # absl takes a parser with bounds of 0 for one with bounds of 0.0.
        self._bounds = tuple(map(_without_zeros, (least, most, above, below)))

    def parse(self, argument: Any) -> Any:
        value = super().parse(argument)
        least, most, above, below = self._bounds
        if (
            not math.isfinite(value)
            or (least is not None and value < least)
            or (most is not None and value > most)
            or (above is not None and value <= above)
            or (below is not None and value >= below)
        ):
            raise ValueError(f"expected {self._expected()}")
        return value

    def _expected(self) -> str:
        least, most, above, below = self._bounds
        if least is not None and most is not None:
            return f"{least} to {most}"
        words = [
            f"{word} {bound}"
            for word, bound in (
                ("at least", least),
                ("more than", above),
                ("at most", most),
                ("less than", below),
            )
            if bound is not None
        ]
        return ", ".join(words) or "a number"


def _without_zeros(bound):
    """1.0 -> 1, as messages show it."""
    is_whole = isinstance(bound, float) and bound.is_integer()
    return int(bound) if is_whole else bound


class _Integer(_Bounded, flags.IntegerParser):
    pass


class _Float(_Bounded, flags.FloatParser):
    pass


def _define_number(parser, name, default, text, *bounds, flag_values, **other_bounds):
    flags.DEFINE(
        parser(*bounds, **other_bounds),
        name,
        default,
        text,
        flag_values,
        flags.ArgumentSerializer(),
    )


def definers(values: flags.FlagValues, *types: str) -> List[Callable[..., Any]]:
    """absl's flags.DEFINE_<type> for each of `types`, bound to a command's own flags.

    Those of "integer" and "float" also take the range of the flag: `least` and `most`,
    which are in it, `above` and `below`, which are not. A float has to be finite.
    """
    parsers = {"integer": _Integer, "float": _Float}
    return [
        functools.partial(_define_number, parsers[name], flag_values=values)
        if name in parsers
        else functools.partial(getattr(flags, f"DEFINE_{name}"), flag_values=values)
        for name in types
    ]


def run(
    main: Callable[[], None],
    values: flags.FlagValues,
    arguments: Optional[Sequence[str]] = None,
) -> None:
    """Parses flags and runs `main`; see `data.io.cli.one_line_errors`.

    Args:
      values: the script's flags, each at its default before the parsing.
      arguments: the program's name and its flags; those of the command line if None.
    """
    for name in values:
        values[name].unparse()
    description = sys.modules[main.__module__].__doc__
    with one_line_errors("Stopped. The same command resumes the run."):
        if not parse_into(values, arguments or sys.argv, description):
            return
        _quiet_tensorflow()
        compat.keep_freed_memory()
        with _refusals_as_os_errors():
            call_with_stack_room(main)


# What TensorFlow says of a checkpoint, or of a folder for one, that is not there.
_GONE = re.compile(
    "is not a valid checkpoint: (.*)|Parent directory of (.*) doesn't exist, can't save"
)
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"(),]+")
# What no place far away can be the reason of.
_DEFECTS = (tf.errors.InvalidArgumentError, tf.errors.InternalError)


@contextlib.contextmanager
def _refusals_as_os_errors():
    """What TensorFlow says of a full disk, or of a place out of reach, in one line."""
    try:
        yield
    except ValueError as error:
        gone = _GONE.search(str(error))
        if not gone or isinstance(error, InputError):
            raise
        raise InputError(
            f"The checkpoint {gone.group(1) or gone.group(2)} is gone: was its folder "
            "moved or deleted since the command began? Put it back, or give the "
            "command again."
        ) from error
    except tf.errors.OpError as error:
        for number in REFUSALS:
            words = os.strerror(number)
            if words in error.message:
                before = error.message.partition(f"; {words}")[0].splitlines()[-1]
                raise OSError(number, words, before.rpartition(": ")[2]) from error
        damage = compat.checkpoint_damage(error.message)
        if damage:
            raise InputError(
                f"A checkpoint is damaged ({damage}). Fetch or copy it again, or use "
                "another one."
            ) from error
        place = _URL.search(error.message)
        if place and not isinstance(error, _DEFECTS):
            raise InputError(
                f"{place.group()} cannot be read or written: "
                f"{error.message.splitlines()[0]}"
            ) from error
        raise


def settings(values: flags.FlagValues) -> Dict[str, Any]:
    """Name and value of every flag of a script, but for --help."""
    return {name: values[name].value for name in values if name != "help"}


def _quiet_tensorflow():
    """Our log from information on, as plain lines, and nothing of TensorFlow's.

    Its errors are raised as well, and are ours to explain.
    """
    # absl's own flags: without them it warns that it writes to the standard error.
    flags.FLAGS([sys.argv[0], "--logtostderr"], known_only=True)
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(None)
    tf.logging.set_verbosity(tf.logging.FATAL)
