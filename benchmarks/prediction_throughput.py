"""Texts per second of prediction: ours, its exports, and Hugging Face's pipeline.

  python3 benchmarks/prediction_throughput.py --hf_python=PY --json=prediction.json

PY has PyTorch, Transformers, tf2onnx and ONNX Runtime (.venv-hf of `make test-hf`).
Every contender predicts the same reviews of NSMC, a stretch of them a turn; the others
stand still meanwhile. See benchmarks/README.md for what exactly runs.
"""

import argparse
import json
import os
import sys
import tempfile
from typing import Any, Dict, List

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import finetune_throughput, serving, side_by_side, turns
from benchmarks import serving_contenders as contenders
from benchmarks.side_by_side import Entry, Program

WORKERS = {
    "ours": contenders.Ours,
    "saved_model": contenders.SavedModel,
    "onnx": contenders.Onnx,
    "hf": contenders.Pipeline,
}
EXPORTS = ("saved_model", "onnx")  # in float32
NETWORKS: Dict[str, Dict[str, Any]] = {
    "BERT-base": {},
    "BERT, 4 x 256": {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 1024,
    },
}
UNIT = "texts"
_SORTED_TOGETHER = 1000  # a step


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        predict(
            contenders.Work.load(arguments.work_dir),
            arguments.worker,
            arguments.precision,
        )
        return
    reports = []
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            reports.append(_measured(name, arguments, folder))
        print(reports[-1].markdown())
    if arguments.json:
        with open(arguments.json, "w") as stream:
            json.dump([report.as_dict() for report in reports], stream, indent=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    add("--requests", type=int, default=20000, help="Texts that are drawn.")
    add("--steps", type=int, nargs="+", help="Thousands of texts a round, by network.")
    add("--rounds", type=int, default=3)
    serving.add_flags_of_models(parser, list(WORKERS))
    arguments = parser.parse_args()
    arguments.steps = arguments.steps or [1, 20]
    return arguments


def _measured(name, arguments, folder) -> side_by_side.Report:
    network = dict(finetune_throughput.BERT_BASE, **NETWORKS[name])
    work = serving.prepare(arguments, network, folder)
    steps = arguments.steps[min(list(NETWORKS).index(name), len(arguments.steps) - 1)]
    programs = {
        entry: Program(_command(arguments, work, entry), 1, steps)
        for entry in _entries(arguments)
    }
    rounds = side_by_side.measure(programs, arguments.rounds, 1, folder, UNIT)
    _compare(work, list(programs))
    return side_by_side.Report(
        rounds,
        side_by_side.machine(),
        " ".join(sys.argv[1:]),
        f"Predicting {UNIT} of NSMC with {name}",
        UNIT,
        os.path.basename(__file__),
    )


def _entries(arguments) -> List[Entry]:
    entries = [Entry(w, p) for w in arguments.workers for p in arguments.precisions]
    runs = {"ours", "saved_model"} | ({"hf", "onnx"} if arguments.hf_python else set())
    return [
        entry
        for entry in entries
        if entry.worker in runs
        and (entry.worker not in EXPORTS or entry.precision == "float32")
    ]


def _command(arguments, work, entry) -> List[str]:
    of_ours = entry.worker in ("ours", "saved_model")
    return [
        sys.executable if of_ours else arguments.hf_python,
        os.path.abspath(__file__),
        f"--worker={entry.worker}",
        f"--precision={entry.precision}",
        f"--work_dir={work.folder}",
    ]


def _compare(work, entries) -> None:
    """All have predicted the first stretch, and must agree on it."""
    first = None
    for entry in entries:
        found = np.load(_answers_path(work, entry))
        first = found if first is None else first
        off = np.abs(found - first).max()
        print(f"{entry.title}: off by {off:.1e} at most", file=sys.stderr)
        if off > serving.TOLERANCE[entry.precision]:
            raise RuntimeError(f"{entry.title} is another model: off by {off}.")


def _answers_path(work, entry) -> str:
    return work.path(f"{entry.worker}-{entry.precision}.npy")


# --- The child -------------------------------------------------------------------


def predict(work: contenders.Work, worker: str, precision: str) -> None:
    """Predicts a stretch of the texts a step, endlessly."""
    predictor = WORKERS[worker](work, precision)
    taker = turns.TurnTaker(predictor.software)
    start = 0
    while True:
        texts = work.texts[start : start + _SORTED_TOGETHER]
        taker.before_step()
        if worker == "ours":
            found = predictor.predict(texts)
        else:
            found = in_sorted_batches(predictor, texts, work.batch_size)
        if not start:  # before the turn ends, which stops this process
            answers = [each["probabilities"]["positive"] for each in found]
            np.save(_answers_path(work, Entry(worker, precision)), answers)
        taker.after_step(len(texts), 0)
        start = (start + _SORTED_TOGETHER) % len(work.texts)


def in_sorted_batches(predictor, texts: List[str], batch_size: int):
    """As somebody would who knows that padding costs: batches of similar length."""
    order = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    found: List[Any] = [None] * len(texts)
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        answers = predictor.predict([texts[number] for number in chosen])
        for number, answer in zip(chosen, answers):
            found[number] = answer
    return found


if __name__ == "__main__":
    main()
