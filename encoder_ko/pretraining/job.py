"""A whole pre-training run: records, training, evaluation, results."""

import dataclasses
import time
from typing import Any, Dict, Optional

from absl import logging

from data.evaluation import plots
from data.io.errors import InputError
from data.records.dataset import RecordFiles
from data.tokenization import Tokenizer
from encoder_ko.finetuning import results
from encoder_ko.pretraining import inspection, trainer
from encoder_ko.pretraining.args import EvaluationArgs, Schedule
from encoder_ko.replicas import distribution
from encoder_ko.report import origin
from encoder_ko.report.pretraining import curves, examples, run_page
from encoder_ko.training import (
    checkpoints,
    collapse,
    estimator,
    model_files,
)
from encoder_ko.training.args import OutputArgs
from encoder_ko.training.run_folder import HISTORY, SETTINGS, RunFolder
from encoder_ko.training.training_log import FILE_NAME, read_log

# Ends of the names of the metrics that the picture shows, losses first.
_DRAWN = ("loss", "accuracy", "precision", "recall", "auc")
_EXAMPLES = 12  # records that the page shows


@dataclasses.dataclass(frozen=True)
class PretrainingJob:
    """What to do.

    Attributes:
      model_type: value of --model_type.
      do_train, do_eval: the flags of these names.
      data: records to train on. eval_data: records to evaluate.
      tokenizer: kept beside the checkpoints, if known.
      settings: every flag that decides the result, to recognise a run again.
      flags: all flags, for the report.
    """

    model_type: str
    do_train: bool
    do_eval: bool
    data: RecordFiles
    eval_data: RecordFiles
    tokenizer: Optional[Tokenizer]
    network: trainer.PretrainingNetwork
    schedule: Schedule
    evaluation: EvaluationArgs
    output: OutputArgs
    hardware: estimator.Hardware
    settings: Dict[str, Any]
    flags: Dict[str, Any]


def run(job: PretrainingJob) -> None:
    """Does the job.

    Raises:
      InputError: for anything wrong in records, files or settings.
      StoppedBySignal: SIGTERM or Ctrl-C ended it.
    """
    replicas = job.hardware.replicas()
    replicas.require_equal(dict(job.flags, **job.settings))
    folder = RunFolder(replicas.folder(job.output.folder))
    replicas.of_chief(lambda: _prepare(job, folder))
    pretrainer = build_pretrainer(job, folder, replicas)
    started = time.time()
    if job.do_train:
        _train(job, folder, pretrainer, replicas)
    seconds = {"train": round(time.time() - started, 1)}
    if job.do_eval and replicas.is_chief:
        _evaluate(job, folder, pretrainer, seconds)
    if replicas.is_chief:
        _draw_curves(job, folder)
        _write_page(job, folder, seconds)


def _prepare(job: PretrainingJob, folder: RunFolder) -> None:
    folder.claim(_claimed_settings(job, folder), job.output.overwrite)
    model_files.write_model_files(
        folder, job.model_type, job.network.config, job.tokenizer
    )


def _claimed_settings(job: PretrainingJob, folder: RunFolder) -> Dict[str, Any]:
    """What the folder must agree with; an evaluation may be of any records."""
    if job.do_train:
        return job.settings
    found = folder.settings()
    if found is None or not checkpoints.last_of_run(folder.path):
        raise InputError(
            f"{job.output.folder} holds no trained model: train one with "
            "--do_train=true."
        )
    if job.output.overwrite:
        raise folder.overwriting_error()
    return dict(job.settings, records=found.get("records"))


def build_pretrainer(
    job: PretrainingJob,
    folder: RunFolder,
    replicas: Optional[distribution.OneReplica] = None,
) -> trainer.Pretrainer:
    """What trains and evaluates the job's network in its folder."""
    return trainer.Pretrainer(
        job.network,
        job.schedule,
        folder,
        job.hardware,
        job.evaluation.batch_size,
        job.output,
        replicas,
    )


def _train(
    job: PretrainingJob,
    folder: RunFolder,
    pretrainer: trainer.Pretrainer,
    replicas: distribution.OneReplica,
) -> None:
    """Trains to the end, with evaluations in between if asked for."""
    _announce(job, folder, pretrainer.step)
    total = job.schedule.train_steps
    every = job.evaluation.every_steps or total
    if pretrainer.evaluates_on_the_way:
        if pretrainer.step < total:
            on_the_way = _evaluations(job, folder, pretrainer)
            pretrainer.train(job.data, total, evaluations=on_the_way)
        return
    while pretrainer.step < total:
        target = min(total, (pretrainer.step // every + 1) * every)
        pretrainer.train(job.data, target)
        if target < total:
            replicas.of_chief(lambda: _evaluated(job, folder, pretrainer))


def _evaluations(
    job: PretrainingJob, folder: RunFolder, pretrainer: trainer.Pretrainer
) -> trainer.Evaluations:
    """Those before the last step, which is evaluated where --do_eval asks for it."""
    every, total = job.evaluation.every_steps, job.schedule.train_steps

    def is_due(step: int) -> bool:
        if not every or not 0 < step < total or step % every:
            return False
        return all(entry["step"] != step for entry in folder.history())

    def evaluate(step: int) -> bool:
        _evaluated(job, folder, pretrainer)
        return False

    return trainer.Evaluations(is_due, evaluate)


def _announce(job: PretrainingJob, folder: RunFolder, step: int) -> None:
    total = job.schedule.train_steps
    if step >= total:
        logging.info(
            "This run is complete (step %d of %d): nothing is trained again. To train "
            "longer, begin a new schedule with --init_checkpoint=%s, another "
            "--output_dir and its own --num_train_steps.",
            step,
            total,
            checkpoints.newest_checkpoint(folder.path),
        )
        return
    epochs = total * job.schedule.batch_size / job.data.total
    logging.info(
        "Records: %d, files: %d; %d steps of batch size %d are %.2f epochs.",
        job.data.total,
        len(job.data.paths),
        total,
        job.schedule.batch_size,
        epochs,
    )
    if step:
        logging.info("Resuming at step %d of %d.", step, total)
    elif job.network.init_checkpoint is None:
        logging.info("No checkpoint to start from: training from scratch.")


def _evaluated(
    job: PretrainingJob, folder: RunFolder, pretrainer: trainer.Pretrainer
) -> Dict[str, float]:
    """Evaluates the newest checkpoint and adds it to the history of this run."""
    metrics = pretrainer.evaluate(job.eval_data, job.evaluation.max_steps)
    step = metrics["global_step"]
    entry = {name: value for name, value in metrics.items() if name != "global_step"}
    earlier = folder.history()
    history = [other for other in earlier if other["step"] < step]
    folder.write_json(HISTORY, history + [dict(entry, step=step)])
    return metrics


def _evaluate(job, folder, pretrainer, seconds) -> None:
    """`eval_results.txt` in upstream's form and `eval_results.json`."""
    started = time.time()
    metrics = _evaluated(job, folder, pretrainer)
    seconds["eval"] = round(time.time() - started, 1)
    folder.write_text(
        "eval_results.txt",
        "".join(f"{name} = {value}\n" for name, value in sorted(metrics.items())),
    )
    folder.write_json(
        "eval_results.json",
        {
            "metrics": metrics,
            "training": collapse.summary(read_log(folder(FILE_NAME))),
            "records": {
                "train": folder.required_json(SETTINGS)["records"]["total"],
                "evaluated": min(
                    job.eval_data.total,
                    job.evaluation.max_steps * job.evaluation.batch_size,
                ),
            },
            "seconds": seconds,
            "seed": job.schedule.seed,
            "flags": job.flags,
            "model_config": job.network.config.to_dict(),
            "versions": results.versions(),
        },
    )


def _write_page(job, folder, seconds) -> None:
    """`report.html`."""
    network, checkpoint = job.network, checkpoints.newest_checkpoint(folder.path)

    def course():
        return run_page.Course(
            origin.Made(
                model_type=job.model_type,
                model_config=network.config.to_dict(),
                seed=job.schedule.seed,
                seconds=seconds,
                flags=job.flags,
                versions=results.versions(),
                start=network.init_checkpoint,
            ),
            log=read_log(folder(FILE_NAME)),
            history=folder.history(),
            step=checkpoints.saved_step(folder.path),
            total_steps=job.schedule.train_steps,
            batch_size=job.schedule.batch_size,
            max_seq_length=job.data.features[0].length,
            data=job.data,
            shown_data=job.eval_data,
            are_trained_on=job.eval_data.digest == job.data.digest,
        )

    def inspected():
        return inspection.inspect(
            network,
            job.schedule.seed,
            job.eval_data,
            checkpoint,
            _EXAMPLES,
            examples.GUESSES,
        )

    run_page.write(folder, job.tokenizer, course, inspected)


def _draw_curves(job: PretrainingJob, folder: RunFolder) -> None:
    """`training_curves.png` from the log and the history of evaluations."""
    log, history = read_log(folder(FILE_NAME)), folder.history()
    if not log + history:
        return

    found = {name for entries in (log, history) for name in (entries or [{}])[-1]}
    metrics = sorted(
        (name for name in found if name.endswith(_DRAWN)),
        key=lambda name: (not name.endswith("loss"), name != "loss", name),
    )
    step = max(entry["step"] for entry in log + history)
    plots.write_curves_png(
        folder("training_curves.png"),
        {
            name.replace("_", " "): curves.of_training_and_evaluation(
                log, history, name
            )
            for name in metrics + ["learning_rate", "gradient_norm"]
        },
        f"{job.model_type}: step {step} of {job.schedule.train_steps}",
    )
