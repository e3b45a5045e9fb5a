"""Building pre-training records: ours against Google's create_pretraining_data.py.

  python3 benchmarks/data_build.py --upstream_dir=DIR --upstream_python=PY

DIR is a checkout of google-research/bert and PY an interpreter with TensorFlow 1.15;
without them only this project is measured. Corpus, vocabulary and settings are the same
(BERT, length 128, dupe_factor 10), every command is a process of its own on one core,
and its time is that of the whole command, start and end included. Runs of ours and of
Google's take turns. Then come: two worker processes against one, and peak memory, both
on a corpus about ten times as large, and the share of each stage. Where Apache Beam is
(.venv-beam), its workers are compared, too; --only_beam measures nothing else.
"""

import argparse
import glob
import importlib.util
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Callable, Dict, List, NamedTuple, Sequence, Set

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from data.corpus.reader import read_blocks  # noqa: E402
from data.pretraining import shards  # noqa: E402
from data.pretraining.instances import InstanceOptions  # noqa: E402
from data.pretraining.masking import MaskingOptions  # noqa: E402
from data.records import record_bytes  # noqa: E402
from data.tokenization import build_tokenizer, resolve_config  # noqa: E402

# Real text where it is, else the samples.
CORPORA = (
    "../shared/datasets/corpus/wiki.txt,../shared/datasets/corpus/comments.txt",
    "samples/corpus/*.txt",
)
LARGE_CORPUS = "../shared/datasets/corpus/reviews.txt"
VOCABULARIES = ("../shared/golden/tokenization/vocab.txt", "samples/vocab.txt")
COPIES = 10  # of the corpus, where there is no large one
BEAM_BYTES = 200e6  # of text at least, beside which Beam's start of 4 s is small
BLOCK_BYTES = 1 << 19

SETTINGS = ["--max_seq_length=128", "--dupe_factor=10", "--max_predictions_per_seq=20"]

STAGES = (
    ("read and decode text", shards, "parse_block"),
    ("tokenise", shards, "_tokenize"),
    ("cut into instances", shards, "build_instances"),
    ("assemble and mask", shards, "make_features"),
    ("encode as tf.train.Example", shards, "encode_batch"),
    ("frame with checksums", record_bytes, "frames"),
)


class Run(NamedTuple):
    """One command, measured from outside.

    Attributes:
      instances: records written.
      seconds: wall time.
      cpu_seconds: processor time of the process and its workers.
      peak_bytes: most memory that one process of it held.
    """

    instances: int
    seconds: float
    cpu_seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Instances per second."""
        return self.instances / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Instances per second of processor time, whatever else the machine does."""
        return self.instances / self.cpu_seconds


def run(command: Sequence[str], folder: str, cores: Set[int], count: str) -> Run:
    """Runs a command in `folder` on given cores.

    Args:
      count: regular expression that finds the number of instances in what it prints.
    """
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        seconds = time.perf_counter() - started
        output.seek(0)
        text = output.read().decode("utf-8", "replace")
    found = re.search(count, text)
    if status or not found:
        sys.exit(f"{' '.join(command)} failed:\n{text[-2000:]}")
    return Run(
        instances=int(found.group(1).replace(",", "")),
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_bytes=usage.ru_maxrss * 1024,
    )


def run_ours(
    corpus: Sequence[str],
    vocab_file: str,
    work: str,
    processes: int = 1,
    on_beam: bool = False,
) -> Run:
    """Our command, into an empty folder, with as many cores as processes.

    Args:
      on_beam: whether the processes are workers of Beam's.
    """
    folder = os.path.join(work, "ours")
    shutil.rmtree(folder, ignore_errors=True)
    command = [sys.executable, "-m", "data.create_pretraining_data"]
    command += [f"--input_file={','.join(corpus)}", f"--vocab_file={vocab_file}"]
    command += [f"--output_dir={folder}", *SETTINGS]
    if on_beam:
        command += ["--runner=DirectRunner", "--", f"--direct_num_workers={processes}"]
        command += ["--direct_running_mode=multi_processing"]  # of one worker, too
    else:
        command += [f"--num_processes={processes}"]
    cores = set(sorted(os.sched_getaffinity(0))[-processes:])
    return run(command, ROOT, cores, r"complete, ([\d,]+) instances")


def run_upstream(
    corpus: Sequence[str], vocab_file: str, work: str, checkout: str, python: str
) -> Run:
    """Google's command, which is one process, on one core."""
    command = [python, "create_pretraining_data.py", "--do_lower_case=False"]
    command += [f"--input_file={','.join(corpus)}", f"--vocab_file={vocab_file}"]
    command += [f"--output_file={os.path.join(work, 'upstream.tfrecord')}"]
    core = {sorted(os.sched_getaffinity(0))[-1]}
    return run(command + SETTINGS, checkout, core, r"Wrote (\d+) total instances")


def stage_seconds(
    corpus: Sequence[str], vocab_file: str, work: str
) -> Dict[str, float]:
    """Processor seconds of each stage of building the corpus's records."""
    spent = {name: 0.0 for name, _, _ in STAGES}
    spent["write and sum up (SHA-256)"] = 0.0
    originals = [getattr(module, attribute) for _, module, attribute in STAGES]

    def timed(name: str, function: Callable) -> Callable:
        def call(*arguments, **keywords):
            started = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                spent[name] += time.process_time() - started

        return call

    for (name, module, attribute), original in zip(STAGES, originals):
        setattr(module, attribute, timed(name, original))
    try:
        tokenizer = build_tokenizer(resolve_config(vocab_file), vocab_file)
        options = shards.ShardOptions(InstanceOptions(), MaskingOptions())
        started = time.process_time()
        for block in read_blocks(corpus, BLOCK_BYTES):
            path = os.path.join(work, "profile.tfrecord")
            shards.build_shard(block, path, tokenizer, options)
        total = time.process_time() - started
    finally:
        for (_, module, attribute), original in zip(STAGES, originals):
            setattr(module, attribute, original)
    spent["write and sum up (SHA-256)"] = total - sum(spent.values())
    return spent


def _existing(candidates: Sequence[str]) -> str:
    for candidate in candidates:
        if all(glob.glob(os.path.join(ROOT, part)) for part in candidate.split(",")):
            return ",".join(os.path.join(ROOT, part) for part in candidate.split(","))
    return ""


def _files(patterns: str) -> List[str]:
    found = [path for part in patterns.split(",") for path in sorted(glob.glob(part))]
    return [os.path.abspath(path) for path in found]


def _large_corpus(arguments: argparse.Namespace, work: str) -> List[str]:
    patterns = arguments.large_corpus or _existing([LARGE_CORPUS])
    if patterns:
        return _files(patterns)
    copies = []
    for index in range(COPIES):
        for path in _files(arguments.corpus):
            copies.append(os.path.join(work, f"{index}-{os.path.basename(path)}"))
            shutil.copy(path, copies[-1])
    return copies


def _repeated(paths: Sequence[str], work: str) -> List[str]:
    """The files under as many names as make `BEAM_BYTES` of them."""
    times = -(-int(BEAM_BYTES) // sum(map(os.path.getsize, paths)))
    links = []
    for index in range(times):
        for path in paths:
            links.append(os.path.join(work, f"beam-{index}-{os.path.basename(path)}"))
            os.symlink(path, links[-1])
    return links


def _megabytes(paths: Sequence[str]) -> str:
    return f"{sum(map(os.path.getsize, paths)) / 1e6:.1f} MB"


def _line(name: str, measured: Run, processes: int = 1) -> None:
    print(
        f"{name}: {measured.rate / processes:,.0f} instances/s per process "
        f"({measured.cpu_rate:,.0f} per processor second), "
        f"{measured.instances:,} instances in {measured.seconds:.1f} s, "
        f"peak {measured.peak_bytes / 1e6:.0f} MB per process",
        flush=True,
    )


def _median(runs: Sequence[Run]) -> Run:
    return sorted(runs, key=lambda one: one.rate)[len(runs) // 2]


def compare(arguments: argparse.Namespace, corpus: List[str], work: str) -> None:
    """Ours and Google's in turns; the ratio is the median over the turns."""
    ours, theirs, ratios = [], [], []
    for _ in range(arguments.turns):
        before = run_ours(corpus, arguments.vocab_file, work)
        ours.append(before)
        if not arguments.upstream_dir:
            continue
        theirs.append(
            run_upstream(
                corpus,
                arguments.vocab_file,
                work,
                arguments.upstream_dir,
                arguments.upstream_python,
            )
        )
        ours.append(run_ours(corpus, arguments.vocab_file, work))
        mean = (before.rate + ours[-1].rate) / 2
        ratios.append(mean / theirs[-1].rate)
    _line("ours", _median(ours))
    if theirs:
        _line("Google", _median(theirs))
        cpu = _median(ours).cpu_rate / _median(theirs).cpu_rate
        print(
            f"ratio: {statistics.median(ratios):.1f} by wall time "
            f"(turns {', '.join(f'{ratio:.1f}' for ratio in ratios)}), "
            f"{cpu:.1f} by processor time"
        )


def show_stages(arguments: argparse.Namespace, corpus: List[str], work: str) -> None:
    """The share of each stage in the time of one process."""
    spent = stage_seconds(corpus, arguments.vocab_file, work)
    total = sum(spent.values())
    print("\nprocessor time by stage")
    for name, seconds in spent.items():
        print(f"  {name:28} {100 * seconds / total:4.0f}%")


def scale(arguments: argparse.Namespace, work: str) -> None:
    """One process against two, and memory, on the large corpus; the same of Beam."""
    large = _large_corpus(arguments, work)
    print(f"\nlarge corpus: {_megabytes(large)}")
    if not arguments.only_beam:
        _two_against_one("process", "processes", arguments, large, work, False)
    if importlib.util.find_spec("apache_beam"):
        large = _repeated(large, work)
        print(f"on Beam: {_megabytes(large)}")
        _two_against_one("Beam worker", "Beam workers", arguments, large, work, True)


def _two_against_one(
    singular: str,
    plural: str,
    arguments: argparse.Namespace,
    large: Sequence[str],
    work: str,
    on_beam: bool,
) -> None:
    one, two = [], []
    for _ in range(arguments.turns):
        one.append(run_ours(large, arguments.vocab_file, work, 1, on_beam))
        two.append(run_ours(large, arguments.vocab_file, work, 2, on_beam))
    _line(f"one {singular}", _median(one))
    _line(f"two {plural}", _median(two), processes=2)
    cpu = 2 * _median(two).cpu_rate / _median(one).cpu_rate
    print(
        f"two against one: {_median(two).rate / _median(one).rate:.2f} times by wall "
        f"time, {cpu:.2f} times by processor time (what two free cores would give)"
    )


def _program(name: str) -> str:
    """The absolute path of a program, since the commands run in other folders."""
    found = shutil.which(name)
    if not found:
        raise argparse.ArgumentTypeError(f"there is no program {name!r}")
    return os.path.abspath(found)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--upstream_dir", type=os.path.abspath, help="checkout of google-research/bert"
    )
    parser.add_argument(
        "--upstream_python", type=_program, help="interpreter with TensorFlow 1.15"
    )
    parser.add_argument("--corpus", default=_existing(CORPORA), help="text, by commas")
    parser.add_argument("--large_corpus", help="text about ten times as large")
    parser.add_argument("--vocab_file", default=_existing(VOCABULARIES))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only_beam", action="store_true", help="Beam's workers alone")
    arguments = parser.parse_args()
    if arguments.only_beam and not importlib.util.find_spec("apache_beam"):
        parser.error("Apache Beam is not installed: .venv-beam/bin/python has it")
    if bool(arguments.upstream_dir) != bool(arguments.upstream_python):
        parser.error("--upstream_dir and --upstream_python go together")
    arguments.vocab_file = os.path.abspath(arguments.vocab_file)
    corpus = _files(arguments.corpus)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"corpus: {_megabytes(corpus)} ({', '.join(map(os.path.basename, corpus))})")
    with tempfile.TemporaryDirectory() as work:
        if not arguments.only_beam:
            compare(arguments, corpus, work)
            show_stages(arguments, corpus, work)
        scale(arguments, work)


if __name__ == "__main__":
    main()
