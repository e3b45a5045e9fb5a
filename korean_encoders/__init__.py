"""Korean BERT, ALBERT and ELECTRA: raw text in, a fine-tuned encoder out."""

from korean_encoders.predictor import Predictor
from korean_encoders.version import __version__

__all__ = ["Predictor", "__version__"]
