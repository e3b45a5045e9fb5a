"""Classification of texts and pairs: a class each."""

import csv
import io
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from data.evaluation import plots, task_metrics
from data.features import model_inputs
from data.io.errors import InputError
from data.records import schema
from data.tasks import CLASSIFICATION
from data.tasks.classification import Example
from encoder_ko.finetuning.task_types.base import (
    Head,
    Outputs,
    TaskType,
    mean_loss,
    one_cell,
    picture_name,
    picture_title,
    true_or_false,
)
from encoder_ko.modeling import heads
from encoder_ko.training.run_folder import RunFolder

BALANCED = "balanced"


class Classification(TaskType):
    """One of the task's classes for each example; see TaskType."""

    name = CLASSIFICATION
    only_first_token = True
    headline = ("accuracy", "macro_f1", "loss")

    def _check(self) -> None:
        self._class_weights = None
        if self.settings.class_weights not in ("", BALANCED):
            self._class_weights = parse_class_weights(
                self.settings.class_weights, self.task.label_names
            )

    def features(self) -> schema.Features:
        return schema.classification_features()

    def encode(self, examples: Sequence[Example]) -> Iterator[model_inputs.Encoded]:
        return model_inputs.text_records(
            self.tokenizer,
            examples,
            [example.label or 0 for example in examples],
            self.settings.max_seq_length,
        )

    def use_training_examples(self, examples: Sequence[Example]) -> None:
        if self.settings.class_weights == BALANCED:
            labels = [example.label for example in examples]
            self._class_weights = balanced_weights(labels, self.task.num_labels)

    def gap(self, examples: Sequence[Example]) -> str:
        found = {example.label for example in examples}
        names = self.task.label_names
        missing = [name for index, name in enumerate(names) if index not in found]
        if not missing:
            return ""
        classes = f"class{'es' * (len(missing) > 1)} {', '.join(missing)}"
        only = f", only of {names[found.pop()]}" if len(found) == 1 else ""
        return f"no example of the {classes}{only}"

    def is_labelled(self, example: Example) -> bool:
        return example.label is not None

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        return Example(example_id, text, text_b, None)

    def head(self, family, model, features, dropout=None) -> Head:
        logits = family.logits(
            model.get_pooled_output(), self.task.num_labels, self.scope, dropout
        )
        result = heads.classification(
            logits,
            features["label_ids"],
            features["is_real_example"],
            family.loss_reduction,
            self._class_weights,
        )
        outputs = {"probabilities": result.probabilities}
        return Head(result.loss, result.per_example_loss, outputs)

    def metrics(self, examples: Sequence[Example], outputs: Outputs) -> Dict[str, Any]:
        metrics = task_metrics.of_classes(
            self.task,
            [example.label for example in examples],
            outputs["probabilities"],
        )
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def predictions(
        self, examples: Sequence[Example], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        return [
            {
                "label": self.task.label_values[int(row.argmax())],
                "label_name": self.task.label_names[int(row.argmax())],
                "probabilities": dict(zip(self.task.label_names, map(float, row))),
                "is_cut": bool(is_cut),
            }
            for row, is_cut in zip(outputs["probabilities"], outputs["is_cut"])
        ]

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[Example], outputs: Outputs
    ) -> None:
        """`test_results.tsv`: id, prediction, a probability for each label, is_cut.

        One row per example, in the order of the file; the prediction is written as the
        task's files write the label.
        """
        names = ("id", "prediction", *self.task.label_names, "is_cut")
        rows = ["\t".join(names)]
        for example, row, is_cut in zip(
            examples, outputs["probabilities"], outputs["is_cut"]
        ):
            predicted = self.task.label_values[int(row.argmax())]
            cells = [one_cell(example.example_id), predicted]
            cells += [f"{p:.6f}" for p in row] + [true_or_false(is_cut)]
            rows.append("\t".join(cells))
        folder.write_text("test_results.tsv", "\n".join(rows) + "\n")

    def write_submission(
        self, folder: RunFolder, examples: Sequence[Example], outputs: Outputs
    ) -> None:
        """`submission.csv`: the text's column as in the data, and the label's number.

        For HATE this is the form of its Kaggle competition: comments, label, where 0 is
        none, 1 offensive and 2 hate.
        """
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow((self.task.layouts[0].text_a, "label"))
        for example, row in zip(examples, outputs["probabilities"]):
            writer.writerow((example.text_a, int(row.argmax())))
        folder.write_text("submission.csv", written.getvalue())

    def draw(
        self,
        folder: RunFolder,
        split: str,
        examples: Sequence[Example],
        outputs: Outputs,
        metrics: Dict[str, Any],
    ) -> None:
        plots.write_confusion_matrix_png(
            folder(picture_name("confusion_matrix", split)),
            metrics["confusion_matrix"],
            self.task.label_names,
            picture_title(self.task, split, metrics["score"]),
        )


def parse_class_weights(text: str, label_names: Sequence[str]) -> Sequence[float]:
    """ "1,2.5" -> (1.0, 2.5), a factor for each label, in the order of the labels.

    Raises:
      InputError: not as many numbers above 0 as labels.
    """
    try:
        weights = tuple(float(part) for part in text.split(","))
    except ValueError:
        weights = ()
    good = all(0 < weight < float("inf") for weight in weights)
    if len(weights) != len(label_names) or not good:
        raise InputError(
            f"--class_weights={text}, expected {BALANCED!r} or {len(label_names)} "
            f"numbers above 0 for the labels {', '.join(label_names)}."
        )
    return weights


def balanced_weights(labels: Sequence[int], num_labels: int) -> Sequence[float]:
    """N / (L x n) for a class with n of the N examples: their mean over all is 1.

    Labels 0 0 0 1 of two classes: 4 / (2 x 3) = 0.667 and 4 / (2 x 1) = 2. A class
    without examples has 0.
    """
    counts = np.bincount(np.asarray(labels, np.int64), minlength=num_labels)
    occurring = np.maximum(counts, 1)
    weights = np.where(counts > 0, len(labels) / (num_labels * occurring), 0.0)
    return tuple(float(weight) for weight in weights)
