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
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence

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
      title: for the report. model_type: bert, albert or electra.
      config: file of its sizes. batch_size: sequences per step. max_seq_length: tokens.
      records: flags of data.create_pretraining_data.
      settings: of pre-training, ours and Google's by the same names.
    """

    title: str
    model_type: str
    config: str
    batch_size: int
    max_seq_length: int = 128
    records: Sequence[str] = ()
    settings: Mapping[str, Any] = {}


CASES = {
    "electra": Case(
        "ELECTRA-small",
        "electra",
        "configs/dialog_koelectra_small/electra_config.json",
        64,
    ),
    "bert": Case("BERT-base", "bert", "configs/kr_bert_medium/bert_config.json", 32),
    "albert": Case(
        "ALBERT-base",
        "albert",
        "configs/kore_albert_base/albert_config.json",
        32,
        records=["--wop_prob=0"],  # Google's has no word order prediction
    ),
    "cpu_hour": Case(
        "4 layers of 256, masked words,",
        "electra",
        "configs/cpu_hour/electra_config.json",
        128,
        max_seq_length=64,
        records=["--line_by_line"],
        settings={"electra_objective": False, "mask_prob": 0.2},
    ),
}
MODEL_TYPES = ("bert", "albert", "electra")


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = contenders.Work.load(arguments.work_dir)
        contenders.RUNNERS[arguments.worker](work, arguments.precision)
        return
    reports = {}
    for name in arguments.models:
        reports[name] = _measure(arguments, name)
        print(reports[name].markdown(), end="\n\n", flush=True)
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
    for name in MODEL_TYPES:
        add(f"--{name}_dir", help=f"Or: checkout of google-research/{name}.")
    add("--upstream_python", help="Python with TensorFlow 1.15.")
    add("--input_file", default=f"{ROOT}/samples/corpus/*.txt", help="Text.")
    add("--vocab_file", default=f"{ROOT}/samples/vocab.txt", help="WordPiece.")
    add("--models", nargs="+", default=list(CASES), choices=list(CASES))
    add("--precisions", nargs="+", default=["float32", "bfloat16"])
    add("--batch_size", type=int, help="Sequences per step; default 32 to 128.")
    add("--max_seq_length", type=int, help="Tokens; default 128, cpu_hour 64.")
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


def _measure(arguments: argparse.Namespace, name: str) -> side_by_side.Report:
    with tempfile.TemporaryDirectory() as folder:
        work = prepare(arguments, name, folder)
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
        f"Pre-training {CASES[name].title} at "
        f"{work.batch_size} x {work.max_seq_length}",
        UNIT,
        os.path.basename(__file__),
    )


def prepare(arguments: argparse.Namespace, name: str, folder: str) -> contenders.Work:
    """Builds the records that all contenders read, and the network's configuration.

    Args:
      name: a key of `CASES`.
    """
    from data import create_pretraining_data
    from data.tokenization import load_vocabulary

    case = CASES[name]
    with open(os.path.join(ROOT, case.config)) as stream:
        model = json.load(stream)
    model["vocab_size"] = len(load_vocabulary(arguments.vocab_file))
    model["num_hidden_layers"] = arguments.layers or model["num_hidden_layers"]
    work = contenders.Work(
        folder,
        case.model_type,
        model,
        arguments.batch_size or case.batch_size,
        arguments.max_seq_length or case.max_seq_length,
        os.path.abspath(arguments.vocab_file),
        _checkout(arguments, case.model_type),
        dict(case.settings),
    )
    create_pretraining_data.main(
        [
            "create_pretraining_data",
            f"--model_type={work.model_type}",
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
        Entry(worker, precision): Program(
            _command(worker, precision, sys.executable, work.folder),
            _WARM_UP_STEPS,
            arguments.steps,
        )
        for worker in ("ours", "products")
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
