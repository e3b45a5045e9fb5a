"""The kinds of tasks by name: `build(task, tokenizer, settings)`."""

from data.io.errors import InputError
from data.tasks import Task
from data.tokenization import Tokenizer
from encoder_ko.finetuning.task_types.base import Head, Kind, KindSettings, Outputs
from encoder_ko.finetuning.task_types.classification import Classification
from encoder_ko.finetuning.task_types.question_answering import QuestionAnswering
from encoder_ko.finetuning.task_types.regression import Regression
from encoder_ko.finetuning.task_types.tagging import Tagging

__all__ = ["KINDS", "Head", "Kind", "KindSettings", "Outputs", "build"]

KINDS = {
    kind.name: kind for kind in (Classification, Regression, Tagging, QuestionAnswering)
}


def build(task: Task, tokenizer: Tokenizer, settings: KindSettings) -> Kind:
    """The kind of a task, bound to it.

    Raises:
      InputError: fine-tuning does not know the kind; the settings do not fit it.
    """
    if task.kind not in KINDS:
        raise InputError(
            f"{task.name} is a task of the kind {task.kind.replace('_', ' ')}; "
            f"fine-tuning knows {', '.join(KINDS).replace('_', ' ')}."
        )
    return KINDS[task.kind](task, tokenizer, settings)
