"""Scores of tokens to answers, over all windows of a question.

Answers are cut from the original passage by character offsets, never put together from
pieces. Source: run_squad.py of google-research/bert (write_predictions), which looks at
the best starts and ends only; here every possible span is compared.
"""

import dataclasses
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

import numpy as np

from ..io.errors import InputError
from ..tasks.question_answering import Question
from .question_windows import Window


@dataclasses.dataclass(frozen=True)
class AnswerOptions:
    """Limits: tokens of an answer, and candidates that are kept of each question.

    Raises:
      InputError: one of them is below 1.
    """

    max_answer_length: int = 30
    n_best_size: int = 20

    def __post_init__(self):
        for name in ("max_answer_length", "n_best_size"):
            value = getattr(self, name)
            if value < 1:
                raise InputError(f"--{name}={value}, expected at least 1.")


class Candidate(NamedTuple):
    """A possible answer.

    Attributes:
      text: as it stands in the passage; "" where no answer is possible.
      start: where in the passage, in characters from 0.
      start_logit, end_logit: of its first and its last token.
    """

    text: str
    start: int
    start_logit: float
    end_logit: float

    @property
    def score(self) -> float:
        """The sum of the two logits."""
        return self.start_logit + self.end_logit


_NOTHING = Candidate("", 0, 0.0, 0.0)


def best_answers(
    questions: Sequence[Question],
    windows: Sequence[Window],
    start_logits: Sequence[np.ndarray],
    end_logits: Sequence[np.ndarray],
    options: AnswerOptions = AnswerOptions(),  # noqa: B008 (frozen)
) -> Dict[str, List[Candidate]]:
    """The best answers to each question, the best one first.

    A span begins at a token for which its window is the best one, ends in the same
    window, and is scored by the sum of the two logits. Of spans with the same text the
    best one stays.

    Args:
      questions: which the windows' ``question_index`` counts.
      windows: of all the questions.
      start_logits, end_logits: for each window float [at least its tokens].
      options: limits.

    Returns:
      question id -> at least one candidate.
    """
    found = [[] for _ in questions]  # type: List[List[Candidate]]
    for window, starts, ends in zip(windows, start_logits, end_logits):
        context = questions[window.question_index].context
        found[window.question_index] += _of_window(
            context, window, np.asarray(starts), np.asarray(ends), options
        )
    return {
        question.example_id: _distinct(candidates, options.n_best_size) or [_NOTHING]
        for question, candidates in zip(questions, found)
    }


def _of_window(context, window, starts, ends, options) -> List[Candidate]:
    """The best spans of one window, in no order."""
    size = len(window.spans)
    reach = min(options.max_answer_length, size)
    starts, ends = (
        each[window.first : window.first + size].astype(np.float64)
        for each in (starts, ends)
    )
    behind = np.concatenate([ends, np.full(reach, -np.inf)])
    lasts = np.arange(size)[:, np.newaxis] + np.arange(reach)
    scores = np.where(window.is_best, starts, -np.inf)[:, np.newaxis] + behind[lasts]
    flat = scores.ravel()
    kept = np.arange(flat.size)
    if flat.size > options.n_best_size:
        kept = np.argpartition(-flat, options.n_best_size)[: options.n_best_size]
    candidates = []
    for index in kept[np.isfinite(flat[kept])].tolist():
        first, last = index // reach, index // reach + index % reach
        start, end = int(window.spans[first, 0]), int(window.spans[last, 1])
        text = context[start:end]
        start += len(text) - len(text.lstrip())
        candidates.append(
            Candidate(text.strip(), start, float(starts[first]), float(ends[last]))
        )
    return candidates


def _distinct(candidates: List[Candidate], count: int) -> List[Candidate]:
    """The `count` best of different texts, best first; of equal ones the earlier."""
    best = {}  # type: Dict[str, Candidate]
    for candidate in sorted(candidates, key=lambda each: (-each.score, each.start)):
        if candidate.text and len(best) < count:
            best.setdefault(candidate.text, candidate)
    return list(best.values())


def no_answer_scores(
    questions: Sequence[Question],
    windows: Sequence[Window],
    outputs: Mapping[str, np.ndarray],
    answers: Mapping[str, Sequence[Candidate]],
) -> Dict[str, float]:
    """question id -> how much speaks for "there is no answer", over its best answer.

    The least over a question's windows, since one that holds the answer is enough:
    of what a head says (``no_answer_logits``, ELECTRA), or of the two logits of [CLS]
    minus the score of the best answer (BERT). Upstream: ALBERT takes its head's mean.

    Args:
      outputs: start_logits, end_logits float [N, S], and no_answer_logits float [N]
        where there is a head for it.
      answers: of ``best_answers``.
    """
    of_windows = outputs.get("no_answer_logits")
    has_head = of_windows is not None
    if of_windows is None:
        of_windows = outputs["start_logits"][:, 0] + outputs["end_logits"][:, 0]
    least = np.full(len(questions), np.inf)
    owners = [window.question_index for window in windows]
    np.minimum.at(least, owners, np.asarray(of_windows, np.float64))
    return {
        question.example_id: float(score)
        - (0.0 if has_head else answers[question.example_id][0].score)
        for question, score in zip(questions, least)
    }


def predictions(
    answers: Mapping[str, Sequence[Candidate]],
    scores: Optional[Mapping[str, float]] = None,
    threshold: float = 0.0,
) -> Dict[str, str]:
    """question id -> its best answer, the form that the official scripts take.

    Args:
      scores: of ``no_answer_scores``; above ``threshold`` the answer is "".
    """
    found = {name: candidates[0].text for name, candidates in answers.items()}
    for name, score in (scores or {}).items():
        if score > threshold:
            found[name] = ""
    return found


def nbest_predictions(
    answers: Mapping[str, Sequence[Candidate]],
) -> Dict[str, List[Dict[str, Any]]]:
    """question id -> its candidates, the best first, with upstream's keys.

    ``probability`` is the softmax of the scores over the candidates that are listed;
    ``answer_start`` counts characters of the passage.
    """
    return {
        name: [
            {
                "text": candidate.text,
                "probability": float(probability),
                "start_logit": candidate.start_logit,
                "end_logit": candidate.end_logit,
                "answer_start": candidate.start,
            }
            for candidate, probability in zip(candidates, _probabilities(candidates))
        ]
        for name, candidates in answers.items()
    }


def _probabilities(candidates: Sequence[Candidate]) -> np.ndarray:
    scores = np.array([candidate.score for candidate in candidates])
    exponents = np.exp(scores - scores.max())
    return exponents / exponents.sum()
