"""Pre-training records on Apache Beam: the engine of `data.pretraining.builder`.

Any worker reads the text of a block, builds its shard and writes a small report beside
it. A rerun finds the reports and builds what is missing; a block that is built twice
gives the same bytes twice.
"""

import dataclasses
import functools
import os
import threading
import uuid
from typing import Any, Iterator, List

from tqdm import tqdm

from ..corpus.plan import PlannedBlock, load_block
from ..corpus.reader import refuse_bad_lines
from ..io.files import absolute
from ..pretraining.build import (
    RESULTS_NAME,
    SHARD_PATTERN,
    UNPACKED_PATTERN,
    Build,
    is_whole,
    shard_name,
)
from ..pretraining.builder import BuiltShard, Engine, build_block, manifest_entry
from ..pretraining.resume import refuse_other_text
from ..pretraining.shards import ShardReport
from ..records.manifest import MANIFEST_NAME, Manifest, load_manifest, save_manifest
from .corpus import collect, planned_blocks
from .runner import BeamRunner

# A tokenizer counts what it finds, and a process has one.
_ONE_AT_A_TIME = threading.Lock()


def engine_on(runner: BeamRunner, build: Build) -> Engine:
    """The engine that builds shards where `runner` says.

    Raises:
      InputError: workers would not see the files.
    """
    runner.require_reachable(
        input_file=build.input_files,
        vocab_file=[build.vocab_file],
        output_dir=[build.output_dir],
    )
    return functools.partial(_build_missing, runner)


def _build_missing(
    runner: BeamRunner, build: Build, manifest: Manifest, bar: tqdm
) -> Iterator[BuiltShard]:
    """As `builder.Engine`."""
    folder = build.folder
    save_manifest(manifest, folder(MANIFEST_NAME))  # workers look up what is there
    build_one = functools.partial(
        _build_one, build=_everywhere(build), run=uuid.uuid4().hex
    )

    def construct(pipeline: Any) -> None:
        import apache_beam as beam

        blocks = planned_blocks(
            pipeline, build.input_files, build.block_bytes, folder, "pretraining"
        )
        collect(blocks | "Build shards" >> beam.Map(build_one), folder, RESULTS_NAME)

    try:
        runner.run(construct)
    finally:
        folder.delete(folder.files([UNPACKED_PATTERN]), (), "")
    results = sorted(folder.required_json_list(RESULTS_NAME))
    _forget_others(build, manifest, [name for name, *_ in results])
    for name, read, crc32, report in results:
        if report is None:
            bar.update(read)
        else:
            yield BuiltShard(name, read, crc32, ShardReport(**report))


def _everywhere(build: Build) -> Build:
    """A build whose paths mean the same in any working directory."""
    return dataclasses.replace(
        build,
        input_files=tuple(map(absolute, build.input_files)),
        vocab_file=absolute(build.vocab_file),
        output_dir=absolute(build.output_dir),
    )


def _build_one(planned: PlannedBlock, build: Build, run: str) -> List[Any]:
    """Builds one shard unless it is there.

    Args:
      run: what tells this run of the command from others.

    Returns:
      The fields of `BuiltShard`; no report for a shard that was there.

    Raises:
      InputError: the text has changed since; too many bad lines; a file cannot be read
        or written.
    """
    block = load_block(planned)
    name = shard_name(block.index)
    known = _known(build.folder(MANIFEST_NAME), run)
    entry = known.files.get(name)
    if entry and is_whole(build.folder(name), entry):
        if known.texts.get(name) == block.crc32:
            return [name, block.read, block.crc32, None]
        if not build.overwrite:
            refuse_other_text(block, build.output_dir)
    with _ONE_AT_A_TIME:
        built = build_block(build, block)
    problems = built.report.problems
    if problems:
        refuse_bad_lines(len(problems), problems[0], build.max_bad_rows)
    report = f"{os.path.splitext(name)[0]}.report.json"
    build.folder.write_json(report, [name, manifest_entry(built.report), built.crc32])
    return [*built[:3], built.report._asdict()]


@functools.lru_cache(maxsize=1)
def _known(path: str, run: str) -> Manifest:
    """What was there when this run began, read once in each process."""
    return load_manifest(path) or Manifest({}, {})


def _forget_others(build: Build, manifest: Manifest, names: List[str]) -> None:
    """Drops shards of text that is gone, which only --overwrite lets happen."""
    kept, folder = set(names), build.folder
    for name in set(manifest.files) - kept:
        del manifest.files[name], manifest.texts[name]
    shards = folder.files([SHARD_PATTERN])
    folder.delete(
        [path for path in shards if os.path.basename(path) not in kept], (), ""
    )
