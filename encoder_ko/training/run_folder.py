"""The output folder of a run: whose it is, what it holds, what may be replaced."""

import json
import os
from typing import Any, Dict, Optional

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from data.io.errors import InputError
from encoder_ko import compat
from encoder_ko.compat import tf

SETTINGS = "run_config.json"
TASK = "task.json"  # what was fine-tuned
HISTORY = "history.json"  # evaluations
BEST = "best"  # folder of the best checkpoint
_STEPS = "num_train_steps"

# What TensorFlow reads as a pattern in the name of a checkpoint.
_PATTERN_SIGNS = "*?[]"

# Folders that this process writes to, and the descriptors that lock them.
_LOCKS = {}


def _of_trials(names):
    return names + tuple(f"trial_*/{name}" for name in names)


# All that a run writes; nothing else in the folder is ever touched. What preparation
# writes is no loss: it does not tie the folder to a run that never began.
_PREPARED = _of_trials(
    (SETTINGS, "restored_variables.json", TASK)
    + tuple(f"records/{split}.tf_record" for split in ("train", "dev", "test"))
)
_RESULTS = _of_trials(
    (
        "checkpoint",
        "model.ckpt-*",
        "graph.pbtxt",
        "events.out.tfevents.*",
        BEST + "/*",
        "eval/*",
        HISTORY,
        "eval_results.*",
        "test_results.*",
        "trials.json",
        "confusion_matrix*.png",
        "scores*.png",
        "submission.csv",
        "predictions.json",
        "nbest_predictions.json",
        "training_log.jsonl",
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
)


class RunFolder:
    """Files of one run under `path`."""

    def __init__(self, path: str):
        self.path = path

    def __call__(self, *names: str) -> str:
        """The path of a file of this run."""
        return os.path.join(self.path, *names)

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
        try:
            tf.io.gfile.makedirs(self.path)
        except tf.errors.OpError as error:
            raise InputError(
                f"The folder {self.path} cannot be made ({error.message}). Choose "
                "another --output_dir."
            ) from None
        self._lock()
        found, results = self.read_json(SETTINGS), self._files(_RESULTS)
        if found is None:  # nothing here is ours
            results += self._files(_PREPARED + _MODEL_FILES)
        if found != settings and (overwrite or not results):
            self._delete(settings.get("init_checkpoint"))
        elif found is None:
            raise InputError(
                f"{self.path} holds files of another program or version that this run "
                f"would replace ({', '.join(map(os.path.basename, results[:3]))}). "
                "Choose another --output_dir, or pass --overwrite to give them up."
            )
        elif found != settings:
            self._refuse_more_steps(found, settings)
            raise InputError(
                f"{self.path} holds a run with other settings: "
                f"{'; '.join(_differences(found, settings))}. Choose another "
                "--output_dir, repeat the settings to resume that run, or pass "
                "--overwrite to delete it."
            )
        self.write_json(SETTINGS, settings)

    def forget_test_results(self) -> None:
        """Deletes the results of an earlier test set."""
        for path in self._files(_OF_TEST):
            tf.io.gfile.remove(path)

    def _lock(self):
        """Keeps other processes out of a local folder until this one ends."""
        place = os.path.realpath(self.path)
        if fcntl is None or "://" in self.path or place in _LOCKS:
            return
        descriptor = os.open(place, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise InputError(
                f"Another process is writing to {self.path}: wait until it ends, or "
                "choose another --output_dir."
            ) from None
        except OSError:  # a file system without locks
            os.close(descriptor)
            return
        _LOCKS[place] = descriptor

    def _refuse_more_steps(self, found, settings):
        """Says how to train longer, where nothing but that is asked for."""
        more = settings.get(_STEPS)
        steps = found.get(_STEPS, more)
        newest = tf.train.latest_checkpoint(self.path)
        if newest and dict(found, **{_STEPS: more}) == settings and more > steps:
            raise InputError(
                f"{self.path} holds a run of {steps} steps, for which its learning "
                f"rate was planned: it cannot go on to --num_train_steps={more}. To "
                "train longer, begin a new schedule with --init_checkpoint="
                f"{newest}, another --output_dir and its own --num_train_steps; to "
                f"resume this run, pass --num_train_steps={steps}."
            )

    def read_json(self, name: str) -> Optional[Any]:
        """The content of a JSON file; None where it does not exist."""
        if not tf.io.gfile.exists(self(name)):
            return None
        with tf.io.gfile.GFile(self(name), "r") as reader:
            try:
                return json.loads(reader.read())
            except ValueError as error:
                raise InputError(
                    f"{self(name)} is not valid JSON ({error}): delete it and run "
                    "the same command again."
                ) from None

    def write_json(self, name: str, content: Any) -> None:
        """Writes a JSON file, whole or not at all."""
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self.write_text(name, text + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Writes a text file, whole or not at all."""
        temporary = self(name + ".incomplete")
        with tf.io.gfile.GFile(temporary, "w") as writer:
            writer.write(text)
        tf.io.gfile.rename(temporary, self(name), overwrite=True)

    def _files(self, patterns):
        return [
            path
            for pattern in patterns
            for path in compat.glob(self(pattern))
            if not tf.io.gfile.isdir(path)
        ]

    def _delete(self, init_checkpoint):
        paths = self._files(_PREPARED + _RESULTS)
        if init_checkpoint and init_checkpoint + ".index" in paths:
            raise InputError(
                f"--overwrite would delete {init_checkpoint}, from which this run "
                "starts. Choose another --output_dir."
            )
        for path in paths:
            tf.io.gfile.remove(path)


def _differences(found, wanted):
    for name in sorted(set(found) | set(wanted)):
        if found.get(name) != wanted.get(name):
            yield f"{name} was {found.get(name)!r} and is {wanted.get(name)!r} now"
