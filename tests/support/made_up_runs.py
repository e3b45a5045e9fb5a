"""Runs that never ran, for the page: a vocabulary, examples and outputs."""

import html.parser
import json

import numpy as np

from data.tasks import get_task
from data.tokenization import build_tokenizer, resolve_config
from encoder_ko.finetuning import task_types
from encoder_ko.report import origin
from encoder_ko.report.content import Evaluated
from encoder_ko.report.finetuning import run_page
from encoder_ko.training.run_folder import RunFolder
from tests.support.paths import ROOT

VOCABULARY = ROOT + "/samples/vocab.txt"
HISTORY = [
    {"step": step, "seconds": 1.0, "score": score, "accuracy": score, "loss": 1 - score}
    for step, score in ((10, 0.5), (20, 0.8), (30, 0.7))
]


def task_type_of(name, **settings):
    tokenizer = build_tokenizer(resolve_config(VOCABULARY), VOCABULARY)
    options = task_types.TaskSettings(**dict({"max_seq_length": 16}, **settings))
    return task_types.build(get_task(name), tokenizer, options)


def facts(data_folder, **changes):
    made = origin.Made(
        model_type="bert",
        model_config={"num_hidden_layers": 2, "hidden_size": 8, "vocab_size": 3007},
        seed=12345,
        seconds={"train": 61.0, "predict": 2.5},
        flags={"learning_rate": 5e-5},
        versions={
            "platform": "Linux",
            "tensorflow": "2.15.1",
            "python": "3.11.2",
            "numpy": "1.26.4",
        },
        start=None,
    )
    found = run_page.RunFacts(made, history=HISTORY, data_folder=str(data_folder))
    return found._replace(**changes)


def outputs_of(task_type, examples, probabilities):
    """Of a classification: rows of probabilities, and which texts were cut."""
    encoded = task_type.encode(examples)
    return {
        "probabilities": np.asarray(probabilities, np.float32),
        "is_cut": np.array([each.is_cut for each in encoded]),
        "per_example_loss": np.ones(len(examples), np.float32),
    }


def write(folder, task_type, examples, outputs, train=(), split="test", **changes):
    """Writes the page of a test set, or of a dev set; its text."""
    evaluated = Evaluated(
        split, examples, outputs, task_type.metrics(examples, outputs)
    )
    run_page.write(
        RunFolder(str(folder)), task_type, [evaluated], train, facts(folder, **changes)
    )
    return (folder / "report.html").read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """What a browser would make of the page: texts, cells, the script's data."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.text, self.tags = [], "", []
        self._script = ""
        self._open = []
        self.feed(text)
        self.data = json.loads(self._script)

    def handle_starttag(self, tag, attributes):
        self._open.append((tag, dict(attributes)))
        self.tags.append((tag, dict(attributes)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        names = [name for name, _ in self._open]
        if "script" in names or "style" in names:
            if self._open[-1][1].get("id") == "data-of-page":
                self._script += data
            return
        self.text += data
        if "td" in names or "th" in names:
            self.rows[-1][-1] += data

    def row(self, first):
        """The cells of the row that begins so."""
        (found,) = [row for row in self.rows if row and row[0].strip() == first]
        return found

    def items(self, key):
        return [self.data["items"][n] for n in self.data["groups"][key]["shown"]]
