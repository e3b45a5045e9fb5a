"""Builds the records of a corpus with many processes, and resumes after a stop.

The parent process reads blocks of text and hands them out; a worker turns each into one
shard (`shards.py`). The manifest notes finished shards; those are passed over when the
same build is started again. Shards are numbered by block, so that neither the number of
processes nor the order in which they finish can be seen in the result.
"""

import dataclasses
import functools
import os
import sys
import time
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from tqdm import tqdm

from ..corpus.reader import Block, read_blocks, refuse_bad_lines, refuse_empty
from ..io.errors import InputError
from ..io.files import exists, file_size, remove
from ..io.owned_folder import OwnedFolder
from ..io.parallel import map_in_order
from ..io.progress import progress_bar
from ..records.manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    require_settings,
    save_manifest,
)
from ..tokenization import (
    Tokenizer,
    TokenizerConfig,
    build_tokenizer,
    require_same_tokenizer,
)
from ..tokenization.unknown_pieces import PieceCounts
from .shards import ShardOptions, ShardReport, build_shard

_SHARD_NAME = "pretraining-{:05d}.tfrecord"
_SHARD_PATTERN = "pretraining-*.tfrecord"
_SECONDS_BETWEEN_SAVES = 1.0
_COUNTS = (
    "instances",
    "documents",
    "paired_documents",
    "sentences",
    "tokens",
    "bytes",
    "problems",
)
# A corpus of which so many blocks hold nothing but documents of one sentence.
_BLOCKS_BEFORE_GIVING_UP = 8
RESTART = "Pass --overwrite to build anew, or choose another place."


@dataclasses.dataclass(frozen=True)
class Build:
    """One build of records.

    Attributes:
      input_files: the corpus, in the order in which it is read.
      output_dir: where shards and manifest go.
      options: what the records hold.
      config: settings of the tokenizer.
      vocab_file: its vocabulary.
      block_bytes: text per shard.
      num_processes: worker processes; 1 = all is done in this one.
      max_bad_rows: lines of the corpus that may be left out.
      overwrite: whether records of another build, or finished ones, are replaced; a
        stopped build of the same settings and text resumes all the same.
    """

    input_files: Tuple[str, ...]
    output_dir: str
    options: ShardOptions
    config: TokenizerConfig
    vocab_file: str
    block_bytes: int
    num_processes: int = 1
    max_bad_rows: int = 0
    overwrite: bool = False

    @property
    def folder(self) -> OwnedFolder:
        """Where shards go, and the manifest: the state of the build."""
        return OwnedFolder(self.output_dir, MANIFEST_NAME, [_SHARD_PATTERN])

    def settings(self) -> Dict[str, Any]:
        """What decides the records, by flag name, but for the tokenizer."""
        instances, masking = self.options.instances, self.options.masking
        settings = {
            "input_file": [
                [os.path.basename(path), size] for path, size in self.input_sizes()
            ],
            "block_bytes": self.block_bytes,
            "random_seed": self.options.random_seed,
            "model_type": instances.model_type,
            "max_seq_length": instances.max_seq_length,
            "dupe_factor": instances.dupe_factor,
        }
        if instances.model_type != "electra":
            settings.update(
                short_seq_prob=instances.short_seq_prob,
                random_next_sentence=instances.random_next_sentence,
                max_predictions_per_seq=masking.max_predictions_per_seq,
                masked_lm_prob=masking.masked_lm_prob,
                do_whole_word_mask=masking.whole_words,
                ngram=masking.ngram,
                favor_shorter_ngram=masking.favor_shorter_ngram,
                wop_prob=masking.wop_prob,
                wop_ngram=masking.wop_ngram,
            )
        return settings

    def input_sizes(self) -> List[Tuple[str, int]]:
        """The files of the corpus with their sizes in bytes."""
        return [(path, file_size(path)) for path in self.input_files]


def build_shards(build: Build, intermediate: bool = False) -> Manifest:
    """Builds the shards that are missing in `build.output_dir`.

    Args:
      intermediate: whether the shards are a step to something else, so that finished
        ones are of use even if `build.overwrite`.

    Returns:
      The manifest, complete.

    Raises:
      InputError: the corpus is empty, has too many bad lines, or documents of one
        sentence only; the folder holds other records; a file cannot be read or written.
    """
    folder = build.folder
    manifest = _continue_or_begin(build, folder, intermediate)
    if manifest.complete and all(
        is_whole(folder(name), entry) for name, entry in manifest.files.items()
    ):
        return manifest
    manifest.complete = False
    started = saved = time.time()
    built = 0
    unknown, warning = PieceCounts(), ""
    with progress_bar(build.input_files) as bar:
        missing = _missing(build, manifest, bar)
        build_one = functools.partial(_build_one, build)
        for name, text, report in map_in_order(build_one, missing, build.num_processes):
            manifest.files[name] = _entry(report)
            unknown.add_counts(report.tokens, report.unknown, report.example)
            if not warning:
                warning = unknown.warning("The corpus")
                if warning:
                    bar.write(f"Warning: {warning}", sys.stderr)
            manifest.texts[name] = text.crc32
            _check_lines(build, manifest, report.problems)
            _check_documents(build, manifest)
            built += report.instances
            rate = built / (time.time() - started)
            bar.set_postfix_str(f"{rate:,.0f} instances/s", refresh=False)
            bar.update(text.read)
            if time.time() - saved > _SECONDS_BETWEEN_SAVES:
                save_manifest(manifest, folder(MANIFEST_NAME))
                saved = time.time()
    _finish(build, manifest, folder)
    return manifest


def _entry(report: ShardReport) -> Dict[str, Any]:
    """What the manifest keeps of a shard."""
    entry = dict(report._asdict(), problems=len(report.problems))
    del entry["unknown"], entry["example"]
    return entry


def _continue_or_begin(
    build: Build, folder: OwnedFolder, intermediate: bool
) -> Manifest:
    """The manifest of the same build, stopped or finished, or a new one.

    What the settings can be wrong about is found before anything is removed.

    Raises:
      InputError: there are other records, and they are not to be overwritten.
    """
    tokenizer = _tokenizer(build.config, build.vocab_file)
    manifest = Manifest(build.settings(), tokenizer.identity())
    folder.lock()
    found = load_manifest(folder(MANIFEST_NAME))
    shards = folder.files([_SHARD_PATTERN])
    if found:
        for path in folder.left_behind():
            remove(path)
        anew = build.overwrite and found.complete and not intermediate
        if not anew and _goes_on(build, found):
            return found
    elif shards and not build.overwrite:
        raise InputError(
            f"{build.output_dir} holds records without a {MANIFEST_NAME}, for "
            f"example {os.path.basename(shards[0])}. {RESTART}"
        )
    folder.delete(shards, build.input_files, "which is to be read")
    save_manifest(manifest, folder(MANIFEST_NAME))
    return manifest


def _goes_on(build: Build, found: Manifest) -> bool:
    """Whether the build that was found is continued; False = it may be replaced.

    Raises:
      InputError: it is another one, and not to be overwritten.
    """
    if not found.files:  # it was stopped before it had anything to lose
        return False
    try:
        require_same_settings(build, found, build.output_dir)
        require_same_text(build, found, build.output_dir)
    except InputError:
        if build.overwrite:
            return False
        raise
    return True


def require_same_settings(build: Build, found: Manifest, source: str) -> None:
    """Raises InputError if `found` belongs to other settings or another tokenizer."""
    require_settings(found.settings, build.settings(), source, RESTART)
    tokenizer = _tokenizer(build.config, build.vocab_file)
    require_same_tokenizer(found.tokenizer, tokenizer, source)


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
            name = _SHARD_NAME.format(block.index)
            if left.pop(name, block.crc32) != block.crc32:
                first = block.parts[0]
                raise InputError(
                    f"{source} was made of other text: the corpus has changed since, "
                    f"in {first.path}, line {first.line}, or after it. {RESTART}"
                )
            bar.update(block.read)
            if not left:
                return
    raise InputError(f"{source} was made of more text than there is now. {RESTART}")


def _missing(
    build: Build, manifest: Manifest, bar: tqdm
) -> Iterator[Tuple[str, Block]]:
    """Blocks whose shards are not there yet, with the names of these."""
    folder = build.folder
    for block in read_blocks(build.input_files, build.block_bytes):
        name = _SHARD_NAME.format(block.index)
        entry = manifest.files.get(name)
        if entry and is_whole(folder(name), entry):
            bar.update(block.read)
        else:
            yield name, block


def is_whole(path: str, entry: Dict[str, Any]) -> bool:
    """Whether a file that a manifest lists is there and as long as it says."""
    return exists(path) and file_size(path) == entry["bytes"]


class _Text(NamedTuple):
    """What is left of a block when its shard is built: `Block.read` and `.crc32`."""

    read: int
    crc32: int


@functools.lru_cache(maxsize=1)
def _tokenizer(config: TokenizerConfig, vocab_file: str) -> Tokenizer:
    """Built once per process: its memory of words is what makes it fast."""
    return build_tokenizer(config, vocab_file)


def _build_one(build: Build, task: Tuple[str, Block]) -> Tuple[str, _Text, ShardReport]:
    """Builds one shard, in whatever process."""
    name, block = task
    tokenizer = _tokenizer(build.config, build.vocab_file)
    report = build_shard(block, build.folder(name), tokenizer, build.options)
    return name, _Text(block.read, block.crc32), report


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
      InputError: there was no text, or no document of two sentences; then nothing is
        left that could be taken for records.
    """
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
