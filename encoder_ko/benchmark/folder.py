"""The folder of a benchmark: whose it is, and what may be replaced in it."""

from data.io import files
from data.io.errors import InputError
from data.io.owned_folder import OwnedFolder
from encoder_ko.benchmark.runs import RECORD
from encoder_ko.training import run_folder

SETTINGS = "benchmark.json"
_OURS = {"program": "run_benchmark.py"}
_WRITTEN = (
    "report.md",
    "report.html",
    "pictures/*_curves.png",
    "pictures/*_confusion_matrix.png",
    "pictures/*_scores.png",
)
# By what a folder is known that has no file of settings yet: of an earlier version, or
# of runs that were started by hand.
_RUNS = (f"*/seed_*/{RECORD}", "*/seed_*/*_results.json")


def claim(path: str) -> None:
    """Makes a folder a benchmark's, or finds that it is one.

    Raises:
      InputError: it holds files of somebody else that the report would replace, or the
        run of run_classifier.py, whose report has the same name; it cannot be made.
    """
    folder = OwnedFolder(path, SETTINGS, _WRITTEN)
    if files.exists(folder(SETTINGS)):
        strange = [] if folder.settings() == _OURS else [folder(SETTINGS)]
    elif folder.files((run_folder.SETTINGS,)) or not folder.files(_RUNS):
        strange = folder.files((*_WRITTEN, run_folder.SETTINGS))
    else:
        strange = []
    if strange:
        names = ", ".join(each[len(folder("")) :] for each in strange[:3])
        raise InputError(
            f"{path} holds files that are not of a benchmark, whose report would "
            f"replace them ({names}). Choose another --output_dir."
        )
    try:
        files.make_folder(path)
    except InputError:
        raise InputError(
            f"--output_dir={path} is a file or within one, expected a folder: choose "
            "another."
        ) from None
    folder.write_json(SETTINGS, _OURS)
