"""The folder of a recipe: whose it is, what was read for it, what may be deleted."""

import glob
import json
import os
import time
from typing import Any, Dict, Iterable, List

from data.io.errors import InputError
from data.io.files import file_system, new_file
from data.io.json_files import read_json_object

SETTINGS = "recipe.json"
TEXT = "text"  # among the settings: the files of the corpus

# All that the steps before training write; a training knows its own files.
_PREPARED = (
    "corpus.txt",
    "vocabulary/vocab.txt",
    "vocabulary/spm.model",
    "vocabulary/spm.vocab",
    "vocabulary/tokenizer_config.json",
    "records/pretraining-*.tfrecord",
    "records/manifest.json",
    "output.log",
)
_RUNS = ("pretrained", "finetuned")


def describe_files(paths: Iterable[str]) -> Dict[str, str]:
    """Size and time of change by path: "66,012 bytes of 2024-05-01 09:30:00 UTC"."""
    return {path: _description(path) for path in paths}


def _description(path: str) -> str:
    size = f"{file_system(path).size(path):,} bytes"
    if "://" in path:
        return size
    changed = time.gmtime(os.path.getmtime(path))
    return f"{size} of {time.strftime('%Y-%m-%d %H:%M:%S UTC', changed)}"


def check(
    folder: str, settings: Dict[str, Any], inputs: Iterable[str], overwrite: bool
) -> None:
    """Refuses a folder that cannot become this recipe's; touches nothing.

    Args:
      settings: what decides the result (JSON values); "name" is that of the recipe and
        "text" what `describe_files` says of the corpus.
      inputs: paths of all files that the recipe reads.
      overwrite: whether what another run of the recipe wrote may be deleted.

    Raises:
      InputError: it holds the run of other settings or another text, or files that no
        recipe wrote in their place; or an input would be deleted.
    """
    path = os.path.join(folder, SETTINGS)
    found = read_json_object(path) if os.path.exists(path) else None
    if found is None or found.get("name") != settings["name"]:
        for name in (SETTINGS, *_PREPARED, *(f"{run}/*" for run in _RUNS)):
            for strange in glob.glob(os.path.join(glob.escape(folder), name)):
                raise InputError(
                    f"{strange} is not of this recipe, which would write it. Choose "
                    "another --output_dir, or move it away."
                )
    elif overwrite:
        deleted = set(map(os.path.realpath, _prepared(folder)))
        for path in inputs:
            if os.path.realpath(path) in deleted:
                raise InputError(
                    f"--overwrite would delete {path}, which is to be read. Choose "
                    "another --output_dir."
                )
    else:
        _require_same(folder, found, settings)


def _require_same(folder: str, found: Dict[str, Any], wanted: Dict[str, Any]) -> None:
    advice = "Choose another --output_dir, or pass --overwrite to delete it."
    for name, value in wanted.items():
        if name != TEXT and found.get(name) != value:
            raise InputError(
                f"{folder} holds a run with {name}={found.get(name)!r}, not {value!r}. "
                + advice
            )
    before, now = found.get(TEXT, wanted[TEXT]), wanted[TEXT]
    for path in sorted({*before, *now}):
        was, is_now = (files.get(path, "not there") for files in (before, now))
        if was != is_now:
            raise InputError(
                f"{folder} holds a run on other text: {path} was {was}, now {is_now}. "
                f"{advice} (The same text with another time: touch --date sets it.)"
            )


def claim(folder: str, settings: Dict[str, Any], overwrite: bool) -> None:
    """Makes a folder that passed `check` this recipe's.

    Args:
      settings: as for `check`.
      overwrite: whether what an earlier run wrote is deleted; nothing else ever is.

    Raises:
      InputError: the folder cannot be made.
    """
    path = os.path.join(folder, SETTINGS)
    if overwrite and os.path.exists(path):
        _delete(folder)
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(
            f"The folder {folder} cannot be made: a file is in its place. Choose "
            "another --output_dir."
        ) from None
    with new_file(path, overwrite=True) as stream:
        text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
        stream.write(text.encode("utf-8"))


def _prepared(folder: str) -> List[str]:
    return [
        path
        for name in _PREPARED
        for ending in ("", ".*.incomplete")  # what a killed step was writing
        for path in glob.glob(os.path.join(glob.escape(folder), name + ending))
    ]


def _delete(folder: str) -> None:
    for path in _prepared(folder):
        os.remove(path)
    runs = [os.path.join(folder, run) for run in _RUNS]
    runs = [run for run in runs if os.path.isdir(run)]
    if runs:
        from ..training.run_folder import RunFolder  # with TensorFlow

        for run in runs:
            RunFolder(run).claim({}, overwrite=True)
