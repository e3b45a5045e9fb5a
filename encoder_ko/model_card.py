"""The model card (README.md) of an exported model, from what its run wrote down."""

from typing import Any, Dict, List, NamedTuple, Sequence

_LEAST_SHOWN = ("None", "", "False")
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
      kind: Architecture.kind.
      labels: names in the order of the logits.
      run: content of the run's eval_results.json (or of a file of that form).
      before: what has to be done to text before the tokenizer.
      split_special: whether "[MASK]" in text is plain text.
    """

    title: str
    architecture: str
    kind: str
    labels: Sequence[str]
    run: Dict[str, Any]
    before: Sequence[str]
    split_special: bool


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
    if card.labels:
        parts.append("## Labels\n\n" + ", ".join(card.labels) + "\n")
    parts += [_data(card.run), _metrics(card.run), _flags(card.run)]
    return "\n".join(part for part in parts if part)


def _front_matter(card):
    lines = ["---", "language: ko", "library_name: transformers"]
    lines.append(f"pipeline_tag: {_PIPELINES[card.kind]}")
    return "\n".join(lines + ["---", ""])


def _use(card):
    return f"""## Use

```python
from transformers import AutoTokenizer, {card.architecture}

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
    if not run.get("task"):
        return ""
    flags = run.get("flags", {})
    lines = [f"- task: {run['task']}"]
    lines += [
        f"- {name}: `{flags[name]}`"
        for name in ("data_dir", "input_file")
        if flags.get(name)
    ]
    if run.get("init_checkpoint"):
        lines.append(f"- started from: `{run['init_checkpoint']}`")
    return "## Data\n\n" + "\n".join(lines) + "\n"


def _metrics(run):
    metrics = {
        name: value
        for name, value in run.get("metrics", {}).items()
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }
    if not metrics:
        return ""
    rows = [[name, f"{value:.4f}"] for name, value in metrics.items()]
    return "## Metrics\n\n" + _table(["metric", "dev"], rows)


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
