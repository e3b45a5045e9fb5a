"""Korean BERT, ALBERT and ELECTRA: raw text in, a fine-tuned encoder out."""

import os
from typing import TYPE_CHECKING, Any

import data
from korean_encoders.version import __version__

if TYPE_CHECKING:
    from korean_encoders.predictor import Predictor

__all__ = ["Predictor", "__version__"]

_ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
_FOUND = os.path.realpath(data.__file__ or "")
if _FOUND != os.path.join(_ROOT, "data", "__init__.py"):
    raise ImportError(
        f"`import data` finds {_FOUND}, and not the package `data` that stands beside "
        f"korean_encoders in {_ROOT}. Rename that file, or start Python elsewhere."
    )


def __getattr__(name: str) -> Any:
    """TensorFlow takes seconds to load, and half of the commands do without it."""
    if name == "Predictor":
        from korean_encoders.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
