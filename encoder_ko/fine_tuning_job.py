"""A whole fine-tuning run: data, records, training, evaluation, prediction, results."""

import dataclasses
import time
from typing import Any, Dict, List, NamedTuple, Sequence

from absl import logging

from data import input_pipeline, model_inputs, records, tasks
from data.errors import InputError
from data.text_files import ReadingOptions
from data.tokenization import Tokenizer
from encoder_ko import checkpoints, estimator, finetuning, results
from encoder_ko.compat import tf
from encoder_ko.model_files import ModelFiles
from encoder_ko.run_folder import RunFolder

# Share of examples as long as allowed from which on the log mentions them.
_MUCH_CUT = 0.02


@dataclasses.dataclass(frozen=True)
class Job:
    """What to do, as the flags of run_classifier.py of the same names say.

    Attributes:
      warmup_proportion: share of the steps; eval_every_steps: 0 = once an epoch;
      save_checkpoints_steps: steps; max_seq_length: tokens; learning_rate: peak.
      settings: every flag that decides the result, to recognise a run again.
      flags: all flags, for the report.
    """

    task: tasks.Task
    data_dir: str
    output_dir: str
    do_train: bool
    do_eval: bool
    do_predict: bool
    max_seq_length: int
    pad_to_max: bool
    learning_rate: float
    num_train_epochs: float
    warmup_proportion: float
    dev_fraction: float
    eval_every_steps: int
    patience: int
    random_seed: int
    num_trials: int
    save_checkpoints_steps: int
    keep_checkpoints: int
    overwrite: bool
    batch_sizes: estimator.BatchSizes
    hardware: estimator.Hardware
    reading: ReadingOptions
    compute_type: Any
    optimizer_options: Dict[str, Any]
    settings: Dict[str, Any]
    flags: Dict[str, Any]


class Network(NamedTuple):
    """Family, configuration, tokenizer and files of the model to fine-tune."""

    family: finetuning.Family
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
    if job.num_trials == 1:
        _run_once(job, network)
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


def _run_once(job: Job, network: Network) -> Dict[str, float]:
    """One trial; returns the figures that `trials.json` summarises."""
    folder = RunFolder(job.output_dir)
    folder.claim(job.settings, job.overwrite)
    splits = _load_splits(job)
    tuner = _fine_tuner(job, network, folder, len(splits.train))
    if job.do_train:
        _train(job, network, folder, tuner, splits)
    checkpoint = _checkpoint_to_use(job, network, tuner)
    history = tuner.history
    facts = {
        "checkpoint": checkpoint,
        "init_checkpoint": network.files.init_checkpoint,
        "vocab_file": network.files.vocab_file,
        "global_step": _step_of(checkpoint),
        "flags": job.flags,
        "model_config": network.config.to_dict(),
        "tokenizer": network.tokenizer.config.to_dict(),
        "seed": job.random_seed,
        "history": history,
        "seconds": {"train": round(sum(entry["seconds"] for entry in history), 1)},
    }
    scores = {}
    if job.do_eval:
        scores.update(_evaluate(job, network, folder, tuner, splits.dev, facts))
    if job.do_predict:
        scores.update(_predict(job, network, folder, tuner, facts))
    logging.info("Results are in %s", job.output_dir)
    return scores


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
        train, dev = tasks.held_out_split(train, job.dev_fraction, job.random_seed)
        logging.info(
            "There is no dev file: %d of the training examples are held out "
            "(--dev_fraction=%g).",
            len(dev),
            job.dev_fraction,
        )
    return Splits(train, dev)


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


def _fine_tuner(job, network, folder, num_examples) -> finetuning.FineTuner:
    steps = int(num_examples / job.batch_sizes.train * job.num_train_epochs)
    if job.do_train and not steps:
        raise InputError(
            f"{num_examples} training examples with --train_batch_size="
            f"{job.batch_sizes.train} and --num_train_epochs={job.num_train_epochs:g} "
            "make no whole step: lower the batch size or train for more epochs."
        )
    epoch = max(1.0, num_examples / job.batch_sizes.train)
    return finetuning.FineTuner(
        finetuning.Encoder(
            network.family,
            network.config,
            job.task.num_labels,
            network.files.init_checkpoint,
            job.compute_type,
        ),
        finetuning.Hyperparameters(
            job.learning_rate,
            steps,
            int(steps * job.warmup_proportion),
            job.eval_every_steps or epoch,
            job.patience,
            job.random_seed,
            job.optimizer_options,
        ),
        folder,
        job.batch_sizes,
        job.hardware,
        job.save_checkpoints_steps,
        job.keep_checkpoints,
    )


def _train(job, network, folder, tuner, splits):
    tuner.train(
        _write_records(job, network, folder, "train", splits.train),
        lambda predictions: results.classification_figures(job.task, predictions),
        _write_records(job, network, folder, "dev", splits.dev),
    )


def _write_records(job, network, folder, split, examples):
    """The examples as unpadded records, and how to batch them."""
    tf.io.gfile.makedirs(folder("records"))
    path = folder("records", split + ".tf_record")
    features = records.classification_features()
    lengths = []

    def encoded():
        for values in model_inputs.classification_records(
            network.tokenizer, examples, job.max_seq_length
        ):
            lengths.append(values["num_tokens"])
            yield records.encode_example(features, values)

    records.write_records(path, encoded(), overwrite=True)
    share = model_inputs.full_share(lengths, job.max_seq_length)
    if split == "train" and share >= _MUCH_CUT:
        logging.info(
            "%.1f%% of the training examples fill --max_seq_length=%d: the end of most "
            "of them was cut off.",
            100 * share,
            job.max_seq_length,
        )
    return input_pipeline.FineTuningData(
        path,
        len(examples),
        features,
        job.max_seq_length,
        pad_to_max=job.pad_to_max or job.hardware.use_tpu,
        pad_id=network.tokenizer.pad_id,
    )


def _checkpoint_to_use(job, network, tuner) -> str:
    """The best one of this folder, or the one that was named."""
    found = tuner.best_checkpoint or network.files.init_checkpoint
    if found is None:
        raise InputError(
            f"{job.output_dir} holds no trained model: train one with --do_train=true, "
            "or name a fine-tuned one with --init_checkpoint."
        )
    if tuner.best_checkpoint is None:
        tuner.check_checkpoint(found)
    return found


def _step_of(checkpoint: str) -> int:
    if "global_step" in checkpoints.checkpoint_shapes(checkpoint):
        return int(tf.train.load_variable(checkpoint, "global_step"))
    return 0


def _evaluate(job, network, folder, tuner, dev, facts) -> Dict[str, float]:
    data = _write_records(job, network, folder, "dev", dev)
    started = time.time()
    predictions = tuner.predict(data, facts["checkpoint"])
    figures = results.classification_figures(job.task, predictions)
    facts["seconds"]["eval"] = round(time.time() - started, 1)
    results.write_evaluation(folder, "eval", job.task, figures, **facts)
    return _log_figures("dev", figures)


def _predict(job, network, folder, tuner, facts) -> Dict[str, float]:
    """Predictions of the test file and, where it has labels, their figures."""
    examples = _load(job, "test")
    data = _write_records(job, network, folder, "test", examples)
    started = time.time()
    predictions = tuner.predict(data, facts["checkpoint"])
    facts["seconds"]["predict"] = round(time.time() - started, 1)
    results.write_predictions(folder, job.task, examples, predictions.probabilities)
    if any(example.label is None for example in examples):
        logging.info("test: %d predictions, no labels to score them", len(examples))
        return {}
    figures = results.classification_figures(job.task, predictions)
    results.write_evaluation(folder, "test", job.task, figures, **facts)
    return _log_figures("test", figures)


def _log_figures(split: str, figures: Dict[str, Any]) -> Dict[str, float]:
    names = ("accuracy", "macro_f1", "loss")
    logging.info(
        "%s: %s", split, ", ".join(f"{name} {figures[name]:.4f}" for name in names)
    )
    return {f"{split}_{name}": figures[name] for name in names}
