"""Fine-tunes, evaluates and predicts on the Korean benchmarks.

Its flags are in korean_encoders/commands/finetune.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.finetune import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
