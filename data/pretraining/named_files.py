"""Records into files of given names: the shards of a build, shared out.

The shards are built in a folder beside the files (`pretraining_build.py`), which goes
when the files are whole.
"""

import contextlib
import dataclasses
import glob
import hashlib
import itertools
import os
from typing import Any, Dict, Iterator, List, Optional, Sequence

from ..io.errors import InputError
from ..io.files import TEMPORARY_SUFFIX, FileSystem, file_system, new_file
from ..records.manifest import MANIFEST_NAME, Manifest, load_manifest, save_manifest
from ..records.tfrecords import split_frames
from .builder import (
    RESTART,
    Build,
    build_shards,
    is_there,
    require_same_settings,
    require_same_text,
)


def build_files(build: Build, output_files: Sequence[str]) -> Manifest:
    """Builds records into files of given names, as upstream's --output_file does.

    Shards are built in `build.output_dir`, which should be for them alone, and then
    shared out: record i goes to file i modulo the number of files. Each file gets a
    manifest of its own beside it, and the shards are removed.

    Raises:
      InputError: as `build_shards`; a file exists and is not to be overwritten; the
        folder of the shards holds other files.
    """
    files = file_system(output_files[0])
    if not build.overwrite:
        finished = _finished_files(build, output_files, files)
        if finished:
            return finished
    _refuse_foreign_folder(build, files)
    for folder in filter(None, map(os.path.dirname, output_files)):
        files.make_directories(folder)
    shards = build_shards(build, intermediate=True)
    counts = _share_out(build, shards, output_files, files)
    for path, count in zip(output_files, counts):
        entry = {os.path.basename(path): count}
        manifest = dataclasses.replace(shards, files=entry)
        save_manifest(manifest, f"{path}.{MANIFEST_NAME}", files)
    for name in shards.files:
        files.remove(os.path.join(build.output_dir, name))
    files.remove(build.manifest_path)
    if not _contents(build, files):
        files.remove_tree(build.output_dir)
    return shards


def _contents(build: Build, files: FileSystem) -> List[str]:
    """All files and folders in the folder of the shards."""
    folder = glob.escape(build.output_dir)
    return [
        path
        for pattern in ("*", ".*")
        for path in files.glob(os.path.join(folder, pattern))
    ]


def _refuse_foreign_folder(build: Build, files: FileSystem) -> None:
    """Raises InputError if the folder of the shards is there, and not of a build."""
    if files.exists(build.manifest_path):
        return
    for path in _contents(build, files):
        if not path.endswith(TEMPORARY_SUFFIX):  # else left by a killed process
            raise InputError(
                f"{build.output_dir} is needed for shards, but holds other files, for "
                f"example {os.path.basename(path)}. Move it away, or choose another "
                "--output_file."
            )


def _finished_files(
    build: Build, output_files: Sequence[str], files: FileSystem
) -> Optional[Manifest]:
    """The manifest if all files are there already; None if they have to be built.

    Raises:
      InputError: some files are there, of another build.
    """
    manifests = []
    for path in output_files:
        if not files.exists(path):
            continue
        manifest = load_manifest(f"{path}.{MANIFEST_NAME}", files)
        if manifest:
            require_same_settings(build, manifest, path)
            if is_there(path, manifest.files[os.path.basename(path)], files):
                manifests.append(manifest)
        elif not files.exists(build.manifest_path):  # else stopped while sharing out
            raise InputError(f"{path} exists already. {RESTART}")
    if manifests:
        require_same_text(build, manifests[0], output_files[0])
    return manifests[0] if len(manifests) == len(output_files) else None


def _share_out(
    build: Build, shards: Manifest, output_files: Sequence[str], files: FileSystem
) -> List[Dict[str, Any]]:
    """Writes record i of all shards to file i modulo their number; counts per file."""
    counts = [0] * len(output_files)
    digests = [hashlib.sha256() for _ in output_files]
    with contextlib.ExitStack() as stack:
        outputs = [
            stack.enter_context(new_file(path, overwrite=True, files=files))
            for path in output_files
        ]
        frames = _frames(build, shards, files)
        for frame, turn in zip(frames, itertools.cycle(range(len(outputs)))):
            outputs[turn].write(frame)
            digests[turn].update(frame)
            counts[turn] += 1
    return [
        {
            "instances": count,
            "bytes": files.size(path),
            "sha256": digest.hexdigest(),
        }
        for path, count, digest in zip(output_files, counts, digests)
    ]


def _frames(build: Build, shards: Manifest, files: FileSystem) -> Iterator[bytes]:
    """The framed records of all shards, in order."""
    for name in sorted(shards.files):
        with files.open(os.path.join(build.output_dir, name), "rb") as stream:
            yield from split_frames(stream)
