"""What every command-line script does around its work."""

import contextlib
import functools
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from absl import flags, logging

from data.io.cli import REFUSALS, one_line_errors, parse_into
from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf

Ranges = Mapping[str, Tuple[float, Optional[float]]]

# Exit status of a run that SIGTERM ended: 128 + the signal's number.
STOPPED_BY_SIGNAL = 143


def definers(values: flags.FlagValues, *kinds: str) -> List[Callable[..., Any]]:
    """absl's flags.DEFINE_<kind> for each of `kinds`, bound to a script's own flags."""
    return [
        functools.partial(getattr(flags, f"DEFINE_{kind}"), flag_values=values)
        for kind in kinds
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
            main()


@contextlib.contextmanager
def _refusals_as_os_errors():
    """What TensorFlow says of a full or closed disk, as Python would say it."""
    try:
        yield
    except tf.errors.OpError as error:
        for number in REFUSALS:
            if os.strerror(number) in error.message:
                raise OSError(number, error.message) from error
        raise


def settings(values: flags.FlagValues) -> Dict[str, Any]:
    """Name and value of every flag of a script, but for --help."""
    return {name: values[name].value for name in values if name != "help"}


def check_ranges(values: flags.FlagValues, ranges: Ranges) -> None:
    """Raises InputError for the first flag that is out of its range.

    Args:
      ranges: name -> (least, greatest or None).
    """
    for name, (least, greatest) in ranges.items():
        value = values[name].value
        if not value >= least or (greatest is not None and value > greatest):
            limit = (
                f"at least {least}" if greatest is None else f"{least} to {greatest}"
            )
            raise InputError(f"--{name}={value}, expected {limit}.")


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
