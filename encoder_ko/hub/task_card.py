"""task.json of a fine-tuned model that comes from Hugging Face.

config.json tells the head type and the labels. What else a task.json holds is in there
too, under EXPORTED_KEY, where this project wrote it; others' models get the defaults.
"""

from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

from absl import logging

from data.io.errors import InputError
from data.tasks import CLASSIFICATION, QUESTION_ANSWERING, REGRESSION, TAGGING
from data.tokenization.config import EXPORTED_KEY
from encoder_ko.finetuning import saved_run
from encoder_ko.finetuning.task_types import TASK_TYPES, TaskSettings
from encoder_ko.hub.config import HeadDescription

_USUAL_METRICS = {
    CLASSIFICATION: "accuracy",
    REGRESSION: "spearman",
    TAGGING: "f1",
    QUESTION_ANSWERING: "f1",
}


class FineTuned(NamedTuple):
    """What Hugging Face's files tell of a fine-tuned model.

    Attributes:
      content: config.json. source: its path.
      head: of it, with the name of the task.
      num_labels: outputs of the head; 0 without labels.
      score_range: lowest and highest score of a regression, as the tensors tell.
      max_seq_length: tokens of the longest input.
    """

    content: Dict[str, Any]
    source: str
    head: HeadDescription
    num_labels: int
    score_range: Tuple[float, float]
    max_seq_length: int

    def described(self, model_type: str, vocab_file: str) -> Optional[Dict[str, Any]]:
        """The content of task.json; None for a head that no task type has.

        Raises:
          InputError: there are not as many names of labels as outputs; settings that
            are unknown.
        """
        task_type = self._task_type()
        if task_type not in TASK_TYPES:
            return None
        task = saved_run.task_of(self._task(task_type, _kept(self.content, "task")))
        settings = dict(self._usual_settings(), **_kept(self.content, "settings"))
        try:
            settings = TaskSettings(**settings)
        except TypeError as error:
            raise InputError(
                f"{self.source}: {EXPORTED_KEY!r} is not what --to hf writes there "
                f"({error}). Export the model again, or delete that key."
            ) from None
        return saved_run.description(model_type, vocab_file, task, settings)

    def differences(self) -> Iterator[str]:
        """Where config.json contradicts itself about the labels."""
        by_name = self.content.get("label2id") or {}
        exported = _kept(self.content, "task").get("label_names") or ()
        for index, label in enumerate(self.head.labels):
            advice = "Which of them is right, only who trained the model knows."
            if label in by_name and int(by_name[label]) != index:
                yield (
                    f"{self.source} calls output {index} {label!r} in id2label, and "
                    f"label2id gives that label the output {by_name[label]}. {advice}"
                )
                return
            if sorted(exported) == sorted(self.head.labels):
                if exported[index] != label:
                    yield (
                        f"{self.source} calls output {index} {label!r} in id2label and "
                        f"{exported[index]!r} in {EXPORTED_KEY!r}. {advice}"
                    )
                    return

    def _usual_settings(self):
        """Those of a run, for inputs as long as the network takes."""
        usual, longest = TaskSettings(), self.max_seq_length
        return {
            "max_seq_length": longest,
            "max_query_length": min(usual.max_query_length, longest // 4),
            "doc_stride": min(usual.doc_stride, longest // 4),
        }

    def _task_type(self):
        if self.head.head_type != CLASSIFICATION:
            return self.head.head_type
        is_regression = self.head.is_regression or self.num_labels == 1
        problem = self.content.get("problem_type") or ""
        if problem.startswith("multi") or (is_regression and self.num_labels > 1):
            logging.warning(
                "%s: several answers to one text (problem_type=%s), which no task here "
                "has: the weights are converted, but predict.py cannot use them.",
                self.source,
                problem,
            )
            return None
        return REGRESSION if is_regression else CLASSIFICATION

    def _task(self, task_type, kept):
        names, scores = (), None
        if task_type in (CLASSIFICATION, TAGGING):
            names = label_names(self.head.labels, self.num_labels, self.source)
        elif task_type == REGRESSION:
            scores = kept.get("score_range", self.score_range)
        values = kept.get("label_values", ())
        return {
            "name": self.head.task,
            "task_type": task_type,
            "metric": kept.get("metric", _USUAL_METRICS[task_type]),
            "label_values": values if len(values) == len(names) else names,
            "label_names": names,
            "score_range": scores,
            **{
                name: kept.get(name, value)
                for name, value in saved_run.LATER_FIELDS.items()
            },
        }


def task_name(content: Dict[str, Any]) -> str:
    """The task's name in the task.json that was exported; "" without one."""
    return _kept(content, "task").get("name", "")


def _kept(content, key):
    return content.get(EXPORTED_KEY, {}).get(key, {})


def label_names(labels: Sequence[str], num_labels: int, source: str) -> Tuple[str, ...]:
    """Names of the outputs of a classifier or tagger, in order; LABEL_0, ... if none.

    Raises:
      InputError: there are not as many as outputs.
    """
    if labels and len(labels) != num_labels:
        raise InputError(
            f"{source} has {num_labels} outputs but there are {len(labels)} label "
            f"names: {', '.join(labels)}. Give the names in the order of the outputs, "
            "with --labels or in id2label of config.json."
        )
    return tuple(labels) or tuple(f"LABEL_{index}" for index in range(num_labels))


def kept_of(described: Dict[str, Any]) -> Dict[str, Any]:
    """What config.json keeps of an exported model's task.json ({} without one)."""
    kept = {key: described[key] for key in ("task", "settings") if key in described}
    return {EXPORTED_KEY: kept} if kept else {}
