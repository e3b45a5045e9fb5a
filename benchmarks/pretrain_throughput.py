"""Sequences per second of pre-training: ours against Google's, for the three models.

  python3 benchmarks/pretrain_throughput.py --upstream_dir=DIR --upstream_python=PY

DIR holds checkouts of google-research/bert, albert and electra in folders of these
names (or name each), PY has TensorFlow 1.15; without them ours runs alone. One model
after the other; its contenders are warmed up and then take turns
(`benchmarks/turns.py`), so that noise of the machine hits all of them. See
benchmarks/README.md for what exactly runs.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Dict, List, NamedTuple

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import pretrain_contenders as contenders
from benchmarks import side_by_side
from benchmarks.side_by_side import Entry, Program

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
UNIT = "sequences"
_WARM_UP_STEPS = 12


class Case(NamedTuple):
    """A network that is pre-trained.

    Attributes:
      title: for the report. config: file of its sizes. batch_size: sequences per step.
      records: flags of data.create_pretraining_data.
    """

    title: str
    config: str
    batch_size: int
    records: List[str]


CASES = {
    "electra": Case(
        "ELECTRA-small",
        "configs/dialog_koelectra_small/electra_config.json",
        64,
        [],
    ),
    "bert": Case("BERT-base", "configs/kr_bert_medium/bert_config.json", 32, []),
    "albert": Case(
        "ALBERT-base",
        "configs/kore_albert_base/albert_config.json",
        32,
        ["--wop_prob=0"],  # Google's has no word order prediction
    ),
}


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = contenders.Work.load(arguments.work_dir)
        contenders.RUNNERS[arguments.worker](work, arguments.precision)
        return
    reports = {}
    for model_type in arguments.models:
        reports[model_type] = _measure(arguments, model_type)
        print(reports[model_type].markdown(), end="\n\n", flush=True)
    if arguments.json:
        with open(arguments.json, "w") as stream:
            content = {name: report.as_dict() for name, report in reports.items()}
            json.dump(content, stream, indent=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--upstream_dir", help="Folder with the checkouts bert, albert, electra.")
    for name in CASES:
        add(f"--{name}_dir", help=f"Or: checkout of google-research/{name}.")
    add("--upstream_python", help="Python with TensorFlow 1.15.")
    add("--input_file", default=f"{ROOT}/samples/corpus/*.txt", help="Text.")
    add("--vocab_file", default=f"{ROOT}/samples/vocab.txt", help="WordPiece.")
    add("--models", nargs="+", default=list(CASES), choices=list(CASES))
    add("--precisions", nargs="+", default=["float32", "bfloat16"])
    add("--batch_size", type=int, help="Sequences per step; default 64 or 32.")
    add("--max_seq_length", type=int, default=128, help="Tokens.")
    add("--steps", type=int, default=10, help="Steps of a round.")
    add("--google_steps", type=int, default=2, help="Google's steps of a round.")
    add("--rounds", type=int, default=3)
    add("--slices", type=int, default=2, help="Turns of each contender in a round.")
    add("--layers", type=int, help="For a trial; default 12.")
    add("--json", help="File for all figures.")
    add("--worker", choices=sorted(contenders.RUNNERS), help=argparse.SUPPRESS)
    add("--precision", help=argparse.SUPPRESS)
    add("--work_dir", help=argparse.SUPPRESS)
    return parser.parse_args()


def _measure(arguments: argparse.Namespace, model_type: str) -> side_by_side.Report:
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(arguments, model_type, folder)
        measured = side_by_side.measure(
            programs(arguments, work),
            arguments.rounds,
            min(arguments.slices, arguments.steps),
            folder,
            UNIT,
        )
    return side_by_side.Report(
        measured,
        side_by_side.machine(),
        " ".join(sys.argv[1:]),
        f"Pre-training {CASES[model_type].title} at "
        f"{work.batch_size} x {work.max_seq_length}",
        UNIT,
        os.path.basename(__file__),
    )


def prepare(
    arguments: argparse.Namespace, model_type: str, folder: str
) -> contenders.Work:
    """Builds the records that all contenders read, and the network's configuration."""
    from data import create_pretraining_data
    from data.tokenization import load_vocabulary

    case = CASES[model_type]
    with open(os.path.join(ROOT, case.config)) as stream:
        model = json.load(stream)
    model["vocab_size"] = len(load_vocabulary(arguments.vocab_file))
    model["num_hidden_layers"] = arguments.layers or model["num_hidden_layers"]
    work = contenders.Work(
        folder,
        model_type,
        model,
        arguments.batch_size or case.batch_size,
        arguments.max_seq_length,
        os.path.abspath(arguments.vocab_file),
        _checkout(arguments, model_type),
    )
    create_pretraining_data.main(
        [
            "create_pretraining_data",
            f"--model_type={model_type}",
            f"--input_file={arguments.input_file}",
            f"--output_file={work.records_path}",
            f"--vocab_file={work.vocab_file}",
            f"--max_seq_length={work.max_seq_length}",
            f"--max_predictions_per_seq={contenders.MAX_PREDICTIONS}",
            "--dupe_factor=1",
            *case.records,
        ]
    )
    work.save()
    return work


def _checkout(arguments: argparse.Namespace, model_type: str) -> str:
    named = getattr(arguments, f"{model_type}_dir")
    if named or not arguments.upstream_dir:
        return named
    return os.path.join(arguments.upstream_dir, model_type)


def programs(
    arguments: argparse.Namespace, work: contenders.Work
) -> Dict[Entry, Program]:
    """The contenders that can run.

    Ours leaves padding out of its products, and is compiled for each number of tokens
    it meets: it warms up until it has met most of them. Google's has one shape.
    """
    found = {
        Entry("ours", precision): Program(
            _command("ours", precision, sys.executable, work.folder),
            _WARM_UP_STEPS,
            arguments.steps,
        )
        for precision in arguments.precisions
    }
    if work.upstream_dir and arguments.upstream_python:
        found[Entry("google", "float32")] = Program(
            _command("google", "float32", arguments.upstream_python, work.folder),
            1,
            arguments.google_steps,
        )
    return found


def _command(worker: str, precision: str, python: str, folder: str) -> List[str]:
    return [
        python,
        os.path.abspath(__file__),
        f"--worker={worker}",
        f"--precision={precision}",
        f"--work_dir={folder}",
    ]


if __name__ == "__main__":
    main()
