"""Converts a model from TensorFlow's files to Hugging Face's, or back.

Its flags are in korean_encoders/commands/convert.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.convert import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
