"""What a model can learn of the data: lengths, unknown words, texts seen before."""

import collections
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from data.evaluation.baselines import is_labelled
from data.tasks import CLASSIFICATION, REGRESSION, Task
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import (
    Chart,
    Evaluated,
    PageTable,
    count_and_share,
)
from encoder_ko.report.finetuning import charts
from encoder_ko.report.finetuning.texts import (
    TokenCounts,
    count_tokens,
    key_of,
    named_texts,
    unknown_words,
)

_MOST_OF_TRAIN = 20000  # examples whose tokens are counted
_MOST_SEARCHED = 300000  # tokens of the examples whose unknown words are looked up
_WORDS_SHOWN = 30
_LEAKS_SHOWN = 20
_TEXT_SHOWN = 200  # characters


class DataFacts(NamedTuple):
    """Attributes:

    counts: tokens of the evaluated examples. in_train: bool [N], whether train has an
      example with the same texts.
    tables, charts: of the page.
    """

    counts: TokenCounts
    in_train: np.ndarray
    tables: Sequence[PageTable]
    charts: Sequence[Chart]


def data_facts(
    task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]
) -> DataFacts:
    """Of the evaluated examples, beside those of train where it was read."""
    task, tokenizer = task_type.task, task_type.tokenizer
    counts = count_tokens(task, tokenizer, evaluated.examples)
    by_split = {}
    if train:
        step = -(-len(train) // _MOST_OF_TRAIN)
        by_split["train"] = count_tokens(task, tokenizer, train[::step])
    by_split[evaluated.split] = counts
    held = _by_texts(task, train)
    in_train = np.array([key_of(task, e) in held for e in evaluated.examples], bool)
    sizes = {"train": len(train), evaluated.split: len(evaluated.examples)}
    is_cut = np.asarray(evaluated.outputs.get("is_cut", ()), bool)
    tables = [_length_table(by_split, sizes, evaluated.split, is_cut)]
    words = _unknown_table(task_type, evaluated, counts)
    leaks = _leak_table(task, evaluated, held, in_train) if train else None
    tables += [table for table in (words, leaks) if table]
    drawn = []
    if counts.tokens.max(initial=0):
        room = task_type.settings.max_seq_length - 2
        drawn.append(
            charts.lengths(counts.tokens, room, f"examples of {evaluated.split}")
        )
    return DataFacts(counts, in_train, tables, drawn)


def _by_texts(task: Task, train: Sequence[Any]) -> Dict[Any, List[Any]]:
    held = collections.defaultdict(list)  # type: Dict[Any, List[Any]]
    for example in train:
        held[key_of(task, example)].append(example)
    return held


def _length_table(by_split, sizes, split, is_cut) -> PageTable:
    header = ("split", "examples", "tokens: median", "95% have at most", "longest")
    header += ("[UNK] among the tokens", "inputs that are cut")
    rows = []
    for name, counts in by_split.items():
        middle, most = np.percentile(counts.tokens, [50, 95])
        unknown, total = int(counts.unknown.sum()), int(counts.tokens.sum())
        cut = count_and_share(int(is_cut.sum()), len(is_cut)) if name == split else ""
        sizes_ = [f"{middle:,.0f}", f"{most:,.0f}", f"{counts.tokens.max():,}"]
        share = f"{100 * unknown / max(total, 1):.2f}%"
        rows.append([name, f"{sizes[name]:,}", *sizes_, share, cut])
    notes = [
        f"The tokens of {name} are those of {len(counts.tokens):,} of its examples."
        for name, counts in by_split.items()
        if len(counts.tokens) < sizes[name]
    ]
    return PageTable("Lengths and unknown tokens", " ".join(notes), header, rows)


def _unknown_table(task_type, evaluated, counts):
    """The most frequent unknown words; None without any."""
    with_unknown = np.flatnonzero(counts.unknown)
    if not len(with_unknown):
        return None
    before = np.cumsum(counts.tokens[with_unknown]) - counts.tokens[with_unknown]
    looked_at = with_unknown[before < _MOST_SEARCHED]
    words = collections.Counter()
    for number in looked_at:
        for _, text in named_texts(task_type.task, evaluated.examples[number]):
            words.update(unknown_words(task_type.tokenizer, text))
    rows = [
        [_beginning(word), f"{count:,}"]
        for word, count in words.most_common(_WORDS_SHOWN)
    ]
    rows = _side_by_side(rows)
    note = f"Of the {len(words):,} words with a token [UNK], the most frequent ones."
    if len(looked_at) < len(with_unknown):
        note += f" Counted in the first {len(looked_at):,} examples that have such."
    title = f"Words of {evaluated.split} that the vocabulary cannot spell"
    return PageTable(title, note, ("word", "times") * (len(rows[0]) // 2), rows)


def _side_by_side(rows: List[List[str]]) -> List[List[str]]:
    """The rows in up to three columns, downwards; the last ones may be shorter."""
    height = max(-(-len(rows) // 3), min(len(rows), 5))
    return [sum(rows[place::height], []) for place in range(height)]


def _leak_table(task, evaluated, held, in_train) -> PageTable:
    title = f"Texts of {evaluated.split} that train has too"
    rows, others = [], 0
    for number in np.flatnonzero(in_train):
        example = evaluated.examples[number]
        twins = [e for e in held[key_of(task, example)] if is_labelled(task, e)]
        labels = sorted({_label(task, twin) for twin in twins})
        here = _label(task, example)
        differs = bool(labels) and labels != [here]
        others += differs
        if len(rows) < _LEAKS_SHOWN:
            texts = " / ".join(text for _, text in named_texts(task, example))
            rows.append(
                [example.example_id, _beginning(texts), here, ", ".join(labels)]
            )
    found = count_and_share(int(in_train.sum()), len(in_train))
    note = f"{found} of the examples; white space is not looked at."
    if task.task_type in (CLASSIFICATION, REGRESSION):
        note += f" {others:,} of them have another label in train."
    header = ("id", "text", f"label in {evaluated.split}", "labels in train")
    return PageTable(title, note, header, rows)


def _label(task: Task, example: Any) -> str:
    if task.task_type == CLASSIFICATION:
        return task.label_names[example.label]
    if task.task_type == REGRESSION:
        return f"{example.score:g}"
    return ""


def _beginning(text: str) -> str:
    return text if len(text) <= _TEXT_SHOWN else text[:_TEXT_SHOWN] + " …"


def common_slices(counts: TokenCounts, in_train: np.ndarray, outputs) -> Dict[str, Any]:
    """Slices of every task: by length, share of unknown tokens, cut, leaked."""
    found = {}
    tokens, shares = counts.tokens, counts.unknown_shares
    edges = sorted({int(edge) for edge in np.percentile(tokens, [25, 50, 75])})
    bounds = (
        [-1] + [edge for edge in edges if edge < tokens.max()] + [int(tokens.max())]
    )
    for low, high in zip(bounds, bounds[1:]):
        name = f"tokens: {low + 1:,}" + f" to {high:,}" * (high > low + 1)
        found[name] = (tokens > low) & (tokens <= high)
    if shares.any():
        found["[UNK]: none"] = shares == 0
        for low, high in ((0, 5), (5, 15), (15, 100)):
            chosen = (shares > low / 100) & (shares <= high / 100)
            found[f"[UNK]: above {low}% to {high}%"] = chosen
    is_cut = np.asarray(outputs.get("is_cut", ()), bool)
    if len(is_cut) == len(tokens) and is_cut.any():
        found["cut off"], found["seen whole"] = is_cut, ~is_cut
    if in_train.any():
        found["text is in train too"] = in_train
        found["text is not in train"] = ~in_train
    return {name: chosen for name, chosen in found.items() if not chosen.all()}


def columns(facts: DataFacts, outputs: Dict[str, np.ndarray]):
    """Columns of the table file."""
    is_cut = np.asarray(outputs.get("is_cut", ()), bool)
    found = [
        ("tokens", facts.counts.tokens.tolist()),
        ("unknown", facts.counts.unknown.tolist()),
        ("in_train", [str(each).lower() for each in facts.in_train.tolist()]),
    ]
    if len(is_cut) == len(facts.in_train):
        found.append(("is_cut", [str(each).lower() for each in is_cut.tolist()]))
    return found
