"""Several tasks at once: one encoder, a head for each, examples drawn by size.

The records of all tasks are shuffled together, so that a batch has of each task in
proportion to its size. At each evaluation the weights of every task are taken out of
the checkpoint, as a model of that task alone, and tried on its dev set: each task has
its own history, results and best checkpoint in a folder of its own, which every command
takes as that of a run.

Source: google-research/electra, run_finetuning.py and finetune/preprocessing.py.
Letters: B batch.
"""

import contextlib
import dataclasses
import os
from typing import Any, Dict, Iterator, List, Mapping, Sequence

import numpy as np

from data.io import files
from data.io.errors import InputError
from data.records import input_pipeline, schema, tfrecords
from encoder_ko.compat import tf
from encoder_ko.finetuning import job, trainer
from encoder_ko.finetuning.args import FineTuningArgs
from encoder_ko.finetuning.family import Family
from encoder_ko.finetuning.splits import digests, load_splits
from encoder_ko.finetuning.task_types.base import Head, TaskType, scope_of
from encoder_ko.modeling.heads import TASK_SPECIFIC
from encoder_ko.training import checkpoints
from encoder_ko.training.loaded_model import LoadedModel
from encoder_ko.training.run_folder import BEST, HISTORY, RunFolder

# Features that mean the same in every task.
_COMMON = ("example_index", "num_tokens", "input_ids", "segment_ids")
_MASKS = ("input_mask", "is_real_example")


def run(tasks: Sequence[FineTuningArgs], family: Family, model: LoadedModel) -> None:
    """Trains on all tasks, and evaluates and predicts each, once or for each trial.

    Args:
      tasks: the arguments for each task, the same but for its data.

    Raises:
      InputError: for anything wrong in data, files or settings; two tasks have names
        that differ in nothing but capitals or signs.
    """
    scopes = [scope_of(each.task.name) for each in tasks]
    if len(set(scopes)) < len(scopes):
        raise InputError(
            f"--task_name={','.join(each.task.name for each in tasks)}: each of the "
            f"tasks must be another. Their variables are named {', '.join(scopes)}, "
            "of Latin letters and digits alone, in which the names have to differ."
        )
    splits = [load_splits(each) for each in tasks]
    settings = dict(tasks[0].settings)
    settings.pop("task", None)  # of a user's task
    settings.pop("data_dir", None)  # what it holds counts, for each task
    own = [_own_settings(each, scope) for scope, each in zip(scopes, tasks)]
    args = dataclasses.replace(
        tasks[0], settings=dict(settings, **dict(zip(scopes, own)))
    )

    num_examples = sum(len(loaded.train) for loaded in splits)

    def build(of_trial, replicas):
        folder = RunFolder(replicas.folder(of_trial.output.folder))
        if of_trial.actions.train:
            job.require_training(of_trial, family, model, num_examples)
            # Before those of the tasks, which are in it.
            replicas.of_chief(
                lambda: folder.claim(of_trial.settings, of_trial.output.overwrite)
            )
        parts = [
            job.FineTuningRun(
                _of_task(each, of_trial, dict(settings, **its), scope),
                family,
                model,
                loaded,
                replicas,
            )
            for scope, each, its, loaded in zip(scopes, tasks, own, splits)
        ]
        return _JointRun(of_trial, family, model, parts, num_examples, replicas, folder)

    job.run_trials(args, build, scopes)


def _own_settings(args: FineTuningArgs, scope: str) -> Dict[str, Any]:
    """What decides the result for one task: its data; a model is tried on any."""
    found = RunFolder(args.output.folder).settings() or {}
    if scope in found and not args.actions.train:
        return found[scope]
    task = {name: args.settings[name] for name in ("task",) if name in args.settings}
    return dict(task, **digests(args))


def _of_task(args, of_trial, settings, scope) -> FineTuningArgs:
    """The arguments of a task in a trial; its encoder is trained by all of them."""
    args = dataclasses.replace(
        args, settings=settings, actions=dataclasses.replace(args.actions, train=False)
    )
    folder = os.path.join(of_trial.output.folder, scope)
    return args.of_trial(of_trial.training.seed, folder)


class _JointRun:
    """One run of all tasks in one folder; that of each task is in it."""

    def __init__(self, args, family, model, parts, num_examples, replicas, folder):
        self._args, self._parts, self._folder = args, parts, folder
        for part in parts:
            part.tuner.dev_name = f"{part.task_type.task.name} dev"
        if not args.actions.train:
            return
        self._task = JointTask([part.task_type for part in parts])
        self._tuner = job.build_tuner(
            args,
            family,
            model,
            self._task,
            self._folder,
            num_examples,
            replicas,
            _JointTuner,
        )

    def run(self) -> Dict[str, float]:
        """Trains, evaluates, predicts as the arguments say; the metrics for trials."""
        if self._args.actions.train:
            for part in self._parts:
                part.write_model()
            data = self._write_records()
            dev = [part.write_dev() for part in self._parts]
            self._tuner.train(data, self._parts, dev)
        scores = {}
        for part in self._parts:
            found = part.report()
            scores.update({f"{part.task_type.scope}_{n}": v for n, v in found.items()})
        return scores

    def _write_records(self) -> input_pipeline.FineTuningData:
        """The training examples of all tasks, one after another."""
        files.make_folder(self._folder("records"))
        path = self._folder("records", "train.tf_record")
        features, count = self._task.features(), 0

        def written():
            nonlocal count
            for number, part in enumerate(self._parts):
                for values in part.encoded_train():
                    count += 1
                    joint = self._task.values(number, values)
                    yield schema.encode_example(features, joint)

        tfrecords.write_records(path, written(), overwrite=True)
        return self._parts[0].data_of(path, count, features)


class JointTask:
    """What a network learns of several tasks; `task_type` of a trainer.Encoder.

    Attributes:
      task_types: TaskType of each task.
      only_first_token: as in TaskType.
    """

    def __init__(self, task_types: Sequence[TaskType]):
        self.task_types = list(task_types)
        self.only_first_token = all(each.only_first_token for each in task_types)

    def features(self) -> schema.Features:
        """Those of each task after its scope, and task_id: its number."""
        found = [f for f in self.task_types[0].features() if f.name in _COMMON]
        found.append(schema.Feature("task_id", "int64", 1))
        for task in self.task_types:
            for feature in _own(task):
                found.append(feature._replace(name=f"{task.scope}/{feature.name}"))
        return tuple(found)

    def values(self, number: int, values: Mapping[str, Any]) -> Dict[str, Any]:
        """A record of a task as one of all tasks, with 0 for what the others have.

        Args:
          number: of the task.
          values: by the names of its features.
        """
        found = {name: values[name] for name in _COMMON}
        found["task_id"] = number
        for other, task in enumerate(self.task_types):
            for feature in _own(task):
                length = feature.length
                if length is None:
                    length = len(values["input_ids"])
                nothing = np.zeros([length], np.float32 if _is_float(feature) else int)
                value = values[feature.name] if other == number else nothing
                found[f"{task.scope}/{feature.name}"] = value
        return found

    def head(self, family, model, features, dropout=None) -> Head:
        """The heads of all tasks; an example counts for that of its task alone.

        Args:
          features: of `features()`, and input_mask int32 [B, S], is_real_example
            float32 [B]; others as in TaskType.

        Returns:
          The sum of their losses, or the mean over the examples of the batch, as the
          family reduces them; no outputs, since each task is evaluated alone.
        """
        real = features["is_real_example"]
        loss, per_example = 0.0, tf.zeros_like(real)
        for number, task in enumerate(self.task_types):
            own = {name: features[name] for name in _COMMON + _MASKS}
            mine = real * tf.cast(tf.equal(features["task_id"], number), tf.float32)
            own["is_real_example"] = mine
            for feature in _own(task):
                own[feature.name] = features[f"{task.scope}/{feature.name}"]
            with _head_scope(family, task.scope):
                head = task.head(family, model, own, dropout)
            share = tf.reduce_sum(mine) / tf.maximum(tf.reduce_sum(real), 1.0)
            loss += head.loss * (1.0 if family.loss_reduction == "sum" else share)
            per_example += mine * head.per_example_loss
        return Head(loss, per_example, {})


def _own(task: TaskType) -> List[schema.Feature]:
    return [feature for feature in task.features() if feature.name not in _COMMON]


def _is_float(feature: schema.Feature) -> bool:
    return feature.dtype == "float32"


@contextlib.contextmanager
def _head_scope(family: Family, scope: str) -> Iterator[None]:
    """Keeps the heads apart whose variables have the same names for every task."""
    if family.heads_have_task_name:
        yield
        return
    with tf.variable_scope(TASK_SPECIFIC + scope):
        yield


def take_task_out(checkpoint: str, prefix: str, family: Family, scope: str) -> None:
    """Writes the weights of one task as a checkpoint of a run of that task alone.

    Args:
      checkpoint: of all tasks. prefix: of the files to write.
      scope: of the task.
    """
    names = {}  # there -> here
    for name in checkpoints.checkpoint_shapes(checkpoint):
        own = name
        if checkpoints.OPTIMIZER_STATE.search(name) and name != "global_step":
            continue
        if name.startswith(TASK_SPECIFIC):
            if not name.startswith(f"{TASK_SPECIFIC}{scope}/"):
                continue
            if not family.heads_have_task_name:
                own = name[len(f"{TASK_SPECIFIC}{scope}/") :]
        names[name] = own
    tensors = checkpoints.read_tensors(checkpoint, names)
    checkpoints.write_checkpoint(
        prefix, {names[name]: tensor for name, tensor in tensors.items()}
    )


class _JointTuner(trainer.FineTuner):
    """A FineTuner that has each task judge its own part of a checkpoint.

    `evaluate` of `train` is the FineTuningRun of each task, `dev` its FineTuningData.
    """

    def _remake_best(self, history, evaluate):
        for part in evaluate:
            if history and not part.tuner.best_checkpoint:
                newest = self.newest_instead_of_best(part.folder)
                step = checkpoints.saved_step(self._folder.path)
                with _taken_out(part, newest, step, self._encoder.family) as own:
                    checkpoints.copy_checkpoint(own, part.folder(BEST))

    def _add_entry(self, history, entry, evaluate, dev):
        newest = self._newest_checkpoint()
        scores = {}
        for part, data in zip(evaluate, dev):
            found = _judge(part, newest, dict(entry), data, self._encoder.family)
            scores[f"{part.task_type.scope}_score"] = found["score"]
        entry = dict(entry, **scores, score=float(np.mean(list(scores.values()))))
        history = history + [entry]
        self._folder.write_json(HISTORY, history)
        return history


def _judge(part, checkpoint, entry, dev, family) -> Dict[str, Any]:
    """The entry of a task's history for a checkpoint of all tasks."""
    history = part.folder.history("seconds", "score")
    for earlier in history:
        if earlier["step"] == entry["step"]:  # judged before the run was stopped
            return earlier
    with _taken_out(part, checkpoint, entry["step"], family) as own:
        history = part.tuner.judge(own, history, entry, part.dev_metrics, dev)
    return history[-1]


@contextlib.contextmanager
def _taken_out(part, checkpoint, step, family) -> Iterator[str]:
    """The weights of one task, as a checkpoint in its folder for a while."""
    own = part.folder(f"model.ckpt-{step}")
    take_task_out(checkpoint, own, family, part.task_type.scope)
    try:
        yield own
    finally:
        checkpoints.remove_checkpoint(own)
