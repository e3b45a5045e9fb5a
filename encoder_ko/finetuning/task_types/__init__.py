"""The task types by name: `build(task, tokenizer, settings)`."""

from data.io.errors import InputError
from data.tasks import Task
from data.tokenization import Tokenizer
from encoder_ko.finetuning.task_types.base import Head, Outputs, TaskSettings, TaskType
from encoder_ko.finetuning.task_types.classification import Classification
from encoder_ko.finetuning.task_types.dependency_parsing import DependencyParsing
from encoder_ko.finetuning.task_types.question_answering import QuestionAnswering
from encoder_ko.finetuning.task_types.regression import Regression
from encoder_ko.finetuning.task_types.tagging import Tagging

__all__ = ["TASK_TYPES", "Head", "TaskType", "TaskSettings", "Outputs", "build"]

TASK_TYPES = {
    task_type.name: task_type
    for task_type in (
        Classification,
        Regression,
        Tagging,
        QuestionAnswering,
        DependencyParsing,
    )
}


def build(task: Task, tokenizer: Tokenizer, settings: TaskSettings) -> TaskType:
    """The task type of a task, bound to it.

    Raises:
      InputError: fine-tuning does not know the task type; the settings do not fit it.
    """
    if task.task_type not in TASK_TYPES:
        raise InputError(
            f"{task.name} is a task of the type {task.task_type.replace('_', ' ')}; "
            f"fine-tuning knows {', '.join(TASK_TYPES).replace('_', ' ')}."
        )
    return TASK_TYPES[task.task_type](task, tokenizer, settings)
