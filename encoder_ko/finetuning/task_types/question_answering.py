"""Extractive question answering: a span of the passage answers the question."""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from absl import logging

from data.evaluation import task_metrics
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
        return schema.question_features(self.task.unanswerable)

    def encode(self, examples: Sequence[Question]) -> Iterator[Encoded]:
        builder = question_windows.WindowBuilder(self.tokenizer, self._windows)
        for index, window in enumerate(builder.windows(examples)):
            is_impossible = None
            if self.task.unanswerable:
                is_impossible = examples[window.question_index].is_impossible
            yield Encoded(
                question_windows.question_record(index, window, is_impossible), False
            )
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
        return example.is_labelled

    def example(self, example_id: str, text: str, text_b: Optional[str] = None):
        """`text` is the question and `text_b` the passage."""
        return Question(example_id, text, text_b, (), example_id)

    def head(self, family, model, features, dropout=None) -> Head:
        """Upstream: no dropout behind the encoder, but in ALBERT's `answer_class`."""
        heads, sequence = family.token_heads, model.get_sequence_output()
        result = token_heads.spans(
            heads.span_logits(sequence, self.scope),
            heads.possible(features),
            features,
            family.loss_reduction,
        )
        outputs = {
            "start_logits": result.start_logits,
            "end_logits": result.end_logits,
        }
        if self.task.unanswerable and heads.no_answer_logits is not None:
            logits = heads.no_answer_logits(
                sequence, result.start_logits, self.scope, dropout
            )
            result = token_heads.with_no_answer_loss(
                result, logits, features, family.loss_reduction
            )
            outputs["no_answer_logits"] = logits
        return Head(result.loss, result.per_example_loss, outputs)

    def _found(self, examples: Sequence[Question], outputs: Outputs) -> "_Found":
        builder = question_windows.WindowBuilder(self.tokenizer, self._windows)
        windows = list(builder.windows(examples))
        answers = question_answers.best_answers(
            examples,
            windows,
            outputs["start_logits"],
            outputs["end_logits"],
            self._answers,
        )
        scores = None
        if self.task.unanswerable:
            scores = question_answers.no_answer_scores(
                examples, windows, outputs, answers
            )
        threshold = self.settings.null_score_diff_threshold
        chosen = question_answers.predictions(answers, scores, threshold)
        return _Found(answers, scores, chosen)

    def metrics(self, examples: Sequence[Question], outputs: Outputs) -> Dict[str, Any]:
        """As KorQuAD's official script counts; its F1 is over characters.

        Where questions may have no answer, as SQuAD 2.0's script counts, and for
        KLUE-MRC as KLUE's.
        """
        found = self._found(examples, outputs)
        metrics = task_metrics.of_answers(
            self.task,
            examples,
            question_answers.predictions(found.answers),
            found.scores,
            self.settings.null_score_diff_threshold,
        )
        metrics["loss"] = mean_loss(outputs)
        metrics["score"] = metrics[self.task.metric]
        return metrics

    def predictions(
        self, examples: Sequence[Question], outputs: Outputs
    ) -> List[Dict[str, Any]]:
        """The answer, where it starts (in characters), and all candidates.

        Where questions may have no answer, `no_answer_score` too; above the threshold
        of the run the answer is "", and 0 to 0.
        """
        found = self._found(examples, outputs)
        answers = question_answers.nbest_predictions(found.answers)
        predictions = []
        for question in examples:
            candidates = answers[question.example_id]
            best, text = candidates[0], found.chosen[question.example_id]
            start = best["answer_start"] if text else 0
            prediction = {
                "answer": text,
                "start": start,
                "end": start + len(text),
                "probability": best["probability"],
                "candidates": candidates,
            }
            if found.scores is not None:
                prediction["no_answer_score"] = found.scores[question.example_id]
            predictions.append(prediction)
        return predictions

    def write_predictions(
        self, folder: RunFolder, examples: Sequence[Question], outputs: Outputs
    ) -> None:
        """`predictions.json`, as the official script takes it, and the n best.

        Where questions may have no answer, `null_odds.json` too, for its
        `--na-prob-file`.
        """
        found = self._found(examples, outputs)
        folder.write_json("predictions.json", found.chosen)
        folder.write_json(
            "nbest_predictions.json", question_answers.nbest_predictions(found.answers)
        )
        if found.scores is not None:
            folder.write_json("null_odds.json", found.scores)


class _Found(NamedTuple):
    """By question id: candidates, scores of "no answer" (or None), and the answer."""

    answers: Dict[str, List[Candidate]]
    scores: Optional[Dict[str, float]]
    chosen: Dict[str, str]
