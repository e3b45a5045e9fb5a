"""The page of a pre-training run, from made-up predictions and a made-up course."""

from unittest import mock

import numpy as np
import pytest

from encoder_ko.compat import tf
from encoder_ko.report import charts, origin
from encoder_ko.report.pretraining import curves, examples
from tests.support import made_up_pretraining as pretraining
from tests.support import made_up_runs as made_up


@pytest.fixture(scope="module")
def tokenizer():
    return made_up.task_type_of("NSMC").tokenizer


@pytest.fixture(scope="module")
def found(tokenizer):
    return pretraining.found(tokenizer)


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
        "masked, right at once": "1 (50.0%)",
        "masked, among the 5 best guesses": "2 (100.0%)",
        "replaced tokens": "1",
        "replaced, found": "0 (0.0%)",
        "originals taken for replaced": "1 (20.0%)",
    }


def test_moved_tokens_and_ids_without_a_piece(tokenizer, found):
    """Word order prediction beside masks; a table may have more rows than pieces."""
    really, good = pretraining.ids_of(tokenizer, "정말", "좋")
    moved = dict(found, **{
        "wop_positions": np.array([[1, 0]]), "wop_ids": np.array([[good, 0]]),
        "wop_weights": np.array([[1.0, 0.0]]), "wop_losses": np.zeros([1, 2]),
        "wop_predictions": np.array([[9999, 0]]),
        "wop_guesses": np.array([[[9999], [0]]]),
        "wop_guess_probabilities": np.ones([1, 2, 1]),
    })  # fmt: skip
    (record,) = examples.shown_records(tokenizer, moved)
    assert record.hidden[0].kind == "moved" and record.hidden[0].seen == "정말"
    assert record.text[2] == ("좋", "missed moved", 1, "[id 9999]")
    assert ("moved", "1, 0 right at once") in record.facts
    assert "moved" in dict(examples.legend([record]))
    (record,) = examples.shown_records(tokenizer, found)
    assert "moved" not in dict(examples.legend([record]))


def test_page_of_an_electra_run(tmp_path, tokenizer, found):
    page = made_up.Page(pretraining.write(tmp_path, tokenizer, found))
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
    text = pretraining.write(tmp_path, None, found, log=[], are_trained_on=False)
    page = made_up.Page(text)
    assert "Record 1" not in page.text and "sequences seen" in page.text
    assert not [name for name in page.data["charts"] if "training" in name]
    log = [{"step": 10, "loss": 3.0}]
    text = pretraining.write(tmp_path, tokenizer, found, history=[], step=10, log=log)
    page = made_up.Page(text)
    assert page.row("loss, all objectives")[1:] == ["3.0000"]


def test_records_that_were_not_trained_on_are_said_to_be_so(tmp_path, tokenizer, found):
    others = pretraining.records(7, "y")
    text = pretraining.write(
        tmp_path, tokenizer, found, shown_data=others, are_trained_on=False
    )
    page = made_up.Page(text)
    assert "records that were not trained on" in page.text
    assert page.row("records to evaluate")[1] == "7"


def test_a_network_at_the_frequencies_of_tokens_is_named(tmp_path, tokenizer, found):
    log = [dict(entry, unigram_entropy=1.9) for entry in pretraining.LOG]
    page = made_up.Page(pretraining.write(tmp_path, tokenizer, found, log=log))
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
            pretraining.write(tmp_path, tokenizer, fail)
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


def test_an_electra_page_of_a_long_run_stays_below_2_megabytes(tmp_path, tokenizer):
    """12 records of 512 tokens, 79 of them hidden; 10,000 lines in the log."""
    log = [
        dict(entry, step=10 * number)
        for number in range(1, 5001)
        for entry in pretraining.LOG
    ]
    found = pretraining.found_of_size(tokenizer, records=12, length=512, slots=79)
    text = pretraining.write(tmp_path, tokenizer, found, log=log)
    assert "Record 12" in text
    assert len(text.encode("utf-8")) < 2e6
