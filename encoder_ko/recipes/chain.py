"""The chain of a published model: clean, vocabulary, records, pre-train, fine-tune.

Each step is a command of the package; this module decides which, and with which flags.
What is complete already is passed over, so that the same chain again resumes.
"""

import dataclasses
import functools
import json
import os
import time
from typing import Any, Callable, Dict, List, Optional, Sequence

from data import tasks
from data.io import files
from data.io.errors import InputError
from data.io.globs import matching_files
from data.io.json_files import read_json_object
from data.tokenization import build_tokenizer, resolve_config

from . import folder as recipe_folder
from . import smoke, summary, workers

# Runs a command, by its name and flags, and returns its exit status.
Launch = Callable[[str, List[str]], int]

_LOG = "output.log"
_ADVICE = "The same command again resumes there."


@dataclasses.dataclass(frozen=True)
class RecipeRun:
    """One published model at one scale.

    Attributes:
      name: of the model.
      configs: folder of its settings, a file for each step.
      is_smoke: whether everything is made small.
      corpus: files or patterns by commas.
      merge_vocab_file: vocabulary whose other pieces are added (KcELECTRA); or None.
      task_name, data_dir: what to fine-tune on.
      folder: where everything goes.
      num_processes: of the commands that share work out.
    """

    name: str
    configs: str
    is_smoke: bool
    corpus: str
    merge_vocab_file: Optional[str]
    task_name: str
    data_dir: str
    folder: str
    num_processes: int

    def config(self, step: str) -> str:
        """Path of the settings that the command of a step takes."""
        return os.path.join(self.configs, f"{step}.json")

    def path(self, *names: str) -> str:
        """Path of something in the folder."""
        return os.path.join(self.folder, *names)

    @property
    def model_type(self) -> str:
        return read_json_object(self.config("pretraining"))["model_type"]


def run_recipes(
    runs: Sequence[RecipeRun], overwrite: bool, parallel: bool, launch: Launch
) -> None:
    """Makes the models and prints what they reached.

    Args:
      overwrite: whether what earlier runs wrote is deleted first.
      parallel: all at the same time, see `workers`; else one after the other.
      launch: called in this process or, in parallel, in others.

    Raises:
      InputError: something is missing, before anything is touched; or a step failed.
    """
    settings = [_check(run, overwrite) for run in runs]
    for run, chosen in zip(runs, settings):
        recipe_folder.claim(run.folder, chosen, overwrite)
    if parallel:
        _run_in_parallel(runs, launch)
    else:
        for run in runs:
            run_chain(run, launch)
    print("\n" + summary.summary([run.folder for run in runs]))
    if any(run.is_smoke for run in runs):
        print("\nSmall networks on little text: the chain works. See --scale=full.")


def _check(run: RecipeRun, overwrite: bool) -> Dict[str, Any]:
    """The settings by which its folder is recognised, once all that it reads is there.

    Raises:
      InputError: a file is missing, or the folder is that of something else.
    """
    corpus = inputs = matching_files(run.corpus, "corpus")
    if run.merge_vocab_file:
        inputs += matching_files(run.merge_vocab_file, "merge_vocab_file")
    task = tasks.get_task(run.task_name)
    for split in ("train", "test"):
        tasks.require_files(task, run.data_dir, split)
    settings = dataclasses.asdict(run)
    for name in ("configs", "folder", "num_processes"):
        del settings[name]
    settings[recipe_folder.TEXT] = recipe_folder.describe_files(corpus)
    recipe_folder.check(run.folder, settings, inputs, overwrite)
    return settings


def _run_in_parallel(runs: Sequence[RecipeRun], launch: Launch) -> None:
    statuses = workers.run_in_parallel(
        functools.partial(run_chain, launch=launch),
        runs,
        [run.path(_LOG) for run in runs],
    )
    failed = [run.name for run, status in zip(runs, statuses) if status]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(runs)} recipes failed ({', '.join(failed)}), see "
            f"above. {_ADVICE}"
        )


# --- The steps -------------------------------------------------------------------


def run_chain(run: RecipeRun, launch: Launch) -> None:
    """All five steps, in a folder that is the recipe's."""
    started = time.time()
    text = _clean(run, launch)
    vocab_file = _train_vocabulary(run, launch, text)
    _build_records(run, launch, text, vocab_file)
    _pretrain(run, launch, vocab_file)
    _finetune(run, launch)
    print(f"\n{run.name}: complete, {time.time() - started:.0f} s.", flush=True)


def _clean(run: RecipeRun, launch: Launch) -> str:
    """Returns the files of the text to train on."""
    if not files.exists(run.config("clean")):
        return run.corpus  # its authors published no cleaning
    path = run.path("corpus.txt")
    if not files.exists(path):
        flags = {
            "input_file": run.corpus,
            "output_file": path,
            "num_processes": run.num_processes,
        }
        _call(run, launch, "clean", "clean", flags)
    return path


def _train_vocabulary(run: RecipeRun, launch: Launch, text: str) -> str:
    """Returns the path of the vocabulary."""
    settings = read_json_object(run.config("vocabulary"))
    is_wordpiece = settings["algorithm"] == "wordpiece"
    path = run.path("vocabulary", "vocab.txt" if is_wordpiece else "spm.model")
    if not files.exists(path):
        flags = {
            "input_file": text,
            "output_dir": run.path("vocabulary"),
            "num_processes": run.num_processes,
            "overwrite": True,  # what a stopped command left
        }
        if run.is_smoke and not is_wordpiece:
            flags.update(smoke.SENTENCEPIECE)
        if run.merge_vocab_file:
            flags["merge_vocab_file"] = run.merge_vocab_file
        _call(run, launch, "vocabulary", "vocab", flags)
    return path


def _build_records(run: RecipeRun, launch: Launch, text: str, vocab_file: str) -> None:
    flags = {
        "input_file": text,
        "output_dir": run.path("records"),
        "vocab_file": vocab_file,
        "num_processes": run.num_processes,
    }
    _call(run, launch, "records", "records", flags)


def _pretrain(run: RecipeRun, launch: Launch, vocab_file: str) -> None:
    flags = {
        "input_file": run.path("records", "*.tfrecord"),
        "vocab_file": vocab_file,
        "output_dir": run.path("pretrained"),
        "do_eval": True,
        f"{run.model_type}_config_file": _write_model_config(run, vocab_file),
    }
    _call(run, launch, "pretraining", "pretrain", flags)


def _write_model_config(run: RecipeRun, vocab_file: str) -> str:
    """The published network with the rows of this vocabulary; a smoke run's smaller."""
    name = f"{run.model_type}_config"
    config = read_json_object(run.config(name))
    tokenizer = build_tokenizer(resolve_config(vocab_file), vocab_file)
    published, config["vocab_size"] = config["vocab_size"], tokenizer.vocab_size
    if run.is_smoke:
        config = smoke.network(config)
    elif tokenizer.vocab_size != published:
        print(
            f"\nThe vocabulary has {tokenizer.vocab_size:,} pieces, and the embedding "
            f"table as many rows; the published model has {published:,}."
        )
    path = run.path(f"{name}.json")
    files.write_text(path, json.dumps(config, indent=2))
    return path


def _finetune(run: RecipeRun, launch: Launch) -> None:
    flags = {
        "task_name": run.task_name,
        "data_dir": run.data_dir,
        "model_dir": run.path("pretrained"),
        "output_dir": run.path("finetuned"),
        "do_train": True,
        "do_eval": True,
        "do_predict": True,
    }
    _call(run, launch, "finetuning", "finetune", flags)


def _call(
    run: RecipeRun, launch: Launch, step: str, command: str, flags: Dict[str, Any]
) -> None:
    """Runs the command of a step.

    Args:
      step: names the file of settings and, in a smoke run, the changes to them.
      flags: more flags, which win.

    Raises:
      InputError: it failed; what it printed says why.
    """
    if run.is_smoke:
        flags = {**smoke.FLAGS[step], **flags}
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    if launch(command, [f"--config={run.config(step)}", *arguments]):
        raise InputError(f"{run.name}: {command} failed, see above. {_ADVICE}")
