"""Scores of texts and pairs: one number each, learnt by its squared error."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

from data.evaluation import plots, task_metrics
from data.features import model_inputs
from data.records import schema
from data.tasks import REGRESSION
from data.tasks.regression import ScoredPair
from encoder_ko.compat import tf
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


class Regression(TaskType):
    """A score in the task's range for each example; see TaskType.

    Upstream: ALBERT learns the score as it is, ELECTRA its share of the range, 0 to 1.
    What is predicted has the range of the task either way.
    """

    name = REGRESSION
    only_first_token = True
    headline = ("pearson", "spearman", "loss")

    def features(self) -> schema.Features:
        return schema.classification_features(regression=True)

    def encode(self, examples: Sequence[ScoredPair]) -> Iterator[model_inputs.Encoded]:
        lowest = self.task.score_range[0]
        return model_inputs.text_records(
            self.tokenizer,
            examples,
            [lowest if each.score is None else each.score for each in examples],
            self.settings.max_seq_length,
        )

    def gap(self, examples: Sequence[ScoredPair]) -> str:
        scores = {example.score for example in examples}
        return f"no score but {scores.pop():g}" if len(scores) == 1 else ""

    def is_labelled(self, example: ScoredPair) -> bool:
        return example.score is not None

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        return ScoredPair(example_id, text, text_b, None)

    def head(self, family, model, features, dropout=None) -> Head:
        lowest, highest = self.task.score_range if family.unit_scores else (0.0, 1.0)
        predicted = family.logits(model.get_pooled_output(), 1, self.scope, dropout)
        predicted = predicted[:, 0]
        targets = (features["label_ids"] - lowest) / (highest - lowest)
        losses = tf.square(predicted - targets)
        return Head(
            heads.total_loss(
                losses, features["is_real_example"], family.loss_reduction
            ),
            losses,
            {"scores": predicted * (highest - lowest) + lowest},
        )

    def metrics(
        self, examples: Sequence[ScoredPair], outputs: Outputs
    ) -> Dict[str, Any]:
        metrics = task_metrics.of_scores(
            self.task, [example.score for example in examples], outputs["scores"]
        )
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def predictions(
        self, examples: Sequence[ScoredPair], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        return [
            {"score": float(score), "is_cut": bool(is_cut)}
            for score, is_cut in zip(outputs["scores"], outputs["is_cut"])
        ]

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[ScoredPair], outputs: Outputs
    ) -> None:
        """`test_results.tsv`: id, score, is_cut, a row per example in their order."""
        rows = ["id\tscore\tis_cut"]
        for example, score, is_cut in zip(
            examples, outputs["scores"], outputs["is_cut"]
        ):
            rows.append(
                f"{one_cell(example.example_id)}\t{score:.9g}\t{true_or_false(is_cut)}"
            )
        folder.write_text("test_results.tsv", "\n".join(rows) + "\n")

    def draw(
        self,
        folder: RunFolder,
        split: str,
        examples: Sequence[ScoredPair],
        outputs: Outputs,
        metrics: Dict[str, Any],
    ) -> None:
        plots.write_scatter_png(
            folder(picture_name("scores", split)),
            [example.score for example in examples],
            outputs["scores"],
            picture_title(self.task, split, metrics["score"]),
        )
