"""Dependency parsing in the page: words by relation, sentences as arcs."""

import collections
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np

from data.evaluation import klue_metrics
from data.evaluation.intervals import Ratio, bootstrap_interval
from data.tasks.dependency_parsing import ParsedSentence
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import (
    Evaluated,
    Group,
    Judgement,
    PageTable,
    count_and_share,
    percent,
)
from encoder_ko.report.finetuning import arcs
from encoder_ko.report.finetuning.classification import macro_f1
from encoder_ko.report.finetuning.texts import shown_text

# Kinds of words, which are styles of the page, too.
RIGHT, HEAD, RELATION = "right", "wrong-head", "wrong-relation"
_MOST_CONFUSIONS = 30  # groups of sentences
_DISTANCES = ((1, 1, "1"), (2, 2, "2"), (3, 5, "3 to 5"), (6, 10**9, "6 or more"))
_WORDS = ((1, 5), (6, 10), (11, 20), (21, 10**9))


class _Tree(NamedTuple):
    """heads: int [W], from 1, 0 = root. relations: names [W]."""

    heads: np.ndarray
    relations: List[str]


def judge(task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]) -> Judgement:
    """See Judgement."""
    names, sentences = task_type.task.label_values, evaluated.examples
    predictions = task_type.predictions(sentences, evaluated.outputs)
    true = [_true_tree(sentence, names) for sentence in sentences]
    found = [_Tree(np.array(p["heads"]), list(p["relations"])) for p in predictions]
    kinds = [_kinds(*pair) for pair in zip(true, found)]

    def item(number: int) -> Dict[str, Any]:
        return _item(
            task_type, sentences[number], true[number], found[number], kinds[number]
        )

    sizes = np.array([len(each) for each in kinds], np.float64)
    right = np.array([each.count(RIGHT) for each in kinds], np.float64)
    same_head = right + [each.count(RELATION) for each in kinds]
    return Judgement(
        groups=_groups(true, found, kinds),
        item=item,
        tables=[
            _relation_table(true, found, kinds),
            _distance_table(true, kinds),
            _share_table(train, evaluated, names),
        ],
        intervals={
            "uas": _share_interval(same_head, sizes),
            "las": _share_interval(right, sizes),
            **_macro_intervals(names, true, found),
        },
        ratio=Ratio(right, sizes),
        ratio_name="LAS",
        slices={
            f"words: {low}" + (f" to {high}" if high < 10**9 else " or more"): (
                (sizes >= low) & (sizes <= high)
            )
            for low, high in _WORDS
        },
        columns=[
            ("true", [_listed(tree) for tree in true]),
            ("predicted", [_listed(tree) for tree in found]),
            ("words", [len(each) for each in kinds]),
            ("wrong_heads", [each.count(HEAD) for each in kinds]),
            ("wrong_relations", [each.count(RELATION) for each in kinds]),
        ],
    )


def _true_tree(sentence: ParsedSentence, names: Sequence[str]) -> _Tree:
    relations = [names[relation] for relation in sentence.relations or ()]
    return _Tree(np.array(sentence.heads), relations)


def _kinds(true: _Tree, found: _Tree) -> List[str]:
    """What each word is: right, its head wrong, or its relation alone."""
    same_head = (true.heads == found.heads).tolist()
    return [
        HEAD if not same else RIGHT if one == other else RELATION
        for same, one, other in zip(same_head, true.relations, found.relations)
    ]


def _share_interval(hits: np.ndarray, sizes: np.ndarray):
    """Of a share of words; sentences are what is drawn."""
    sums = np.stack([hits, sizes], 1)
    return bootstrap_interval(sums, lambda drawn: drawn[0] / drawn[1])


def _macro_intervals(names, true, found):
    sentence = np.repeat(np.arange(len(true)), [len(tree.heads) for tree in true])
    heads, found_heads = (
        np.concatenate([tree.heads for tree in trees]) for trees in (true, found)
    )
    numbers = {name: number for number, name in enumerate(names)}
    relations = (
        np.array([numbers[name] for tree in trees for name in tree.relations])
        for trees in (true, found)
    )
    classes = klue_metrics.relation_classes(*relations, heads == found_heads)
    return {
        "uas_macro_f1": _macro_interval(sentence, heads, found_heads),
        "las_macro_f1": _macro_interval(sentence, *classes),
    }


def _macro_interval(sentence, labels, predictions):
    """Sums of hits, true and predicted words by class for each sentence, drawn anew."""
    values = np.unique(np.concatenate([labels, predictions]))
    sums = np.zeros([sentence[-1] + 1, 3, len(values)])
    true, given = (np.searchsorted(values, each) for each in (labels, predictions))
    np.add.at(sums, (sentence, 0, true), true == given)
    np.add.at(sums, (sentence, 1, true), 1)
    np.add.at(sums, (sentence, 2, given), 1)
    return bootstrap_interval(
        sums.reshape(len(sums), -1),
        lambda drawn: macro_f1(*drawn.reshape(3, len(values), -1)),
    )


def _groups(true, found, kinds) -> List[Group]:
    """Sentences by what is wrong, those with most wrong words first."""
    wrong = np.array([len(each) - each.count(RIGHT) for each in kinds])
    share = wrong / np.array([len(each) for each in kinds])

    def sorted_by_errors(numbers):
        return sorted(numbers, key=lambda n: (-share[n], -wrong[n]))

    order = "the largest share of wrong words first"
    with_head = [n for n, each in enumerate(kinds) if HEAD in each]
    groups = [Group("head", "a wrong head", sorted_by_errors(with_head), True, order)]
    confusions = collections.defaultdict(list)  # pair of relations -> sentences
    for number, each in enumerate(kinds):
        pairs = zip(true[number].relations, found[number].relations)
        for pair in {p for p, kind in zip(pairs, each) if kind == RELATION}:
            confusions[pair].append(number)
    largest = sorted(confusions, key=lambda pair: (-len(confusions[pair]), pair))
    for one, other in largest[:_MOST_CONFUSIONS]:
        members = sorted_by_errors(confusions[one, other])
        title = f"right head, {one} taken for {other}"
        groups.append(Group(f"{one}-{other}", title, members, True, order))
    whole = np.flatnonzero(wrong == 0).tolist()
    whole.sort(key=lambda n: -len(kinds[n]))
    groups.append(Group("right", "all right", whole, False, "the longest first"))
    return [group for group in groups if group.members]


def _item(task_type, sentence, true, found, kinds) -> Dict[str, Any]:
    wrong = len(kinds) - kinds.count(RIGHT)
    ends = np.cumsum([len(word) + 1 for word in sentence.words])
    spans = [
        (int(end) - 1 - len(word), int(end) - 1, kind)
        for end, word, kind in zip(ends, sentence.words, kinds)
        if kind != RIGHT
    ]
    text = shown_text(task_type.tokenizer, "text", " ".join(sentence.words), spans)
    return {
        "id": sentence.example_id,
        "facts": [["wrong", f"{wrong} of {len(kinds)} words", ""]],
        "texts": [text],
        "arcs": arcs.drawn(
            sentence.words,
            [
                arcs.Arc(word, head, relation, style)
                for word, (head, relation, style) in enumerate(
                    zip(true.heads.tolist(), true.relations, kinds), 1
                )
            ],
            [
                arcs.Arc(word, head, relation, style)
                for word, (head, relation, style) in enumerate(
                    zip(found.heads.tolist(), found.relations, kinds), 1
                )
                if style != RIGHT
            ],
        ),
    }


def _relation_table(true, found, kinds) -> PageTable:
    counts: Dict[str, Any] = collections.defaultdict(collections.Counter)
    others: Dict[str, Any] = collections.defaultdict(collections.Counter)
    for one, other, each in zip(true, found, kinds):
        for name, guess, kind in zip(one.relations, other.relations, each):
            counts[name].update(["words", kind])
            counts[guess]["predicted"] += 1
            if kind == RELATION:
                others[name][guess] += 1
    rows = []
    for name in sorted(counts, key=lambda each: -counts[each]["words"]):
        of_name = counts[name]
        words, right = of_name["words"], of_name[RIGHT]
        heads = right + of_name[RELATION]
        taken = ", ".join(
            f"{guess} ({n:,})" for guess, n in others[name].most_common(3)
        )
        rows.append(
            [name, f"{words:,}", f"{of_name['predicted']:,}"]
            + [percent(share / words) if words else "" for share in (heads, right)]
            + [percent(right / of_name["predicted"]) if of_name["predicted"] else ""]
            + [taken]
        )
    header = ("relation", "true", "predicted", "head right", "head and relation right")
    header += ("of the predicted ones right", "with the right head taken for")
    return PageTable("Relations", "In per cent of the words.", header, rows)


def _distance_table(true, kinds) -> PageTable:
    heads = np.concatenate([tree.heads for tree in true])
    places = np.concatenate([np.arange(1, len(tree.heads) + 1) for tree in true])
    found = np.concatenate([np.array(each) for each in kinds])
    distances = np.where(heads == 0, 0, np.abs(heads - places))
    rows = []
    for low, high, words in ((0, 0, "is the root"), *_DISTANCES):
        chosen = found[(distances >= low) & (distances <= high)]
        if len(chosen):
            shares = [np.mean(chosen != HEAD), np.mean(chosen == RIGHT)]
            rows.append([words, f"{len(chosen):,}", *map(percent, shares)])
    header = ("words to the head", "words", "head right", "head and relation right")
    return PageTable("How far away the head is", "", header, rows)


def _share_table(train, evaluated, names) -> PageTable:
    by_split = {}
    for split, sentences in (("train", train), (evaluated.split, evaluated.examples)):
        if sentences:
            by_split[split] = collections.Counter(
                names[relation]
                for each in sentences
                for relation in each.relations or ()
            )
    rows = [
        [name] + [count_and_share(c[name], sum(c.values())) for c in by_split.values()]
        for name in names
        if any(counts[name] for counts in by_split.values())
    ]
    return PageTable("Relations in the data", "", ["relation", *by_split], rows)


def _listed(tree: _Tree) -> str:
    """ "2:NP_SBJ 0:VP"."""
    return " ".join(f"{h}:{r}" for h, r in zip(tree.heads.tolist(), tree.relations))
