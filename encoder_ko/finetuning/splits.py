"""The examples of a task, read before anything is trained."""

import os
import re
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from absl import logging

from data import tasks
from data.download.fetch import checksum_of
from data.io.errors import InputError
from encoder_ko.finetuning.args import FineTuningArgs
from encoder_ko.training.agreement import home_of
from encoder_ko.training.run_folder import BEST, DIGEST_OF, WEIGHTS, RunFolder


class Splits(NamedTuple):
    """Examples; an empty list where a split is not needed or does not exist."""

    train: Sequence
    dev: Sequence
    test: Sequence


def load_splits(args: FineTuningArgs) -> Splits:
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
        if not args.actions.train:
            _check_held_out_alike(args)
        train, dev = tasks.held_out_split(
            train, args.data.dev_fraction, args.data.split_seed
        )
        logging.info(
            "There is no dev file: %d of the training examples are held out "
            "(--dev_fraction=%g).",
            len(dev),
            args.data.dev_fraction,
        )
    if train and args.data.double_unordered and args.task.is_unordered:
        train = in_both_orders(train)
        logging.info("train: %d examples with both orders of each pair", len(train))
    test = _load(args, "test") if args.actions.predict else []
    _warn_of_learned("dev", dev, train)
    _warn_of_learned("test", test, train)
    return Splits(train, dev, test)


def _check_held_out_alike(args: FineTuningArgs) -> None:
    """A model that learnt this train file is tried on what it did not learn of it.

    Raises:
      InputError: it learnt the whole file, since there was a dev file then.
    """
    trained = _trained_in(args)
    settings = (trained and trained.settings()) or {}
    here = set(_digests(args, "train").values())
    learned = set(_digests_in(settings).values())
    if not here <= learned:  # another file, or nobody knows
        return
    if here < learned:
        raise InputError(
            f"{args.data.folder} has no dev file, and the model in {trained.path} was "
            "trained on all of its train file: nothing of that can be held out. Name "
            "a folder with the dev file by --data_dir, or leave --do_eval out."
        )
    drawn = (split_seed_of(trained.path, settings), settings.get("dev_fraction"))
    if drawn != (args.data.split_seed, args.data.dev_fraction):
        logging.warning(
            "dev: the model in %s was trained on most of these rows. What it did not "
            "learn is held out by --split_seed=%s --dev_fraction=%s.",
            trained.path,
            *drawn,
        )


def _trained_in(args: FineTuningArgs) -> Optional[RunFolder]:
    """The folder of the run whose model is evaluated."""
    own, start = RunFolder(args.output.folder), args.settings.get("init_checkpoint")
    if own.files([f"{BEST}/*.index", f"trial_*/{BEST}/*.index"]):
        return own
    return RunFolder(home_of(start)) if start else None


def split_seed_of(folder: str, settings: Dict[str, Any]) -> Any:
    """What a run in a folder held its dev set out by.

    By default the seed of the run, of several trials that of the first.
    """
    if settings.get("split_seed") is not None:
        return settings["split_seed"]
    trial = re.fullmatch(r"trial_(\d+)", os.path.basename(folder.rstrip("/")))
    return settings.get("random_seed", 0) - (int(trial.group(1)) - 1 if trial else 0)


# What an example is answered by; what a type of task has not is None.
_INPUTS = ("text_a", "text_b", "words", "question", "context")
_MANY_LEARNED = 0.1  # of NSMC's test, 4% are short reviews of train, too


def _warn_of_learned(split: str, examples: Sequence[Any], train: Sequence[Any]):
    """Says when a split is, in a good part, what was trained on: a copied file."""

    def inputs_of(example):
        return tuple(getattr(example, name, None) for name in _INPUTS)

    learned = {inputs_of(example) for example in train} if examples else set()
    count = sum(inputs_of(example) in learned for example in examples)
    if examples and count > _MANY_LEARNED * len(examples):
        logging.warning(
            "%s: %d of %d texts are in train, too. They do not show what the model "
            "makes of new ones.",
            split,
            count,
            len(examples),
        )


def in_both_orders(pairs: Sequence[Any]) -> List[Any]:
    """Pairs, and then each of them with its texts exchanged, under its own id."""
    exchanged = [p._replace(text_a=p.text_b, text_b=p.text_a) for p in pairs]
    return [*pairs, *exchanged]


def digests(args: FineTuningArgs) -> Dict[str, str]:
    """What training reads, for the settings that decide its result."""
    found = RunFolder(args.output.folder).settings()
    if found is not None and not args.actions.train:  # it may be tried on any data
        return _digests_in(found)
    return {**_digests(args, "train"), **_digests(args, "dev")}


def _digests_in(settings: Dict[str, Any]) -> Dict[str, str]:
    names = [name for name in settings if name.startswith(DIGEST_OF)]
    return {name: settings[name] for name in names if name != WEIGHTS}


def _digests(args: FineTuningArgs, split: str) -> Dict[str, str]:
    found = {}
    for path in tasks.find_files(args.task, args.data.folder, split):
        digest = checksum_of(path, "sha256").split(":")[1]
        found[DIGEST_OF + os.path.basename(path)] = digest[:16]
    return found


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
