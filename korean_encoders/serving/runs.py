"""The runs that are served: a predictor each, with its name and examples."""

import os
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np
from absl import logging

from data import tasks
from data.io import files
from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.tasks import CLASSIFICATION, QUESTION_ANSWERING, REGRESSION, TAGGING, Task
from encoder_ko.finetuning.saved_run import FineTunedModel
from encoder_ko.finetuning.splits import split_seed_of
from encoder_ko.inference.predictor import Text
from encoder_ko.report.finetuning.tagging import true_spans
from encoder_ko.report.finetuning.texts import named_texts
from encoder_ko.training.run_folder import RunFolder
from korean_encoders.model_types import FAMILIES
from korean_encoders.predictor import Predictor

_RESULTS = "eval_results.json"
_MOST_EXAMPLES = 8
_MOST_CHARACTERS = 1500  # of an example


class ServedRun(NamedTuple):
    """A fine-tuned run.

    Attributes:
      name: that of its folder.
      predictor: with the weights in memory.
      facts: what the page and /models tell of it.
      examples: {"texts": [...], "label": "..."} of dev, or none.
    """

    name: str
    predictor: Predictor
    facts: Dict[str, Any]
    examples: Sequence[Dict[str, Any]]

    @property
    def sample(self) -> Text:
        """Any text that it can predict."""
        return ("가", "가") if self.predictor.task.is_pair else "가"


def load_runs(
    paths: Sequence[str], allow_mismatch: bool = False, **options: Any
) -> List[ServedRun]:
    """Loads the folders of fine-tuning runs, and predicts a text with each.

    Args:
      allow_mismatch: see `FineTunedModel.load`. options: of Predictor.

    Raises:
      InputError: a folder holds no fine-tuned run; two have the same name.
    """
    named: Dict[str, str] = {}
    for path in paths:
        name = os.path.basename(files.absolute(path))
        if name in named:
            raise InputError(
                f"--model_dir names two runs {name!r}, {named[name]} and {path}: "
                "requests could not tell them apart. Rename one of the folders."
            )
        named[name] = path
    models = [
        FineTunedModel.load(path, FAMILIES, allow_mismatch) for path in named.values()
    ]
    runs = []
    for (name, path), model in zip(named.items(), models):
        predictor = Predictor(model, **options)
        facts, found = _facts(name, model), _examples(name, path, model.task)
        run = ServedRun(name, predictor, facts, found)
        predictor.predict([run.sample])  # the first one is slow
        logging.info("%s: %s", name, facts["summary"])
        runs.append(run)
    return runs


def _facts(name: str, model: FineTunedModel) -> Dict[str, Any]:
    task, config = model.task, model.config
    words = [
        f"{task.name}, {task.task_type.replace('_', ' ')}",
        f"{model.family.name.upper()} with {config.num_hidden_layers} layers",
        f"reads {model.task_type.settings.max_seq_length} tokens",
    ]
    return {
        "name": name,
        "task": task.name,
        "task_type": task.task_type,
        "model_type": model.family.name,
        "labels": list(task.label_names) if task.task_type == CLASSIFICATION else [],
        "score_range": list(task.score_range) if task.score_range else None,
        "is_pair": task.is_pair,
        "max_seq_length": model.task_type.settings.max_seq_length,
        "summary": "; ".join(words),
    }


# --- Examples ------------------------------------------------------------------------


def _examples(name: str, path: str, task: Task) -> List[Dict[str, Any]]:
    """Some of dev, where the run's data is still where the run found it."""
    folder = RunFolder(path)
    settings = (folder.read_json(_RESULTS) or {}).get("flags")
    settings = settings or folder.settings() or {}
    settings = dict(settings, split_seed=split_seed_of(path, settings))
    try:
        declared = _declared(settings.get("task_name") or "", task)
        examples = _dev(declared, settings)
    except (InputError, OSError) as error:
        logging.info("%s: no examples of dev (%s)", name, error)
        return []
    order = np.random.RandomState(0).permutation(len(examples))
    shown: List[Dict[str, Any]] = []
    for number in order:
        found = _shown(task, examples[number])
        if sum(map(len, found["texts"])) <= _MOST_CHARACTERS:
            shown.append(found)
        if len(shown) == _MOST_EXAMPLES:
            break
    return shown


def _declared(names: str, task: Task) -> Task:
    """The task with its files, of those that a run was given."""
    for name in filter(None, names.split(",")):
        found = tasks.get_task(name)
        if (found.name, found.task_type) == (task.name, task.task_type):
            return found
    raise InputError("the run does not name its data")


def _dev(task: Task, settings: Dict[str, Any]) -> Sequence[Any]:
    folder = settings.get("data_dir") or task.folder
    reading = ReadingOptions(
        settings.get("encoding") or "utf-8", settings.get("max_bad_rows") or 0
    )
    if tasks.find_files(task, folder, "dev"):
        return tasks.load_split(task, folder, "dev", reading).examples
    train = tasks.load_split(task, folder, "train", reading).examples
    seed = settings.get("split_seed")
    seed = settings.get("random_seed", 0) if seed is None else seed
    return tasks.held_out_split(train, settings.get("dev_fraction", 0.05), seed)[1]


def _shown(task: Task, example: Any) -> Dict[str, Any]:
    """Its texts, and its label in words, "" where there is none to show."""
    texts = [text for _, text in named_texts(task, example)]
    return {"texts": texts, "label": _label(task, example, texts[0])}


def _label(task: Task, example: Any, text: str) -> str:
    if task.task_type == QUESTION_ANSWERING:
        answers = [answer.text for answer in example.answers]
        return " | ".join(dict.fromkeys(answers)) or "no answer"
    if task.task_type == TAGGING and example.tags is not None:
        found = [
            f"{text[s.start : s.end]} ({s.type})" for s in true_spans(task, example)
        ]
        return "; ".join(found) or "no entity"
    if task.task_type == CLASSIFICATION and example.label is not None:
        return task.label_names[example.label]
    if task.task_type == REGRESSION and example.score is not None:
        return f"{example.score:g}"
    return ""
