"""What is there where a checkpoint was expected, for messages."""

import os
import re

from data.io import files

_SHOWN_FILES = 5

# Ends of the names of files in which others keep weights.
_OTHER_WEIGHTS = (".safetensors", ".bin", ".h5", ".msgpack", ".pt", ".pth")


def found_instead(path: str) -> str:
    """ ": ..." with what is there in place of a checkpoint."""
    if files.is_folder(path):
        return f": {folder_content(path)}"
    if files.exists(path):
        return f": {_content_of_file(path)}"
    folder = os.path.dirname(path)
    if not folder or not files.is_folder(folder):
        return ""
    return f": {folder_content(folder)}"


def folder_content(folder: str) -> str:
    """What a folder without a checkpoint holds, and what to do where it is known.

    "models holds config.json, model.safetensors: weights of Hugging Face, which
    convert_checkpoint.py --from hf --to tf makes a checkpoint of".
    """
    if not files.is_folder(folder):
        return f"there is no folder {folder}"
    names = sorted(files.list_folder(folder))
    if not names:
        return f"{folder} is empty"
    more = len(names) - _SHOWN_FILES
    shown = ", ".join(names[:_SHOWN_FILES]) + f" and {more} more" * (more > 0)
    found = f"{folder} holds {shown}"
    if any(name.endswith(_OTHER_WEIGHTS) for name in names):
        found += (
            ": weights of Hugging Face, which convert_checkpoint.py --from hf --to tf "
            "makes a checkpoint of"
        )
    elif any(".data-" in name for name in names):
        found += ": the *.index file that goes with the *.data-* file is not there"
    return found


def _content_of_file(path: str) -> str:
    """What a file is that was named as a checkpoint."""
    prefix = re.sub(r"\.(index|meta|data-\d+-of-\d+)$", "", path)
    if files.exists(prefix + ".index"):
        return f"it is one of the files of {prefix}, which is the name to give"
    if path.endswith(_OTHER_WEIGHTS):
        return (
            "it is a file of Hugging Face's, whose folder convert_checkpoint.py "
            "--from hf --to tf makes a checkpoint of"
        )
    return "it is one file, without the *.index that a checkpoint has"
