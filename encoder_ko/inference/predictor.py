"""A fine-tuned model in this process: loaded once, it predicts lists of texts."""

import os
import re
from typing import (
    AbstractSet,
    Any,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    Sequence,
    Tuple,
    Union,
)

import numpy as np

from data.io.errors import InputError
from data.io.tables import is_text
from data.tasks import QUESTION_ANSWERING, TAGGING, Task
from encoder_ko import compat
from encoder_ko.compat import tf
from encoder_ko.finetuning import trainer
from encoder_ko.finetuning.family import Family
from encoder_ko.finetuning.model_fn import prediction_graph
from encoder_ko.finetuning.saved_run import FineTunedModel
from encoder_ko.finetuning.task_types import TaskType
from encoder_ko.finetuning.trainer import Encoder
from encoder_ko.inference import held_weights
from encoder_ko.training import restoring

# A text, or a pair of texts: a question and its passage.
Text = Union[str, Tuple[str, str]]

SECONDS_BETWEEN_LINES = 10  # of the log, where commands predict long files
_EXAMPLES_AT_A_TIME = 4096


class NotFiniteError(InputError):
    """A prediction is no number; `number` is that of its text, from 0."""

    def __init__(self, number: int, checkpoint: str):
        super().__init__(
            "The prediction is not a number (NaN or infinite): weights in "
            f"{checkpoint} are broken. Use an earlier checkpoint, or train again."
        )
        self.number = number


class RunPredictor:
    """One graph and one session with the weights of a run.

    What `predict` gives for each text is a dict, by the task type.
    Classification: "label" as the task's files write it, "label_name" and
    "probabilities" by name. Regression: "score". Both: "is_cut", whether the text is
    longer than the model reads, so that its end did not count. Tagging: "words",
    "tags", "entities", each with "type", "text", "start" and "end" (characters of the
    text) and "probability". Question answering: "answer", "start" and "end"
    (characters of the passage), "probability", "candidates", and "no_answer_score"
    where there may be none. Dependency parsing: "words", "heads", "relations" and
    "is_cut".

    Attributes:
      unknown_pieces: PieceCounts of all texts so far.

    Args:
      model: as `FineTunedModel.load` reads it.
      batch_size: texts at a time, if as long as the model reads; of shorter ones there
        are more in a batch.
      dtype: compute type.

    Raises:
      InputError: the checkpoint does not hold this model; batch_size is below 1.
    """

    def __init__(
        self, model: FineTunedModel, batch_size: int = 32, dtype: Any = tf.float32
    ):
        if type(batch_size) is not int or batch_size < 1:
            raise InputError(
                f"batch_size={batch_size!r}, expected a whole number from 1 up."
            )
        self._task_type = model.task_type
        self._pad_id = model.tokenizer.pad_id
        self._checkpoint = model.checkpoint
        self.unknown_pieces = model.tokenizer.count_pieces()
        self._batch_size = batch_size
        encoder = Encoder(model.family, model.config, model.task_type, dtype=dtype)
        with tf.Graph().as_default(), compat.plain_ops():
            self._features, self._outputs = prediction_graph(encoder)
            del self._outputs["per_example_loss"]
            hold = held_weights.hold(list(self._outputs.values()))
            self._session = restoring.open_session(model.checkpoint)
            self._session.run(hold)
        self._is_closed = False
        self._process = os.getpid()

    @classmethod
    def load(
        cls,
        run_dir: str,
        families: Mapping[str, Family],
        allow_mismatch: bool = False,
        **options: Any,
    ) -> "RunPredictor":
        """Loads the --output_dir of a fine-tuning run.

        Args:
          families, allow_mismatch: see `FineTunedModel.load`.
          options: as of the class.
        """
        return cls(FineTunedModel.load(run_dir, families, allow_mismatch), **options)

    def __enter__(self) -> "RunPredictor":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def close(self) -> None:
        """Frees the session; nothing can be predicted afterwards."""
        self._is_closed = True
        self._session.close()

    @property
    def task(self) -> Task:
        """The task it was fine-tuned on."""
        return self._task_type.task

    @property
    def task_type(self) -> TaskType:
        """The task with its tokenizer and settings."""
        return self._task_type

    def predict(self, texts: Iterable[Text]) -> List[Dict[str, Any]]:
        """A prediction per text, in their order; texts of similar length share batches.

        Args:
          texts: each a string, or two of them for a pair; (question, passage) for
            question answering. An empty text is a text.

        Raises:
          InputError: something else than texts; a text where a pair is needed, or a
            pair where a text is; the predictor is closed.
          NotFiniteError: a prediction is no number.
        """
        if self._is_closed:
            raise InputError(
                "This predictor is closed: predict before close(), or load it again."
            )
        if os.getpid() != self._process:  # TensorFlow would wait for ever
            raise InputError(
                "This predictor was loaded before the process was forked, and its "
                "threads are not here: load it in each process."
            )
        if isinstance(texts, (str, bytes)):
            raise InputError(f"{texts[:40]!r} is one text, expected a list of texts.")
        if isinstance(texts, (Mapping, AbstractSet)) or not isinstance(texts, Iterable):
            raise InputError(
                f"A {type(texts).__name__}, expected texts in an order, as in a list."
            )
        texts = list(texts)
        for number, text in enumerate(texts):
            problem = self.problem_of(text)
            if problem:
                raise InputError(f"Text {number}: {problem}.")
        found = []
        for start in range(0, len(texts), _EXAMPLES_AT_A_TIME):
            try:
                found += self._predict(texts[start : start + _EXAMPLES_AT_A_TIME])
            except NotFiniteError as error:
                error.number += start
                raise
        return found

    def problem_of(self, text: Text) -> str:
        """Why it cannot be predicted, such as that the task is of pairs; else ""."""
        parts = _parts(text)
        if not (1 <= len(parts) <= 2 and all(isinstance(each, str) for each in parts)):
            return f"{text!r}, expected a text or two"
        if not all(map(is_text, parts)):
            return f"{text!r} has half a character or a NUL in it, expected text"
        if self.task.is_pair is None or self.task.is_pair == (len(parts) == 2):
            return ""
        if self.task.task_type == QUESTION_ANSWERING:
            return "a question without a passage, expected both"
        if self.task.is_pair:
            return f"one text, but {self.task.name} is a task of pairs"
        return f"a pair, but {self.task.name} is a task of single texts"

    def _predict(self, texts: Sequence[Text]) -> List[Dict[str, Any]]:
        examples = [
            self._task_type.example(str(number), *_parts(text))
            for number, text in enumerate(texts)
        ]
        encoded = list(self._task_type.encode(examples))
        records = [each.values for each in encoded]
        batches = [
            self._session.run(self._outputs, self._feed([records[i] for i in chosen]))
            for chosen in self._batches([each["num_tokens"] for each in records])
        ]
        outputs = trainer.in_order(batches, len(records))
        self._require_finite(examples, outputs)
        outputs["is_cut"] = np.array([each.is_cut for each in encoded], bool)
        predictions = self._task_type.predictions(examples, outputs)
        if self.task.task_type == TAGGING and not self.task.by_character:
            for text, prediction in zip(texts, predictions):
                _place_in_text(text, prediction)
        return predictions

    def _batches(self, sizes: Sequence[int]) -> Iterator[List[int]]:
        """Numbers of records, the longest first, equally many tokens a batch."""
        order = sorted(range(len(sizes)), key=lambda number: -sizes[number])
        tokens = self._batch_size * self._task_type.settings.max_seq_length
        while order:
            count = max(tokens // sizes[order[0]], self._batch_size)
            yield order[:count]
            order = order[count:]

    def _require_finite(self, examples, outputs):
        broken = [
            np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
            for values in outputs.values()
            if values.dtype.kind == "f"
        ]
        rows = np.concatenate(broken) if broken else ()
        if len(rows):
            # A question has several records, so they are counted again.
            last, number = len(list(self._task_type.encode(examples[:1]))), 0
            while last <= min(rows):
                number += 1
                last += len(list(self._task_type.encode([examples[number]])))
            raise NotFiniteError(number, self._checkpoint)

    def _feed(self, records: Sequence[Dict[str, Any]]) -> Dict[Any, np.ndarray]:
        """Records of one batch, padded to the longest of them."""
        sizes = np.array([record["num_tokens"] for record in records])
        shape = (len(records), sizes.max())
        values = {
            "input_mask": np.arange(shape[1]) < sizes[:, np.newaxis],
            "is_real_example": np.ones(len(records)),
        }
        for feature in self._task_type.features():
            rows = [record[feature.name] for record in records]
            values[feature.name] = (
                np.array(rows)
                if feature.length
                else _padded(
                    rows, shape, self._pad_id if feature.name == "input_ids" else 0
                )
            )
        return {self._features[name]: value for name, value in values.items()}


def _parts(text: Text) -> Tuple[str, ...]:
    return tuple(text) if isinstance(text, (tuple, list)) else (text,)


def _padded(rows, shape, value) -> np.ndarray:
    padded = np.full(shape, value)
    for row, values in enumerate(rows):
        padded[row, : len(values)] = values
    return padded


def _place_in_text(text: str, prediction: Dict[str, Any]) -> None:
    """Makes entities count the characters of the text as it was given.

    They count those of its words joined by single spaces: in "  철수는  갔다" the word
    철수는 begins at 0 there and at 2 here.
    """
    places = [
        index
        for word in re.finditer(r"\S+", text)
        for index in range(word.start(), word.end() + 1)  # the space behind it too
    ]
    for entity in prediction["entities"]:
        entity["start"] = places[entity["start"]]
        entity["end"] = places[entity["end"] - 1] + 1
        entity["text"] = text[entity["start"] : entity["end"]]
    prediction["text"] = text
