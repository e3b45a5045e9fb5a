"""Predicts any text with a fine-tuned model.

Its flags are in korean_encoders/commands/predict.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders import Predictor
from korean_encoders.commands.predict import FLAGS, main

__all__ = ["Predictor"]

if __name__ == "__main__":
    cli.run(main, FLAGS)
