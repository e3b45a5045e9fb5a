"""Dependency parsing: each word's head and its relation to it."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

from data.evaluation import klue_metrics
from data.features import parsing_inputs, tagging_inputs
from data.features.model_inputs import Encoded
from data.records import schema
from data.tasks import DEPENDENCY_PARSING
from data.tasks.dependency_parsing import ParsedSentence
from encoder_ko.compat import tf
from encoder_ko.finetuning.task_types import biaffine
from encoder_ko.finetuning.task_types.base import (
    Head,
    Outputs,
    TaskType,
    mean_loss,
    one_cell,
)
from encoder_ko.training.run_folder import RunFolder


class DependencyParsing(TaskType):
    """A head and a relation for each word; see TaskType.

    A record is a sentence. Words beyond the input's length are not learnt; in
    predictions the root is their head.
    """

    name = DEPENDENCY_PARSING
    headline = ("uas", "las", "loss")
    graph_inputs = ("word_mask",)
    defaults = {"max_seq_length": 256}  # KLUE's baseline

    def features(self) -> schema.Features:
        return schema.parsing_features()

    def encode(self, examples: Sequence[ParsedSentence]) -> Iterator[Encoded]:
        for index, sentence in enumerate(examples):
            built = self._input(sentence)
            is_cut = len(built.positions) < len(sentence.words)
            yield Encoded(parsing_inputs.parsing_record(index, sentence, built), is_cut)

    def _input(self, sentence: ParsedSentence):
        return tagging_inputs.tagging_input(
            self.tokenizer, sentence.words, self.settings.max_seq_length
        )

    def is_labelled(self, example: ParsedSentence) -> bool:
        return example.heads is not None

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        """The words are what stands between white space; `text_b` is not looked at."""
        return ParsedSentence(example_id, tuple(text.split()), None, None)

    def head(self, family, model, features, dropout=None) -> Head:
        result = biaffine.parse(
            model.get_sequence_output(),
            features,
            self.task.num_labels,
            self.scope,
            family.loss_reduction,
            dropout,
        )
        words = tf.reduce_sum(tf.cast(features["label_ids"] > 0, tf.float32))
        outputs = {"heads": result.heads, "relation_ids": result.relation_ids}
        return Head(result.loss, result.per_example_loss, outputs, words)

    def _arcs(self, examples: Sequence[ParsedSentence], outputs: Outputs):
        """(heads, relation ids) of each sentence, a number for each word."""
        return [
            parsing_inputs.arcs_of(self._input(sentence), len(sentence.words), *row)
            for sentence, *row in zip(
                examples, outputs["heads"], outputs["relation_ids"]
            )
        ]

    def metrics(
        self, examples: Sequence[ParsedSentence], outputs: Outputs
    ) -> Dict[str, Any]:
        metrics = klue_metrics.parsing_metrics(
            [(example.heads, example.relations) for example in examples],
            self._arcs(examples, outputs),
        )
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def predictions(
        self, examples: Sequence[ParsedSentence], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        """Words; the number of each one's head (from 1, 0 = root); their relations."""
        names = self.task.label_values
        return [
            {
                "words": list(sentence.words),
                "heads": heads,
                "relations": [names[relation] for relation in relations],
                "is_cut": bool(is_cut),
            }
            for sentence, (heads, relations), is_cut in zip(
                examples, self._arcs(examples, outputs), outputs["is_cut"]
            )
        ]

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[ParsedSentence], outputs: Outputs
    ) -> None:
        """`test_results.tsv`: a row per word: id, number, word, head, relation."""
        names = self.task.label_values
        rows = ["id\tnumber\tword\thead\trelation"]
        for sentence, arcs in zip(examples, self._arcs(examples, outputs)):
            for number, (word, head, relation) in enumerate(
                zip(sentence.words, *arcs), 1
            ):
                cells = (sentence.example_id, number, word, head, names[relation])
                rows.append("\t".join(one_cell(str(cell)) for cell in cells))
        folder.write_text("test_results.tsv", "\n".join(rows) + "\n")
