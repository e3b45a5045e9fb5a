"""Builds the records of a corpus with many processes, and goes on after a stop.

The parent process reads blocks of text and hands them out; a worker turns each into one
shard (`shards.py`). The manifest notes finished shards; those are passed over when the
same build is started again. Shards are numbered by block, so that neither the number of
processes nor the order in which they finish can be seen in the result.
"""

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import os
import sys
import time
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

from tqdm import tqdm

from .corpus import Block, read_blocks, refuse_bad_lines, refuse_empty
from .errors import InputError
from .files import TEMPORARY_SUFFIX, FileSystem, new_file
from .input_files import open_file, read_bytes
from .manifest import (
    MANIFEST_NAME,
    Manifest,
    load_manifest,
    require_settings,
    save_manifest,
)
from .parallel import map_in_order
from .records import file_system, split_frames
from .shards import ShardOptions, ShardReport, build_shard
from .tokenization import (
    Tokenizer,
    TokenizerConfig,
    build_tokenizer,
    require_same_tokenizer,
)

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
_RESTART = "Pass --overwrite to build anew, or choose another place."


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
      overwrite: whether records of another build are replaced.
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
    def manifest_path(self) -> str:
        """Where the state of the build is kept."""
        return os.path.join(self.output_dir, MANIFEST_NAME)

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
        return [(path, file_system(path).size(path)) for path in self.input_files]


def build_shards(build: Build) -> Manifest:
    """Builds the shards that are missing in `build.output_dir`.

    Returns:
      The manifest, complete.

    Raises:
      InputError: the corpus is empty, has too many bad lines, or documents of one
        sentence only; the folder holds other records; a file cannot be read or written.
    """
    files = file_system(build.output_dir)
    manifest = _continue_or_begin(build, files)
    if manifest.complete and all(
        _is_there(os.path.join(build.output_dir, name), entry, files)
        for name, entry in manifest.files.items()
    ):
        return manifest
    manifest.complete = False
    started = saved = time.time()
    built = 0
    with _progress_bar(build) as bar:
        missing = _missing(build, manifest, bar)
        build_one = functools.partial(_build_one, build)
        for name, read, report in map_in_order(build_one, missing, build.num_processes):
            manifest.files[name] = dict(report._asdict(), problems=len(report.problems))
            _check_lines(build, manifest, report.problems)
            _check_documents(build, manifest)
            built += report.instances
            rate = built / (time.time() - started)
            bar.set_postfix_str(f"{rate:,.0f} instances/s", refresh=False)
            bar.update(read)
            if time.time() - saved > _SECONDS_BETWEEN_SAVES:
                save_manifest(manifest, build.manifest_path, files)
                saved = time.time()
    _finish(build, manifest, files)
    return manifest


def _continue_or_begin(build: Build, files: FileSystem) -> Manifest:
    """The manifest of the same build, stopped or finished, or a new one.

    Raises:
      InputError: there are other records, and they are not to be overwritten.
    """
    found = load_manifest(build.manifest_path, files)
    if found:
        _remove_half_written(build, files)
    shards = files.glob(os.path.join(build.output_dir, _SHARD_PATTERN))
    if not build.overwrite:
        if found:
            _require_same(build, found, build.output_dir)
            return found
        if shards:
            raise InputError(
                f"{build.output_dir} holds records without a {MANIFEST_NAME}, for "
                f"example {os.path.basename(shards[0])}. {_RESTART}"
            )
    for path in shards:
        files.remove(path)
    files.make_directories(build.output_dir)
    tokenizer = _tokenizer(build.config, build.vocab_file)
    manifest = Manifest(build.settings(), tokenizer.identity())
    save_manifest(manifest, build.manifest_path, files)
    return manifest


def _remove_half_written(build: Build, files: FileSystem) -> None:
    """Removes what a killed process left of the shards that it was writing."""
    pattern = f"{_SHARD_PATTERN}.*{TEMPORARY_SUFFIX}"
    for path in files.glob(os.path.join(build.output_dir, pattern)):
        files.remove(path)


def _require_same(build: Build, found: Manifest, source: str) -> None:
    """Raises InputError if `found` belongs to other settings or another tokenizer."""
    require_settings(found.settings, build.settings(), source, _RESTART)
    tokenizer = _tokenizer(build.config, build.vocab_file)
    require_same_tokenizer(found.tokenizer, tokenizer, source)


def _progress_bar(build: Build) -> tqdm:
    """Bytes of the corpus, rate and time left; in a log, a line now and then."""
    return tqdm(
        total=sum(size for _, size in build.input_sizes()),
        unit="B",
        unit_scale=True,
        mininterval=0.5 if sys.stderr.isatty() else 30,
    )


def _missing(
    build: Build, manifest: Manifest, bar: tqdm
) -> Iterator[Tuple[str, Block]]:
    """Blocks whose shards are not there yet, with the names of these."""
    files = file_system(build.output_dir)
    for block in read_blocks(build.input_files, build.block_bytes, open_file):
        name = _SHARD_NAME.format(block.index)
        entry = manifest.files.get(name)
        if entry and _is_there(os.path.join(build.output_dir, name), entry, files):
            bar.update(block.read)
        else:
            yield name, block


def _is_there(path: str, entry: Dict[str, Any], files: FileSystem) -> bool:
    """Whether a file that a manifest lists is there and as long as it says."""
    return files.exists(path) and files.size(path) == entry["bytes"]


@functools.lru_cache(maxsize=1)
def _tokenizer(config: TokenizerConfig, vocab_file: str) -> Tokenizer:
    """Built once per process: its memory of words is what makes it fast."""
    return build_tokenizer(config, vocab_file, read_bytes=read_bytes)


def _build_one(build: Build, task: Tuple[str, Block]) -> Tuple[str, int, ShardReport]:
    """Builds one shard, in whatever process."""
    name, block = task
    path = os.path.join(build.output_dir, name)
    tokenizer = _tokenizer(build.config, build.vocab_file)
    files = file_system(build.output_dir)
    return name, block.read, build_shard(block, path, tokenizer, build.options, files)


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


def _finish(build: Build, manifest: Manifest, files: FileSystem) -> None:
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
        for path in files.glob(os.path.join(build.output_dir, _SHARD_PATTERN)):
            files.remove(path)
        files.remove(build.manifest_path)
        raise
    manifest.totals = {name: manifest.total(name) for name in _COUNTS}
    manifest.complete = True
    save_manifest(manifest, build.manifest_path, files)


def build_files(build: Build, output_files: Sequence[str]) -> Manifest:
    """Builds records into files of given names, as upstream's --output_file does.

    Shards are built in `build.output_dir`, which should be for them alone, and then
    shared out: record i goes to file i modulo the number of files. Each file gets a
    manifest of its own beside it, and the shards are removed.

    Raises:
      InputError: as `build_shards`; or a file exists and is not to be overwritten.
    """
    files = file_system(output_files[0])
    if not build.overwrite:
        finished = _finished_files(build, output_files, files)
        if finished:
            return finished
    shards = build_shards(build)
    counts = _share_out(build, shards, output_files, files)
    for path, count in zip(output_files, counts):
        entry = {os.path.basename(path): count}
        manifest = dataclasses.replace(shards, files=entry)
        save_manifest(manifest, f"{path}.{MANIFEST_NAME}", files)
    files.remove_tree(build.output_dir)
    return shards


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
            _require_same(build, manifest, path)
            if _is_there(path, manifest.files[os.path.basename(path)], files):
                manifests.append(manifest)
        elif not files.exists(build.manifest_path):  # else stopped while sharing out
            raise InputError(f"{path} exists already. {_RESTART}")
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
