"""Predictions for any text from Python, with a run of any model type."""

from typing import Any, cast

from encoder_ko.inference import predictor
from korean_encoders.model_types import FAMILIES


class Predictor(predictor.RunPredictor):
    """A fine-tuned run, loaded once; see encoder_ko.inference.predictor."""

    @classmethod
    def load(  # type: ignore[override]  # here the model types are known
        cls, run_dir: str, **options: Any
    ) -> "Predictor":
        """Loads the --output_dir of a fine-tuning run.

        Args:
          options: batch_size (texts at a time), dtype (compute type), and
            allow_mismatch (whether files may have changed since the training).

        Raises:
          InputError: the folder holds no fine-tuned run.
        """
        return cast(Predictor, super().load(run_dir, FAMILIES, **options))
