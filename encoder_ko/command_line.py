"""What every command-line script does around its work."""

import sys
from typing import Callable, List

from absl import app, logging

from data.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf


def run(main: Callable[[], None]) -> None:
    """Parses flags, runs `main`, turns a user's mistake into one line and status 1."""

    def guarded(arguments: List[str]) -> None:
        if len(arguments) > 1:
            raise app.UsageError(
                f"Unexpected argument {arguments[1]!r}: settings are --flag=value."
            )
        _quiet_tensorflow()
        compat.keep_freed_memory()
        try:
            main()
        except InputError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print("Stopped. The same command resumes the run.", file=sys.stderr)
            sys.exit(130)

    app.run(guarded)


def _quiet_tensorflow():
    """TensorFlow's own log from warnings on; ours from information on."""
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    logging.get_absl_handler().setFormatter(None)
    tf.logging.set_verbosity(tf.logging.ERROR)
