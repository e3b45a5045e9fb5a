"""The model card (README.md) of an exported model, from what its run wrote down."""

import itertools
from typing import Any, Dict, List, NamedTuple, Sequence

from encoder_ko.training.run_folder import RunFolder

_LEAST_SHOWN = ("None", "", "False")
# Of run_config.json and of an entry of history.json.
_NOT_FLAGS = ("model_config", "tokenizer", "records")
_NOT_METRICS = ("step", "seconds", "score")  # the score is one of the others
_PIPELINES = {
    "classification": "text-classification",
    "regression": "text-classification",
    "tagging": "token-classification",
    "question_answering": "question-answering",
    "pretraining": "fill-mask",
    "masked_lm": "fill-mask",
    "encoder": "feature-extraction",
}


class Card(NamedTuple):
    """What the card says.

    Attributes:
      title: name of the model.
      architecture: name of the class.
      head_type: Architecture.head_type.
      labels: names in the order of the logits.
      run: see `facts_of`.
      before: what has to be done to text before the tokenizer.
      inexact: a sentence on where the tokenizer's ids may be others, or "".
      split_special: whether "[MASK]" in text is plain text.
    """

    title: str
    architecture: str
    head_type: str
    labels: Sequence[str]
    run: Dict[str, Any]
    before: Sequence[str]
    inexact: str
    split_special: bool


def facts_of(run_dir: str, described: Dict[str, Any]) -> Dict[str, Any]:
    """What a run's folder tells of it, in the form of its eval_results.json.

    "test_metrics" are those of its test_results.json.

    A run that was not evaluated at its end (--do_eval) has its settings, the number of
    its records, and in history.json the evaluations while it trained: the best one of
    fine-tuning, the last one of pre-training.

    Args:
      described: content of its task.json; {} without one.
    """
    folder = RunFolder(run_dir)
    settings = folder.settings() or {}
    history = folder.history() or [{}]
    best = history[-1]
    if "score" in best:
        best = max(history, key=lambda entry: entry["score"])
    flags = {k: v for k, v in settings.items() if k not in _NOT_FLAGS}
    tested = folder.read_json("test_results.json") or {}
    facts = {
        "task": described.get("task", {}).get("name"),
        "flags": flags,
        "records": {"train": settings.get("records", {}).get("total")},
        "metrics": best,
        "test_metrics": tested.get("metrics") or {},
    }
    return dict(facts, **(folder.read_json("eval_results.json") or {}))


def model_card(card: Card) -> str:
    """The text of README.md."""
    parts = [
        _front_matter(card),
        f"# {card.title}\n",
        f"A Korean model for `{card.architecture}`, converted from a TensorFlow "
        "checkpoint; both compute the same numbers.\n",
        _use(card),
    ]
    if card.before:
        parts.append(
            "The tokenizer here does not do all that was done in training. Before it "
            f"sees a text: {' and '.join(card.before)}.\n"
        )
    if card.inexact:
        parts.append(card.inexact + "\n")
    if card.labels:
        parts.append("## Labels\n\n" + ", ".join(card.labels) + "\n")
    parts += [_data(card.run), _metrics(card.run), _flags(card.run)]
    return "\n".join(part for part in parts if part)


def _front_matter(card):
    lines = ["---", "language: ko", "library_name: transformers"]
    lines.append(f"pipeline_tag: {_PIPELINES[card.head_type]}")
    return "\n".join(lines + ["---", ""])


def _use(card):
    return f"""## Use

```python
from transformers import AutoTokenizer, {card.architecture}

folder = "."  # where this file is, or the model's name at Hugging Face
tokenizer = AutoTokenizer.from_pretrained(folder)
model = {card.architecture}.from_pretrained(folder)
```
{_special_tokens(card)}"""


def _special_tokens(card):
    if not card.split_special:
        return ""
    return """
Special tokens that are written in a text, such as `[MASK]`, are read as plain text, as
in training. To fill masks, load the tokenizer with `split_special_tokens=False`.
"""


def _data(run):
    flags = run.get("flags", {})
    start = run.get("init_checkpoint") or flags.get("init_checkpoint")
    facts = {
        "task": run.get("task"),
        **{name: _code(flags.get(name)) for name in ("data_dir", "input_file")},
        "training records": run.get("records", {}).get("train"),
        "started from": _code(start),
    }
    lines = [f"- {name}: {fact}\n" for name, fact in facts.items() if fact]
    return "## Data\n\n" + "".join(lines) if lines else ""


def _code(value):
    return value and f"`{value}`"


def _metrics(run):
    columns = {
        "dev" if run.get("task") else "value": _numbers(run.get("metrics", {})),
        "test": _numbers(run.get("test_metrics", {})),
    }
    columns = {head: values for head, values in columns.items() if values}
    names = list(dict.fromkeys(itertools.chain.from_iterable(columns.values())))
    rows = [
        [name, *(values.get(name, "") for values in columns.values())] for name in names
    ]
    return "## Metrics\n\n" + _table(["metric", *columns], rows) if rows else ""


def _numbers(metrics):
    """Name -> as it is shown; counts have no decimals."""
    return {
        name: str(int(value)) if name.startswith("num_") else f"{value:.4f}"
        for name, value in metrics.items()
        if isinstance(value, (int, float))
        and not isinstance(value, bool)
        and name not in _NOT_METRICS
    }


def _flags(run):
    rows = [
        [f"`--{name}`", f"`{value}`"]
        for name, value in sorted(run.get("flags", {}).items())
        if str(value) not in _LEAST_SHOWN
    ]
    return "## Flags\n\n" + _table(["flag", "value"], rows) if rows else ""


def _table(head: Sequence[str], rows: List[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head)] + [
        [cell.replace("|", "\\|") for cell in row] for row in rows
    ]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
