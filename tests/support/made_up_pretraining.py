"""A pre-training run that never ran, for its page."""

import types

import numpy as np

from encoder_ko.report.pretraining import run_page
from encoder_ko.training.run_folder import RunFolder
from tests.support import made_up_runs as made_up

LOG = [
    {"step": step, "loss": 3.0, "masked_lm_loss": 2.0, "disc_loss": 0.02,
     "learning_rate": 1e-4, "gradient_norm": 1.0, "sequences_per_second": 10.0,
     "tokens_per_second": rate}
    for step, rate in ((10, 100.0), (20, 50.0))
]  # fmt: skip
HISTORY = [{"step": 20, "loss": 2.5, "masked_lm_loss": 1.5, "masked_lm_accuracy": 0.5,
            "disc_loss": 0.01, "disc_auc": 0.9}]  # fmt: skip


def ids_of(tokenizer, *pieces):
    return tokenizer.convert_tokens_to_ids(pieces)


def found(tokenizer):
    """[CLS] 정말 좋 ##다 영화 [SEP], 좋 and 영화 hidden, 영화 replaced by 정말."""
    cls, really, good, ending, film, end, mask, pad = ids_of(
        tokenizer, "[CLS]", "정말", "좋", "##다", "영화", "[SEP]", "[MASK]", "[PAD]"
    )
    arrays = {
        "input_mask": [[1, 1, 1, 1, 1, 1, 0]],
        "masked_lm_input_ids": [[cls, really, mask, ending, film, end, pad]],
        # Position 2 was drawn twice; the last slot is empty.
        "masked_lm_positions": [[2, 4, 2, 0]],
        "masked_lm_ids": [[good, film, good, 0]],
        "masked_lm_weights": [[1.0, 1.0, 1.0, 0.0]],
        "masked_lm_predictions": [[really, film, really, 0]],
        "masked_lm_losses": [[np.log(4), np.log(2), np.log(4), 0.0]],
        "masked_lm_guesses": [[[really, good], [film, good], [really, good], [0, 0]]],
        "masked_lm_guess_probabilities": [
            [[0.625, 0.25], [0.5, 0.25], [0.625, 0.25], [0.0, 0.0]]
        ],
        "disc_input_ids": [[cls, really, good, ending, really, end, pad]],
        "disc_labels": [[0, 0, 0, 0, 1, 0, 0]],
        "disc_probabilities": [[0.001, 0.7, 0.2, 0.1, 0.3, 0.0, 0.9]],
        "sentence_order_labels": [1],
        "sentence_order_classes": [0],
        "sentence_order_probabilities": [[0.8, 0.2]],
    }
    return {name: np.array(values) for name, values in arrays.items()}


def found_of_size(tokenizer, records, length, slots):
    """Random predictions for whole records."""
    random = np.random.RandomState(0)
    every = tokenizer.vocab_size
    ids = random.randint(5, every, [records, length])
    slotted = [records, slots]
    labels = random.rand(records, length) < 0.15
    return {
        "input_mask": np.ones([records, length], int),
        "masked_lm_input_ids": ids,
        "masked_lm_positions": np.tile(
            np.arange(slots) * length // slots, [records, 1]
        ),
        "masked_lm_ids": random.randint(5, every, slotted),
        "masked_lm_weights": np.ones(slotted),
        "masked_lm_predictions": random.randint(5, every, slotted),
        "masked_lm_losses": random.rand(*slotted),
        "masked_lm_guesses": random.randint(5, every, slotted + [5]),
        "masked_lm_guess_probabilities": random.rand(*slotted, 5),
        "disc_input_ids": ids,
        "disc_labels": labels.astype(int),
        "disc_probabilities": random.rand(records, length),
    }


def records(total, digest, **settings):
    return types.SimpleNamespace(
        paths=("a", "b"), total=total, digest=digest, settings=settings
    )


def write(folder, tokenizer, found, **changes):
    """The written page."""
    data = records(100, "x", masked_lm_prob=0.15)
    course = run_page.Course(
        made_up.facts("").made, LOG, HISTORY, 20, 20, 4, 16, data, data, True
    )._replace(**changes)
    looked = found if callable(found) else lambda: found
    run_page.write(RunFolder(str(folder)), tokenizer, lambda: course, looked)
    return (folder / "report.html").read_text(encoding="utf-8")
