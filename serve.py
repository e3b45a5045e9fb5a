"""Serves fine-tuned models: a page to try them, and the same as JSON.

Its flags are in korean_encoders/commands/serve.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.serve import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
