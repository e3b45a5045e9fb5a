"""Requests per second of a server of BERT-base: ours, Hugging Face's pipeline, ONNX.

  python3 benchmarks/serving.py --hf_python=PY --json=serving.json

PY has PyTorch, Transformers, tf2onnx and ONNX Runtime (.venv-hf of `make test-hf`).
Clients send reviews of NSMC, a text a request, each as soon as its last one is
answered. The servers take turns, and stand still in between, so that noise of the
machine hits all of them. See benchmarks/README.md for what exactly runs.
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import finetune_throughput, side_by_side, turns
from benchmarks import serving_contenders as contenders
from encoder_ko.recipes.child_process import die_with_parent

NAMES = {
    "ours": "ours",
    "hf": "Hugging Face pipeline",
    "hf_single": "Hugging Face pipeline, a text at a time",
    "onnx": "ONNX Runtime, our export",
}
SECONDS_TO_START = 600
TOLERANCE = {"float32": 1e-3, "bfloat16": 3e-2}  # of a probability


class Entry(NamedTuple):
    """A contender: a key of `NAMES` and float32 or bfloat16."""

    worker: str
    precision: str

    @property
    def title(self) -> str:
        return f"{NAMES[self.worker]}, {self.precision}"


class Turn(NamedTuple):
    """What clients measured in one turn.

    Attributes:
      seconds: wall time. latencies: seconds of each request.
      other_cores: processors that neither server nor clients kept busy.
    """

    seconds: float
    latencies: List[float]
    other_cores: float

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds


def main() -> None:
    arguments = _arguments()
    if arguments.worker:
        work = contenders.Work.load(arguments.work_dir)
        contenders.serve(work, arguments.worker, arguments.precision)
        return
    with tempfile.TemporaryDirectory() as folder:
        network = dict(
            finetune_throughput.BERT_BASE, num_hidden_layers=arguments.layers
        )
        work = prepare(arguments, network, folder)
        measured = measure(arguments, work)
    report = as_dict(arguments, measured)
    print(markdown(report))
    if arguments.json:
        with open(arguments.json, "w") as stream:
            json.dump(report, stream, indent=2)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--clients", type=int, default=32)
    add("--requests", type=int, default=480, help="Of a turn, all clients together.")
    add("--rounds", type=int, default=5)
    add("--layers", type=int, default=12, help="12 is BERT-base.")
    add_flags_of_models(parser, list(NAMES))
    return parser.parse_args()


def add_flags_of_models(parser: argparse.ArgumentParser, workers: List[str]) -> None:
    """What the benchmarks of predictors have in common: `prepare`'s, and the child's.

    Args:
      workers: the contenders.
    """
    add = parser.add_argument
    add("--hf_python", help="Python with torch, transformers, tf2onnx, onnxruntime.")
    add(
        "--data_dir",
        default=finetune_throughput.first_existing(finetune_throughput.DATA_DIRS),
    )
    add(
        "--vocab_file",
        default=finetune_throughput.first_existing(finetune_throughput.VOCAB_FILES),
        help="WordPiece vocabulary.",
    )
    add("--precisions", nargs="+", default=["float32", "bfloat16"])
    add("--workers", nargs="+", default=workers, choices=workers)
    add("--batch_size", type=int, default=32, help="Texts of a batch at most.")
    add("--max_seq_length", type=int, default=128, help="Tokens.")
    add("--seed", type=int, default=0, help="Chooses the reviews.")
    add("--json", help="File for all figures.")
    add("--worker", choices=workers, help=argparse.SUPPRESS)
    add("--precision", help=argparse.SUPPRESS)
    add("--work_dir", help=argparse.SUPPRESS)


# --- Preparing -----------------------------------------------------------------------


def prepare(
    arguments: argparse.Namespace, network: Dict[str, Any], folder: str
) -> contenders.Work:
    """Draws the reviews, and writes a model in all the forms that are compared.

    Args:
      network: of BERT, beside the vocabulary.
    """
    from data import tasks

    task = tasks.get_task("NSMC")
    examples = tasks.load_split(task, arguments.data_dir, "test").examples
    drawn = np.random.RandomState(arguments.seed).permutation(len(examples))
    texts = [examples[index].text_a for index in drawn[: arguments.requests]]
    work = contenders.Work(
        folder, texts, arguments.max_seq_length, arguments.batch_size
    )
    work.save()
    _write_run(arguments, network, work, task)
    if arguments.hf_python:
        _call(
            [arguments.hf_python, "convert_checkpoint.py", "--from=tf", "--to=hf"]
            + [f"--input_dir={work.path(contenders.RUN)}"]
            + [f"--output_dir={work.path(contenders.HUGGING_FACE)}"]
        )
    if arguments.hf_python and "onnx" in arguments.workers:
        _call(
            [arguments.hf_python, "export_savedmodel.py", "--format=onnx"]
            + [f"--model_dir={work.path(contenders.RUN)}"]
            + [f"--output_dir={work.path(contenders.ONNX)}"]
        )
    if "saved_model" in arguments.workers:
        _call(
            [sys.executable, "export_savedmodel.py"]
            + [f"--model_dir={work.path(contenders.RUN)}"]
            + [f"--output_dir={work.path(contenders.SAVED_MODEL)}"]
        )
    return work


def _write_run(arguments, network, work, task) -> None:
    """A fine-tuning run of BERT with random weights."""
    from bert_ko.finetuning import FAMILY
    from data.tokenization import build_tokenizer, resolve_config
    from encoder_ko.compat import tf
    from encoder_ko.finetuning import saved_run, task_types
    from encoder_ko.inference import saved_model
    from encoder_ko.training.run_folder import RunFolder

    tokenizer = build_tokenizer(
        resolve_config(arguments.vocab_file), arguments.vocab_file
    )
    config = FAMILY.config_class.from_dict(
        dict(network, vocab_size=tokenizer.vocab_size)
    )
    settings = task_types.TaskSettings(max_seq_length=arguments.max_seq_length)
    task_type = task_types.build(task, tokenizer, settings)
    run = RunFolder(work.path(contenders.RUN))
    os.makedirs(run("best"))
    saved_run.write(run, FAMILY.name, config, task_type)
    model = saved_run.FineTunedModel(run.path, FAMILY, config, task_type, "")
    generator = np.random.RandomState(arguments.seed)
    with tf.Graph().as_default(), tf.Session() as session:
        saved_model.build_graph(model)
        for variable in tf.global_variables():
            # Wider than at the start of training, so that texts differ.
            shape = variable.shape.as_list()
            centre = float("gamma" in variable.name)
            variable.load(generator.normal(centre, 0.04, shape), session)
        tf.train.Saver().save(session, run("best", "model.ckpt-1"))


def _call(command: List[str]) -> None:
    subprocess.run(command, check=True, cwd=finetune_throughput.ROOT)


# --- Servers -------------------------------------------------------------------------


class Server:
    """A server in a process that runs when it is its turn; a context manager."""

    def __init__(self, command: List[str], log_path: str):
        self._log_path = log_path
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                cwd=finetune_throughput.ROOT,
                preexec_fn=die_with_parent,
            )
        self.port = self._wait_for_port()

    def _log(self) -> str:
        with open(self._log_path, errors="replace") as log:
            return log.read()

    def _wait_for_port(self) -> int:
        deadline = time.time() + SECONDS_TO_START
        while time.time() < deadline:
            found = re.search(r"Serving on http://127\.0\.0\.1:(\d+)", self._log())
            if found:
                return int(found.group(1))
            if self.process.poll() is not None:
                break
            time.sleep(0.2)
        raise RuntimeError(f"The server did not start:\n{self._log()[-3000:]}")

    def cpu_seconds(self) -> float:
        with open(f"/proc/{self.process.pid}/stat") as stream:
            fields = stream.read().rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *exception: Any) -> None:
        self.process.kill()
        self.process.wait()


def _command(arguments, work, entry: Entry) -> List[str]:
    if entry.worker == "ours":
        return [
            sys.executable,
            "serve.py",
            f"--model_dir={work.path(contenders.RUN)}",
            "--port=0",
            f"--batch_size={work.batch_size}",
            f"--compute_type={entry.precision}",
        ]
    return [
        arguments.hf_python,
        os.path.abspath(__file__),
        f"--worker={entry.worker}",
        f"--precision={entry.precision}",
        f"--work_dir={work.folder}",
    ]


def entries(arguments: argparse.Namespace) -> List[Entry]:
    """The contenders that can run; the exported file is float32."""
    found = []
    for worker in arguments.workers:
        if worker == "ours" or arguments.hf_python:
            found += [Entry(worker, p) for p in arguments.precisions]
    return [e for e in found if e.worker != "onnx" or e.precision == "float32"]


def measure(
    arguments: argparse.Namespace, work: contenders.Work
) -> Dict[Entry, List[Turn]]:
    """A turn to warm up, whose answers are compared, and then the rounds."""
    with contextlib.ExitStack() as stack:
        servers = {}
        for entry in entries(arguments):
            log = work.path(f"{entry.worker}-{entry.precision}.log")
            server = Server(_command(arguments, work, entry), log)
            servers[entry] = stack.enter_context(server)
            server.process.send_signal(signal.SIGSTOP)
        first = None
        for entry, server in servers.items():
            answers = _take_turn(server, work.texts, arguments.clients)[1]
            first = answers if first is None else first
            off = float(np.abs(np.array(answers) - first).max())
            _say(f"warm-up: {entry.title}: off by {off:.1e} at most")
            if off > TOLERANCE[entry.precision]:
                raise RuntimeError(f"{entry.title} is another model: off by {off}.")
        measured: Dict[Entry, List[Turn]] = {entry: [] for entry in servers}
        for number in range(1, arguments.rounds + 1):
            for entry, server in servers.items():
                turn = _take_turn(server, work.texts, arguments.clients)[0]
                measured[entry].append(turn)
                _say(
                    f"round {number}: {entry.title}: {turn.rate:.1f} requests/s, "
                    f"others used {turn.other_cores:.2f} processors"
                )
    return measured


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _take_turn(server: Server, texts: Sequence[str], clients: int):
    """(Turn, probability of each text) while every other server stands still."""
    server.process.send_signal(signal.SIGCONT)
    busy = turns.busy_seconds()
    own = time.process_time() + server.cpu_seconds()
    started = time.perf_counter()
    answers = asyncio.run(_ask_all(server.port, texts, clients))
    seconds = time.perf_counter() - started
    own = time.process_time() + server.cpu_seconds() - own
    others = max(0.0, turns.busy_seconds() - busy - own) / seconds
    server.process.send_signal(signal.SIGSTOP)
    latencies, found = zip(*answers)
    return Turn(seconds, list(latencies), others), list(found)


# --- Clients -------------------------------------------------------------------------


async def _ask_all(port: int, texts: Sequence[str], clients: int):
    """(seconds, probability) of each text, asked by so many clients together."""
    answers: List[Any] = [None] * len(texts)
    numbers = iter(range(len(texts)))

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            body = json.dumps({"inputs": [texts[number]]}).encode()
            started = time.perf_counter()
            writer.write(
                b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (len(body), body)
            )
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
            answer = json.loads(await reader.readexactly(size))
            seconds = time.perf_counter() - started
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"A request failed: {answer}")
            probabilities = answer["predictions"][0]["probabilities"]
            answers[number] = seconds, probabilities["positive"]
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


# --- Report --------------------------------------------------------------------------


def as_dict(
    arguments: argparse.Namespace, measured: Dict[Entry, List[Turn]]
) -> Dict[str, Any]:
    """All figures; rates by round, milliseconds over all requests of all rounds."""
    figures = {}
    for entry, rounds in measured.items():
        rates = [turn.rate for turn in rounds]
        latencies = 1000 * np.concatenate([turn.latencies for turn in rounds])
        figures[entry] = {
            "requests_per_second": float(np.median(rates)),
            "least": min(rates),
            "most": max(rates),
            "p50_ms": float(np.percentile(latencies, 50)),
            "p99_ms": float(np.percentile(latencies, 99)),
            "other_cores": float(np.mean([turn.other_cores for turn in rounds])),
            "rates": rates,
        }
    ratios = {
        f"{ours.title} / {entry.title}": figures[ours]["requests_per_second"]
        / figures[entry]["requests_per_second"]
        for ours in figures
        for entry in figures
        if ours.worker == "ours" != entry.worker and ours.precision == entry.precision
    }
    return {
        "command": " ".join(sys.argv[1:]),
        "machine": f"{side_by_side.machine()}, {platform.platform()}",
        "clients": arguments.clients,
        "figures": {entry.title: each for entry, each in figures.items()},
        "ratios": ratios,
    }


def markdown(report: Dict[str, Any]) -> str:
    """A table of all contenders, and the ratios."""
    lines = [
        f"Serving BERT-base, reviews of NSMC, {report['clients']} clients. Machine: "
        f"{report['machine']}",
        "",
        "| server | requests/s, median (least to most) | p50, ms | p99, ms "
        "| others' processors |",
        "|---|---|---|---|---|",
    ]
    for title, f in report["figures"].items():
        lines.append(
            f"| {title} | {f['requests_per_second']:.1f} ({f['least']:.1f} to "
            f"{f['most']:.1f}) | {f['p50_ms']:.0f} | {f['p99_ms']:.0f} "
            f"| {f['other_cores']:.2f} |"
        )
    figures = report["figures"].values()
    if any(f["other_cores"] > side_by_side.QUIET_CORES for f in figures):
        lines += ["", "Disturbed: other processes were busy. Measure again."]
    lines += ["", "Times as many requests, by the medians:", ""]
    lines += [f"- {name}: {ratio:.2f}" for name, ratio in report["ratios"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
