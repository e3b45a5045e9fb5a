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
import sys
from typing import Dict, List

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from benchmarks import ablations
from benchmarks.ablations import ALL, WRITTEN, Arm, Study, Trial

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
    "learning_rate": 1e-3,
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
    ablations.run(trials, arguments.parallel_runs, lambda: write_report(arguments))


def _arguments():
    parser = ablations.parser(__doc__)
    add = parser.add_argument
    add("--claims", nargs="+", default=list(CLAIMS), choices=list(CLAIMS))
    arguments = parser.parse_args()
    trials = [
        trial for name in arguments.claims for trial in trials_of(name, arguments)
    ]
    ablations.require_data(trials, arguments)
    return arguments


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
        parts.append(ablations.markdown(CLAIMS[name], trials))
        ablations.draw(name, trials, arguments.output_dir)
    text = "\n".join(parts)
    with open(os.path.join(arguments.output_dir, REPORT), "w") as stream:
        stream.write(text)
    return text


if __name__ == "__main__":
    main()
