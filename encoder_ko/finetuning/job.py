"""A whole fine-tuning run: data, records, training, evaluation, prediction, results."""

import dataclasses
import os
import time
from typing import Any, Callable, Dict, Iterator, Sequence

import numpy as np
from absl import logging

from data.io import files
from data.io.errors import InputError
from data.records import input_pipeline, schema, tfrecords
from encoder_ko.compat import tf
from encoder_ko.finetuning import results, saved_run, task_types, trainer
from encoder_ko.finetuning.args import FineTuningArgs
from encoder_ko.finetuning.family import Family, Hyperparameters
from encoder_ko.finetuning.splits import Splits, digests, load_splits
from encoder_ko.optimization.updates import UpdateOptions
from encoder_ko.replicas import distribution
from encoder_ko.report import origin
from encoder_ko.report.content import Evaluated
from encoder_ko.report.finetuning import run_page
from encoder_ko.training import checkpoints
from encoder_ko.training.loaded_model import LoadedModel, require_start
from encoder_ko.training.run_folder import BEST, RunFolder


def run(args: FineTuningArgs, family: Family, model: LoadedModel) -> None:
    """Does what the arguments say, once or for each of its trials.

    Raises:
      InputError: for anything wrong in data, files or settings.
    """
    splits = load_splits(args)
    args = dataclasses.replace(args, settings=dict(args.settings, **digests(args)))
    run_trials(
        args,
        lambda each, replicas: FineTuningRun(each, family, model, splits, replicas),
    )


def run_trials(
    args: FineTuningArgs,
    build: Callable[[FineTuningArgs, Any], Any],
    scopes: Sequence[str] = ("",),
) -> None:
    """Does a run, once or for each of its trials.

    Args:
      build: (arguments, replicas) -> what has `run`, which returns the metrics.
      scopes: folders of its models in its own one.

    Raises:
      InputError: as `build`; --overwrite would delete a model that is to be evaluated.
    """
    folder = RunFolder(args.output.folder)
    if args.output.overwrite and not args.actions.train:
        names = [os.path.join(scope, BEST, "*.index") for scope in scopes]
        if folder.files(names + [f"trial_*/{name}" for name in names]):
            raise folder.overwriting_error()
    replicas = args.hardware.replicas()
    replicas.require_equal(dict(args.flags, **args.settings))
    if args.training.num_trials == 1:
        build(args, replicas).run()
        return
    seeds = [args.training.seed + trial for trial in range(args.training.num_trials)]
    replicas.of_chief(lambda: folder.claim(args.settings, args.output.overwrite))
    scores = []
    for trial, seed in enumerate(seeds, 1):
        logging.info("Trial %d of %d, seed %d", trial, args.training.num_trials, seed)
        of_trial = args.of_trial(seed, folder(f"trial_{trial}"))
        scores.append(build(of_trial, replicas).run())
    if replicas.is_chief and (args.actions.evaluate or args.actions.predict):
        found = results.summarize_trials(folder, seeds, scores, args.actions.predict)
        for name in scores[0]:
            logging.info(
                "%s: mean %.4f, standard deviation %.4f over %d seeds",
                name,
                found[name]["mean"],
                found[name]["standard_deviation"],
                len(seeds),
            )


class FineTuningRun:
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
        self._evaluated = []  # splits with labels, for the page
        self._logged_cuts = set()  # splits whose cut examples the log has mentioned
        self._logged_unknown = set()  # splits whose unknown pieces it has mentioned
        self.task_type = task_types.build(
            args.task, model.tokenizer, args.task_settings
        )
        if splits.train:
            self.task_type.use_training_examples(splits.train)
        self._gaps = {
            split: f"{split} has {gap}"
            for split, gap in zip(splits._fields, map(self._gap, splits))
            if gap
        }
        for gap in self._gaps.values():
            logging.warning("%s: the metrics say nothing about it.", gap)
        if args.actions.train:
            require_training(args, family, model, len(splits.train))
        self.folder = RunFolder(replicas.folder(args.output.folder))
        replicas.of_chief(
            lambda: self.folder.claim(args.settings, args.output.overwrite)
        )
        self.tuner = build_tuner(
            args,
            family,
            model,
            self.task_type,
            self.folder,
            len(splits.train),
            replicas,
        )

    def run(self) -> Dict[str, float]:
        """Trains, evaluates, predicts as the arguments say; the metrics for trials."""
        if self._args.actions.train:
            self.write_model()
            train, dev = self.write_train(), self.write_dev()
            self.tuner.train(train, self.dev_metrics, dev)
        return self.report()

    def write_model(self) -> None:
        """All that makes the folder a model, but for the checkpoint."""
        saved_run.write(
            self.folder, self._family.name, self._model.config, self.task_type
        )

    def write_train(self) -> input_pipeline.FineTuningData:
        return self._write_records("train", self._splits.train)

    def encoded_train(self) -> Iterator[Dict[str, Any]]:
        """The values of each training record."""
        return self._encoded("train", self._splits.train)

    def write_dev(self) -> input_pipeline.FineTuningData:
        return self._write_records("dev", self._splits.dev)

    def dev_metrics(self, outputs: task_types.Outputs) -> Dict[str, Any]:
        """Metrics of dev, with what there is to note of them."""
        metrics = self.task_type.metrics(self._splits.dev, outputs)
        return dict(metrics, **self._note("dev"))

    def report(self) -> Dict[str, float]:
        """Evaluates and predicts with the best checkpoint; the metrics for trials."""
        args, splits, tuner = self._args, self._splits, self.tuner
        if not self._replicas.is_chief:
            return {}
        facts = self._facts(tuner, self._checkpoint_to_use(tuner))
        scores = {}
        if args.actions.evaluate:
            scores.update(self._evaluate(tuner, splits.dev, facts))
        if args.actions.predict:
            scores.update(self._predict(tuner, facts))
        self._write_page(facts)
        logging.info("Results are in %s", args.output.folder)
        return scores

    def _write_page(self, facts) -> None:
        notes = {self._note(each.split).get("note") for each in self._evaluated}
        run_page.write(
            self.folder,
            self.task_type,
            self._evaluated,
            self._splits.train,
            run_page.RunFacts(
                origin.Made(
                    model_type=self._family.name,
                    model_config=facts["model_config"],
                    seed=facts["seed"],
                    seconds=facts["seconds"],
                    flags=facts["flags"],
                    versions=results.versions(),
                    start=facts["init_checkpoint"],
                ),
                history=facts["history"],
                data_folder=self._args.data.folder,
                notes=sorted(filter(None, notes)),
                checkpoint=facts["checkpoint"],
            ),
        )

    def _gap(self, examples) -> str:
        """What labelled examples have no example of; "" if nothing."""
        labelled = [each for each in examples if self.task_type.is_labelled(each)]
        return self.task_type.gap(labelled) if labelled else ""

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
        files.make_folder(self.folder("records"))
        path = self.folder("records", split + ".tf_record")
        features = self.task_type.features()
        encoded = self._encoded(split, examples)
        written = (schema.encode_example(features, values) for values in encoded)
        tfrecords.write_records(path, written, overwrite=True)
        return self.data_of(path, len(self._cut[split]), features)

    def _encoded(self, split: str, examples: Sequence) -> Iterator[Dict[str, Any]]:
        """The values of each record; at the end the log says what was cut."""
        cut = []
        encode = self.task_type.encode
        if split == "train":
            encode = self.task_type.encode_for_training
        counts = self._model.tokenizer.count_pieces()
        for values, is_cut in encode(examples):
            cut.append(is_cut)
            yield values
        self._cut[split] = np.array(cut, bool)
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
                self._args.task_settings.max_seq_length,
            )

    def data_of(
        self, path: str, count: int, features: schema.Features
    ) -> input_pipeline.FineTuningData:
        """How to batch the records of a file."""
        return input_pipeline.FineTuningData(
            path,
            count,
            features,
            self._args.task_settings.max_seq_length,
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
        self.folder.forget_test_results()
        self.task_type.write_predictions(self.folder, examples, outputs)
        if not all(self.task_type.is_labelled(example) for example in examples):
            self.task_type.write_submission(self.folder, examples, outputs)
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
        task_type = self.task_type
        metrics = task_type.metrics(examples, outputs)
        note = self._note(split)
        results.write_evaluation(
            self.folder, name, task_type, metrics, **dict(facts, **note)
        )
        task_type.draw(self.folder, split, examples, outputs, metrics)
        self._evaluated.append(Evaluated(split, examples, outputs, metrics))
        shown = {key: metrics[key] for key in task_type.headline}
        words = ", ".join(f"{key} {value:.4f}" for key, value in shown.items())
        logging.info("%s: %s%s", split, words, "".join(f" ({note[n]})" for n in note))
        return {f"{split}_{key}": value for key, value in shown.items()}


def _steps(args: FineTuningArgs, num_examples: int) -> int:
    return int(num_examples / args.batch_sizes.train * args.training.num_epochs)


def require_training(
    args: FineTuningArgs, family: Family, model: LoadedModel, num_examples: int
) -> None:
    """Raises InputError where training cannot begin: before anything is deleted."""
    steps, problem = _steps(args, num_examples), ""
    share = args.training.warmup_proportion
    warmup = steps * share
    if not steps:
        problem = "no whole step"
    elif steps == 1 and (warmup if family.fractional_warmup else int(warmup)):
        problem = f"one step, of learning rate 0 with --warmup_proportion={share:g}"
    if problem:
        raise InputError(
            f"{num_examples} training examples with --train_batch_size="
            f"{args.batch_sizes.train} and --num_train_epochs="
            f"{args.training.num_epochs:g} make {problem}: lower the batch size or "
            "train for more epochs."
        )
    if args.output.overwrite and model.files.init_checkpoint:
        require_start(family.model_class, model.config, model.files.init_checkpoint)


def build_tuner(
    args,
    family,
    model,
    task_type,
    folder,
    num_examples,
    replicas,
    tuner_class=trainer.FineTuner,
) -> trainer.FineTuner:
    training, steps = args.training, _steps(args, num_examples)
    epoch = max(1.0, num_examples / args.batch_sizes.train)
    return tuner_class(
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
        names = ["global_step"]
        return int(checkpoints.read_tensors(checkpoint, names)["global_step"])
    return 0
