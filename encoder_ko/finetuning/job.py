"""A whole fine-tuning run: data, records, training, evaluation, prediction, results."""

import dataclasses
import os
import time
from typing import Any, Dict, List, NamedTuple, Sequence

import numpy as np
from absl import logging

from data import tasks
from data.download.fetch import checksum_of
from data.io import files
from data.io.errors import InputError
from data.records import input_pipeline, schema, tfrecords
from encoder_ko.compat import tf
from encoder_ko.finetuning import results, saved_run, task_types, trainer
from encoder_ko.finetuning.args import FineTuningArgs
from encoder_ko.finetuning.family import Family, Hyperparameters
from encoder_ko.optimization.updates import UpdateOptions
from encoder_ko.replicas import distribution
from encoder_ko.training import checkpoints
from encoder_ko.training.loaded_model import LoadedModel, require_start
from encoder_ko.training.run_folder import DIGEST_OF, SETTINGS, WEIGHTS, RunFolder


class Splits(NamedTuple):
    """Examples; an empty list where a split is not needed or does not exist."""

    train: Sequence
    dev: Sequence
    test: Sequence


def run(args: FineTuningArgs, family: Family, model: LoadedModel) -> None:
    """Does what the arguments say, once or for each of its trials.

    Raises:
      InputError: for anything wrong in data, files or settings.
    """
    splits = _load_splits(args)
    args = dataclasses.replace(args, settings=dict(args.settings, **_digests(args)))
    replicas = args.hardware.replicas()
    replicas.require_equal(dict(args.flags, **args.settings))
    if args.training.num_trials == 1:
        _Run(args, family, model, splits, replicas).run()
        return
    seeds = [args.training.seed + trial for trial in range(args.training.num_trials)]
    parent = RunFolder(args.output.folder)
    replicas.of_chief(lambda: parent.claim(args.settings, args.output.overwrite))
    scores = []
    for trial, seed in enumerate(seeds, 1):
        logging.info("Trial %d of %d, seed %d", trial, args.training.num_trials, seed)
        of_trial = args.of_trial(seed, parent(f"trial_{trial}"))
        scores.append(_Run(of_trial, family, model, splits, replicas).run())
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


class _Run:
    """One run in one folder, which is claimed when nothing else can be wrong."""

    def __init__(
        self,
        args: FineTuningArgs,
        family: Family,
        model: LoadedModel,
        splits: Splits,
        replicas: distribution.OneReplica,
    ):
        self._args, self._family, self._model = args, family, model
        self._splits, self._replicas = splits, replicas
        self._cut = {}  # split -> bool per record: whether its end is cut off
        self._logged_cuts = set()  # splits whose cut examples the log has mentioned
        self._logged_unknown = set()  # splits whose unknown pieces it has mentioned
        self._task_type = task_types.build(
            args.task, model.tokenizer, args.task_settings
        )
        if splits.train:
            self._task_type.use_training_examples(splits.train)
        self._gaps = {
            split: f"{split} has {gap}"
            for split, gap in zip(splits._fields, map(self._gap, splits))
            if gap
        }
        for gap in self._gaps.values():
            logging.warning("%s: the metrics say nothing about it.", gap)
        if args.actions.train:
            _require_a_step(args, len(splits.train))
        if args.actions.train and args.output.overwrite and model.files.init_checkpoint:
            require_start(family.model_class, model.config, model.files.init_checkpoint)
        self._folder = RunFolder(replicas.folder(args.output.folder))
        replicas.of_chief(
            lambda: self._folder.claim(args.settings, args.output.overwrite)
        )

    def run(self) -> Dict[str, float]:
        """Trains, evaluates, predicts as the arguments say; the metrics for trials."""
        args, splits = self._args, self._splits
        tuner = _fine_tuner(
            args,
            self._family,
            self._model,
            self._task_type,
            self._folder,
            len(splits.train),
            self._replicas,
        )
        if args.actions.train:
            saved_run.write(
                self._folder,
                self._family.name,
                self._model.config,
                self._task_type,
            )
            tuner.train(
                self._write_records("train", splits.train),
                lambda outputs: dict(
                    self._task_type.metrics(splits.dev, outputs), **self._note("dev")
                ),
                self._write_records("dev", splits.dev),
            )
        if not self._replicas.is_chief:
            return {}
        facts = self._facts(tuner, self._checkpoint_to_use(tuner))
        scores = {}
        if args.actions.evaluate:
            scores.update(self._evaluate(tuner, splits.dev, facts))
        if args.actions.predict:
            scores.update(self._predict(tuner, facts))
        logging.info("Results are in %s", args.output.folder)
        return scores

    def _gap(self, examples) -> str:
        """What labelled examples have no example of; "" if nothing."""
        labelled = [each for each in examples if self._task_type.is_labelled(each)]
        return self._task_type.gap(labelled) if labelled else ""

    def _note(self, split) -> Dict[str, str]:
        """What to know beside each metric of a split: {} or {"note": ...}."""
        gaps = [self._gaps[name] for name in ("train", split) if name in self._gaps]
        return {"note": "; ".join(gaps)} if gaps else {}

    def _facts(self, tuner, checkpoint) -> Dict[str, Any]:
        """What the reports say of the run beside its metrics."""
        history, model = tuner.history, self._model
        return {
            "checkpoint": checkpoint,
            "init_checkpoint": model.files.init_checkpoint,
            "vocab_file": model.files.vocab_file,
            "global_step": _step_of(checkpoint),
            "flags": self._args.flags,
            "model_config": model.config.to_dict(),
            "tokenizer": model.tokenizer.config.to_dict(),
            "seed": self._args.training.seed,
            "history": history,
            "seconds": {"train": round(sum(entry["seconds"] for entry in history), 1)},
        }

    def _write_records(self, split, examples) -> input_pipeline.FineTuningData:
        """The examples as unpadded records, and how to batch them."""
        files.make_folder(self._folder("records"))
        path = self._folder("records", split + ".tf_record")
        features, cut = self._task_type.features(), []
        encode = self._task_type.encode
        if split == "train":
            encode = self._task_type.encode_for_training
        counts = self._model.tokenizer.count_pieces()

        def encoded():
            for values, is_cut in encode(examples):
                cut.append(is_cut)
                yield schema.encode_example(features, values)

        tfrecords.write_records(path, encoded(), overwrite=True)
        self._cut[split] = np.array(cut, bool)
        length = self._args.task_settings.max_seq_length
        warning = counts.warning(split)
        if warning and split not in self._logged_unknown:
            self._logged_unknown.add(split)
            logging.warning("%s", warning)
        if any(cut) and split not in self._logged_cuts:
            self._logged_cuts.add(split)
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
            pad_to_max=self._args.data.pad_to_max or self._args.hardware.use_tpu,
            pad_id=self._model.tokenizer.pad_id,
        )

    def _checkpoint_to_use(self, tuner) -> str:
        """The best one of this folder, or the one that was named."""
        found = tuner.best_checkpoint or self._model.files.init_checkpoint
        if found is None:
            raise InputError(
                f"{self._args.output.folder} holds no trained model: train one with "
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
        examples = self._splits.test
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
        return dict(outputs, is_cut=self._cut[split])

    def _report(self, name, split, examples, outputs, facts) -> Dict[str, float]:
        """Result files of an evaluation, a line in the log, metrics for trials."""
        task_type = self._task_type
        metrics = task_type.metrics(examples, outputs)
        note = self._note(split)
        results.write_evaluation(
            self._folder, name, task_type, metrics, **dict(facts, **note)
        )
        task_type.draw(self._folder, split, examples, outputs, metrics)
        shown = {key: metrics[key] for key in task_type.headline}
        words = ", ".join(f"{key} {value:.4f}" for key, value in shown.items())
        logging.info("%s: %s%s", split, words, "".join(f" ({note[n]})" for n in note))
        return {f"{split}_{key}": value for key, value in shown.items()}


def _load_splits(args: FineTuningArgs) -> Splits:
    """All that is read of the data, before anything is trained.

    A dev set is held out of train where there is no dev file.
    """
    has_dev_file = bool(tasks.find_files(args.task, args.data.folder, "dev"))
    if args.actions.predict:  # its absence is found out before all else is read
        tasks.require_files(args.task, args.data.folder, "test")
    train, dev = [], []
    if args.actions.train or (args.actions.evaluate and not has_dev_file):
        train = _load(args, "train")
    if has_dev_file:
        dev = _load(args, "dev") if args.actions.train or args.actions.evaluate else []
    elif train:
        train, dev = tasks.held_out_split(
            train, args.data.dev_fraction, args.data.split_seed
        )
        logging.info(
            "There is no dev file: %d of the training examples are held out "
            "(--dev_fraction=%g).",
            len(dev),
            args.data.dev_fraction,
        )
    return Splits(train, dev, _load(args, "test") if args.actions.predict else [])


def _digests(args: FineTuningArgs) -> Dict[str, str]:
    """What training reads, for the settings that decide its result."""
    found = RunFolder(args.output.folder).read_json(SETTINGS)
    if found is not None and not args.actions.train:  # it may be tried on any data
        return {
            name: found[name]
            for name in found
            if name.startswith(DIGEST_OF) and name != WEIGHTS
        }
    digests = {}
    for split in ("train", "dev"):
        for path in tasks.find_files(args.task, args.data.folder, split):
            digest = checksum_of(path, "sha256").split(":")[1]
            digests[DIGEST_OF + os.path.basename(path)] = digest[:16]
    return digests


def _load(args: FineTuningArgs, split: str) -> List[Any]:
    loaded = tasks.load_split(args.task, args.data.folder, split, args.data.reading)
    for note in loaded.notes:
        logging.warning("%s", note)
    logging.info(
        "%s: %d examples from %s",
        split,
        len(loaded.examples),
        ", ".join(loaded.paths),
    )
    return loaded.examples


def _steps(args: FineTuningArgs, num_examples: int) -> int:
    return int(num_examples / args.batch_sizes.train * args.training.num_epochs)


def _require_a_step(args: FineTuningArgs, num_examples: int) -> None:
    if not _steps(args, num_examples):
        raise InputError(
            f"{num_examples} training examples with --train_batch_size="
            f"{args.batch_sizes.train} and --num_train_epochs="
            f"{args.training.num_epochs:g} make no whole step: lower the batch size or "
            "train for more epochs."
        )


def _fine_tuner(
    args, family, model, task_type, folder, num_examples, replicas
) -> trainer.FineTuner:
    training, steps = args.training, _steps(args, num_examples)
    epoch = max(1.0, num_examples / args.batch_sizes.train)
    return trainer.FineTuner(
        trainer.Encoder(
            family,
            model.config,
            task_type,
            model.files.init_checkpoint,
            training.compute_type,
        ),
        Hyperparameters(
            learning_rate=training.learning_rate,
            train_steps=steps,
            warmup_steps=steps * training.warmup_proportion,
            eval_every_steps=training.eval_every_steps or epoch,
            patience=training.patience,
            seed=training.seed,
            weight_decay_rate=training.weight_decay_rate,
            layerwise_lr_decay=training.layerwise_lr_decay,
            optimizer=training.optimizer,
            adam=training.adam,
            update=UpdateOptions(loss_scaling=training.compute_type == tf.float16),
        ),
        folder,
        args.batch_sizes,
        args.hardware,
        args.output.save_checkpoints_steps,
        args.output.keep_checkpoints,
        replicas,
    )


def _step_of(checkpoint: str) -> int:
    if "global_step" in checkpoints.checkpoint_shapes(checkpoint):
        return int(
            tf.train.load_variable(checkpoints.readable(checkpoint), "global_step")
        )
    return 0
