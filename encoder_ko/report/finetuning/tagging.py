"""Tagging in the page: entities by type, and sentences with what is wrong in them."""

import collections
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from data.evaluation.intervals import Ratio, bootstrap_interval
from data.features import tagging_inputs
from data.tasks import Task
from data.tasks.tag_schemes import scheme_of_labels
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import (
    Evaluated,
    Group,
    Judgement,
    PageTable,
    count_and_share,
    percent,
)
from encoder_ko.report.finetuning.classification import ORDERS, macro_f1
from encoder_ko.report.finetuning.texts import named_texts, shown_text

RIGHT, MISSED, SPURIOUS = "right", "missed", "spurious"
TYPE, BORDER = "type", "border"
KINDS = {
    MISSED: "missed: nothing was predicted there",
    SPURIOUS: "spurious: there is no entity",
    TYPE: "wrong type",
    BORDER: "right type, wrong border",
    RIGHT: "right",
}


class Span(NamedTuple):
    """An entity: type, characters of the text, how sure the model is (1 for true)."""

    type: str
    start: int
    end: int
    probability: float


def judge(task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]) -> Judgement:
    """See Judgement."""
    task = task_type.task
    predictions = task_type.predictions(evaluated.examples, evaluated.outputs)
    true = [true_spans(task, example) for example in evaluated.examples]
    found = [
        [Span(e["type"], e["start"], e["end"], e["probability"]) for e in p["entities"]]
        for p in predictions
    ]
    compared = [compare(*pair) for pair in zip(true, found)]
    cases = _cases(true, found, compared)

    def item(number: int) -> Dict[str, Any]:
        sentence, kind, span, is_true = cases[number]
        return _item(
            task_type,
            evaluated.examples[sentence],
            (true[sentence], found[sentence]),
            compared[sentence],
            (kind, span, is_true),
        )

    hits = np.array([each[1].count(RIGHT) for each in compared], np.float64)
    both = np.array([len(a) + len(b) for a, b in zip(true, found)], np.float64)
    return Judgement(
        groups=_groups(cases),
        item=item,
        tables=[
            _type_table(true, found, compared),
            _share_table(task, train, evaluated),
        ],
        intervals=_intervals(true, found, compared),
        ratio=Ratio(2 * hits, both),
        ratio_name="F1 of entities",
        columns=[
            ("true", _listed(task, evaluated.examples, true)),
            ("predicted", _listed(task, evaluated.examples, found)),
            ("missed_or_wrong", [sum(k != RIGHT for k in a) for a, _ in compared]),
            ("spurious", [kinds.count(SPURIOUS) for _, kinds in compared]),
        ],
    )


def true_spans(task: Task, sentence: Any) -> List[Span]:
    """The entities that the file marks, by characters of the text."""
    tags = [task.label_values[tag] for tag in sentence.tags]
    gap = 0 if task.by_character else 1
    starts = np.cumsum([0] + [len(word) + gap for word in sentence.words])
    return [
        Span(e.type, int(starts[e.first]), int(starts[e.last]) - gap, 1.0)
        for e in tagging_inputs.entities(tags, scheme_of_labels(task.label_values))
    ]


def compare(true: Sequence[Span], found: Sequence[Span]) -> Tuple[List[str], List[str]]:
    """What became of each true entity, and what each predicted one is.

    True PER 0-2 and predicted LOC 0-2: "type" for both. PER 0-2 and PER 0-5: "border".
    Type and borders wrong, with a character in common: "type". Nothing in common:
    "missed", "spurious".
    """

    def of_one(span, others):
        same = [o for o in others if o.start < span.end and span.start < o.end]
        if any(o[:3] == span[:3] for o in same):
            return RIGHT
        if any(o.type == span.type for o in same):
            return BORDER
        return TYPE if same else ""

    return (
        [of_one(span, found) or MISSED for span in true],
        [of_one(span, true) or SPURIOUS for span in found],
    )


def _cases(true, found, compared):
    """(sentence, kind, span, whether it is of the file) of each entity.

    A wrong type or border is a case once, as predicted.
    """
    cases = []
    for sentence, (of_true, of_found) in enumerate(compared):
        for span, kind in zip(true[sentence], of_true):
            if kind == MISSED:
                cases.append((sentence, kind, span, True))
        for span, kind in zip(found[sentence], of_found):
            cases.append((sentence, kind, span, False))
    return cases


def _groups(cases) -> List[Group]:
    groups = []
    for kind, title in KINDS.items():
        members = [n for n, case in enumerate(cases) if case[1] == kind]
        sign = 1 if kind == RIGHT else -1
        members.sort(key=lambda n: sign * cases[n][2].probability)
        if members:
            order = (
                "in the order of the file" if kind == MISSED else ORDERS[kind != RIGHT]
            )
            groups.append(Group(kind, title, members, kind != RIGHT, order))
    return groups


def _item(task_type, example, spans, compared, case) -> Dict[str, Any]:
    kind, span, is_true = case
    ((_, text),) = named_texts(task_type.task, example)
    facts = [[kind, text[span.start : span.end], ""]]
    facts.append(
        ["type", span.type, "" if is_true else f"{100 * span.probability:.1f}%"]
    )
    lines = []
    for name, entities, kinds in zip(("true", "predicted"), spans, compared):
        marks = [(e.start, e.end, k) for e, k in zip(entities, kinds)]
        line = shown_text(task_type.tokenizer, name, text, marks)
        types = {e.end: e.type for e in entities}
        place = 0
        for segment in line["segments"]:
            place += len(segment[0])
            if place in types and set(segment[1].split()) & set(KINDS):
                segment.append(types[place])
        lines.append(line)
    del lines[0]["tokens"]  # they are those of the other line
    return {"id": example.example_id, "facts": facts, "texts": lines}


def _type_table(true, found, compared) -> PageTable:
    counts = collections.defaultdict(collections.Counter)  # type: Dict[str, Any]
    for sentence, (of_true, of_found) in enumerate(compared):
        for span, kind in zip(true[sentence], of_true):
            counts[span.type].update(["true", f"true {kind}"])
        for span, kind in zip(found[sentence], of_found):
            counts[span.type].update(["predicted", f"predicted {kind}"])
    rows = []
    for name in sorted(counts, key=lambda each: -counts[each]["true"]):
        of_type = counts[name]
        hits = of_type["predicted right"]
        shares = (
            hits / max(of_type["predicted"], 1),
            hits / max(of_type["true"], 1),
            2 * hits / (of_type["predicted"] + of_type["true"]),
        )
        rows.append(
            [name, f"{of_type['true']:,}", f"{of_type['predicted']:,}", f"{hits:,}"]
            + [
                f"{of_type[kind]:,}"
                for kind in (
                    f"true {MISSED}",
                    f"predicted {SPURIOUS}",
                    f"predicted {TYPE}",
                    f"predicted {BORDER}",
                )
            ]
            + [percent(share) for share in shares]
        )
    header = ("type", "true", "predicted", "right", "missed", "spurious", "wrong type")
    header += ("wrong border", "precision", "recall", "F1")
    note = "Wrong types and borders are counted at the predicted type."
    return PageTable("Entities", note, header, rows)


def _share_table(task, train, evaluated) -> PageTable:
    by_split = {}
    for name, examples in (("train", train), (evaluated.split, evaluated.examples)):
        if examples:
            by_split[name] = collections.Counter(
                span.type
                for example in examples
                if example.tags is not None
                for span in true_spans(task, example)
            )
    types = sorted({name for counts in by_split.values() for name in counts})
    rows = [
        [name] + [count_and_share(c[name], sum(c.values())) for c in by_split.values()]
        for name in types
    ]
    return PageTable("Entities in the data", "", ["type", *by_split], rows)


def _intervals(true, found, compared):
    types = sorted({span.type for each in (*true, *found) for span in each})
    if not types:
        return {}
    place = {name: index for index, name in enumerate(types)}
    sums = np.zeros([len(true), 3, len(types)])
    for sentence, (_, of_found) in enumerate(compared):
        for span in true[sentence]:
            sums[sentence, 2, place[span.type]] += 1
        for span, kind in zip(found[sentence], of_found):
            sums[sentence, 1, place[span.type]] += 1
            sums[sentence, 0, place[span.type]] += kind == RIGHT

    def share(above, below):
        def statistic(drawn):
            of_types = drawn.reshape(3, len(types), -1).sum(1)
            return above(of_types) / np.maximum(below(of_types), 1)

        return bootstrap_interval(sums.reshape(len(sums), -1), statistic)

    return {
        "f1": share(lambda s: 2 * s[0], lambda s: s[1] + s[2]),
        "precision": share(lambda s: s[0], lambda s: s[1]),
        "recall": share(lambda s: s[0], lambda s: s[2]),
        "entity_macro_f1": bootstrap_interval(
            sums.reshape(len(sums), -1), lambda s: _macro(s, len(types))
        ),
    }


def _macro(drawn, size):
    hits, found, true = drawn.reshape(3, size, -1)
    return macro_f1(hits, true, found)


def _listed(task: Task, examples, spans) -> List[str]:
    """ "서울 (LOC); 철수 (PER)" for each sentence."""
    rows = []
    for example, of_sentence in zip(examples, spans):
        ((_, text),) = named_texts(task, example)
        rows.append(
            "; ".join(f"{text[s.start : s.end]} ({s.type})" for s in of_sentence)
        )
    return rows
