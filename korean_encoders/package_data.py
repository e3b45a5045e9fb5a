"""Where the files are that the package brings: settings of models, sample data."""

import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def find(*names: str) -> str:
    """Path of configs/ or samples/, or of something in them, from the working folder.

    A wheel holds both within this package, a checkout beside it.
    """
    is_inside = os.path.isdir(os.path.join(_PACKAGE, names[0]))
    root = _PACKAGE if is_inside else os.path.dirname(_PACKAGE)
    return os.path.relpath(os.path.join(root, *names))
