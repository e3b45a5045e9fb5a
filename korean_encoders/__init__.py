"""Korean BERT, ALBERT and ELECTRA: raw text in, a fine-tuned encoder out."""

from typing import TYPE_CHECKING, Any

from korean_encoders.version import __version__

if TYPE_CHECKING:
    from korean_encoders.predictor import Predictor

__all__ = ["Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    """TensorFlow takes seconds to load, and half of the commands do without it."""
    if name == "Predictor":
        from korean_encoders.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
