"""A whole fine-tuning run: data, records, training, evaluation, prediction, results."""

import dataclasses
import os
import time
from typing import Any, Dict, List, NamedTuple, Sequence

from absl import logging

from data import tasks
from data.download.fetch import checksum_of
from data.io.errors import InputError
from data.io.tables import ReadingOptions
from data.records import input_pipeline, schema, tfrecords
from data.tokenization import Tokenizer
from encoder_ko.compat import tf
from encoder_ko.finetuning import results, saved_run, task_types, trainer
from encoder_ko.optimization.optimizers import AdamOptions
from encoder_ko.training import checkpoints, estimator
from encoder_ko.training.model_files import ModelFiles
from encoder_ko.training.run_folder import SETTINGS, RunFolder

_DIGEST_OF = "sha256 of "


@dataclasses.dataclass(frozen=True)
class Job:
    """What to do, as the flags of run_classifier.py of the same names say.

    Attributes:
      warmup_proportion: share of the steps; eval_every_steps: 0 = once an epoch;
      save_checkpoints_steps: steps; learning_rate: peak.
      split_seed: draws the dev set where there is no dev file, the same in all trials.
      settings: every flag that decides the result, to recognise a run again.
      flags: all flags, for the report.
    """

    task: tasks.Task
    data_dir: str
    output_dir: str
    do_train: bool
    do_eval: bool
    do_predict: bool
    task_settings: task_types.TaskSettings
    pad_to_max: bool
    learning_rate: float
    num_train_epochs: float
    warmup_proportion: float
    weight_decay_rate: float
    layerwise_lr_decay: float
    adam: AdamOptions
    dev_fraction: float
    eval_every_steps: int
    patience: int
    random_seed: int
    split_seed: int
    num_trials: int
    save_checkpoints_steps: int
    keep_checkpoints: int
    overwrite: bool
    batch_sizes: estimator.BatchSizes
    hardware: estimator.Hardware
    reading: ReadingOptions
    compute_type: Any
    settings: Dict[str, Any]
    flags: Dict[str, Any]


class Network(NamedTuple):
    """Family, configuration, tokenizer and files of the model to fine-tune."""

    family: trainer.Family
    config: Any
    tokenizer: Tokenizer
    files: ModelFiles


class Splits(NamedTuple):
    """Examples; an empty list where a split is not needed or does not exist."""

    train: Sequence
    dev: Sequence


def run(job: Job, network: Network) -> None:
    """Does the job, once or for each of its trials.

    Raises:
      InputError: for anything wrong in data, files or settings.
    """
    splits = _load_splits(job)
    job = dataclasses.replace(job, settings=dict(job.settings, **_digests(job)))
    if job.num_trials == 1:
        _run_once(job, network, splits)
        return
    seeds = [job.random_seed + trial for trial in range(job.num_trials)]
    parent = RunFolder(job.output_dir)
    parent.claim(job.settings, job.overwrite)
    scores = []
    for trial, seed in enumerate(seeds, 1):
        logging.info("Trial %d of %d, seed %d", trial, job.num_trials, seed)
        scores.append(
            _run_once(
                dataclasses.replace(
                    job,
                    output_dir=parent(f"trial_{trial}"),
                    random_seed=seed,
                    settings=dict(job.settings, random_seed=seed),
                ),
                network,
                splits,
            )
        )
    if scores[0]:
        for name, value in results.summarize_trials(parent, seeds, scores).items():
            if isinstance(value, dict):
                logging.info(
                    "%s: mean %.4f, standard deviation %.4f over %d seeds",
                    name,
                    value["mean"],
                    value["standard_deviation"],
                    len(seeds),
                )


def _run_once(job: Job, network: Network, splits: Splits) -> Dict[str, float]:
    """One trial; returns the metrics that `trials.json` summarises."""
    return _Run(job, network, splits).run()


class _Run:
    """One run in one folder, which is claimed when nothing else can be wrong."""

    def __init__(self, job: Job, network: Network, splits: Splits):
        self._job, self._network, self._splits = job, network, splits
        self._told = set()  # splits whose cut examples the log has mentioned
        self._task_type = task_types.build(
            job.task, network.tokenizer, job.task_settings
        )
        if splits.train:
            self._task_type.use_training_examples(splits.train)
        if job.do_train:
            _require_a_step(job, len(splits.train))
        self._folder = RunFolder(job.output_dir)
        self._folder.claim(job.settings, job.overwrite)

    def run(self) -> Dict[str, float]:
        """Trains, evaluates and predicts as the job says; the metrics for trials."""
        job, splits = self._job, self._splits
        tuner = _fine_tuner(
            job, self._network, self._task_type, self._folder, len(splits.train)
        )
        if job.do_train:
            saved_run.write(
                self._folder,
                self._network.family.name,
                self._network.config,
                self._task_type,
            )
            tuner.train(
                self._write_records("train", splits.train),
                lambda outputs: self._task_type.metrics(splits.dev, outputs),
                self._write_records("dev", splits.dev),
            )
        facts = self._facts(tuner, self._checkpoint_to_use(tuner))
        scores = {}
        if job.do_eval:
            scores.update(self._evaluate(tuner, splits.dev, facts))
        if job.do_predict:
            scores.update(self._predict(tuner, facts))
        logging.info("Results are in %s", job.output_dir)
        return scores

    def _facts(self, tuner, checkpoint) -> Dict[str, Any]:
        """What the reports say of the run beside its metrics."""
        history, network = tuner.history, self._network
        return {
            "checkpoint": checkpoint,
            "init_checkpoint": network.files.init_checkpoint,
            "vocab_file": network.files.vocab_file,
            "global_step": _step_of(checkpoint),
            "flags": self._job.flags,
            "model_config": network.config.to_dict(),
            "tokenizer": network.tokenizer.config.to_dict(),
            "seed": self._job.random_seed,
            "history": history,
            "seconds": {"train": round(sum(entry["seconds"] for entry in history), 1)},
        }

    def _write_records(self, split, examples) -> input_pipeline.FineTuningData:
        """The examples as unpadded records, and how to batch them."""
        tf.io.gfile.makedirs(self._folder("records"))
        path = self._folder("records", split + ".tf_record")
        features, cut = self._task_type.features(), []

        def encoded():
            for values, is_cut in self._task_type.encode(examples):
                cut.append(is_cut)
                yield schema.encode_example(features, values)

        tfrecords.write_records(path, encoded(), overwrite=True)
        length = self._job.task_settings.max_seq_length
        if any(cut) and split not in self._told:
            self._told.add(split)
            logging.info(
                "%s: the end of %d of %d inputs (%.1f%%) is cut off: they are longer "
                "than --max_seq_length=%d.",
                split,
                sum(cut),
                len(cut),
                100 * sum(cut) / len(cut),
                length,
            )
        return input_pipeline.FineTuningData(
            path,
            len(cut),
            features,
            length,
            pad_to_max=self._job.pad_to_max or self._job.hardware.use_tpu,
            pad_id=self._network.tokenizer.pad_id,
        )

    def _checkpoint_to_use(self, tuner) -> str:
        """The best one of this folder, or the one that was named."""
        found = tuner.best_checkpoint or self._network.files.init_checkpoint
        if found is None:
            raise InputError(
                f"{self._job.output_dir} holds no trained model: train one with "
                "--do_train=true, or name a fine-tuned one with --init_checkpoint."
            )
        if tuner.best_checkpoint is None:
            tuner.check_checkpoint(found)
        return found

    def _evaluate(self, tuner, dev, facts) -> Dict[str, float]:
        outputs = self._outputs(tuner, "dev", dev, facts, "eval")
        return self._report("eval", "dev", dev, outputs, facts)

    def _predict(self, tuner, facts) -> Dict[str, float]:
        """Predictions of the test file and, where it has labels, their metrics."""
        examples = _load(self._job, "test")
        outputs = self._outputs(tuner, "test", examples, facts, "predict")
        self._folder.forget_test_results()
        self._task_type.write_predictions(self._folder, examples, outputs)
        if not all(self._task_type.is_labelled(example) for example in examples):
            self._task_type.write_submission(self._folder, examples, outputs)
            logging.info("test: %d predictions, no labels to score them", len(examples))
            return {}
        return self._report("test", "test", examples, outputs, facts)

    def _outputs(self, tuner, split, examples, facts, timed) -> task_types.Outputs:
        data = self._write_records(split, examples)
        started = time.time()
        outputs = tuner.predict(data, facts["checkpoint"])
        facts["seconds"][timed] = round(time.time() - started, 1)
        return outputs

    def _report(self, name, split, examples, outputs, facts) -> Dict[str, float]:
        """Result files of an evaluation, a line in the log, metrics for trials."""
        task_type = self._task_type
        metrics = task_type.metrics(examples, outputs)
        results.write_evaluation(self._folder, name, task_type, metrics, **facts)
        task_type.draw(self._folder, split, examples, outputs, metrics)
        shown = {key: metrics[key] for key in task_type.headline}
        words = ", ".join(f"{key} {value:.4f}" for key, value in shown.items())
        logging.info("%s: %s", split, words)
        return {f"{split}_{key}": value for key, value in shown.items()}


def _load_splits(job: Job) -> Splits:
    """Train and dev; a dev set is held out of train where there is no dev file."""
    has_dev_file = bool(tasks.find_files(job.task, job.data_dir, "dev"))
    if job.do_predict:  # not opened yet, but its absence is not found out at the end
        tasks.require_files(job.task, job.data_dir, "test")
    train, dev = [], []
    if job.do_train or (job.do_eval and not has_dev_file):
        train = _load(job, "train")
    if has_dev_file:
        dev = _load(job, "dev") if job.do_train or job.do_eval else []
    elif train:
        train, dev = tasks.held_out_split(train, job.dev_fraction, job.split_seed)
        logging.info(
            "There is no dev file: %d of the training examples are held out "
            "(--dev_fraction=%g).",
            len(dev),
            job.dev_fraction,
        )
    return Splits(train, dev)


def _digests(job: Job) -> Dict[str, str]:
    """What training reads, for the settings that decide its result."""
    found = RunFolder(job.output_dir).read_json(SETTINGS)
    if found is not None and not job.do_train:  # it may be tried on any data
        return {name: found[name] for name in found if name.startswith(_DIGEST_OF)}
    digests = {}
    for split in ("train", "dev"):
        for path in tasks.find_files(job.task, job.data_dir, split):
            digest = checksum_of(path, "sha256").split(":")[1]
            digests[_DIGEST_OF + os.path.basename(path)] = digest[:16]
    return digests


def _load(job: Job, split: str) -> List[Any]:
    loaded = tasks.load_split(job.task, job.data_dir, split, job.reading)
    for note in loaded.notes:
        logging.warning("%s", note)
    logging.info(
        "%s: %d examples from %s",
        split,
        len(loaded.examples),
        ", ".join(loaded.paths),
    )
    return loaded.examples


def _steps(job: Job, num_examples: int) -> int:
    return int(num_examples / job.batch_sizes.train * job.num_train_epochs)


def _require_a_step(job: Job, num_examples: int) -> None:
    if not _steps(job, num_examples):
        raise InputError(
            f"{num_examples} training examples with --train_batch_size="
            f"{job.batch_sizes.train} and --num_train_epochs={job.num_train_epochs:g} "
            "make no whole step: lower the batch size or train for more epochs."
        )


def _fine_tuner(job, network, task_type, folder, num_examples) -> trainer.FineTuner:
    steps = _steps(job, num_examples)
    epoch = max(1.0, num_examples / job.batch_sizes.train)
    return trainer.FineTuner(
        trainer.Encoder(
            network.family,
            network.config,
            task_type,
            network.files.init_checkpoint,
            job.compute_type,
        ),
        trainer.Hyperparameters(
            job.learning_rate,
            steps,
            steps * job.warmup_proportion,
            job.eval_every_steps or epoch,
            job.patience,
            job.random_seed,
            job.weight_decay_rate,
            job.layerwise_lr_decay,
            job.adam,
        ),
        folder,
        job.batch_sizes,
        job.hardware,
        job.save_checkpoints_steps,
        job.keep_checkpoints,
    )


def _step_of(checkpoint: str) -> int:
    if "global_step" in checkpoints.checkpoint_shapes(checkpoint):
        return int(tf.train.load_variable(checkpoint, "global_step"))
    return 0
