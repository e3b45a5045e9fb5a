"""Builds the records of a corpus with many processes, and resumes after a stop.

The parent process reads blocks of text and hands them out; a worker turns each into one
shard (`shards.py`). On other machines an engine does both (`data.beam.records`). The
manifest notes finished shards; those are passed over when the same build is started
again. Shards are numbered by block, so that neither the number of processes nor the
order in which they finish can be seen in the result.
"""

import functools
import sys
import time
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Sequence

from tqdm import tqdm

from ..corpus.reader import Block, read_blocks, refuse_bad_lines, refuse_empty
from ..io.errors import InputError
from ..io.owned_folder import OwnedFolder
from ..io.parallel import map_in_order
from ..io.progress import progress_bar
from ..records.manifest import MANIFEST_NAME, Manifest, save_manifest
from ..tokenization.unknown_pieces import PieceCounts
from .build import ENGINES_FILES, Build, is_whole, shard_name
from .resume import continue_or_begin
from .shards import ShardReport, build_shard

_SECONDS_BETWEEN_SAVES = 1.0
_COUNTS = (
    "instances",
    "documents",
    "paired_documents",
    "sentences",
    "tokens",
    "bytes",
    "problems",
    "cut",
)
# A corpus of which so many blocks hold nothing but documents of one sentence.
_BLOCKS_BEFORE_GIVING_UP = 8


class BuiltShard(NamedTuple):
    """A shard that is there now, and what remains of its block."""

    name: str
    read: int  # `Block.read`
    crc32: int  # `Block.crc32`
    report: ShardReport


# Builds what a manifest lacks, and tells the bar what was read for shards that it has.
Engine = Callable[[Build, Manifest, tqdm], Iterator[BuiltShard]]


def build_shards(
    build: Build, intermediate: bool = False, engine: Optional[Engine] = None
) -> Manifest:
    """Builds the shards that are missing in `build.output_dir`.

    Args:
      intermediate: whether the shards are a step to something else, so that finished
        ones are of use even if `build.overwrite`.
      engine: builds the shards, and compares the text of those that are there; None =
        `build.num_processes` of this machine.

    Returns:
      The manifest, complete.

    Raises:
      InputError: the corpus is empty, has too many bad lines, or documents of one
        sentence only; the folder holds other records; a file cannot be read or written.
    """
    folder = build.folder
    manifest = continue_or_begin(build, folder, intermediate, engine is None)
    if engine is None:
        if manifest.complete and all(
            is_whole(folder(name), entry) for name, entry in manifest.files.items()
        ):
            return manifest
        engine = _build_with_processes
    manifest.complete = False
    started = saved = time.time()
    built = 0
    unknown, warning = PieceCounts(), ""
    with progress_bar(build.input_files) as bar:
        for name, read, crc32, report in engine(build, manifest, bar):
            manifest.files[name] = manifest_entry(report)
            unknown.add_counts(report.tokens, report.unknown, report.example)
            if not warning:
                warning = unknown.warning("The corpus")
                if warning:
                    bar.write(f"Warning: {warning}", sys.stderr)
            manifest.texts[name] = crc32
            _check_lines(build, manifest, report.problems)
            _check_documents(build, manifest)
            built += report.instances
            rate = built / (time.time() - started)
            bar.set_postfix_str(f"{rate:,.0f} instances/s", refresh=False)
            bar.update(read)
            if time.time() - saved > _SECONDS_BETWEEN_SAVES:
                save_manifest(manifest, folder(MANIFEST_NAME))
                saved = time.time()
    _finish(build, manifest, folder)
    return manifest


def manifest_entry(report: ShardReport) -> Dict[str, Any]:
    """What the manifest keeps of a shard."""
    entry = dict(report._asdict(), problems=len(report.problems))
    del entry["unknown"], entry["example"]
    return entry


def _build_with_processes(
    build: Build, manifest: Manifest, bar: tqdm
) -> Iterator[BuiltShard]:
    """The engine of this machine."""
    missing = _missing(build, manifest, bar)
    return map_in_order(
        functools.partial(build_block, build), missing, build.num_processes
    )


def _missing(build: Build, manifest: Manifest, bar: tqdm) -> Iterator[Block]:
    """Blocks whose shards are not there yet."""
    folder = build.folder
    for block in read_blocks(build.input_files, build.block_bytes):
        name = shard_name(block.index)
        entry = manifest.files.get(name)
        if entry and is_whole(folder(name), entry):
            bar.update(block.read)
        else:
            yield block


def build_block(build: Build, block: Block) -> BuiltShard:
    """Builds one shard, in whatever process.

    Raises:
      InputError: it cannot be written.
    """
    name = shard_name(block.index)
    path = build.folder(name)
    report = build_shard(block, path, build.tokenizer, build.options)
    return BuiltShard(name, block.read, block.crc32, report)


def _check_lines(build: Build, manifest: Manifest, problems: Sequence[str]) -> None:
    """Raises InputError if more lines are bad than allowed."""
    if problems:
        count = manifest.total("problems")
        refuse_bad_lines(count, problems[0], build.max_bad_rows)


def _check_documents(build: Build, manifest: Manifest, whole: bool = False) -> None:
    """Raises InputError if no document has two sentences, as far as can be seen."""
    if build.options.instances.model_type == "electra":
        return
    if len(manifest.files) != _BLOCKS_BEFORE_GIVING_UP and not whole:
        return
    if not manifest.total("paired_documents"):
        raise InputError(
            f"None of the first {manifest.total('documents')} documents has two "
            "sentences, so every second segment would be a random one. Put each "
            "sentence on a line of its own, blank lines between documents only, and "
            "files with such documents first."
        )


def _finish(build: Build, manifest: Manifest, folder: OwnedFolder) -> None:
    """Marks the build as complete.

    Raises:
      InputError: too many lines were left out; there was no text, or no document of two
        sentences, and then nothing is left that could be taken for records.
    """
    left_out = manifest.total("problems")
    if left_out > build.max_bad_rows:  # also by builds that this one resumes
        raise InputError(
            f"{left_out} lines of the corpus are bad and --max_bad_rows="
            f"{build.max_bad_rows}. Raise it, or fix the corpus and pass --overwrite."
        )
    try:
        if not manifest.files or not manifest.total("instances"):
            refuse_empty(build.input_files)
        _check_documents(build, manifest, whole=True)
    except InputError:
        folder.delete(folder.files(), (), "")
        raise
    manifest.totals = {name: manifest.total(name) for name in _COUNTS}
    manifest.complete = True
    save_manifest(manifest, folder(MANIFEST_NAME))
    folder.delete(folder.files(ENGINES_FILES), (), "")
