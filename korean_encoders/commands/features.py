"""Writes the hidden states of chosen layers for each token, as JSON lines.

Flags and output of google-research/bert's extract_features.py keep their names, for all
three models. Input: one text per line, or a pair with " ||| " between its texts.

  python3 extract_features.py --input_file=texts.txt --output_file=features.jsonl \\
      --model_dir=models --layers=-1,-2,-3,-4
"""

import time
from typing import Iterator, Tuple

from absl import flags, logging

from data.features.prediction_input import (
    format_of,
    looked_at,
    looks_like_table,
    number_of_lines,
)
from data.io.cli import leaving_on_sigterm, require
from data.io.errors import InputError
from data.io.files import new_file
from data.io.globs import require_no_input
from data.io.tables import BadRows, ReadingOptions, read_rows
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.inference import features
from encoder_ko.inference.predictor import SECONDS_BETWEEN_LINES
from encoder_ko.training import model_files
from encoder_ko.training.agreement import ALLOW_MISMATCH
from encoder_ko.training.loaded_model import load_model
from korean_encoders.model_types import MODEL_TYPES

FLAGS = flags.FlagValues()

_string, _integer, _boolean, _enum = cli.definers(
    FLAGS, "string", "integer", "boolean", "enum"
)

_string("input_file", None, "Texts, one per line.")
_string("output_file", None, "JSON lines to write.")
_string("layers", "-1,-2,-3,-4", "Layers, 0 the first and -1 the last one.")
_enum("model_type", "bert", list(MODEL_TYPES), "Kind of encoder.")
_string("model_dir", "models", "Where files that are not named are found.")
for _name in MODEL_TYPES:
    _string(f"{_name}_config_file", None, "Model configuration (JSON).")
_string("vocab_file", None, "Vocabulary of the model.")
_string("init_checkpoint", None, "Pre-trained or fine-tuned checkpoint.")
_boolean("allow_mismatch", False, ALLOW_MISMATCH)
_boolean(
    "do_lower_case",
    None,
    "Lower-case Latin letters; Hangul is never taken apart. Default: what "
    "tokenizer_config.json beside the vocabulary says, else no.",
)
_integer("max_seq_length", 128, "Longest input in tokens; longer is cut.", 3)
_integer("batch_size", 32, "Lines at a time.", 1)
_enum("compute_type", "float32", ["float32", "bfloat16"], "Type of the activations.")
_string("encoding", "utf-8", "Encoding of the input.")
_integer("max_bad_rows", 0, "Bad lines of the input to skip.", 0)
_boolean("overwrite", False, "Replace the output file.")


@leaving_on_sigterm()
def main():
    require(FLAGS, "input_file", "output_file")
    inputs = f"--input_file={FLAGS.input_file}"
    require_no_input(FLAGS.output_file, [FLAGS.input_file], inputs)
    extractor, layers = _extractor()
    reading = ReadingOptions(FLAGS.encoding, FLAGS.max_bad_rows)
    bad_rows = BadRows(FLAGS.input_file, FLAGS.max_bad_rows)
    # Upstream counts the lines from 0.
    lines = (
        features.split_pair(number - 1, text)
        for number, text in _lines(read_rows(FLAGS.input_file, reading, bad_rows))
    )
    total = number_of_lines(FLAGS.input_file)
    logging.info("%s: %d lines", FLAGS.input_file, total)
    count, cut, path = 0, 0, FLAGS.output_file
    logged = time.time()
    with new_file(path, FLAGS.overwrite) as writer:
        found = extractor.extract(lines, FLAGS.max_seq_length, FLAGS.batch_size)
        for states in found:
            count, cut = count + 1, cut + states.is_cut
            writer.write((features.as_json(states, layers) + "\n").encode())
            if time.time() > logged + SECONDS_BETWEEN_LINES:
                logged = time.time()
                logging.info("%d of %d lines are done", count, total)
    if bad_rows.summary():
        logging.warning("%s", bad_rows.summary())
    warning = extractor.unknown_pieces.warning(FLAGS.input_file)
    if warning:
        logging.warning("%s", warning)
    if cut:
        logging.warning(
            "%d of %d lines are longer than --max_seq_length=%d: their end is left "
            "out; is_cut marks them.",
            cut,
            count,
            FLAGS.max_seq_length,
        )
    logging.info("%s: %d lines, layers %s", path, count, FLAGS.layers)


def _lines(rows: Iterator[Tuple[int, str]]) -> Iterator[Tuple[int, str]]:
    """The rows again, with a word where they seem to be no texts alone."""
    head, rows = looked_at(rows)
    form = format_of(FLAGS.input_file)
    is_table = looks_like_table(head)
    if is_table or form != "text":
        logging.warning(
            "%s looks like a %s. Each of its lines is read as a text, with all that is "
            "in it, the first one, too. If that is not meant, give a file of the texts "
            "alone; cut -f2 makes one of the second column of a table.",
            FLAGS.input_file,
            "table" if is_table else f"{form} file",
        )
    return rows


def _extractor():
    """The model with its weights, and the numbers of the layers."""
    model_type = MODEL_TYPES[FLAGS.model_type]
    files = model_files.find_model_files(
        FLAGS.model_dir,
        FLAGS.model_type,
        FLAGS[f"{FLAGS.model_type}_config_file"].value,
        FLAGS.vocab_file,
        FLAGS.init_checkpoint,
    )
    if files.init_checkpoint is None:
        raise InputError(
            "Features of an untrained model mean nothing: name its checkpoint with "
            "--init_checkpoint."
        )
    config = model_type.config_class.from_json_file(files.config_file)
    model = load_model(
        files,
        FLAGS.model_type,
        config,
        FLAGS.max_seq_length,
        FLAGS.do_lower_case,
        FLAGS.allow_mismatch,
    )
    layers = features.parse_layers(FLAGS.layers, model.config.num_hidden_layers)
    extractor = features.Extractor(
        model_type.model_class,
        model.config,
        model.tokenizer,
        files.init_checkpoint,
        layers,
        tf.as_dtype(FLAGS.compute_type),
    )
    return extractor, layers
