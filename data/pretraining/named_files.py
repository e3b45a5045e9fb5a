"""Records into files of given names: the shards of a build, shared out.

The shards are built in a folder beside the files (`pretraining_build.py`), which goes
when the files are whole.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import os
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..io.errors import InputError
from ..io.files import (
    TEMPORARY_SUFFIX,
    exists,
    file_size,
    list_folder,
    make_folder,
    new_file,
    open_file,
    remove_folder,
)
from ..io.locks import LOCK_NAME
from ..records.manifest import MANIFEST_NAME, Manifest, load_manifest, save_manifest
from ..records.tfrecords import split_frames
from .build import Build, is_whole
from .builder import Engine, build_shards
from .resume import RESTART, require_same_settings, require_same_text


def build_files(
    build: Build, output_files: Sequence[str], engine: Optional[Engine] = None
) -> Manifest:
    """Builds records into files of given names, as upstream's --output_file does.

    Shards are built in `build.output_dir`, which should be for them alone, and then
    shared out: record i goes to file i modulo the number of files. Each file gets a
    manifest of its own beside it, and the shards are removed.

    Args:
      engine: as in `build_shards`.

    Raises:
      InputError: as `build_shards`; a file exists and is not to be overwritten; the
        folder of the shards holds other files.
    """
    if not build.overwrite:
        finished = _finished_files(build, output_files)
        if finished:
            return finished
    _refuse_foreign_folder(build)
    for folder in filter(None, map(os.path.dirname, output_files)):
        make_folder(folder)
    shards = build_shards(build, True, engine)
    counts = _share_out(build, shards, output_files)
    for path, count in zip(output_files, counts):
        entry = {os.path.basename(path): count}
        manifest = dataclasses.replace(shards, files=entry)
        save_manifest(manifest, f"{path}.{MANIFEST_NAME}")
    folder = build.folder
    folder.delete([folder(name) for name in (*shards.files, MANIFEST_NAME)], (), "")
    folder.unlock()
    if not list_folder(folder.path):
        remove_folder(folder.path)
    return shards


def _refuse_foreign_folder(build: Build) -> None:
    """Raises InputError if the folder of the shards is there, and not of a build."""
    folder = build.folder
    if exists(folder(MANIFEST_NAME)):
        return
    for name in list_folder(folder.path):
        # Else left by a killed process.
        if not name.endswith(TEMPORARY_SUFFIX) and name != LOCK_NAME:
            raise InputError(
                f"{folder.path} is needed for shards, but holds other files, for "
                f"example {name}. Move it away, or choose another --output_file."
            )


def _finished_files(build: Build, output_files: Sequence[str]) -> Optional[Manifest]:
    """The manifest if all files are there already; None if they have to be built.

    Raises:
      InputError: some files are there, of another build.
    """
    manifests = []
    for path in output_files:
        if not exists(path):
            continue
        manifest = load_manifest(f"{path}.{MANIFEST_NAME}")
        if manifest:
            require_same_settings(build, manifest, path)
            if is_whole(path, manifest.files[os.path.basename(path)]):
                manifests.append(manifest)
        elif not exists(build.folder(MANIFEST_NAME)):  # else stopped while sharing out
            raise InputError(f"{path} exists already. {RESTART}")
    if manifests:
        require_same_text(build, manifests[0], output_files[0])
    return manifests[0] if len(manifests) == len(output_files) else None


def _share_out(
    build: Build, shards: Manifest, output_files: Sequence[str]
) -> List[Dict[str, Any]]:
    """Writes record i of all shards to file i modulo their number; counts per file."""
    counts = [0] * len(output_files)
    digests = [hashlib.sha256() for _ in output_files]
    with contextlib.ExitStack() as stack:
        outputs = [
            stack.enter_context(new_file(path, overwrite=True)) for path in output_files
        ]
        frames = _frames(build, shards)
        for frame, turn in zip(frames, itertools.cycle(range(len(outputs)))):
            outputs[turn].write(frame)
            digests[turn].update(frame)
            counts[turn] += 1
    return [
        {
            "instances": count,
            "bytes": file_size(path),
            "sha256": digest.hexdigest(),
        }
        for path, count, digest in zip(output_files, counts, digests)
    ]


def _frames(build: Build, shards: Manifest) -> Iterator[bytes]:
    """The framed records of all shards, in order."""
    for name in sorted(shards.files):
        with open_file(build.folder(name)) as stream:
            yield from split_frames(stream)
