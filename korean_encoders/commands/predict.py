r"""Predicts any text with a fine-tuned model.

  python3 predict.py --model_dir=runs/nsmc --input=reviews.txt
  echo "정말 재미있는 영화" | python3 predict.py --model_dir=runs/nsmc --input=-
  python3 predict.py --model_dir=runs/korsts --input=pairs.tsv \
      --columns=sentence1,sentence2 --output_file=scores.tsv

--input is a text per line, columns with tabs (.tsv) or commas (.csv) between them, JSON
lines with "text" (and "text_b") or "question" and "context" (.jsonl), questions in
KorQuAD's form (.json), or - for standard input. From Python:

  from korean_encoders import Predictor
  predictor = Predictor.load("runs/nsmc")
  predictor.predict(["정말 재미있는 영화", "별로"])
"""

import contextlib
import itertools
import sys
import time
from typing import Any, Dict, Iterator, List, Tuple

from absl import flags, logging

from data.features.prediction_input import (
    FORMATS,
    STANDARD_INPUT,
    Item,
    format_of,
    number_of_lines,
    read_items,
    source_name,
)
from data.io.cli import leaving_on_sigterm, require
from data.io.errors import InputError
from data.io.files import new_file
from data.io.globs import require_no_input
from data.io.tables import BadRows, ReadingOptions
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.inference.output_lines import (
    OUTPUT_FORMATS,
    OutputLines,
    default_format,
)
from encoder_ko.inference.predictor import (
    SECONDS_BETWEEN_LINES,
    NotFiniteError,
    RunPredictor,
    Text,
)
from encoder_ko.training.agreement import ALLOW_MISMATCH
from korean_encoders.predictor import Predictor

FLAGS = flags.FlagValues()

_string, _integer, _boolean, _enum, _list = cli.definers(
    FLAGS, "string", "integer", "boolean", "enum", "list"
)

_string("model_dir", None, "The --output_dir of a fine-tuning run.")
_string("input", None, "File to predict, or - for standard input.")
_enum(
    "input_format",
    None,
    FORMATS,
    "Default: by the ending of the name; else tsv with --columns, and text without.",
)
_list("columns", [], "One or two columns of a tsv or csv file with a header.")
_string("encoding", "utf-8", "Encoding of the input.")
_integer("max_bad_rows", 0, "Bad rows of the input to skip.", 0)
_string("output_file", None, "File to write; default: standard output.")
_enum(
    "output_format",
    None,
    OUTPUT_FORMATS,
    "Default: by the ending of the name; else tsv for classes and scores, jsonl for "
    "entities, answers and dependencies.",
)
_integer("batch_size", 32, "Texts at a time, more if they are short.", 1)
_enum("compute_type", "float32", ["float32", "bfloat16"], "Type of the activations.")
_boolean("allow_mismatch", False, ALLOW_MISMATCH)
_boolean("overwrite", False, "Replace the output file.")

_ITEMS_AT_A_TIME = 1024


@leaving_on_sigterm()
def main():
    require(FLAGS, "model_dir", "input")
    if FLAGS.output_file and FLAGS.input != STANDARD_INPUT:
        require_no_input(FLAGS.output_file, [FLAGS.input], f"--input={FLAGS.input}")
    form = FLAGS.input_format or format_of(FLAGS.input, FLAGS.columns)
    reading = ReadingOptions(FLAGS.encoding, FLAGS.max_bad_rows)
    bad_rows = BadRows(source_name(FLAGS.input), FLAGS.max_bad_rows)
    items = read_items(
        FLAGS.input,
        form,
        FLAGS.columns,
        reading,
        bad_rows,
        looks_at_tabs=FLAGS.input_format is None,
    )
    items, total = _counted(items, form)
    count, cut, logged = 0, 0, time.time()
    with contextlib.ExitStack() as stack:
        model = stack.enter_context(
            Predictor.load(
                FLAGS.model_dir,
                batch_size=FLAGS.batch_size,
                dtype=tf.as_dtype(FLAGS.compute_type),
                allow_mismatch=FLAGS.allow_mismatch,
            )
        )
        lines = OutputLines(model.task, _output_format(model.task.task_type))
        writer = sys.stdout.buffer
        if FLAGS.output_file:
            writer = stack.enter_context(new_file(FLAGS.output_file, FLAGS.overwrite))
        for block in _blocks(items):
            texts = [_checked_text(item, model) for item in block]
            for item, found in zip(block, _predictions(model, block, texts)):
                cut += found.get("is_cut", False)
                for line in lines.of(item, found):
                    writer.write((line + "\n").encode("utf-8"))
            writer.flush()
            count += len(block)
            if time.time() > logged + SECONDS_BETWEEN_LINES:
                logged = time.time()
                logging.info("%d of %s texts are predicted", count, total)
    if bad_rows.summary():
        logging.warning("%s", bad_rows.summary())
    warning = model.unknown_pieces.warning(source_name(FLAGS.input))
    if warning:
        logging.warning("%s", warning)
    if cut:
        logging.warning(
            "%d of %d texts are longer than the model reads (--max_seq_length of its "
            "training): their end did not count; is_cut marks them.",
            cut,
            count,
        )
    logging.info("Predictions of %s: %d", model.task.name, count)


def _counted(items: Iterator[Item], form: str) -> Tuple[Iterator[Item], str]:
    """The items, and how many there are, or "?"."""
    if form == "json":  # a file that is read as a whole anyway
        questions = list(items)
        logging.info("%s: %d questions", FLAGS.input, len(questions))
        return iter(questions), str(len(questions))
    if FLAGS.input == STANDARD_INPUT:
        return items, "?"
    total = number_of_lines(FLAGS.input)
    logging.info("%s: %d lines, read as %s", FLAGS.input, total, form)
    return items, str(total)


def _output_format(task_type: str) -> str:
    if FLAGS.output_format:
        return FLAGS.output_format
    ending = (FLAGS.output_file or "").lower().rpartition(".")[2]
    return ending if ending in OUTPUT_FORMATS else default_format(task_type)


def _blocks(items: Iterator[Item]) -> Iterator[List[Item]]:
    while True:
        block = list(itertools.islice(items, _ITEMS_AT_A_TIME))
        if not block:
            return
        yield block


def _predictions(
    model: RunPredictor, block: List[Item], texts: List[Text]
) -> List[Dict[str, Any]]:
    try:
        return model.predict(texts)
    except NotFiniteError as error:
        raise InputError(f"{block[error.number].place}: {error}") from None


def _checked_text(item: Item, model: RunPredictor) -> Text:
    text = item.text if item.text_b is None else (item.text, item.text_b)
    problem = model.problem_of(text)
    if problem:
        form = _FORMS[bool(model.task.is_pair)]
        raise InputError(f"{item.place}: {problem}. {form}")
    return text


# What to do where the input is of pairs and the task is not, or the other way round.
_FORMS = {
    True: "Give two columns (tsv, csv), or two texts per object (jsonl): see --help.",
    False: "Give the texts alone, or name their column with --columns.",
}
