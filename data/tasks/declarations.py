"""What a task is: a short declaration, and nothing that reads a file."""

import dataclasses
import os
from typing import Optional, Tuple

CLASSIFICATION = "classification"
REGRESSION = "regression"
TAGGING = "tagging"
QUESTION_ANSWERING = "question_answering"
DEPENDENCY_PARSING = "dependency_parsing"

SPLITS = ("train", "dev", "test")

# What becomes of a row with an empty text. Rows of dev and test are kept under
# OMIT_IN_TRAIN too, so that every row has its prediction.
KEEP = "keep"
OMIT_IN_TRAIN = "omit_in_train"
BAD = "bad"

# The alternatives for one split, best first; each is one file or several read in turn.
Alternatives = Tuple[Tuple[str, ...], ...]


def one_of(*names: str) -> Alternatives:
    """``one_of("dev.tsv", "val.tsv")``: the first of these files that is there."""
    return tuple((name,) for name in names)


@dataclasses.dataclass(frozen=True)
class FileSet:
    """The file names of one public arrangement of a data set; () = has no such file."""

    train: Alternatives = ()
    dev: Alternatives = ()
    test: Alternatives = ()


@dataclasses.dataclass(frozen=True)
class Layout:
    """The header names under which a table keeps what a task needs.

    Attributes:
      text_a: the text, or the first of a pair.
      label: the class or the score; may be missing from a test file.
      text_b: the second text of a pair.
      example_id: a column of unique ids. None: ids such as "train-17" are made from
        the split and the row.
      entities: keys of entities that are marked in the text, each with its marker; in
        JSON files only.

    In a JSON file, a list of objects, "labels.real-label" is a key within one.
    """

    text_a: str
    label: str
    text_b: Optional[str] = None
    example_id: Optional[str] = None
    entities: Tuple[Tuple[str, str], ...] = ()

    def texts(self) -> Tuple[str, ...]:
        """The names that every file of this layout has."""
        return (self.text_a,) if self.text_b is None else (self.text_a, self.text_b)


@dataclasses.dataclass(frozen=True)
class FineTuningDefaults:
    """Hyper-parameters where no flag is given: KR-ELECTRA's published table.

    Lengths are in tokens, the batch size in examples, ``warmup_proportion`` in shares
    of all steps. ``doc_stride`` and ``max_query_length`` concern question answering.
    """

    num_train_epochs: float
    train_batch_size: int = 32
    learning_rate: float = 5e-5
    max_seq_length: int = 128
    warmup_proportion: float = 0.0
    weight_decay_rate: float = 0.0
    layerwise_lr_decay: float = 1.0
    doc_stride: int = 128
    max_query_length: int = 64


@dataclasses.dataclass(frozen=True)
class Task:
    """One benchmark.

    Attributes:
      name: as users write it (any case is accepted).
      task_type: CLASSIFICATION, REGRESSION, TAGGING, QUESTION_ANSWERING or
        DEPENDENCY_PARSING.
      metric: the key of the metrics that decides which checkpoint is best.
      file_sets: arrangements of the files, best first (see ``find_files``).
      source: where the public files are, for the message about a missing one.
      defaults: hyper-parameters where no flag is given.
      layouts: table layouts, told apart by their headers.
      headerless: the column names of a file that has no header line; () = must have.
      label_values: classes, tags or relations as the files write them, in the order of
        their ids.
      label_names: the same in words, for reports; ``label_values`` where empty.
      score_range: lowest and highest score (regression).
      by_character: whether tags are of characters instead of words (tagging).
      reported: the metrics that papers report; where empty, ``metric``, and for
        question answering exact match beside it.
      score_threshold: score from which on a pair counts as alike, for F1 (regression).
      negative_label: the class that micro F1 leaves out (classification).
      unanswerable: whether questions may have no answer, as in SQuAD 2.0.
      is_pair: whether an example is two texts. Left out, task type and layouts
        tell; None where they do not.
      is_unordered: whether a pair means the same in either order, as paraphrases do.
      empty_text: KEEP, BAD (an error with its line), or OMIT_IN_TRAIN.
      data_folder: where the files are; "" for ``datasets/<name>``.
    """

    name: str
    task_type: str
    metric: str
    file_sets: Tuple[FileSet, ...]
    source: str
    defaults: FineTuningDefaults
    layouts: Tuple[Layout, ...] = ()
    headerless: Tuple[str, ...] = ()
    label_values: Tuple[str, ...] = ()
    label_names: Tuple[str, ...] = ()
    score_range: Optional[Tuple[float, float]] = None
    empty_text: str = BAD
    data_folder: str = ""
    is_pair: Optional[bool] = None
    by_character: bool = False
    unanswerable: bool = False
    reported: Tuple[str, ...] = ()
    score_threshold: Optional[float] = None
    negative_label: str = ""
    is_unordered: bool = False

    def __post_init__(self):
        if not self.label_names:
            object.__setattr__(self, "label_names", self.label_values)
        if not self.reported:
            is_qa = self.task_type == QUESTION_ANSWERING
            reported = ("exact_match", "f1") if is_qa else (self.metric,)
            object.__setattr__(self, "reported", reported)
        if self.task_type in (TAGGING, QUESTION_ANSWERING, DEPENDENCY_PARSING):
            object.__setattr__(self, "is_pair", self.task_type == QUESTION_ANSWERING)
        elif self.is_pair is None and self.layouts:
            object.__setattr__(self, "is_pair", self.layouts[0].text_b is not None)

    @property
    def folder(self) -> str:
        """The default data folder: "datasets/nsmc" for NSMC."""
        return self.data_folder or os.path.join("datasets", self.name.lower())

    @property
    def num_labels(self) -> int:
        """Width of the output layer: classes or tags; 1 for regression."""
        return len(self.label_values) or 1
