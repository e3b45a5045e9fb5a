"""The page of a pre-training run, from made-up predictions and a made-up course."""

import types
from unittest import mock

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.report import charts, origin
from encoder_ko.report.pretraining import curves, examples, run_page
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


@pytest.fixture(scope="module")
def tokenizer():
    return made_up.task_type_of("NSMC").tokenizer


def ids_of(tokenizer, *pieces):
    return tokenizer.convert_tokens_to_ids(pieces)


@pytest.fixture(scope="module")
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


def test_hidden_tokens_stand_in_their_text(tokenizer, found):
    (record,) = examples.shown_records(tokenizer, found)
    assert record.text == [
        ("[CLS]", "special", 0, ""),
        (" 정말 ", "", 0, ""),
        ("좋", "missed", 1, "정말"),
        ("다 ", "", 0, ""),
        ("영화", "right", 2, ""),
        (" ", "", 0, ""),
        ("[SEP]", "special", 0, ""),
    ]


def test_guesses_with_the_right_one_marked(tokenizer, found):
    (record,) = examples.shown_records(tokenizer, found)
    first, second = record.hidden
    assert first.guesses == [("정말", "62%", False), ("좋", "25%", True)]
    assert (first.number, first.piece, first.seen) == (1, "좋", "[MASK]")
    assert first.percent == "25%" and not first.is_right
    assert (second.seen, second.sampled, second.percent) == ("as it is", "정말", "50%")
    assert dict(record.facts)["sentences"] == "swapped (wrong: “in their order”, 80%)"


def test_what_the_discriminator_saw(tokenizer, found):
    (record,) = examples.shown_records(tokenizer, found)
    assert record.tokens == [
        ("[CLS]", "", "0.1%", ""),
        ("정말", "", "70%", "spurious"),
        ("좋", "", "20%", ""),
        ("다", "", "10%", ""),
        ("정말", "영화", "30%", "missed"),
        ("[SEP]", "", "0.0%", ""),
    ]
    assert dict(examples.summary([record])) == {
        "masked tokens": "2",
        "right at once": "1 (50.0%)",
        "among the 5 best guesses": "2 (100.0%)",
        "replaced tokens": "1",
        "of them found": "0 (0.0%)",
        "originals taken for replaced": "1 (20.0%)",
    }


def test_moved_tokens_and_ids_without_a_piece(tokenizer, found):
    """Word order prediction beside masks; a table may have more rows than pieces."""
    really, good = ids_of(tokenizer, "정말", "좋")
    moved = dict(found, **{
        "wop_positions": np.array([[1, 0]]), "wop_ids": np.array([[good, 0]]),
        "wop_weights": np.array([[1.0, 0.0]]), "wop_losses": np.zeros([1, 2]),
        "wop_predictions": np.array([[9999, 0]]),
        "wop_guesses": np.array([[[9999], [0]]]),
        "wop_guess_probabilities": np.ones([1, 2, 1]),
    })  # fmt: skip
    (record,) = examples.shown_records(tokenizer, moved)
    assert record.hidden[0].kind == "moved" and record.hidden[0].seen == "정말"
    assert record.text[2] == ("좋", "missed", 1, "[id 9999]")
    assert ("moved", "1") in record.facts


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


def test_page_of_an_electra_run(tmp_path, tokenizer, found):
    page = made_up.Page(write(tmp_path, tokenizer, found))
    assert page.row("masked LM loss")[1:] == ["1.5000", "2.0000"]
    assert page.row("discriminator AUC")[1:] == ["0.9000", ""]
    assert "50.0% of the tokens right, perplexity 4.5" in page.text
    # 10 steps of 4 sequences of 10 tokens, then of 5.
    assert (
        "600" in page.text
        and "0.80 passes over the records; median of 75 tokens per second" in page.text
    )
    assert page.row("tokens in a record, mean")[1] == "7.5"
    assert page.row("share of padding")[1] == "53.1%"
    assert page.row("built with --masked_lm_prob")[1] == "0.15"
    (row,) = [row for row in page.rows if row[0].startswith("1 좋")]
    assert row[1] == "[MASK]" and "✓ 좋" in row[2] and "✓ 정말" not in row[2]
    styles = [a.get("class") for tag, a in page.tags if tag == "span"]
    assert styles.count("spurious") == 2  # a token and its legend
    assert "learning_rate" in page.text and "12345" in page.text


def test_what_is_not_known_is_left_out(tmp_path, tokenizer, found):
    """No tokenizer, no log: an evaluation of another program's folder."""
    text = write(tmp_path, None, found, log=[], are_trained_on=False)
    page = made_up.Page(text)
    assert "Record 1" not in page.text and "sequences seen" in page.text
    assert not [name for name in page.data["charts"] if "training" in name]
    page = made_up.Page(write(tmp_path, tokenizer, found, history=[], step=10,
                              log=[{"step": 10, "loss": 3.0}]))  # fmt: skip
    assert page.row("loss, all objectives")[1:] == ["3.0000"]


def test_records_that_were_not_trained_on_are_said_to_be_so(tmp_path, tokenizer, found):
    others = records(7, "y")
    text = write(tmp_path, tokenizer, found, shown_data=others, are_trained_on=False)
    page = made_up.Page(text)
    assert "records that were not trained on" in page.text
    assert page.row("records to evaluate")[1] == "7"


def test_a_network_at_the_frequencies_of_tokens_is_named(tmp_path, tokenizer, found):
    log = [dict(entry, unigram_entropy=1.9) for entry in LOG]
    page = made_up.Page(write(tmp_path, tokenizer, found, log=log))
    assert "For 10 steps the masked LM loss (2.00) has not been below" in page.text
    names = {r["n"] for r in page.data["charts"]["chart-curves-2"]["data"]["values"]}
    assert names == {"training", "evaluation", "entropy of token frequencies"}


@pytest.mark.parametrize(
    "error",
    [tf.errors.ResourceExhaustedError(None, None, "no\nmemory"), ValueError("odd")],
)
def test_a_page_that_fails_is_one_line(tmp_path, tokenizer, error):
    def fail():
        raise error

    with mock.patch.object(origin.logging, "warning") as warning:
        with pytest.raises(FileNotFoundError):  # there is no page to read
            write(tmp_path, tokenizer, fail)
    line = warning.call_args[0][0] % warning.call_args[0][1:]
    assert f"report.html was not written ({type(error).__name__}: " in line
    assert "\n" not in line and line.endswith("The results of the run are complete.")


def test_long_curves_keep_their_ends():
    many = curves.of_metric(
        [{"step": step, "loss": float(step)} for step in range(1, 1002)], "loss", "x"
    )
    rows = charts.lines("loss", many).spec["data"]["values"]
    assert len(rows) <= 401
    assert rows[0]["s"] == 1 and rows[-1] == {"s": 1001, "v": 1001.0, "n": "x"}


def test_losses_come_first_and_the_sum_of_one_is_left_out():
    names = curves.metric_names([{"loss": 1, "wop_loss": 1, "disc_auc": 1}], [])
    assert names == ["wop_loss", "disc_auc"]
    names = curves.metric_names([{"loss": 1, "wop_loss": 1, "masked_lm_loss": 1}], [])
    assert names == ["loss", "masked_lm_loss", "wop_loss"]
