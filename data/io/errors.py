"""The one exception for a user's mistake.

Every layer raises it for bad input (files, flags, checkpoints, text); the
command-line scripts print its message on one line and exit without a traceback.
"""


class InputError(ValueError):
    """Bad input. The message says what is wrong, where, and how to fix it."""


class StoppedBySignal(Exception):
    """A signal ended the work, whose state is saved; `number` is the signal's."""

    def __init__(self, number: int):
        super().__init__(f"Signal {number} ended the work.")
        self.number = number
