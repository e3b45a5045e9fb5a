"""Writes the hidden states of chosen layers for each token, as JSON lines.

Its flags are in korean_encoders/commands/features.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.features import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
