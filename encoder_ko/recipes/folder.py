"""The folder of a recipe: whose it is, what was read for it, what may be deleted."""

import time
from typing import Any, Dict, Iterable

from data.io import files
from data.io.errors import InputError
from data.io.json_files import read_json_object
from data.io.owned_folder import OwnedFolder

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
    size = f"{files.file_size(path):,} bytes"
    changed = time.gmtime(files.modification_time(path))
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
    owned = _owned(folder)
    path = owned(SETTINGS)
    found = read_json_object(path) if files.exists(path) else None
    if found is None or found.get("name") != settings["name"]:
        runs = [path for run in _RUNS for path in files.matching(folder, f"{run}/*")]
        for strange in owned.files() + runs:
            raise InputError(
                f"{strange} is not of this recipe, which would write it. Choose "
                "another --output_dir, or move it away."
            )
    elif overwrite:
        written = owned.files() + owned.left_behind()
        owned.require_not_among(written, inputs, "which is to be read")
    else:
        _require_same(folder, found, settings)


def _require_same(folder: str, found: Dict[str, Any], wanted: Dict[str, Any]) -> None:
    advice = "Choose another --output_dir, or pass --overwrite to delete it."
    for name, value in wanted.items():
        if name != TEXT and found.get(name) != value:
            raise InputError(
                f"{folder} holds a run with {_flag(name, found.get(name))}, not "
                f"{_flag(name, value)}. {advice}"
            )
    before, now = found.get(TEXT, wanted[TEXT]), wanted[TEXT]
    for path in sorted({*before, *now}):
        was, is_now = (text.get(path, "not there") for text in (before, now))
        if was != is_now:
            raise InputError(
                f"{folder} holds a run on other text: {path} was {was}, now {is_now}. "
                f"{advice} (The same text with another time: touch --date sets it.)"
            )


def _flag(name: str, value: Any) -> str:
    """A setting as the command line has it."""
    if name == "is_smoke":
        return f"--scale={'smoke' if value else 'full'}"
    return f"--{name}={value}"


def claim(folder: str, settings: Dict[str, Any], overwrite: bool) -> None:
    """Makes a folder that passed `check` this recipe's.

    Args:
      settings: as for `check`.
      overwrite: whether what an earlier run wrote is deleted; nothing else ever is.

    Raises:
      InputError: the folder cannot be made.
    """
    owned = _owned(folder)
    owned.lock()
    if overwrite and owned.settings() is not None:
        _delete(owned)
    owned.write_json(SETTINGS, settings)


def _owned(folder: str) -> OwnedFolder:
    return OwnedFolder(folder, SETTINGS, _PREPARED)


def _delete(owned: OwnedFolder) -> None:
    for path in owned.files(_PREPARED) + owned.left_behind():
        files.remove(path)
    runs = [owned(run) for run in _RUNS if files.is_folder(owned(run))]
    if runs:
        from ..training.run_folder import RunFolder  # with TensorFlow

        for run in runs:
            RunFolder(run).claim({}, overwrite=True)
