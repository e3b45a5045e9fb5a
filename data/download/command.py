"""Fetches public data sets by name: python -m data.download.

    python -m data.download --list
    python -m data.download NSMC KorQuAD
    python -m data.download PAWS --output_dir=elsewhere/paws

The names are those of --task_name. Files go to datasets/<task>/, where fine-tuning
looks for them; their content is checked. Files that exist stay as they are. After a
broken connection the same command resumes the download.
"""

import os
from typing import List, Sequence, Tuple

from absl import flags

from ..io.cli import parse
from ..io.errors import InputError
from ..io.files import exists
from ..tasks import expand_groups
from .fetch import Unreachable, fetch, is_published
from .sources import SOURCES, RemoteFile, Source, get_source


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of this command."""
    flags.DEFINE_bool(
        "list", False, "Show names, sizes, folders and licences.", flag_values=values
    )
    flags.DEFINE_string(
        "output_dir",
        None,
        "Folder for the files of one data set; default: datasets/<task>/.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "overwrite", False, "Fetch existing files anew.", flag_values=values
    )


def main(argv: Sequence[str]) -> None:
    """Runs the command; `argv[0]` is its name."""
    names, settings = _split(argv[1:])
    values = parse(define_flags, [argv[0]] + settings, __doc__)
    if values is None:
        return
    if values.list:
        print(table())
        return
    if not names:
        raise InputError("Name a data set: --list shows them all.")
    names = expand_groups(names)
    if values.output_dir and len(names) > 1:
        raise InputError(
            f"--output_dir is for one data set, not {len(names)}: files of two can "
            "have the same name."
        )
    if "://" in (values.output_dir or ""):
        raise InputError(f"--output_dir={values.output_dir}, expected a local folder.")
    sources = [get_source(name) for name in names]
    for source in sources:
        folder = values.output_dir or source.declaration().folder
        download(source, folder, values.overwrite)


def _split(arguments: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The names, which come first, and the flags."""
    count = 0
    while count < len(arguments) and not arguments[count].startswith("-"):
        count += 1
    return list(arguments[:count]), list(arguments[count:])


def table() -> str:
    """A line per data set: name, size, folder, licence."""
    rows = [("name", "size", "folder", "licence")]
    for source in SOURCES.values():
        size = f"{source.size / 1e6:.1f} MB" if source.files else "by hand"
        folder = source.declaration().folder
        rows.append((source.task, size, folder, source.licence))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([cell.ljust(width) for cell, width in zip(row, widths)] + [row[3]])
        for row in rows
    )


def download(source: Source, folder: str, overwrite: bool = False) -> None:
    """Fetches the missing files of one data set, and says what it does.

    Raises:
      InputError: as `fetch`; the data set is not given out, or out of reach, with the
        addresses and where to put what they hold.
    """
    declaration = source.declaration()
    print(
        f"{source.task} ({declaration.source}). Licence: {source.licence}", flush=True
    )
    if not source.files:
        names = " and ".join(
            choice[0][0]
            for choice in (
                declaration.file_sets[0].train,
                declaration.file_sets[0].test,
            )
        )
        raise InputError(
            f"{source.task} cannot be fetched. {source.by_hand}, and put {names} into "
            f"{folder}."
        )
    for number, file in enumerate(source.files):
        if not overwrite and _nothing_to_fetch(file, folder):
            continue
        try:
            fetch(file, folder, overwrite)
        except Unreachable as error:
            missing = [
                each
                for each in source.files[number:]
                if overwrite or not _exist(each, folder)
            ]
            raise InputError(f"{error}. {_by_hand(missing, folder)}") from error
        for name in file.outputs:
            print(f"{os.path.join(folder, name)}: complete, as published.")


def _exist(file: RemoteFile, folder: str) -> bool:
    return all(exists(os.path.join(folder, name)) for name in file.outputs)


def _nothing_to_fetch(file: RemoteFile, folder: str) -> bool:
    """Whether all files exist; says what becomes of them."""
    if not _exist(file, folder):
        return False
    for name in file.outputs:
        path = os.path.join(folder, name)
        note = "left as it is"
        if not file.members:
            note = "as published" if is_published(path, file) else _OTHER_CONTENT
        print(f"{path}: exists, {note}.")
    return True


_OTHER_CONTENT = (
    "left as it is; its content is not the published one (--overwrite fetches that)"
)


def _by_hand(missing: Sequence[RemoteFile], folder: str) -> str:
    """What to do on a machine without a way to the servers."""
    places = "; ".join(
        f"{file.url} -> {os.path.join(folder, file.name)}" for file in missing
    )
    again = ""
    if any(file.members for file in missing):
        again = ", then run the same command again to unpack"
    return f"Fetch on another machine and put there: {places}{again}."
