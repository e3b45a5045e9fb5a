"""The output folder of a run: whose it is, what it holds, what may be replaced."""

import json
import os
from typing import Any, Dict, List, Optional

from data.io import files
from data.io.errors import InputError
from data.io.owned_folder import OwnedFolder
from encoder_ko.training import checkpoints

SETTINGS = "run_config.json"
TASK = "task.json"  # what was fine-tuned
HISTORY = "history.json"  # evaluations
INTERVALS = "intervals.json"  # split -> metric -> 95% interval
BEST = "best"  # folder of the best checkpoint
LOG = "training_log.jsonl"  # of pre-training
_NUMBERS = ("seconds", "score")  # of an evaluation: all have them, or none has
_STEPS = "num_train_steps"
_OBJECTS = ("model_config", "records", "task")  # of the settings
DIGEST_OF = "sha256 of "  # names of settings that are the digest of a file
WEIGHTS = DIGEST_OF + "init_checkpoint"

# Settings that name a place, and those that say what is there. Where both runs have
# the contents, they decide, and not the names.
_CONTENTS = {
    "model_dir": ("model_config", "tokenizer"),
    "vocab_file": ("tokenizer",),
    "init_checkpoint": (WEIGHTS,),
    "task_name": ("task",),
}
_CONFIG_FILE = "_config_file"
_DATA_FOLDER = "data_dir"
_PLACES_OF_TASK = ("source", "data_folder")

# What TensorFlow reads as a pattern in the name of a checkpoint.
_PATTERN_SIGNS = "*?[]"


def weights_setting(checkpoint: Optional[str]) -> Dict[str, str]:
    """The setting that says which weights a run starts from; {} without any."""
    return {WEIGHTS: checkpoints.digest(checkpoint)} if checkpoint else {}


def _of_trials(names):
    return names + tuple(f"trial_*/{name}" for name in names)


# All that a run writes; nothing else in the folder is ever touched. What preparation
# writes is no loss: it does not tie the folder to a run that never began.
_PREPARED = _of_trials(
    (SETTINGS, "restored_variables.json", TASK)
    + tuple(f"records/{split}.tf_record" for split in ("train", "dev", "test"))
)
_UNFINISHED_CHECKPOINTS = "model.ckpt-*_temp"  # folders
_BY_TENSORFLOW = (
    "checkpoint",
    "model.ckpt-*",
    f"{_UNFINISHED_CHECKPOINTS}/*",
    "graph.pbtxt",
    "graph.pbtxt.tmp*",
    "events.out.tfevents.*",
    "eval/*",
)
_RESULTS = _of_trials(
    _BY_TENSORFLOW
    + (
        BEST + "/*",
        HISTORY,
        "eval_results.*",
        "test_results.*",
        "trials.json",
        "confusion_matrix*.png",
        "scores*.png",
        "submission.csv",
        "predictions.json",
        "nbest_predictions.json",
        "null_odds.json",
        "report.html",
        "report.tsv",
        INTERVALS,
        LOG,
        "training_curves.png",
    )
)
# Copied into the folder; a run replaces those of another run, and nobody else's.
_MODEL_FILES = ("vocab.txt", "*_config.json", "*.model")

# Results of a test set.
_OF_TEST = (
    "test_results.*",
    "confusion_matrix_test.png",
    "scores_test.png",
    "submission.csv",
    "predictions.json",
    "nbest_predictions.json",
    "null_odds.json",
    "report.html",
    "report.tsv",
)


class RunFolder(OwnedFolder):
    """Files of one run under `path`."""

    def __init__(self, path: str):
        super().__init__(path, SETTINGS, _PREPARED + _RESULTS + _MODEL_FILES)
        self._is_claimed = False

    def claim(self, settings: Dict[str, Any], overwrite: bool) -> None:
        """Makes the folder this run's, or resumes the same run in it.

        Args:
          settings: what decides the result (JSON values).
          overwrite: whether another run's files are deleted first.

        Raises:
          InputError: it holds a run with other settings, each named with both values,
            or files of somebody else that this run would write; another process
            writes to it.
        """
        settings = json.loads(json.dumps(settings))  # as it will be read back
        if set(_PATTERN_SIGNS) & set(self.path):
            raise InputError(
                f"--output_dir={self.path}: TensorFlow takes {_PATTERN_SIGNS} in the "
                "name of a checkpoint for a pattern. Choose another name."
            )
        self.lock()
        found, results = self.settings(), self.files(_RESULTS)
        if found is None:  # nothing here is ours
            results += self.files(_PREPARED + _MODEL_FILES)
        differences = found is None or list(_differences(found, settings))
        if differences and (overwrite or not results):
            self._delete(settings.get("init_checkpoint"))
        elif found is None:
            raise InputError(
                f"{self.path} holds files of another program or version that this run "
                f"would replace ({', '.join(map(os.path.basename, results[:3]))}). "
                "Choose another --output_dir, or pass --overwrite to give them up."
            )
        elif differences:
            self._refuse_more_steps(found, settings)
            raise InputError(
                f"{self.path} holds a run with other settings: "
                f"{'; '.join(differences)}. Choose another "
                "--output_dir, repeat the settings to resume that run, or pass "
                "--overwrite to delete it."
            )
        self._delete_unfinished()
        self.write_json(SETTINGS, settings)
        self._is_claimed = True
        checkpoints.adopt_checkpoints(self.path)

    def settings(self) -> Optional[Dict[str, Any]]:
        """What decides the result, as the run was begun with it; None without a run.

        Raises:
          InputError: the file is not as this project writes it.
        """
        found = super().settings()
        for name in _OBJECTS:
            value = (found or {}).get(name)
            if not isinstance(value, (dict, type(None))):
                raise InputError(
                    f"{self(SETTINGS)} has {name}={value!r}, expected an object. "
                    + self.advice(SETTINGS)
                )
        return found

    def history(self, *needed: str) -> List[Dict[str, Any]]:
        """The evaluations so far, each with its step; [] before the first.

        Args:
          needed: numbers that each of them has to have, beside its step.

        Raises:
          InputError: the file is not as this project writes it.
        """
        found = self.read_json_list(HISTORY) or []
        for entry in found:
            if not isinstance(entry, dict) or type(entry.get("step")) is not int:
                raise InputError(
                    f"{self(HISTORY)} has the entry {entry!r}, expected an object with "
                    f"its step. {self.advice(HISTORY)}"
                )
            for name in _NUMBERS:
                is_there = any(name in keys for keys in (needed, found[0], entry))
                if is_there and type(entry.get(name)) not in (int, float):
                    raise InputError(
                        f"{self(HISTORY)} has {name}={entry.get(name)!r} at step "
                        f"{entry['step']}, expected a number. {self.advice(HISTORY)}"
                    )
        return found

    def forget_test_results(self) -> None:
        """Deletes the results of an earlier test set."""
        self.delete(self.files(_OF_TEST), (), "")
        intervals = self.read_json(INTERVALS) or {}
        if intervals.pop("test", None) is not None:
            self.write_json(INTERVALS, intervals)

    def is_deleted(self) -> bool:
        """Whether the folder, or its file of settings, is gone since `claim`."""
        return self._is_claimed and not files.exists(self(SETTINGS))

    def deleted_error(self) -> InputError:
        """What to raise then."""
        return InputError(
            f"{self.path} was moved or deleted while this run was writing to it. Put "
            "it back, or give the same command again to begin anew."
        )

    def overwriting_error(self) -> InputError:
        """What to raise where --overwrite would delete what is to be evaluated."""
        return InputError(
            f"--overwrite would delete the model of {self.path}, which is to be "
            "evaluated: leave it out, or pass --do_train=true."
        )

    def delete_remade(self, by_tensorflow: bool) -> None:
        """Deletes what a run has written since its folder was deleted.

        Args:
          by_tensorflow: whether TensorFlow was writing, too: it makes the folder anew.
        """
        names = (LOG,) + (_BY_TENSORFLOW if by_tensorflow else ())
        self.delete(self.files(names), (), "")

    def _refuse_more_steps(self, found, settings):
        """Says how to train longer, where nothing but that is asked for."""
        more = settings.get(_STEPS)
        steps = found.get(_STEPS, more)
        newest = checkpoints.newest_checkpoint(self.path)
        others = _differences(dict(found, **{_STEPS: more}), settings)
        if newest and not any(others) and more > steps:
            raise InputError(
                f"{self.path} holds a run of {steps} steps, for which its learning "
                f"rate was planned: it cannot go on to --num_train_steps={more}. To "
                "train longer, begin a new schedule with --init_checkpoint="
                f"{newest}, another --output_dir and its own --num_train_steps; to "
                f"resume this run, pass --num_train_steps={steps}."
            )

    def _delete(self, init_checkpoint):
        start = [init_checkpoint] if init_checkpoint else []
        paths = self.files(_PREPARED + _RESULTS)
        self.delete(paths, start, "from which this run starts")

    def _delete_unfinished(self):
        """What a checkpoint left that a full disk, or a signal, did not let end."""
        unfinished = _of_trials((f"{_UNFINISHED_CHECKPOINTS}/*",))
        self.delete(self.files(unfinished), (), "")
        for pattern in _of_trials((_UNFINISHED_CHECKPOINTS,)):
            for path in files.matching(self.path, pattern):
                if files.is_folder(path) and not files.list_folder(path):
                    files.remove_folder(path)


def _differences(found, wanted):
    found, wanted = _by_contents(found, wanted), _by_contents(wanted, found)
    for name in sorted(set(found) | set(wanted)):
        if found.get(name) != wanted.get(name):
            before, now = (_shown(each.get(name)) for each in (found, wanted))
            yield f"{name} was {before} and is {now} now"


def _shown(value):
    return "not given" if value is None else repr(value)


def _by_contents(settings: Dict[str, Any], others: Dict[str, Any]) -> Dict[str, Any]:
    """Settings without the names of places whose contents both sides know.

    Nor with contents that the other side, of an older version, does not know.
    """

    def both_know(names):
        return all(settings.get(n) and others.get(n) for n in names)

    kept = dict(settings)
    for name in settings:
        contents = _CONTENTS.get(name)
        if name.endswith(_CONFIG_FILE):
            contents = ("model_config",)
        if name == _DATA_FOLDER:
            contents = _digests_of_data(settings)
        if contents and both_know(contents):
            del kept[name]
    if WEIGHTS not in others:
        kept.pop(WEIGHTS, None)
    if kept.get("task"):
        places = _PLACES_OF_TASK if both_know(("task",)) else ()
        kept["task"] = {k: v for k, v in kept["task"].items() if k not in places}
    records = kept.get("records")
    if records and not (others.get("records") or {}).get("digest"):
        kept["records"] = dict(records, digest=None)
    return kept


def _digests_of_data(settings):
    return tuple(n for n in settings if n.startswith(DIGEST_OF) and n != WEIGHTS)
