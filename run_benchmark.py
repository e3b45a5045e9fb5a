"""Fine-tunes one pre-trained model on the Korean benchmarks and writes one report.

Its flags are in korean_encoders/commands/benchmark.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.benchmark import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
