"""The whole chain of a published model, from raw text to fine-tuned metrics.

Its flags are in korean_encoders/commands/recipe.py; --help lists them.
"""

from data.io.cli import run
from korean_encoders.commands.recipe import main

if __name__ == "__main__":
    run(main)
