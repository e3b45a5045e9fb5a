"""Four claims of the published models in small: ablations of pre-training.

  python3 benchmarks/claims.py --corpus_dir=corpus --data_root=datasets \
      --output_dir=runs/claims

Each claim has arms that differ in one thing, in the same number of steps (or minutes);
every arm is pre-trained from several seeds, and each of those networks is fine-tuned on
the claim's tasks. The same command goes on with what is missing in the folder. See
benchmarks/README.md.
"""

import argparse
import concurrent.futures
import json
import os
import statistics
import subprocess
import sys
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

Flags = Dict[str, Any]
WRITTEN = ("wiki.txt", "synopses.txt", "dialog.txt")
ALL = (*WRITTEN, "comments.txt", "reviews.txt")
REPORT = "claims.md"


class Arm(NamedTuple):
    """One way to pre-train.

    Attributes:
      name: of its folder and in the report; an arm of several claims is trained once.
      text: files of the corpus; "reviews.txt:3000000" = about so many bytes of it, from
        all over the file.
      vocabulary, records, pretraining: flags of the three commands, beside the claim's.
    """

    name: str
    text: Sequence[str] = ALL
    vocabulary: Flags = {}
    records: Flags = {}
    pretraining: Flags = {}


class Claim(NamedTuple):
    """What is claimed, and how it is tried.

    Attributes:
      text: the claim.
      arms: the first is what the others are compared with.
      tasks: flags of fine-tuning by task.
      vocabulary_text: files that all arms' vocabularies are made of; None = their own.
      config, records, pretraining: of all arms.
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
    pretraining: Flags = {
        "model_type": "electra",
        "electra_objective": False,
        "mask_prob": 0.2,
        "train_batch_size": 128,
        "learning_rate": 1e-3,
        "num_train_steps": 3500,
    }


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
_REBUILT = "is a rebuild with the original's method, not the official split."
_NSMC = {"num_train_epochs": 0.5, "note": _REBUILT}
_HATE = {"num_train_epochs": 4, "train_batch_size": 32}
_PAIRS = {"num_train_epochs": 5, "train_batch_size": 32}
_NER = {"num_train_epochs": 6, "train_batch_size": 32}

# Pairs of sentences in order, for word order prediction beside sentence order.
_ALBERT_RECORDS = {
    "model_type": "albert",
    "max_seq_length": 64,
    "max_predictions_per_seq": 10,
    "dupe_factor": 2,
}
_ALBERT = {
    "model_type": "albert",
    "max_predictions_per_seq": 10,
    "train_batch_size": 64,
    "learning_rate": 1e-3,
    "num_train_steps": 5000,
}

_PLAIN = Arm("masked words, plain vocabulary")

CLAIMS = {
    "comments": Claim(
        "Comments in the corpus help with comments and reviews (KR-BERT-MEDIUM, "
        "KcELECTRA).",
        [
            Arm("written text", WRITTEN),
            Arm("and comments", (*WRITTEN, "comments.txt")),
            Arm("and reviews instead", (*WRITTEN, "reviews.txt:3070125")),
        ],
        {"NSMC": _NSMC, "HATE": _HATE},
        vocabulary_text=ALL,
    ),
    "electra": Claim(
        "ELECTRA's objective teaches more than masked words in the same time "
        "(KR-ELECTRA).",
        [
            _PLAIN,
            Arm(
                "ELECTRA",
                pretraining={
                    "electra_objective": True,
                    "generator_hidden_size": 0.25,
                    "num_train_steps": 2550,  # as long as 3,500 of masked words
                },
            ),
        ],
        {"NSMC": _NSMC, "HATE": _HATE, "QuestionPair": _PAIRS},
    ),
    "morphemes": Claim(
        "A vocabulary over morphemes is better than a plain one (Dialog-KoELECTRA).",
        [
            _PLAIN,
            Arm(
                "masked words, morphemes",
                vocabulary={"morpheme_analyser": "mecab", "morphemes": "run_time"},
            ),
        ],
        {"NSMC": _NSMC, "NaverNER": _NER, "QuestionPair": _PAIRS},
    ),
    "word order": Claim(
        "Word order prediction beside masked words and sentence order helps "
        "(KoreALBERT).",
        [
            Arm("MLM and SOP", records={"wop_prob": 0}),
            Arm("MLM, SOP and WOP", records={"wop_prob": 0.15}),
        ],
        {"NSMC": _NSMC, "KorNLI": _PAIRS, "KorSTS": _PAIRS, "QuestionPair": _PAIRS},
        config="albert_mini/albert_config.json",
        records=_ALBERT_RECORDS,
        pretraining=_ALBERT,
    ),
}


def main() -> None:
    arguments = _arguments()
    trials = {}  # by folder: an arm of several claims is trained once
    for name in arguments.claims:
        for arm in CLAIMS[name].arms:
            trial = Trial(name, arm, arguments)
            trials.setdefault(trial.folder, trial)
    with concurrent.futures.ThreadPoolExecutor(arguments.parallel_runs) as pool:
        runs = []
        for trial in trials.values():
            trial.prepare()
            runs += [pool.submit(trial.run, seed) for seed in arguments.seeds]
        for run in concurrent.futures.as_completed(runs):
            if run.exception():
                for other in runs:
                    other.cancel()
            run.result()
            write_report(arguments)
    print(write_report(arguments))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--output_dir", required=True, help="Folder of runs and results.")
    add("--corpus_dir", required=True, help=f"Folder of {', '.join(ALL)}.")
    add("--data_root", default="datasets", help="Folder of the tasks' data folders.")
    add("--claims", nargs="+", default=list(CLAIMS), choices=list(CLAIMS))
    add("--seeds", nargs="+", type=int, default=[1, 2, 3])
    add("--steps_share", type=float, default=1.0, help="Of all steps, for a trial.")
    add("--num_processes", type=int, default=os.cpu_count(), help="Of making records.")
    add(
        "--parallel_runs",
        type=int,
        default=1,
        help="Trained at once, each on its share of the processors: small networks do "
        "not keep several processors busy.",
    )
    arguments = parser.parse_args()
    missing = [
        name
        for name in ALL
        if not os.path.exists(os.path.join(arguments.corpus_dir, name))
    ]
    if missing:
        sys.exit(f"{arguments.corpus_dir} has no {', '.join(missing)}.")
    tasks = {
        task
        for claim in arguments.claims
        for arm in CLAIMS[claim].arms
        for task in tasks_of(arm)
    }
    missing = [
        task.lower()
        for task in sorted(tasks)
        if not os.path.isdir(os.path.join(arguments.data_root, task.lower()))
    ]
    if missing:
        sys.exit(f"{arguments.data_root} has no folder {', '.join(missing)}.")
    return arguments


def tasks_of(arm: Arm) -> Dict[str, Flags]:
    """Of all claims that the arm is of: its networks are fine-tuned once."""
    claims = [claim for claim in CLAIMS.values() if arm in claim.arms]
    return {name: flags for claim in claims for name, flags in claim.tasks.items()}


# --- The runs --------------------------------------------------------------------


class Trial:
    """An arm of a claim, in a folder of its own."""

    def __init__(self, claim: str, arm: Arm, arguments: argparse.Namespace):
        self.claim, self.arm, self.arguments = CLAIMS[claim], arm, arguments
        self.folder = os.path.join(
            arguments.output_dir, arm.name.replace(",", "").replace(" ", "_")
        )

    def path(self, *names: str) -> str:
        return os.path.join(self.folder, *names)

    def pretrained(self, seed: int) -> str:
        return self.path("pretrained", f"seed_{seed}")

    def finetuned(self, seed: int) -> str:
        return self.path("finetuned", f"seed_{seed}")

    def prepare(self) -> None:
        """Vocabulary and records, where they are not there yet."""
        os.makedirs(self.folder, exist_ok=True)
        text = self._text(self.arm.text)
        self._vocabulary(text)
        records = dict(self.claim.records, **self.arm.records)
        records.update(input_file=text, vocab_file=self._vocab_file)
        records["num_processes"] = self.arguments.num_processes
        _command("records", dict(records, output_dir=self.path("records")))
        self._write_config()

    def run(self, seed: int) -> None:
        """Pre-trains and fine-tunes what is not there yet."""
        if not os.path.exists(os.path.join(self.pretrained(seed), "eval_results.json")):
            self._pretrain(seed)
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
        return self.path("vocabulary", "vocab.txt")

    @property
    def _config_file(self):
        return self.path(os.path.basename(self.claim.config))

    def _vocabulary(self, text):
        if os.path.exists(self._vocab_file):
            return
        if self.claim.vocabulary_text:
            text = self._text(self.claim.vocabulary_text)
        flags = dict(_VOCABULARY, **self.arm.vocabulary)
        flags.update(input_file=text, output_dir=self.path("vocabulary"))
        _command("vocab", dict(flags, num_processes=self.arguments.num_processes))

    def _write_config(self):
        with open(os.path.join(ROOT, "configs", self.claim.config)) as reader:
            config = json.load(reader)
        with open(self._vocab_file, encoding="utf-8") as reader:
            config["vocab_size"] = sum(1 for _ in reader)
        with open(self._config_file, "w") as writer:
            json.dump(config, writer, indent=2)

    def _pretrain(self, seed):
        flags = dict(_PRETRAINING, **self.claim.pretraining)
        flags.update(self.arm.pretraining)
        for name in ("num_train_steps", "num_warmup_steps"):
            flags[name] = max(1, round(flags[name] * self.arguments.steps_share))
        flags.update(
            {f"{flags['model_type']}_config_file": self._config_file},
            input_file=self.path("records", "*.tfrecord"),
            vocab_file=self._vocab_file,
            random_seed=seed,
            output_dir=self.pretrained(seed),
        )
        _command("pretrain", flags, self.arguments.parallel_runs)

    def _finetune(self, seed):
        tasks = tasks_of(self.arm)
        settings = {"*": _FINETUNING, **tasks}
        _command(
            "benchmark",
            {
                "model_type": self.claim.pretraining["model_type"],
                "model_dir": self.pretrained(seed),
                "tasks": ",".join(tasks),
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
        for seed in self.arguments.seeds:
            folder = f"{self.finetuned(seed)}/{task.lower()}/seed_{seed}"
            for split in ("test", "eval"):
                path = os.path.join(folder, f"{split}_results.json")
                if seed not in found and os.path.exists(path):
                    with open(path) as reader:
                        metrics = json.load(reader).get("metrics") or {}
                    if "score" in metrics:
                        found[seed] = 100 * metrics["score"]
        return found

    def minutes(self) -> Optional[float]:
        """Of one pre-training, the median; None before the first has ended."""
        found = []
        flags = dict(self.claim.pretraining, **self.arm.pretraining)
        for seed in self.arguments.seeds:
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


# --- The report ------------------------------------------------------------------


class Difference(NamedTuple):
    """Of an arm from the first one, on a task, seed by seed; in points.

    Attributes:
      mean, low, high: and its 95% interval by Student's t; infinite for one seed.
    """

    mean: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "open"


def difference(reference: Dict[int, float], other: Dict[int, float]) -> Difference:
    """Of the seeds that both have: 80, 82 and 81, 85 give 2.0, from -10.7 to 14.7."""
    from scipy import stats

    seeds = sorted(set(reference) & set(other))
    gains = [other[seed] - reference[seed] for seed in seeds]
    mean = statistics.mean(gains)
    if len(gains) < 2:
        return Difference(mean, -float("inf"), float("inf"))
    error = statistics.stdev(gains) / len(gains) ** 0.5
    half = stats.t.ppf(0.975, len(gains) - 1) * error
    return Difference(mean, mean - half, mean + half)


def write_report(arguments: argparse.Namespace) -> str:
    """Writes table and pictures of what is there; returns the table."""
    parts = []
    for name in arguments.claims:
        trials = [Trial(name, arm, arguments) for arm in CLAIMS[name].arms]
        parts.append(markdown(CLAIMS[name], trials))
        _draw(name, trials, arguments.output_dir)
    text = "\n".join(parts)
    with open(os.path.join(arguments.output_dir, REPORT), "w") as stream:
        stream.write(text)
    return text


def markdown(claim: Claim, trials: Sequence[Trial]) -> str:
    """A row for each task and arm."""
    lines = [
        f"**{claim.text}**",
        "",
        "| task | arm | minutes | seeds | mean ± deviation | difference (95%) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in claim.tasks:
        reference = trials[0].scores(task)
        for trial in trials:
            scores = trial.scores(task)
            if scores:
                against = reference if trial is not trials[0] else {}
                lines.append(_row(task, trial, scores, against))
    return "\n".join(lines) + "\n"


def _row(task, trial, scores, reference):
    values = list(scores.values())
    spread_ = f" ± {statistics.stdev(values):.2f}" if len(values) > 1 else ""
    gain = verdict = ""
    if set(reference) & set(scores):
        found = difference(reference, scores)
        gain = f"{found.mean:+.2f}"
        if len(values) > 1:
            gain += f" ({found.low:+.2f} to {found.high:+.2f})"
        verdict = found.verdict
    return (
        f"| {task} | {trial.arm.name} | {trial.minutes() or 0:.0f} | {len(values)} "
        f"| {statistics.mean(values):.2f}{spread_} | {gain} | {verdict} |"
    )


def _draw(name: str, trials: List[Trial], folder: str) -> None:
    """A panel for each task, a row for each arm: a point a seed, and their mean."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks = [task for task in trials[0].claim.tasks if trials[0].scores(task)]
    if not tasks:
        return
    figure = Figure(figsize=(3.4 * len(tasks), 0.9 + 0.5 * len(trials)), dpi=110)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(tasks), squeeze=False, sharey=True)[0]
    for axis, task in zip(axes, tasks):
        for row, trial in enumerate(trials):
            values = list(trial.scores(task).values())
            if values:
                axis.plot(values, [row] * len(values), "o", color="#0072b2", alpha=0.6)
                axis.plot(statistics.mean(values), row, "|", color="#1a1a1a", ms=22)
        axis.set_title(task, fontsize=10)
        axis.set_yticks(range(len(trials)), [trial.arm.name for trial in trials])
        axis.set_ylim(len(trials) - 0.5, -0.5)
        axis.grid(axis="x", alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(os.path.join(folder, f"{name.replace(' ', '_')}.png"))


if __name__ == "__main__":
    main()
