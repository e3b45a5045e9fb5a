r"""Serves fine-tuned models: a page to try them, and the same as JSON.

  korean-encoders serve --model_dir=runs/nsmc,runs/ner
  curl http://127.0.0.1:8000/predict -H 'Content-Type: application/json' \
      -d '{"model": "nsmc", "inputs": ["정말 재미있는 영화", "별로"]}'

Open http://127.0.0.1:8000 in a browser for the page; /docs lists all requests. Texts of
concurrent requests are predicted in common batches. SIGTERM or Ctrl-C ends the server
once every request is answered. It needs: pip install 'korean-encoders[serve]'
"""

from absl import flags, logging

from data.io.cli import require
from data.io.errors import InputError
from encoder_ko import cli
from encoder_ko.compat import tf
from encoder_ko.training.agreement import ALLOW_MISMATCH

FLAGS = flags.FlagValues()

_string, _integer, _boolean, _enum, _list = cli.definers(
    FLAGS, "string", "integer", "boolean", "enum", "list"
)

_list("model_dir", [], "The --output_dir of a fine-tuning run, or of several.")
_string("host", "127.0.0.1", "Address; 0.0.0.0 lets other computers in.")
_integer("port", 8000, "Port; 0 takes a free one.", 0, 65535)
_integer("batch_size", 32, "Texts at a time, of all requests together.", 1)
_enum("compute_type", "float32", ["float32", "bfloat16"], "Type of the activations.")
_integer("max_texts", 1000, "Texts of one request as JSON.", 1)
_integer("max_megabytes", 8, "Size of one request, also of a file.", 1)
_integer("max_waiting_texts", 10000, "Texts of all requests that may wait.", 1)
_boolean("allow_mismatch", False, ALLOW_MISMATCH)


def main():
    require(FLAGS, "model_dir")
    try:
        from korean_encoders.serving import app, server
    except ImportError as error:
        raise InputError(
            f"The server needs packages that are not installed ({error}): "
            "pip install 'korean-encoders[serve]' (Python 3.9 or later)."
        ) from error
    from korean_encoders.serving.runs import load_runs

    limits = app.Limits(
        batch_size=FLAGS.batch_size,
        texts=FLAGS.max_texts,
        bytes=FLAGS.max_megabytes << 20,
        waiting=max(FLAGS.max_waiting_texts, FLAGS.max_texts),
    )
    bound = server.bind(FLAGS.host, FLAGS.port)
    runs = load_runs(
        FLAGS.model_dir,
        FLAGS.allow_mismatch,
        batch_size=FLAGS.batch_size,
        dtype=tf.as_dtype(FLAGS.compute_type),
    )
    service = app.Service(runs, limits)
    local = server.is_local(FLAGS.host)
    if not local:
        logging.warning(
            "--host=%s: whoever reaches this computer can use the models. There is no "
            "password and no encryption.",
            FLAGS.host,
        )
    guard = app.build_app(service, local)
    server.serve(guard, bound)
    service.close()
