"""Four claims of the published models in small: ablations of pre-training.

  python3 benchmarks/claims.py --corpus_dir=corpus --data_root=datasets \
      --output_dir=runs/claims

Each claim has arms that differ in one thing, in the same number of steps (or minutes);
every arm is pre-trained from several seeds, and each of those networks is fine-tuned on
the claim's tasks. The same command goes on with what is missing in the folder. See
benchmarks/README.md.
"""

import argparse
import os
import statistics
import sys
from typing import Dict, List, NamedTuple, Sequence

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import ablations
from benchmarks.ablations import ALL, WRITTEN, Arm, Study, Trial
from encoder_ko.benchmark.report import percent

REPORT = "claims.md"

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
    "optimizer": "adamw",  # after 600 steps ahead of LAMB, ALBERT's own
    "learning_rate": 1e-3,  # at 2e-3 one of two seeds stays at the frequencies
    "num_train_steps": 5000,
}

_PLAIN = Arm("masked words, plain vocabulary")

CLAIMS: Dict[str, Study] = {
    "comments": Study(
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
    "electra": Study(
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
    "morphemes": Study(
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
    "word order": Study(
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
    trials = [
        trial for name in arguments.claims for trial in trials_of(name, arguments)
    ]
    ablations.require_data(trials, arguments)
    ablations.run(trials, arguments.parallel_runs, lambda: write_report(arguments))


def _arguments():
    parser = ablations.parser(__doc__)
    names = list(CLAIMS)
    parser.add_argument("--claims", nargs="+", default=names, choices=names)
    return ablations.parsed(parser)


def trials_of(name: str, arguments: argparse.Namespace) -> List[Trial]:
    """The arms of a claim. One of several claims is fine-tuned on the tasks of all."""
    return [
        Trial(CLAIMS[name], arm, arguments, tasks=_tasks(arm))
        for arm in CLAIMS[name].arms
    ]


def _tasks(arm):
    claims = [claim for claim in CLAIMS.values() if arm in claim.arms]
    return {name: flags for claim in claims for name, flags in claim.tasks.items()}


def write_report(arguments: argparse.Namespace) -> str:
    """Writes tables and pictures of what is there; returns the tables."""
    parts = []
    for name in arguments.claims:
        trials = trials_of(name, arguments)
        parts.append(markdown(CLAIMS[name], trials))
        _draw(name, trials, arguments.output_dir)
    text = "\n".join(parts)
    with open(os.path.join(arguments.output_dir, REPORT), "w") as stream:
        stream.write(text)
    return text


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


def markdown(study: Study, trials: Sequence[Trial]) -> str:
    """A row for each task and arm."""
    lines = [
        f"**{study.text}**",
        "",
        "| task | arm | minutes | seeds | mean ± deviation | difference (95%) | |",
        "|---|---|---|---|---|---|---|",
    ]
    for task in study.tasks:
        reference = trials[0].scores(task)
        for trial in trials:
            scores = trial.scores(task)
            if scores:
                against = reference if trial is not trials[0] else {}
                lines.append(_row(task, trial, scores, against))
    return "\n".join(lines) + "\n"


def _row(task, trial, scores, reference):
    values = list(scores.values())
    gain = verdict = ""
    if set(reference) & set(scores):
        found = difference(reference, scores)
        gain = f"{found.mean:+.2f}"
        if len(values) > 1:
            gain += f" ({found.low:+.2f} to {found.high:+.2f})"
        verdict = found.verdict
    return (
        f"| {task} | {trial.arm.name} | {trial.minutes() or 0:.0f} | {len(values)} "
        f"| {percent([value / 100 for value in values])} | {gain} | {verdict} |"
    )


def _draw(name: str, trials: List[Trial], folder: str) -> None:
    """A panel for each task, a row for each arm: a point a seed, and their mean."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    tasks = [task for task in trials[0].study.tasks if trials[0].scores(task)]
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
