"""What every command-line script does around its work."""

import sys
from typing import Callable, List, Mapping, Optional, Tuple

from absl import app, flags, logging

from data.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf

Ranges = Mapping[str, Tuple[float, Optional[float]]]

# Exit status of a run that SIGTERM ended: 128 + the signal's number.
STOPPED_BY_SIGNAL = 143


def run(main: Callable[[], None], arguments: Optional[List[str]] = None) -> None:
    """Parses flags, runs `main`, turns a user's mistake into one line and status 1.

    Args:
      arguments: the program's name and its flags; those of the command line if None.
    """

    def guarded(unparsed: List[str]) -> None:
        if len(unparsed) > 1:
            _exit_with_error(
                f"Unexpected argument {unparsed[1]!r}: settings are --flag=value."
            )
        _quiet_tensorflow()
        compat.keep_freed_memory()
        try:
            main()
        except InputError as error:
            _exit_with_error(error)
        except KeyboardInterrupt:
            print("Stopped. The same command resumes the run.", file=sys.stderr)
            sys.exit(130)

    app.run(guarded, arguments, flags_parser=_parse)


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


def _parse(arguments: List[str]) -> List[str]:
    """absl's parser, whose own message takes two lines and says FATAL."""
    try:
        return flags.FLAGS(arguments)
    except flags.Error as error:
        _exit_with_error(f"{error}. --help lists the flags.")


def _exit_with_error(message):
    print("error:", " ".join(str(message).split()), file=sys.stderr)
    sys.exit(1)


def _quiet_tensorflow():
    """Our log from information on, as plain lines, and nothing of TensorFlow's.

    Its errors are raised as well, and are ours to explain.
    """
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(None)
    tf.logging.set_verbosity(tf.logging.FATAL)
