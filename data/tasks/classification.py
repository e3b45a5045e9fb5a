"""Classification of single texts and of pairs: the tasks, and their examples."""

from typing import List, NamedTuple, Optional

from ..io.tables import BadRows, ReadingOptions
from .declarations import (
    CLASSIFICATION,
    KEEP,
    OMIT_IN_TRAIN,
    FileSet,
    FineTuningDefaults,
    Layout,
    Task,
    one_of,
)
from .tables import labelled_rows, without_placeholders

_SHOWN_CHARS = 40


class Example(NamedTuple):
    """One text, or pair of texts, and its class.

    ``label`` is an index into the task's ``label_values``; None in unlabelled files.
    """

    example_id: str
    text_a: str
    text_b: Optional[str]
    label: Optional[int]


NSMC = Task(
    name="NSMC",
    task_type=CLASSIFICATION,
    metric="accuracy",
    # The KR-BERT files first: where someone prepared them they have a dev set.
    file_sets=(
        FileSet(one_of("train.tsv"), one_of("dev.tsv"), one_of("test.tsv")),
        FileSet(train=one_of("ratings_train.txt"), test=one_of("ratings_test.txt")),
    ),
    source="https://github.com/e9t/nsmc",
    defaults=FineTuningDefaults(num_train_epochs=10),
    layouts=(Layout(text_a="document", label="label", example_id="id"),),
    headerless=("id", "document", "label"),
    label_values=("0", "1"),
    label_names=("negative", "positive"),
    empty_text=KEEP,
)

HATE = Task(
    name="HATE",
    task_type=CLASSIFICATION,
    metric="macro_f1",
    file_sets=(
        FileSet(
            train=one_of("train.tsv"),
            dev=one_of("dev.tsv", "val.tsv"),
            test=one_of("test.no_label.tsv"),
        ),
    ),
    source="https://github.com/kocohub/korean-hate-speech",
    defaults=FineTuningDefaults(num_train_epochs=10),
    layouts=(
        Layout(text_a="comments", label="hate"),
        Layout(text_a="comment", label="hate"),
    ),
    label_values=("none", "offensive", "hate"),
    empty_text=KEEP,
)

PAWS = Task(
    name="PAWS",
    task_type=CLASSIFICATION,
    metric="accuracy",
    is_unordered=True,
    file_sets=(
        FileSet(
            train=one_of("translated_train.tsv"),
            dev=one_of("dev_2k.tsv"),
            test=one_of("test_2k.tsv"),
        ),
    ),
    source="https://github.com/google-research-datasets/paws (PAWS-X, folder ko)",
    defaults=FineTuningDefaults(num_train_epochs=15, learning_rate=3e-5),
    layouts=(
        Layout(text_a="sentence1", text_b="sentence2", label="label", example_id="id"),
    ),
    label_values=("0", "1"),
    label_names=("different", "paraphrase"),
    # The machine translated training file has rows that lack a sentence. Sentences
    # that are the placeholder "NS" are kept: published scores count them.
    empty_text=OMIT_IN_TRAIN,
)

KORNLI = Task(
    name="KorNLI",
    task_type=CLASSIFICATION,
    metric="accuracy",
    file_sets=(
        FileSet(
            train=(
                ("multinli.train.ko.tsv", "snli_1.0_train.ko.tsv"),
                ("multinli.train.ko.tsv",),
                ("snli_1.0_train.ko.tsv",),
            ),
            dev=one_of("xnli.dev.ko.tsv"),
            test=one_of("xnli.test.ko.tsv"),
        ),
    ),
    source="https://github.com/kakaobrain/KorNLUDatasets",
    defaults=FineTuningDefaults(
        num_train_epochs=15, train_batch_size=64, learning_rate=3e-5
    ),
    layouts=(Layout(text_a="sentence1", text_b="sentence2", label="gold_label"),),
    label_values=("entailment", "contradiction", "neutral"),
    empty_text=OMIT_IN_TRAIN,
)

QUESTION_PAIR = Task(
    name="QuestionPair",
    task_type=CLASSIFICATION,
    metric="accuracy",
    is_unordered=True,
    # The csv files are an earlier release with another split of the same pairs.
    file_sets=(
        FileSet(one_of("train.tsv"), one_of("dev.tsv"), one_of("test.tsv")),
        FileSet(train=one_of("kor_pair_train.csv"), test=one_of("kor_Pair_test.csv")),
    ),
    source="https://github.com/songys/Question_pair",
    defaults=FineTuningDefaults(num_train_epochs=10),
    layouts=(Layout(text_a="question1", text_b="question2", label="is_duplicate"),),
    label_values=("0", "1"),
    # Despite the column's name, 0 is a pair that asks the same (the authors say so).
    label_names=("same", "different"),
)

TASKS = (NSMC, HATE, PAWS, KORNLI, QUESTION_PAIR)


def load_examples(
    task: Task, path: str, split: str, options: ReadingOptions, bad_rows: BadRows
) -> List[Example]:
    """Reads one file of a classification task, in the order of its rows.

    NSMC's line "9976970<TAB>아 더빙.. 진짜 짜증나네요<TAB>0" becomes
    ``Example("9976970", "아 더빙.. 진짜 짜증나네요", None, 0)``.

    Args:
      task: one of ``TASKS``, or a task of the same type.
      path: the file.
      split: "train", "dev" or "test".
      options: encoding and limits.
      bad_rows: collects the rows that are skipped.

    Raises:
      InputError: as ``labelled_rows``, and for a label that the task does not have.
    """
    label_ids = {value: index for index, value in enumerate(task.label_values)}
    examples = []
    rows = labelled_rows(task, path, split, options, bad_rows)
    if split == "test":
        rows = iter(without_placeholders(rows, task.label_values, bad_rows))
    for row in rows:
        if row.label is not None and row.label not in label_ids:
            expected = ", ".join(task.label_values)
            bad_rows.skip_at(
                row.place,
                f"label '{row.label[:_SHOWN_CHARS]}', expected one of: {expected}.",
            )
            continue
        label = None if row.label is None else label_ids[row.label]
        examples.append(Example(row.example_id, row.text_a, row.text_b, label))
    return examples
