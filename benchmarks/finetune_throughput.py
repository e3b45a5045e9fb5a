"""Examples per second of fine-tuning BERT-base on NSMC: ours, Google's, Hugging Face's.

  python3 benchmarks/finetune_throughput.py \
      --upstream_dir=DIR --upstream_python=PY --hf_python=PY

DIR is a checkout of google-research/bert, its PY has TensorFlow 1.15, the other PY has
PyTorch and Transformers; a contender without these flags is left out. Every contender
is warmed up with all the batches that are measured, so that everything is compiled;
then they take turns (`benchmarks/turns.py`), so that noise of the machine hits all of
them. See benchmarks/README.md for what exactly runs.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Dict, List, Sequence

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import finetune_contenders as contenders
from benchmarks import side_by_side
from benchmarks.side_by_side import Entry, Program

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Where the real data and a vocabulary of 20,000 pieces are looked for, then samples.
DATA_DIRS = ("datasets/nsmc", "../shared/datasets/nsmc", "samples/sentiment")
VOCAB_FILES = ("../shared/golden/tokenization/vocab.txt", "samples/vocab.txt")

SUBJECT, UNIT = "Fine-tuning BERT-base on NSMC", "examples"

BERT_BASE = {
    "vocab_size": 20000,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "initializer_range": 0.02,
}


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = contenders.Work.load(arguments.work_dir)
        contenders.RUNNERS[arguments.worker](work, arguments.precision)
        return
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(arguments, folder)
        measured = side_by_side.measure(
            programs(arguments, work),
            arguments.rounds,
            min(arguments.slices, work.num_examples // work.batch_size),
            folder,
            UNIT,
        )
    report = side_by_side.Report(
        measured,
        side_by_side.machine(),
        " ".join(sys.argv[1:]),
        SUBJECT,
        UNIT,
        os.path.basename(__file__),
    )
    print(report.markdown())
    if arguments.json:
        with open(arguments.json, "w") as stream:
            json.dump(report.as_dict(), stream, indent=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--upstream_dir", help="Checkout of google-research/bert.")
    add("--upstream_python", help="Python with TensorFlow 1.15.")
    add("--hf_python", help="Python with torch and transformers.")
    add("--data_dir", default=first_existing(DATA_DIRS), help="NSMC.")
    add(
        "--vocab_file",
        default=first_existing(VOCAB_FILES),
        help="WordPiece vocabulary.",
    )
    add("--hf_workers", nargs="+", default=["hf", "hf_compiled"])
    add("--precisions", nargs="+", default=["float32", "bfloat16"])
    add("--batch_size", type=int, default=32, help="Examples per step.")
    add("--max_seq_length", type=int, default=128, help="Tokens.")
    add("--batches", type=int, default=50, help="Batches of a round.")
    add("--google_steps", type=int, default=2, help="Google's steps of a round.")
    add("--rounds", type=int, default=3)
    add("--slices", type=int, default=2, help="Turns of each contender in a round.")
    add("--seed", type=int, default=0, help="Chooses the examples.")
    add("--layers", type=int, default=12, help="12 is BERT-base.")
    add("--json", help="File for all figures.")
    add("--worker", choices=sorted(contenders.RUNNERS), help=argparse.SUPPRESS)
    add("--precision", help=argparse.SUPPRESS)
    add("--work_dir", help=argparse.SUPPRESS)
    return parser.parse_args()


def first_existing(paths: Sequence[str]) -> str:
    """The first of the paths, seen from the root, that is there; else the last."""
    found = [os.path.join(ROOT, path) for path in paths]
    return os.path.normpath(next((p for p in found if os.path.exists(p)), found[-1]))


# --- Preparing -------------------------------------------------------------------


def prepare(arguments: argparse.Namespace, folder: str) -> contenders.Work:
    """Draws the examples and writes their token ids once for all contenders.

    There are as many as the contenders sort by length together, so that a round is the
    same examples in the same batches for ours and for Hugging Face.
    """
    from data import tasks
    from data.features import model_inputs
    from data.records import schema, tfrecords
    from data.tokenization import build_tokenizer, resolve_config

    task = tasks.get_task("NSMC")
    examples = tasks.load_split(task, arguments.data_dir, "train").examples
    size = arguments.batch_size
    batches = min(
        arguments.batches, contenders.BATCHES_SORTED_TOGETHER, len(examples) // size
    )
    drawn = np.random.RandomState(arguments.seed).permutation(len(examples))
    tokenizer = build_tokenizer(
        resolve_config(arguments.vocab_file), arguments.vocab_file
    )
    values = list(
        model_inputs.classification_records(
            tokenizer,
            [examples[index] for index in drawn[: batches * size]],
            arguments.max_seq_length,
        )
    )
    work = contenders.Work(
        folder,
        dict(BERT_BASE, num_hidden_layers=arguments.layers),
        task.num_labels,
        size,
        arguments.max_seq_length,
        len(values),
        arguments.upstream_dir,
    )
    features = schema.classification_features()
    tfrecords.write_records(
        work.records_path, (schema.encode_example(features, v) for v in values)
    )
    np.savez(
        work.arrays_path,
        input_ids=np.concatenate([value["input_ids"] for value in values]),
        lengths=[value["num_tokens"] for value in values],
        labels=[value["label_ids"] for value in values],
    )
    work.save()
    return work


def programs(
    arguments: argparse.Namespace, work: contenders.Work
) -> Dict[Entry, Program]:
    """The contenders that can run; each is warmed up with all that it will measure."""
    batches = work.num_examples // work.batch_size
    pythons = {
        Entry(worker, precision): sys.executable
        for worker in ("ours", "products")
        for precision in arguments.precisions
    }
    if arguments.hf_python:
        for worker in arguments.hf_workers:
            for precision in arguments.precisions:
                pythons[Entry(worker, precision)] = arguments.hf_python
    found = {
        entry: Program(_command(entry, python, work.folder), batches, batches)
        for entry, python in pythons.items()
    }
    if arguments.upstream_dir and arguments.upstream_python:
        google = Entry("google", "float32")
        command = _command(google, arguments.upstream_python, work.folder)
        found[google] = Program(command, 1, arguments.google_steps)
    return found


def _command(entry: Entry, python: str, folder: str) -> List[str]:
    return [
        python,
        os.path.abspath(__file__),
        f"--worker={entry.worker}",
        f"--precision={entry.precision}",
        f"--work_dir={folder}",
    ]


if __name__ == "__main__":
    main()
