"""Classification in the page: the confusion matrix, its texts, its classes."""

from typing import Any, Dict, Sequence, Tuple

import numpy as np

from data.evaluation.intervals import Ratio, bootstrap_interval, share_interval
from data.evaluation.metrics import confusion_matrix
from data.features.model_inputs import pair_lengths
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.report.content import (
    Evaluated,
    Group,
    Judgement,
    Matrix,
    PageTable,
    count_and_share,
    percent,
)
from encoder_ko.report.finetuning.texts import named_texts, shown_text

# By whether the examples are errors.
ORDERS = {True: "the surest first", False: "the least sure first"}


def judge(task_type: TaskType, evaluated: Evaluated, train: Sequence[Any]) -> Judgement:
    """See Judgement."""
    task = task_type.task
    labels = np.array([example.label for example in evaluated.examples])
    probabilities = evaluated.outputs["probabilities"]
    predicted = probabilities.argmax(1)
    matrix = confusion_matrix(labels, predicted, task.num_labels)

    def item(number: int) -> Dict[str, Any]:
        example = evaluated.examples[number]
        row = probabilities[number]
        facts = [["predicted", task.label_names[predicted[number]], _probability(
            row[predicted[number]])]]  # fmt: skip
        if labels[number] != predicted[number]:
            true = labels[number]
            facts.append(["true", task.label_names[true], _probability(row[true])])
        return {
            "id": example.example_id,
            "facts": facts,
            "texts": shown_pair(task_type, example),
        }

    names = task.label_names
    return Judgement(
        groups=_groups(labels, predicted, probabilities, names),
        item=item,
        matrix=Matrix(names, matrix.tolist()),
        tables=[
            _class_table(evaluated, names),
            _share_table(train, evaluated.split, labels, predicted, names),
        ],
        intervals=_intervals(task, matrix),
        ratio=Ratio((labels == predicted).astype(float), np.ones(len(labels))),
        ratio_name="accuracy",
        slices={f"class: {n}": labels == index for index, n in enumerate(names)},
        columns=[
            ("true", [names[label] for label in labels]),
            ("predicted", [names[label] for label in predicted]),
            ("probability", [f"{p:.6f}" for p in probabilities.max(1)]),
            ("right", [str(r).lower() for r in (labels == predicted).tolist()]),
        ],
    )


def _probability(value: float) -> str:
    return f"{100 * value:.1f}%"


def shown_pair(task_type: TaskType, example: Any) -> Sequence[Dict[str, Any]]:
    """One text or two, with what of them the model saw."""
    tokenizer = task_type.tokenizer
    texts = named_texts(task_type.task, example)
    sizes = [len(ids) for ids in tokenizer.encode_ids_batch([t for _, t in texts])]
    room = task_type.settings.max_seq_length - 1 - len(texts)
    kept: Tuple[int, ...] = (min(sizes[0], room),)
    if len(sizes) == 2:
        kept = pair_lengths(sizes[0], sizes[1], room)
    return [
        shown_text(tokenizer, name, text, kept=seen)
        for (name, text), seen in zip(texts, kept)
    ]


def _groups(labels, predicted, probabilities, names):
    groups = []
    sure = probabilities.max(1)
    for true in range(len(names)):
        for found in range(len(names)):
            members = np.flatnonzero((labels == true) & (predicted == found))
            if not len(members):
                continue
            is_error = true != found
            order = np.argsort(-sure[members] if is_error else sure[members],
                               kind="stable")  # fmt: skip
            title = f"{names[true]} taken for {names[found]}"
            if not is_error:
                title = f"{names[true]}, right"
            groups.append(
                Group(
                    f"{true}-{found}",
                    title,
                    members[order].tolist(),
                    is_error,
                    ORDERS[is_error],
                )
            )
    return sorted(groups, key=lambda g: (not g.is_error, -len(g.members)))


def _intervals(task, matrix):
    size = len(matrix)
    found = {"accuracy": share_interval(int(np.trace(matrix)), int(matrix.sum()))}

    def over_cells(statistic):
        def of_sums(sums):
            cells = sums.reshape(size, size, -1)
            hits = np.einsum("iir->ir", cells)
            return statistic(hits, cells.sum(1), cells.sum(0))

        return bootstrap_interval(np.eye(size * size), of_sums, matrix.ravel())

    found["macro_f1"] = over_cells(macro_f1)
    if task.negative_label:
        without = task.label_values.index(task.negative_label)
        others = [index for index in range(size) if index != without]
        found["micro_f1"] = over_cells(
            lambda hits, true, given: 2 * hits[others].sum(0)
            / np.maximum((true + given)[others].sum(0), 1)
        )  # fmt: skip
    return found


def macro_f1(hits, true, given):
    """Over the classes that occur; arrays [C, R]."""
    both = true + given
    f1 = 2 * hits / np.maximum(both, 1)
    return f1.sum(0) / np.maximum((both > 0).sum(0), 1)


def _class_table(evaluated: Evaluated, names: Sequence[str]) -> PageTable:
    found = evaluated.metrics["per_class"]
    rows = [
        [name, f"{found[name]['support']:,}"]
        + [percent(found[name][metric]) for metric in ("precision", "recall", "f1")]
        for name in names
    ]
    header = ("class", "examples", "precision", "recall", "F1")
    return PageTable("Classes", "", header, rows)


def _share_table(train, split, labels, predicted, names) -> PageTable:
    columns = [(split, labels), ("predicted", predicted)]
    known = [example.label for example in train if example.label is not None]
    if known:
        columns.insert(0, ("train", np.array(known)))
    rows = []
    for index, name in enumerate(names):
        counts = [(int(np.sum(values == index)), len(values)) for _, values in columns]
        rows.append([name] + [count_and_share(*each) for each in counts])
    header = ["class"] + [name for name, _ in columns]
    return PageTable("Class shares", "", header, rows)
