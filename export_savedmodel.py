"""Exports a fine-tuned run for serving: a SavedModel, or an ONNX file.

  python3 export_savedmodel.py --model_dir=runs/nsmc --output_dir=serving/nsmc/1
  python3 export_savedmodel.py --model_dir=runs/nsmc --output_dir=onnx --format=onnx

The SavedModel has two signatures: that of the task (classify, score, tag or answer,
also the default) and encode. Inputs are input_ids, input_mask and segment_ids, int32
[batch, length], both free. The tokenizer's files and the labels travel along.
"""

import os

from absl import flags, logging

from albert_ko.finetuning import FAMILY as ALBERT
from bert_ko.finetuning import FAMILY as BERT
from data.errors import InputError
from electra_ko.finetuning import FAMILY as ELECTRA
from encoder_ko import command_line, export, export_speed, onnx_export
from encoder_ko.fine_tuned import FineTunedModel

FLAGS = flags.FlagValues()

_string, _boolean, _enum = command_line.definers(FLAGS, "string", "boolean", "enum")

FAMILIES = {family.name: family for family in (BERT, ALBERT, ELECTRA)}

_string("model_dir", None, "The --output_dir of a fine-tuning run.")
_string("output_dir", None, "Folder to write. Serving wants a number: .../nsmc/1.")
_enum("format", "savedmodel", ["savedmodel", "onnx"], "What to write.")
_boolean("measure_speed", True, "Print sentences per second at batch 1 and 32.")
_boolean("overwrite", False, "Replace the folder.")


def main():
    for name in ("model_dir", "output_dir"):
        if not FLAGS[name].value:
            raise InputError(f"--{name} is missing.")
    model = FineTunedModel.load(FLAGS.model_dir, FAMILIES)
    path = FLAGS.output_dir
    if FLAGS.format == "onnx":
        onnx_export.write_onnx(model, path, FLAGS.overwrite)
    else:
        export.write_saved_model(model, path, FLAGS.overwrite)
    logging.info(
        "%s: %s of %s, %.1f MB",
        path,
        export.SIGNATURES[model.task.kind],
        model.task.name,
        export_speed.size_of(path) / 1e6,
    )
    if FLAGS.measure_speed:
        length = model.kind.settings.max_seq_length
        logging.info("%s", export_speed.report(_runner(model, path), length))


def _runner(model, path):
    if FLAGS.format == "onnx":
        return onnx_export.onnx_runner(os.path.join(path, onnx_export.FILE_NAME))
    return export_speed.saved_model_runner(path, export.SIGNATURES[model.task.kind])


if __name__ == "__main__":
    command_line.run(main, FLAGS)
