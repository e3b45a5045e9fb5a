"""Extractive question answering: a span of the passage answers the question."""

from typing import Any, Dict, Iterator, List, Optional, Sequence

from absl import logging

from data.evaluation import answer_metrics
from data.features import question_answers, question_windows
from data.features.model_inputs import Encoded
from data.features.question_answers import Candidate
from data.records import schema
from data.tasks import QUESTION_ANSWERING
from data.tasks.question_answering import Question
from encoder_ko.finetuning.task_types.base import Head, Outputs, TaskType, mean_loss
from encoder_ko.modeling import token_heads
from encoder_ko.training.run_folder import RunFolder


class QuestionAnswering(TaskType):
    """An answer to each question, cut from its passage; see TaskType.

    A record is a window of a passage, so that there are as many records as questions
    or more.
    """

    name = QUESTION_ANSWERING
    headline = ("exact_match", "f1", "loss")
    defaults = {"max_seq_length": 384}  # Upstream: run_squad.py

    def _check(self) -> None:
        super()._check()
        settings = self.settings
        self._windows = question_windows.WindowOptions(
            settings.max_seq_length, settings.max_query_length, settings.doc_stride
        )
        self._answers = question_answers.AnswerOptions(
            settings.max_answer_length, settings.n_best_size
        )
        self._told = set()

    def features(self) -> schema.Features:
        return schema.question_features()

    def encode(self, examples: Sequence[Question]) -> Iterator[Encoded]:
        builder = question_windows.WindowBuilder(self.tokenizer, self._windows)
        for index, window in enumerate(builder.windows(examples)):
            yield Encoded(question_windows.question_record(index, window), False)
        self._tell(
            builder.questions_cut,
            f"Questions longer than --max_query_length="
            f"{self._windows.max_query_length} tokens, whose end is cut off",
        )
        self._tell(
            builder.answers_lost,
            "Answers that cannot be learnt, since the tokenizer leaves nothing of them",
        )

    def _tell(self, count: int, what: str) -> None:
        """Records of a split can be built twice, but are mentioned once."""
        if count and (count, what) not in self._told:
            self._told.add((count, what))
            logging.warning("%s: %d.", what, count)

    def is_labelled(self, example: Question) -> bool:
        return bool(example.answers)

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        """`text` is the question and `text_b` the passage."""
        return Question(example_id, text, text_b, (), example_id)

    def head(self, family, model, features, dropout=None) -> Head:
        """Upstream: no dropout behind the encoder."""
        del dropout
        heads = family.token_heads
        result = token_heads.spans(
            heads.span_logits(model.get_sequence_output(), self.scope),
            heads.possible(features),
            features,
            family.loss_reduction,
        )
        outputs = {
            "start_logits": result.start_logits,
            "end_logits": result.end_logits,
        }
        return Head(result.loss, result.per_example_loss, outputs)

    def _best_answers(
        self, examples: Sequence[Question], outputs: Outputs
    ) -> Dict[str, List[Candidate]]:
        builder = question_windows.WindowBuilder(self.tokenizer, self._windows)
        return question_answers.best_answers(
            examples,
            list(builder.windows(examples)),
            outputs["start_logits"],
            outputs["end_logits"],
            self._answers,
        )

    def metrics(self, examples: Sequence[Question], outputs: Outputs) -> Dict[str, Any]:
        """As KorQuAD's official script counts; its F1 is over characters."""
        answers = self._best_answers(examples, outputs)
        metrics = answer_metrics.answer_metrics(
            {
                question.example_id: [answer.text for answer in question.answers]
                for question in examples
            },
            question_answers.predictions(answers),
        )
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def predictions(
        self, examples: Sequence[Question], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        """The answer, where it starts (in characters), and all candidates."""
        answers = question_answers.nbest_predictions(
            self._best_answers(examples, outputs)
        )
        found = []
        for question in examples:
            candidates = answers[question.example_id]
            best = candidates[0]
            found.append(
                {
                    "answer": best["text"],
                    "start": best["answer_start"],
                    "end": best["answer_start"] + len(best["text"]),
                    "probability": best["probability"],
                    "candidates": candidates,
                }
            )
        return found

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[Question], outputs: Outputs
    ) -> None:
        """`predictions.json`, as the official script takes it, and the n best."""
        answers = self._best_answers(examples, outputs)
        folder.write_json("predictions.json", question_answers.predictions(answers))
        folder.write_json(
            "nbest_predictions.json", question_answers.nbest_predictions(answers)
        )
