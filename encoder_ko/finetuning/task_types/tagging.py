"""Tagging of words: a tag each, by the first piece of the word; or of characters."""

import functools
from typing import Any, Dict, Iterator, List, Optional, Sequence

import numpy as np

from data.evaluation import plots, task_metrics
from data.evaluation.metrics import confusion_matrix
from data.features import character_tags, tagging_inputs
from data.features.model_inputs import Encoded
from data.records import schema
from data.tasks import TAGGING
from data.tasks.tag_schemes import scheme_of_labels
from data.tasks.tagging import TaggedSentence
from encoder_ko.compat import tf
from encoder_ko.finetuning.task_types.base import (
    Head,
    Outputs,
    TaskType,
    mean_loss,
    one_cell,
    picture_name,
    picture_title,
)
from encoder_ko.modeling import token_heads
from encoder_ko.training.run_folder import RunFolder


class Tagging(TaskType):
    """One of the task's tags for each word, or each character; see TaskType.

    A record is a sentence, or a window of one that is longer than the input.
    """

    name = TAGGING
    headline = ("f1", "precision", "recall", "loss")

    def _check(self) -> None:
        super()._check()
        self._scheme = scheme_of_labels(self.task.label_values)
        # The last text's: its tags and its records are asked for one after the other.
        self._pieces_of = functools.lru_cache(maxsize=1)(
            functools.partial(character_tags.pieces_of, self.tokenizer)
        )

    def features(self) -> schema.Features:
        return schema.tagging_features()

    def encode(self, examples: Sequence[TaggedSentence]) -> Iterator[Encoded]:
        index = 0
        for sentence in examples:
            of_units = self._of_units(sentence)
            for window in self._windows(sentence):
                values = tagging_inputs.tagging_record(index, of_units, window)
                yield Encoded(values, False)
                index += 1

    def encode_for_training(
        self, examples: Sequence[TaggedSentence]
    ) -> Iterator[Encoded]:
        """A record per sentence, whose end is cut off where it is too long."""
        for index, sentence in enumerate(examples):
            whole = self._whole(sentence)
            built = tagging_inputs.beginning_of(
                whole, self.tokenizer, self.settings.max_seq_length
            )
            is_cut = len(built.positions) < len(whole.positions)
            of_units = self._of_units(sentence)
            yield Encoded(tagging_inputs.tagging_record(index, of_units, built), is_cut)

    def _whole(self, sentence: TaggedSentence) -> tagging_inputs.TaggingInput:
        if self.task.by_character:
            return self._pieces(sentence).whole
        return tagging_inputs.whole_input(self.tokenizer, sentence.words)

    def _windows(self, sentence: TaggedSentence) -> List[tagging_inputs.TaggingInput]:
        return tagging_inputs.windows_of(
            self._whole(sentence), self.tokenizer, self.settings.max_seq_length
        )

    def _pieces(self, sentence: TaggedSentence) -> character_tags.PiecedText:
        return self._pieces_of("".join(sentence.words))

    def _of_units(self, sentence: TaggedSentence) -> TaggedSentence:
        """The sentence with a tag for each unit that has one: word, or piece."""
        if not self.task.by_character or sentence.tags is None:
            return sentence
        tags = self._pieces(sentence).tags(sentence.tags)
        return sentence._replace(tags=tuple(tags))

    def gap(self, examples: Sequence[TaggedSentence]) -> str:
        tags = [self._gold(sentence) for sentence in examples]
        names = tagging_inputs.entity_types(self.task.label_values, self._scheme)
        found = set(tagging_inputs.type_ids(tags, names, self._scheme).tolist())
        missing = [name for index, name in enumerate(names) if index not in found]
        return f"no example of {', '.join(missing)}" if missing else ""

    def is_labelled(self, example: TaggedSentence) -> bool:
        return example.tags is not None

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        """The words are what stands between white space; `text_b` is not looked at."""
        words = tuple(text if self.task.by_character else text.split())
        return TaggedSentence(example_id, words, None)

    def head(self, family, model, features, dropout=None) -> Head:
        logits = family.token_heads.tag_logits(
            model.get_sequence_output(), self.task.num_labels, self.scope, dropout
        )
        result = token_heads.tagging_loss(
            logits, features["label_ids"], family.loss_reduction
        )
        outputs = {
            "tag_ids": tf.argmax(logits, -1, output_type=tf.int32),
            "probabilities": tf.reduce_max(tf.nn.softmax(logits), -1),
        }
        words = tf.reduce_sum(tf.cast(features["label_ids"] > 0, tf.float32))
        return Head(result.loss, result.per_example_loss, outputs, words)

    def metrics(
        self, examples: Sequence[TaggedSentence], outputs: Outputs
    ) -> Dict[str, Any]:
        """Of whole entities; `accuracy` and the confusion matrix are of words.

        The matrix has a row for each type that occurs, named in `types`, and "O".
        """
        predicted = self._predicted(examples, outputs)
        tags = [self._gold(sentence) for sentence in examples]
        if self.task.by_character:  # upstream: spaces do not count
            tags, predicted = (
                [
                    [tag for tag, word in zip(found, each.words) if word != " "]
                    for found, each in zip(of_sentences, examples)
                ]
                for of_sentences in (tags, predicted)
            )
        metrics = task_metrics.of_tags(self.task, tags, predicted)
        metrics.update(self._word_metrics(tags, predicted))
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def _word_metrics(self, tags, predicted) -> Dict[str, Any]:
        names = tagging_inputs.entity_types(self.task.label_values, self._scheme)
        pairs = [
            tagging_inputs.type_ids(each, names, self._scheme)
            for each in (tags, predicted)
        ]
        matrix = confusion_matrix(pairs[0], pairs[1], len(names))
        occurs = np.flatnonzero(matrix.sum(0) + matrix.sum(1))
        words = [
            tag == found for pair in zip(tags, predicted) for tag, found in zip(*pair)
        ]
        return {
            "accuracy": float(np.mean(words)),
            "types": [names[index] for index in occurs],
            "confusion_matrix": matrix[np.ix_(occurs, occurs)].tolist(),
        }

    def _gold(self, sentence: TaggedSentence) -> List[str]:
        return [self.task.label_values[tag] for tag in sentence.tags]

    def _predicted(
        self, examples: Sequence[TaggedSentence], outputs: Outputs
    ) -> List[List[str]]:
        """The predicted tags of every word, or character, of every sentence."""
        names = self.task.label_values
        found = []
        of_units = self._of_all_units(examples, outputs["tag_ids"])
        for sentence, tag_ids in zip(examples, of_units):
            tags = [names[tag] for tag in tag_ids]
            if self.task.by_character:
                text, pieces = "".join(sentence.words), self._pieces(sentence)
                tags = character_tags.character_tags(text, pieces, tags, self._scheme)
            found.append(tags)
        return found

    def _of_all_units(
        self, examples: Sequence[TaggedSentence], values: np.ndarray
    ) -> Iterator[List[Any]]:
        """The values [N, S] of the records as a list per sentence, one per unit."""
        rows = iter(values)
        for sentence in examples:
            yield tagging_inputs.word_values(self._windows(sentence), rows)

    def predictions(
        self, examples: Sequence[TaggedSentence], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        """Words (or characters), tags and entities.

        `start` and `end` of an entity are characters of `text`, the words joined by
        single spaces; its probability is the least of its words' tags.
        """
        return [
            self._prediction(sentence, tags, sure)
            for sentence, tags, sure in zip(
                examples,
                self._predicted(examples, outputs),
                self._of_all_units(examples, outputs["probabilities"]),
            )
        ]

    def _prediction(self, sentence, tags, sure) -> Dict[str, Any]:
        space = "" if self.task.by_character else " "
        text = space.join(sentence.words)
        starts = np.cumsum([0] + [len(word + space) for word in sentence.words])
        if self.task.by_character:
            sure = character_tags.character_values(text, self._pieces(sentence), sure)
        found = []
        for entity in tagging_inputs.entities(tags, self._scheme):
            start, end = starts[entity.first], starts[entity.last] - len(space)
            found.append(
                {
                    "type": entity.type,
                    "text": text[start:end],
                    "start": int(start),
                    "end": int(end),
                    "probability": float(min(sure[entity.first : entity.last])),
                }
            )
        words = list(sentence.words)
        return {"text": text, "words": words, "tags": tags, "entities": found}

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[TaggedSentence], outputs: Outputs
    ) -> None:
        """`test_results.tsv`: a row per word, in the order of the file.

        Columns: id of the sentence, word, the file's tag where it has tags, prediction.
        """
        labelled = all(map(self.is_labelled, examples))
        names = ("id", "word") + ("tag",) * labelled + ("prediction",)
        rows = ["\t".join(names)]
        for sentence, tags in zip(examples, self._predicted(examples, outputs)):
            gold = [self._gold(sentence)] if labelled else []
            for row in zip(sentence.words, *gold, tags):
                rows.append("\t".join(map(one_cell, (sentence.example_id,) + row)))
        folder.write_text("test_results.tsv", "\n".join(rows) + "\n")

    def draw(
        self,
        folder: RunFolder,
        split: str,
        examples: Sequence[TaggedSentence],
        outputs: Outputs,
        metrics: Dict[str, Any],
    ) -> None:
        plots.write_confusion_matrix_png(
            folder(picture_name("confusion_matrix", split)),
            metrics["confusion_matrix"],
            metrics["types"],
            picture_title(self.task, split, metrics["score"]),
        )
