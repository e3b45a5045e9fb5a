"""What an earlier build left in a folder: resumed, refused or replaced."""

import concurrent.futures
import os
from typing import Optional

from ..corpus.reader import Block, read_blocks
from ..io.errors import InputError
from ..io.files import remove
from ..io.owned_folder import OwnedFolder
from ..io.progress import progress_bar
from ..records.manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    require_settings,
    save_manifest,
)
from ..tokenization import require_same_tokenizer
from .build import ENGINES_FILES, REPORT_PATTERN, SHARD_PATTERN, Build, shard_name

RESTART = "Pass --overwrite to build anew, or choose another place."
_REPORTS_AT_A_TIME = 32  # each may take the time of a network


def continue_or_begin(
    build: Build, folder: OwnedFolder, intermediate: bool, compare_text: bool
) -> Manifest:
    """The manifest of the same build, stopped or finished, or a new one.

    What the settings can be wrong about is found before anything is removed.

    Raises:
      InputError: there are other records, and they are not to be overwritten.
    """
    manifest = Manifest(build.settings(), build.tokenizer.identity())
    folder.lock()
    found = _manifest_with_reports(folder)
    shards = folder.files([SHARD_PATTERN])
    if found:
        for path in folder.left_behind():
            remove(path)
        anew = build.overwrite and found.complete and not intermediate
        if not anew and _goes_on(build, found, compare_text):
            return found
    elif shards and not build.overwrite:
        raise InputError(
            f"{build.output_dir} holds records without a {MANIFEST_NAME}, for "
            f"example {os.path.basename(shards[0])}. {RESTART}"
        )
    obsolete = shards + folder.files(ENGINES_FILES)
    folder.delete(obsolete, build.input_files, "which is to be read")
    save_manifest(manifest, folder(MANIFEST_NAME))
    return manifest


def _manifest_with_reports(folder: OwnedFolder) -> Optional[Manifest]:
    """The manifest of a folder, with the shards that an engine had built."""
    found = load_manifest(folder(MANIFEST_NAME))
    reports = map(os.path.basename, folder.files([REPORT_PATTERN]))
    if found:
        with concurrent.futures.ThreadPoolExecutor(_REPORTS_AT_A_TIME) as pool:
            for name, entry, crc32 in pool.map(folder.required_json_list, reports):
                found.files[name], found.texts[name] = entry, crc32
    return found


def _goes_on(build: Build, found: Manifest, compare_text: bool) -> bool:
    """Whether the build that was found is continued; False = it may be replaced.

    Raises:
      InputError: it is another one, and not to be overwritten.
    """
    if not found.files:  # it was stopped before it had anything to lose
        return False
    try:
        require_same_settings(build, found, build.output_dir)
        if compare_text:
            require_same_text(build, found, build.output_dir)
    except InputError:
        if build.overwrite:
            return False
        raise
    return True


def require_same_settings(build: Build, found: Manifest, source: str) -> None:
    """Raises InputError if `found` belongs to other settings or another tokenizer."""
    require_settings(found.settings, build.settings(), source, RESTART)
    require_same_tokenizer(found.tokenizer, build.tokenizer, source)


def require_same_text(build: Build, found: Manifest, source: str) -> None:
    """Reads the part of the corpus that `found` was made of, which is soon done.

    Raises:
      InputError: it is other text, in files of the same names and sizes.
    """
    left = dict(found.texts)
    if not left:
        return
    with progress_bar(build.input_files, "comparing") as bar:
        for block in read_blocks(build.input_files, build.block_bytes):
            name = shard_name(block.index)
            if left.pop(name, block.crc32) != block.crc32:
                refuse_other_text(block, source)
            bar.update(block.read)
            if not left:
                return
    raise InputError(f"{source} was made of more text than there is now. {RESTART}")


def refuse_other_text(block: Block, source: str) -> None:
    """Raises InputError for a block of which records were made of other text."""
    first = block.parts[0]
    raise InputError(
        f"{source} was made of other text: the corpus has changed since, in "
        f"{first.path}, line {first.line}, or after it. {RESTART}"
    )
