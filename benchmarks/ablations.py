"""Ways to pre-train, each tried by what its network is worth after fine-tuning.

A study has arms that differ in one thing. Each is pre-trained from several seeds, and
these networks are fine-tuned on the study's tasks, all by the console command. What is
there is not run again. See claims.py and proxies.py.
"""

import argparse
import concurrent.futures
import json
import os
import shutil
import statistics
import subprocess
import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks.argument_types import (
    positive_float,
    positive_int,
    require_different,
    seed_number,
)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

Flags = Dict[str, Any]
WRITTEN = ("wiki.txt", "synopses.txt", "dialog.txt")
ALL = (*WRITTEN, "comments.txt", "reviews.txt")


MASKED_WORDS: Flags = {
    "model_type": "electra",
    "electra_objective": False,
    "mask_prob": 0.2,
    "train_batch_size": 128,
    "learning_rate": 1e-3,
    "num_train_steps": 3500,
}


class Arm(NamedTuple):
    """One way to pre-train.

    Attributes:
      name: of its folder and in the report; an arm of several studies is trained once.
      text: files of the corpus; "reviews.txt:3000000" = about so many bytes of it, from
        all over the file.
      vocabulary, records, pretraining: flags of the three commands, beside the study's.
      config: changes to the network.
    """

    name: str
    text: Sequence[str] = ALL
    vocabulary: Flags = {}
    records: Flags = {}
    pretraining: Flags = {}
    config: Flags = {}

    @property
    def work(self) -> Flags:
        """Of `pretraining`, what changes how much a step computes."""
        return {k: v for k, v in self.pretraining.items() if k not in _FREE}


# Of pre-training: what leaves the work of a step as it is.
_FREE = {"learning_rate", "adam_beta2", "lr_decay_power"}
_DATA = ("text", "vocabulary", "records")  # of an arm: what its records are made from


class Study(NamedTuple):
    """What is asked, and how it is tried.

    Attributes:
      text: what it says, for the report.
      arms: the first is what the others are compared with.
      tasks: flags of fine-tuning by task.
      vocabulary_text: files that all arms' vocabularies are made of; None = their own.
      config, records, pretraining: of all arms.
      equal_time: the steps are those of the first arm; the others have as many as they
        make in the same time, by the rates of short runs, one after the other.
    """

    text: str
    arms: Sequence[Arm]
    tasks: Dict[str, Flags]
    vocabulary_text: Optional[Sequence[str]] = None
    config: str = "cpu_hour/electra_config.json"
    records: Flags = {
        "model_type": "electra",
        "max_seq_length": 64,
        "line_by_line": True,
    }
    pretraining: Flags = MASKED_WORDS
    equal_time: bool = False


_VOCABULARY = {"vocab_size": 8000, "limit_alphabet": 2500}
_PRETRAINING = {
    "max_seq_length": 64,
    "num_warmup_steps": 300,
    "adam_bias_correction": True,
    "compute_type": "bfloat16",
    "mix_files": True,
    "log_every_steps": 100,
    "save_checkpoints_steps": 1000,
    "do_eval": True,
    "max_eval_steps": 50,
}
_FINETUNING = {
    "compute_type": "bfloat16",
    "adam_bias_correction": True,
    "learning_rate": 3e-4,
    "layerwise_lr_decay": 1.0,
    "train_batch_size": 64,
    "eval_batch_size": 128,
    "predict_batch_size": 128,
    "max_seq_length": 128,
}


def run(
    trials: Sequence["Trial"],
    parallel_runs: int,
    write_report: Callable[[], str],
) -> None:
    """Runs what is not there yet; writes the report after each run, and prints it."""
    trials = {trial.folder: trial for trial in trials}.values()
    for trial in trials:
        trial.prepare()
    with concurrent.futures.ThreadPoolExecutor(parallel_runs) as pool:
        runs = [
            pool.submit(trial.run, seed) for trial in trials for seed in trial.seeds
        ]
        for one in concurrent.futures.as_completed(runs):
            if one.exception():
                for other in runs:
                    other.cancel()
            one.result()
            write_report()
    print(write_report())


def parser(description: str) -> argparse.ArgumentParser:
    """What every study takes."""
    made = argparse.ArgumentParser(
        description=description.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = made.add_argument
    add("--output_dir", required=True, help="Folder of runs and results.")
    add("--corpus_dir", required=True, help=f"Folder of {', '.join(ALL)}.")
    add("--data_root", default="datasets", help="Folder of the tasks' data folders.")
    add("--seeds", nargs="+", type=seed_number, default=[1, 2, 3])
    share = "Of all steps, for a trial."
    add("--steps_share", type=positive_float, default=1.0, help=share)
    add(
        "--num_processes",
        type=positive_int,
        default=os.cpu_count(),
        help="Of making records.",
    )
    add(
        "--parallel_runs",
        type=positive_int,
        default=1,
        help="Trained at once, each on its share of the processors: small networks do "
        "not keep several processors busy.",
    )
    return made


def parsed(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line's; a seed that stands there twice ends it."""
    arguments = made.parse_args()
    require_different(made, "seeds", arguments.seeds)
    return arguments


def require_data(trials: Sequence["Trial"], arguments: argparse.Namespace) -> None:
    """Ends with a line where text or a task's data is missing, or other than before."""
    missing = [
        name
        for name in ALL
        if not os.path.exists(os.path.join(arguments.corpus_dir, name))
    ]
    if missing:
        sys.exit(f"{arguments.corpus_dir} has no {', '.join(missing)}.")
    tasks = {task for trial in trials for task in trial.tasks}
    missing = [
        task.lower()
        for task in sorted(tasks)
        if not os.path.isdir(os.path.join(arguments.data_root, task.lower()))
    ]
    if missing:
        sys.exit(f"{arguments.data_root} has no folder {', '.join(missing)}.")
    _require_same_text(arguments)


def _require_same_text(arguments):
    """What is in a folder of runs was all made of the same text."""
    from data.download.fetch import checksum_of

    path = os.path.join(arguments.output_dir, "corpus.json")
    found = {
        name: checksum_of(os.path.join(arguments.corpus_dir, name), "sha256")
        for name in ALL
    }
    if not os.path.exists(path):
        os.makedirs(arguments.output_dir, exist_ok=True)
        with open(path, "w") as writer:
            json.dump(found, writer, indent=2)
    with open(path) as reader:
        before = json.load(reader)
    changed = [name for name in ALL if found[name] != before[name]]
    if changed:
        sys.exit(
            f"{arguments.output_dir} holds runs on another {', '.join(changed)}: give "
            "another --output_dir."
        )


# --- The runs --------------------------------------------------------------------


class Trial:
    """An arm of a study, in a folder of its own.

    Args:
      tasks: flags of fine-tuning by task, where the arm is of more studies.
      seeds: where they are others than those of the arguments.
    """

    def __init__(
        self,
        study: Study,
        arm: Arm,
        arguments: argparse.Namespace,
        tasks: Optional[Dict[str, Flags]] = None,
        seeds: Optional[Sequence[int]] = None,
    ):
        self.study, self.arm, self.arguments = study, arm, arguments
        self.tasks = study.tasks if tasks is None else tasks
        self.seeds = arguments.seeds if seeds is None else seeds
        self.folder = self._folder_of(arm)

    def _folder_of(self, arm):
        name = arm.name.replace(",", "").replace(" ", "_")
        return os.path.join(self.arguments.output_dir, name)

    def path(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    def _shared(self, name, *fields):
        """A folder of the study's first arm, where it is made from the same."""
        first = self.study.arms[0]
        is_same = all(getattr(first, f) == getattr(self.arm, f) for f in fields)
        return os.path.join(self._folder_of(first if is_same else self.arm), name)

    def pretrained(self, seed: int) -> str:
        return self.path("pretrained", f"seed_{seed}")

    def finetuned(self, seed: int) -> str:
        return self.path("finetuned", f"seed_{seed}")

    def prepare(self) -> None:
        """Vocabulary and records, where they are not there yet."""
        os.makedirs(self.folder, exist_ok=True)
        text = self._text(self.arm.text)
        self._vocabulary(text)
        records = dict(self.study.records, **self.arm.records)
        records.update(input_file=text, vocab_file=self._vocab_file)
        records["num_processes"] = self.arguments.num_processes
        if self._records == self.path("records"):
            _command("records", dict(records, output_dir=self._records))
        self._write_config()
        if self.study.equal_time:
            self._measure_rate()

    def run(self, seed: int) -> None:
        """Pre-trains and fine-tunes what is not there yet."""
        flags = dict(self._pretraining_flags(), **self._schedule())
        done = self.results(seed).get("global_step", flags["num_train_steps"])
        if done != flags["num_train_steps"]:
            sys.exit(
                f"{self.pretrained(seed)} has {done:.0f} steps, these settings take "
                f"{flags['num_train_steps']}: give another --output_dir."
            )
        if not self.results(seed):
            flags.update(random_seed=seed, output_dir=self.pretrained(seed))
            _command("pretrain", flags, self.arguments.parallel_runs)
        self._finetune(seed)

    def _text(self, names):
        """The files of an arm, by commas."""
        return ",".join(map(self._excerpt, names))

    def _excerpt(self, name):
        from data.io import files

        name, _, size = name.partition(":")
        source = os.path.join(self.arguments.corpus_dir, name)
        if not size:
            return source
        target = self.path("text", name)
        if not os.path.exists(target):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            lines = files.read_text(source).split("\n")
            files.write_text(target, spread(lines, int(size)))  # whole, or not at all
        return target

    @property
    def _vocab_file(self):
        folder = self._shared("vocabulary", "text", "vocabulary")
        return os.path.join(folder, "vocab.txt")

    @property
    def _records(self):
        return self._shared("records", *_DATA)

    @property
    def _config_file(self):
        return self.path(os.path.basename(self.study.config))

    def _vocabulary(self, text):
        if os.path.exists(self._vocab_file):
            return
        if self.study.vocabulary_text:
            text = self._text(self.study.vocabulary_text)
        flags = dict(_VOCABULARY, **self.arm.vocabulary)
        flags.update(input_file=text, output_dir=os.path.dirname(self._vocab_file))
        _command("vocab", dict(flags, num_processes=self.arguments.num_processes))

    def _write_config(self):
        with open(os.path.join(ROOT, "configs", self.study.config)) as reader:
            config = json.load(reader)
        with open(self._vocab_file, encoding="utf-8") as reader:
            config["vocab_size"] = sum(1 for _ in reader)
        config.update(self.arm.config)
        with open(self._config_file, "w") as writer:
            json.dump(config, writer, indent=2)

    def _schedule(self):
        """Steps, and those of the warm-up."""
        flags = self._pretraining_flags()
        steps = flags["num_train_steps"] * self.arguments.steps_share
        if self.study.equal_time:
            first = Trial(self.study, self.study.arms[0], self.arguments)
            rows = steps * first._pretraining_flags()["train_batch_size"]
            rows *= self._rows_per_second() / first._rows_per_second()
            steps = rows / flags["train_batch_size"]
        warm_up = flags["num_warmup_steps"] * steps / flags["num_train_steps"]
        return {
            "num_train_steps": max(1, round(steps)),
            "num_warmup_steps": max(1, round(warm_up)),
        }

    @property
    def _rate(self):
        return self._shared("rate", *_DATA, "config", "work")

    def _rate_log(self):
        folder = os.path.join(self._rate, f"parallel_{self.arguments.parallel_runs}")
        return os.path.join(folder, "training_log.jsonl")

    def _measure_rate(self):
        folder = os.path.dirname(self._rate_log())
        is_there = os.path.exists(os.path.join(folder, "report.html"))
        if self._rate == self.path("rate") and not is_there:
            shutil.rmtree(folder, ignore_errors=True)  # resumed, it would compile again
            flags = dict(self._pretraining_flags(), output_dir=folder, do_eval=False)
            flags.update(num_train_steps=120, num_warmup_steps=40, log_every_steps=40)
            _command("pretrain", flags, self.arguments.parallel_runs)

    def _rows_per_second(self):
        """After the first steps of the short run."""
        with open(self._rate_log()) as reader:
            rates = [json.loads(line)["sequences_per_second"] for line in reader]
        return statistics.harmonic_mean(rates[1:])

    def _pretraining_flags(self):
        flags = dict(_PRETRAINING, **self.study.pretraining)
        flags.update(self.arm.pretraining)
        return dict(
            flags,
            input_file=os.path.join(self._records, "*.tfrecord"),
            vocab_file=self._vocab_file,
            **{f"{flags['model_type']}_config_file": self._config_file},
        )

    def _finetune(self, seed):
        settings = {"*": _FINETUNING, **self.tasks}
        _command(
            "benchmark",
            {
                "model_type": self.study.pretraining["model_type"],
                "model_dir": self.pretrained(seed),
                "tasks": ",".join(self.tasks),
                "task_settings": json.dumps(settings),
                "data_root": self.arguments.data_root,
                "seeds": seed,
                "output_dir": self.finetuned(seed),
            },
            self.arguments.parallel_runs,
        )

    # What it reached.

    def scores(self, task: str) -> Dict[int, float]:
        """The task's metric x 100 by seed, on test, or dev where test has no labels."""
        found = {}
        for seed in self.seeds:
            folder = f"{self.finetuned(seed)}/{task.lower()}/seed_{seed}"
            for split in ("test", "eval"):
                path = os.path.join(folder, f"{split}_results.json")
                if seed not in found and os.path.exists(path):
                    with open(path) as reader:
                        metrics = json.load(reader).get("metrics") or {}
                    if "score" in metrics:
                        found[seed] = 100 * metrics["score"]
        return found

    def results(self, seed: int) -> Dict[str, float]:
        """The evaluation of a pre-training; empty before it has ended."""
        path = os.path.join(self.pretrained(seed), "eval_results.json")
        if not os.path.exists(path):
            return {}
        with open(path) as reader:
            return json.load(reader)["metrics"]

    def minutes(self) -> Optional[float]:
        """Of one pre-training, the median; None before the first has ended."""
        found = []
        flags = dict(self.study.pretraining, **self.arm.pretraining)
        for seed in self.seeds:
            path = os.path.join(self.pretrained(seed), "training_log.jsonl")
            if os.path.exists(path):
                found.append(_minutes_logged(path, flags["train_batch_size"]))
        return statistics.median(found) if found else None


def spread(lines: Sequence[str], size: int) -> str:
    """Lines from all over a text, about `size` bytes of UTF-8."""
    lines = [line for line in lines if line]
    total = sum(len(line.encode()) + 1 for line in lines)
    count = min(len(lines), round(len(lines) * size / total))
    chosen = (lines[i * len(lines) // count] for i in range(count))
    return "\n".join(chosen) + "\n"


def _command(name, flags, parallel=1):
    words = [f"--{flag}={value}" for flag, value in flags.items()]
    print(f"$ korean-encoders {name} {' '.join(words)}", file=sys.stderr, flush=True)
    environment = dict(os.environ)
    if parallel > 1:
        threads = max(1, (os.cpu_count() or 1) // parallel)
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(threads))
    command = [sys.executable, "-m", "korean_encoders", name, *words]
    status = subprocess.call(command, env=environment)
    if status:
        sys.exit(f"{name} ended with status {status}; the same command goes on there.")


def _minutes_logged(path, batch_size):
    """Of training, without evaluation and saving, by the rates of the log."""
    step = seconds = 0.0
    with open(path) as reader:
        for row in map(json.loads, reader):
            seconds += (row["step"] - step) * batch_size / row["sequences_per_second"]
            step = row["step"]
    return seconds / 60
