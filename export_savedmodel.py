"""Exports a fine-tuned run for serving: a SavedModel, or an ONNX file.

Its flags are in korean_encoders/commands/export.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.export import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
