"""Pre-trains BERT, ALBERT or ELECTRA on records of data.create_pretraining_data.

Its flags are in korean_encoders/commands/pretrain.py; --help lists them.
"""

from encoder_ko import cli
from korean_encoders.commands.pretrain import FLAGS, main

if __name__ == "__main__":
    cli.run(main, FLAGS)
