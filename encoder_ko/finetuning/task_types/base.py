"""What fine-tuning asks of a task type: one class per type answers it.

A task type turns examples into records, builds the head on the encoder, and makes
metrics, predictions and result files of what the network puts out. It is bound to one
task and one tokenizer. Letters: B batch, S sequence, N records.
"""

import dataclasses
import re
from typing import (
    Any,
    Dict,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

import numpy as np
from absl import flags

from data.features.model_inputs import Encoded
from data.io.errors import InputError
from data.records import schema
from data.tasks import Task
from data.tokenization import Tokenizer
from encoder_ko.training.run_folder import RunFolder

# Name of an output -> array [N, ...], in the order of the records. `is_cut` (bool [N])
# is added to what the network puts out: whether it saw only the beginning of the text.
Outputs = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class TaskSettings:
    """What decides how examples become records and outputs become predictions.

    Attributes:
      max_seq_length: tokens of an input, special ones included.
      doc_stride, max_query_length, max_answer_length: tokens, and n_best_size answers:
        question answering.
      null_score_diff_threshold: how much has to speak for "no answer" before none is
        given.
      class_weights: factors on the training loss of each class: "balanced", numbers by
        the order of the labels ("1,2.5"), or "" for none.
    """

    max_seq_length: int = 128
    doc_stride: int = 128
    max_query_length: int = 64
    n_best_size: int = 20
    max_answer_length: int = 30
    null_score_diff_threshold: float = 0.0
    class_weights: str = ""

    @classmethod
    def from_flags(cls, values: flags.FlagValues) -> "TaskSettings":
        return cls(
            max_seq_length=values.max_seq_length,
            doc_stride=values.doc_stride,
            max_query_length=values.max_query_length,
            n_best_size=values.n_best_size,
            max_answer_length=values.max_answer_length,
            null_score_diff_threshold=values.null_score_diff_threshold,
            class_weights=values.class_weights,
        )


class Head(NamedTuple):
    """The head of a task type.

    Attributes:
      loss: float32 scalar to train on.
      per_example_loss: float32 [B], without class weights.
      outputs: tensors [B, ...] that prediction gives out, by name; an axis of the
        length S of a batch is padded with zeros where batches differ.
      weight: float32 scalar, the words that `loss` is the mean of; None = of examples.
    """

    loss: object
    per_example_loss: object
    outputs: Dict[str, object]
    weight: object = None


class TaskType:
    """Base of the task types.

    Attributes:
      name: as `Task.task_type`.
      only_first_token: whether the head reads `get_pooled_output` and nothing else, so
        that the last layer is computed for the first token alone.
      headline: names of the metrics that the log, `*_results.txt` and `trials.json`
        show, the loss last, and those before it that the task reports.
      graph_inputs: features that the head reads beside those of the encoder, and that
        are no labels.
      defaults: flags of run_classifier.py whose default is another for this type.

    Args:
      task: says which labels there are and which metric counts.
      tokenizer: that of the model.
      settings: see TaskSettings.

    Raises:
      InputError: the settings do not fit this task type.
    """

    name = ""
    only_first_token = False
    headline: Tuple[str, ...] = ()
    graph_inputs: Tuple[str, ...] = ()
    defaults = {}

    def __init__(self, task: Task, tokenizer: Tokenizer, settings: TaskSettings):
        self.task = task
        self.tokenizer = tokenizer
        self.settings = settings
        self.headline = tuple(
            dict.fromkeys(self.headline[:-1] + task.reported + ("loss",))
        )
        self._check()

    def _check(self) -> None:
        if self.settings.class_weights:
            raise InputError(
                f"--class_weights is for classification; {self.task.name} is a task of "
                f"the type {self.name.replace('_', ' ')}: leave it out."
            )

    @property
    def scope(self) -> str:
        """The task's name as part of a variable's name."""
        return scope_of(self.task.name)

    # --- Examples and records

    def features(self) -> schema.Features:
        """The schema of the records: example_index, num_tokens, input_ids, ..."""
        raise NotImplementedError

    def encode(self, examples: Sequence[Any]) -> Iterator[Encoded]:
        """The values of each record, in order; one or several records per example.

        `example_index` is the number of the record. Examples without a label get one
        that does no harm: they are only ever predicted.
        """
        raise NotImplementedError

    def encode_for_training(self, examples: Sequence[Any]) -> Iterator[Encoded]:
        """As `encode`, where training reads less of a long example."""
        return self.encode(examples)

    def use_training_examples(self, examples: Sequence[Any]) -> None:
        """Learns what the loss needs to know of the training examples."""

    def gap(self, examples: Sequence[Any]) -> str:
        """What labelled examples show nothing of: "no example of the class hate".

        It is neither learnt nor measured, however good the metrics are. "" if nothing.
        """
        del examples
        return ""

    def is_labelled(self, example: Any) -> bool:
        """Whether an example can be scored."""
        raise NotImplementedError

    def example(self, example_id: str, text: str, text_b: Optional[str] = None) -> Any:
        """An example without a label, from a user's text or texts."""
        raise NotImplementedError

    # --- The graph

    def head(self, family, model, features, dropout=None) -> Head:
        """The head on the encoder.

        Args:
          family: finetuning.Family.
          model: EncoderModel.
          features: of `features()`, int32 or float32 [B] or [B, S], and input_mask
            int32 [B, S], is_real_example float32 [B].
          dropout: DropoutStream while training.
        """
        raise NotImplementedError

    # --- What comes of the outputs

    def metrics(self, examples: Sequence[Any], outputs: Outputs) -> Dict[str, Any]:
        """Metrics of labelled examples; "score" is the task's own, to be maximised."""
        raise NotImplementedError

    def predictions(
        self, examples: Sequence[Any], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        """One dict per example, in their order, of values that JSON can hold."""
        raise NotImplementedError

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[Any], outputs: Outputs
    ) -> None:
        """Writes the predictions of test, `test_results.*`."""
        raise NotImplementedError

    def write_submission(
        self, folder: RunFolder, examples: Sequence[Any], outputs: Outputs
    ) -> None:
        """Writes what is handed in where the labels of test are not public."""

    def draw(
        self,
        folder: RunFolder,
        split: str,
        examples: Sequence[Any],
        outputs: Outputs,
        metrics: Dict[str, Any],
    ) -> None:
        """Writes a picture of an evaluation, if this task type has one.

        Args:
          split: "dev" or "test".
          metrics: of `metrics`.
        """


def scope_of(task_name: str) -> str:
    """A task's name as part of a variable's name: NSMC -> nsmc."""
    return re.sub(r"[^a-z0-9_.-]", "_", task_name.lower())


def mean_loss(outputs: Outputs) -> float:
    """The mean of `per_example_loss` over the records."""
    return float(np.mean(outputs["per_example_loss"]))


def picture_name(subject: str, split: str) -> str:
    """ "scores_test.png"; dev's picture has no split in its name."""
    return subject + ("_test" if split == "test" else "") + ".png"


def picture_title(task: Task, split: str, score: float) -> str:
    """ "HATE dev: macro f1 0.6021"."""
    return f"{task.name} {split}: {task.metric.replace('_', ' ')} {score:.4f}"


def one_cell(text: str) -> str:
    """An id without what would break a row of a tab separated file."""
    return re.sub(r"[\t\r\n]", " ", text)


def true_or_false(value: bool) -> str:
    """As JSON writes it, so that tables and JSON lines agree."""
    return "true" if value else "false"
