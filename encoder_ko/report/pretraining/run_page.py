"""report.html of a pre-training run, from what its folder has at its end."""

import math
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from data.records.dataset import RecordFiles
from data.tokenization import Tokenizer
from encoder_ko.report import origin, page
from encoder_ko.report.content import Chart, PageTable
from encoder_ko.report.pretraining import curves, examples
from encoder_ko.training import collapse
from encoder_ko.training.run_folder import RunFolder

_SETTINGS_OF_RECORDS = (
    "dupe_factor",
    "masked_lm_prob",
    "do_whole_word_mask",
    "ngram",
    "short_seq_prob",
    "wop_prob",
    "wop_ngram",
)


class Course(NamedTuple):
    """What the page tells of a run.

    Attributes:
      made: how it was made.
      log: entries of training_log.jsonl. history: evaluations.
      step: updates made. total_steps: of the whole run.
      batch_size: sequences per update. max_seq_length: tokens at most in each.
      data: records to train on. shown_data: those that the examples are from.
      are_trained_on: whether these are of the same files.
    """

    made: origin.Made
    log: curves.Entries
    history: curves.Entries
    step: int
    total_steps: int
    batch_size: int
    max_seq_length: int
    data: RecordFiles
    shown_data: RecordFiles
    are_trained_on: bool


def write(
    folder: RunFolder,
    tokenizer: Optional[Tokenizer],
    course: Callable[[], Course],
    inspected: Callable[[], Dict[str, np.ndarray]],
) -> None:
    """Writes the page; where that fails, a warning says so.

    Args:
      tokenizer: None = examples are not shown, since nobody knows their pieces.
      course: what there is to tell.
      inspected: the result of `pretraining.inspection.inspect`.
    """

    def write_page():
        records = examples.shown_records(tokenizer, inspected()) if tokenizer else []
        content, drawn = _content(course(), records)
        data = {"charts": page.chart_specs(**drawn)}
        text = page.render("pretraining.html", content, data)
        folder.write_text(page.FILE_NAME, text)

    origin.attempt(folder(page.FILE_NAME), write_page)


def _content(course: Course, records: Sequence[examples.Shown]):
    """(what the template asks for, the charts by the ids of their parts)."""
    seen = curves.progress(course.log, course.batch_size)
    drawn: Dict[str, Sequence[Chart]] = {
        "curves": curves.of_metrics(course.log, course.history),
        "training": curves.of_training(course.log, seen),
    }
    content = {
        "title": f"{course.made.model_type.upper()}, pre-training",
        "kicker": f"Pre-training run, step {course.step:,} of {course.total_steps:,}",
        "cards": _cards(course, seen),
        "notes": _notes(course),
        "results": _result_table(course),
        **drawn,
        "records": records,
        "source": _source(course),
        "summary": examples.summary(records),
        "guesses": examples.GUESSES,
        "legend": examples.legend(records),
        "discriminator_legend": examples.DISCRIMINATOR_LEGEND
        if any(record.tokens for record in records)
        else (),
        "data_table": _data_table(course, seen),
        **origin.how_made(course.made),
        "files": _files(course),
    }
    content["parts"] = [
        ("Result", "result"),
        *[("Training", "curves")] * bool(drawn["curves"] or drawn["training"]),
        *[("Examples", "examples")] * bool(records),
        ("Data", "data"),
        ("How it was made", "made"),
    ]
    return content, drawn


def _cards(course: Course, seen: curves.Progress) -> List[Dict[str, str]]:
    cards = []
    last, split = _last(course)
    loss = last.get("masked_lm_loss")
    if loss is not None:
        detail = f"perplexity {math.exp(min(loss, 50)):,.1f}"
        if "masked_lm_accuracy" in last:
            share = f"{100 * last['masked_lm_accuracy']:.1f}%"
            detail = f"{share} of the tokens right, {detail}"
        cards.append((f"masked LM loss, {split}", f"{loss:.3f}", detail))
    if "disc_loss" in last:
        parts = [
            f"{words} {100 * last[name]:.1f}"
            for name, words in (
                ("disc_auc", "AUC"),
                ("disc_precision", "precision"),
                ("disc_recall", "recall"),
            )
            if name in last
        ]
        title = f"discriminator loss, {split}"
        cards.append((title, f"{last['disc_loss']:.4f}", ", ".join(parts)))
    cards.append(_seen_card(course, seen))
    seconds = course.made.seconds
    parts = ", ".join(f"{name} {value:,.0f} s" for name, value in seconds.items())
    cards.append(("time of the last command", origin.duration(sum(seconds.values())),
                  parts))  # fmt: skip
    return [dict(zip(("label", "value", "detail"), each)) for each in cards]


def _seen_card(course: Course, seen: curves.Progress) -> Tuple[str, str, str]:
    sequences = course.step * course.batch_size
    passes = f"{sequences / course.data.total:.2f} passes over the records"
    if not len(seen.steps):
        return "sequences seen", _short(sequences), passes
    rate = np.median([entry["tokens_per_second"] for entry in course.log])
    return (
        f"tokens seen, by step {seen.steps[-1]:,}",
        _short(seen.tokens[-1]),
        f"{passes}; median of {rate:,.0f} tokens per second",
    )


def _short(count: float) -> str:
    """1234567 -> "1.23 million"."""
    for size, words in ((1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{count / size:.3g} {words}"
    return f"{count:,.0f}"


def _last(course: Course) -> Tuple[Dict[str, Any], str]:
    """The newest metrics and what they are of."""
    if course.history and course.history[-1]["step"] == course.step:
        return course.history[-1], "evaluation"
    return (course.log[-1] if course.log else {}), "training"


def _notes(course: Course) -> List[str]:
    steps = collapse.steps_at_entropy(course.log)
    if not steps:
        return []
    last = course.log[-1]
    return [
        f"For {steps:,} steps the masked LM loss ({last['masked_lm_loss']:.2f}) has "
        "not been below the entropy of the masked tokens' frequencies "
        f"({last['unigram_entropy']:.2f}): the network predicts tokens by how "
        "frequent they are, whatever stands around them."
    ]


def _result_table(course: Course) -> PageTable:
    evaluated = course.history[-1] if course.history else {}
    trained = course.log[-1] if course.log else {}
    header = ["metric"]
    columns = []
    for entry, words in ((evaluated, "evaluation"), (trained, "training")):
        if entry:
            header.append(f"{words}, step {entry['step']:,}")
            columns.append(entry)
    rows = [
        [curves.label(name)]
        + [f"{entry[name]:.4f}" if name in entry else "" for entry in columns]
        for name in curves.metric_names(course.log, course.history)
    ]
    notes = []
    if trained:
        notes.append(
            "Training: means over the batches since the log line before; "
            "accuracies, precision and recall are those of the last batch."
        )
    return PageTable("Metrics", " ".join(notes), header, rows)


def _source(course: Course) -> str:
    which = "records that were not trained on"
    if course.are_trained_on:
        which = "records that were trained on, since no others are named"
    return (
        f"The first records of the {len(course.shown_data.paths):,} files to evaluate: "
        f"{which}. They are masked with the run's seed and the same at every look."
    )


def _data_table(course: Course, seen: curves.Progress) -> PageTable:
    rows = [
        ["records to train on", f"{course.data.total:,}"],
        ["files of these", f"{len(course.data.paths):,}"],
        ["tokens in a record at most", f"{course.max_seq_length:,}"],
    ]
    if len(seen.steps):
        length = seen.tokens[-1] / (seen.steps[-1] * course.batch_size)
        share = 100 * (1 - length / course.max_seq_length)
        rows.append(["tokens in a record, mean", f"{length:,.1f}"])
        rows.append(["share of padding", f"{share:.1f}%"])
    if not course.are_trained_on:
        rows.append(["records to evaluate", f"{course.shown_data.total:,}"])
    rows += [
        [f"built with --{name}", str(course.data.settings[name])]
        for name in _SETTINGS_OF_RECORDS
        if name in course.data.settings
    ]
    return PageTable("Records", "", ("", ""), rows)


def _files(course: Course) -> List[Tuple[str, str]]:
    found = [
        ("training_log.jsonl", "the metrics while training, a JSON object a line"),
        ("training_curves.png", "the curves as a picture"),
    ] * bool(course.log)
    if course.history:
        found.append(("history.json", "the evaluations"))
        found.append(("eval_results.json", "the last evaluation and all settings"))
    return found
