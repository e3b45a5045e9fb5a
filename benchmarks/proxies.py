"""What matters in an hour of pre-training, by runs of minutes that change one thing.

  python3 benchmarks/proxies.py --corpus_dir=corpus --data_root=datasets \\
      --output_dir=runs/proxies

All train as long as the base does: short runs tell how many steps that are. What a
network is worth is NSMC's accuracy after half an epoch. The base has several seeds, and
their deviation says what a difference means. See benchmarks/README.md.
"""

import argparse
import os
import statistics
import sys
from typing import List

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import ablations
from benchmarks.ablations import MASKED_WORDS, Arm, Study, Trial
from encoder_ko.benchmark.report import percent

BASE = Arm("base")


def _network(layers=4, width=256):
    return dict(
        num_hidden_layers=layers,
        hidden_size=width,
        embedding_size=width,
        num_attention_heads=width // 64,
        intermediate_size=4 * width,
    )


STUDY = Study(
    "4 x 256, 8,000 pieces, a row of at most 64 for each line, 128 rows a batch, a "
    "peak of 1e-3, linear decay, a fifth of the tokens masked, no dropout",
    [
        BASE,
        Arm("3 layers", config=_network(layers=3)),
        Arm("6 layers", config=_network(layers=6)),
        Arm("width 192", config=_network(width=192)),
        Arm("width 320", config=_network(width=320)),
        Arm("embeddings of 128", config={"embedding_size": 128}),
        Arm(
            "4,000 pieces",  # which the characters alone would fill
            vocabulary={"vocab_size": 4000, "limit_alphabet": 1200},
        ),
        Arm("16,000 pieces", vocabulary={"vocab_size": 16000}),
        Arm("peak 5e-4", pretraining={"learning_rate": 5e-4}),
        Arm("peak 2e-3", pretraining={"learning_rate": 2e-3}),
        Arm("64 rows a batch", pretraining={"train_batch_size": 64}),
        Arm("256 rows a batch", pretraining={"train_batch_size": 256}),
        Arm(
            "packed rows of 128",  # as many tokens a batch
            records={"line_by_line": False, "max_seq_length": 128},
            pretraining={"max_seq_length": 128, "train_batch_size": 24},
        ),
        Arm("mask share 0.15", pretraining={"mask_prob": 0.15}),
        Arm("mask share 0.4", pretraining={"mask_prob": 0.4}),
        Arm("beta_2 0.98", pretraining={"adam_beta2": 0.98}),
        Arm("quadratic decay", pretraining={"lr_decay_power": 2.0}),
        Arm(
            "dropout 0.1",
            config={
                "hidden_dropout_prob": 0.1,
                "attention_probs_dropout_prob": 0.1,
            },
        ),
        # Upstream's generator is a quarter as wide, its discriminator weighs 50.
        Arm("ELECTRA", pretraining={"electra_objective": True}),
        Arm(
            "ELECTRA, generator half as wide",
            pretraining={"electra_objective": True, "generator_hidden_size": 0.5},
        ),
        Arm(
            "ELECTRA, discriminator weighs 10",
            pretraining={"electra_objective": True, "disc_weight": 10.0},
        ),
    ],
    {"NSMC": {"num_train_epochs": 0.5}},
    pretraining=dict(MASKED_WORDS, num_train_steps=1200, num_warmup_steps=150),
    equal_time=True,
)


def main() -> None:
    arguments = _arguments()
    trials = trials_of(arguments)
    ablations.require_data(trials, arguments)
    ablations.run(trials, arguments.parallel_runs, lambda: write_report(arguments))


def _arguments():
    names = [arm.name for arm in STUDY.arms[1:]]
    parser = ablations.parser(__doc__)
    parser.add_argument("--proxies", nargs="+", default=names, choices=names)
    return ablations.parsed(parser)


def trials_of(arguments: argparse.Namespace) -> List[Trial]:
    """The base from all seeds, the others from the first."""
    others = [arm for arm in STUDY.arms if arm.name in arguments.proxies]
    return [
        Trial(STUDY, BASE, arguments),
        *(Trial(STUDY, arm, arguments, seeds=arguments.seeds[:1]) for arm in others),
    ]


def write_report(arguments: argparse.Namespace) -> str:
    """Writes the table of what is there; returns it."""
    base, *others = trials_of(arguments)
    trials = [trial for trial in (base, *others) if trial.scores("NSMC")]
    lines = [
        f"Base: {STUDY.text}.",
        "",
        "| changed | steps | minutes | masked words: loss | NSMC | difference |",
        "|---|---|---|---|---|---|",
        *(_row(trial, base) for trial in trials),
    ]
    text = "\n".join(lines) + "\n"
    with open(os.path.join(arguments.output_dir, "proxies.md"), "w") as stream:
        stream.write(text)
    return text


def _row(trial, base):
    scores, reference = (list(one.scores("NSMC").values()) for one in (trial, base))
    difference = ""
    if trial is not base and reference:
        difference = f"{statistics.mean(scores) - statistics.mean(reference):+.2f}"
    results = [trial.results(seed) for seed in trial.seeds]
    steps = statistics.mean(one["global_step"] for one in results if one)
    loss = statistics.mean(one["masked_lm_loss"] for one in results if one)
    return (
        f"| {trial.arm.name} | {steps:,.0f} | {trial.minutes():.1f} | {loss:.2f} "
        f"| {percent([score / 100 for score in scores])} | {difference} |"
    )


if __name__ == "__main__":
    main()
