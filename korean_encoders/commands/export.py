"""Exports a fine-tuned run for serving: a SavedModel, or an ONNX file.

  python3 export_savedmodel.py --model_dir=runs/nsmc --output_dir=serving/nsmc/1
  python3 export_savedmodel.py --model_dir=runs/nsmc --output_dir=onnx --format=onnx

The SavedModel has two signatures: that of the task (classify, score, tag or answer,
also the default) and encode. Inputs are input_ids, input_mask and segment_ids, int32
[batch, length], both free. The tokenizer's files and the labels travel along.
"""

import os

from absl import flags, logging

from data.io.cli import leaving_on_sigterm, require
from encoder_ko import cli
from encoder_ko.finetuning.saved_run import FineTunedModel
from encoder_ko.inference import onnx_file, saved_model, throughput
from encoder_ko.training.agreement import ALLOW_MISMATCH
from korean_encoders.model_types import FAMILIES

FLAGS = flags.FlagValues()

_string, _boolean, _enum = cli.definers(FLAGS, "string", "boolean", "enum")

_string("model_dir", None, "The --output_dir of a fine-tuning run.")
_string("output_dir", None, "Folder to write. Serving wants a number: .../nsmc/1.")
_enum("format", "savedmodel", ["savedmodel", "onnx"], "What to write.")
_boolean("measure_speed", True, "Print sentences per second at batch 1 and 32.")
_boolean("allow_mismatch", False, ALLOW_MISMATCH)
_boolean("overwrite", False, "Replace an earlier export.")


@leaving_on_sigterm()
def main():
    require(FLAGS, "model_dir", "output_dir")
    model = FineTunedModel.load(FLAGS.model_dir, FAMILIES, FLAGS.allow_mismatch)
    path = FLAGS.output_dir
    if FLAGS.format == "onnx":
        onnx_file.write_onnx(model, path, FLAGS.overwrite)
    else:
        saved_model.write_saved_model(model, path, FLAGS.overwrite)
    logging.info(
        "%s: %s of %s, %.1f MB",
        path,
        saved_model.SIGNATURES[model.task.task_type],
        model.task.name,
        throughput.size_of(path) / 1e6,
    )
    if FLAGS.measure_speed:
        task_type = model.task_type
        length = task_type.settings.max_seq_length
        rates = throughput.report(_runner(model, path), length, task_type.graph_inputs)
        logging.info("%s", rates)


def _runner(model, path):
    if FLAGS.format == "onnx":
        return onnx_file.onnx_runner(os.path.join(path, onnx_file.FILE_NAME))
    return throughput.saved_model_runner(
        path, saved_model.SIGNATURES[model.task.task_type]
    )
