"""Cleaning a corpus on Apache Beam, duplicates of a corpus of any size dropped.

Each hash of a line belongs to a partition, and each partition to one worker, which goes
through its hashes in the order of the corpus with the set that the local command uses.
So the first of equal lines stays, as there.
"""

import dataclasses
import functools
from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, Sequence, Tuple

import numpy as np

from ..corpus.clean import (
    CleaningOptions,
    CleaningReport,
    clean_block,
    new_text_file,
    refuse_nothing,
    write_block,
)
from ..corpus.dedup import SeenHashes
from ..corpus.plan import PlannedBlock, load_block
from ..corpus.reader import DEFAULT_BLOCK_BYTES, refuse_bad_lines
from ..io.files import file_size, new_file, read_bytes
from ..io.owned_folder import OwnedFolder
from .corpus import RESULTS_NAME, collect, planned_blocks, work_folder
from .runner import BeamRunner

# So many bytes of the corpus, perhaps compressed, have some hundred MB of hashes.
_BYTES_PER_PARTITION = 1 << 29


def clean_corpus_on(
    runner: BeamRunner,
    paths: Sequence[str],
    output: str,
    options: CleaningOptions,
    max_bad_rows: int = 0,
    overwrite: bool = False,
) -> CleaningReport:
    """As `corpus.clean.clean_corpus`, where `runner` says, to the byte.

    Workers write a file for each block into a folder beside `output`; here they are put
    together.

    Raises:
      InputError: as there; the pipeline failed.
    """
    runner.require_reachable(input_file=paths, output_file=[output])
    partitions = 1 + sum(map(file_size, paths)) // _BYTES_PER_PARTITION
    with new_text_file(output, overwrite) as stream:
        with work_folder(f"{output}.blocks", "block-*.txt") as folder:
            write = functools.partial(
                _write,
                options=options,
                partitions=partitions,
                folder=folder,
                max_bad_rows=max_bad_rows,
            )

            def construct(pipeline: Any) -> None:
                blocks = planned_blocks(pipeline, paths, DEFAULT_BLOCK_BYTES, folder)
                collect(_written(blocks, options, partitions, write), folder)

            runner.run(construct)
            report = _put_together(folder, stream, options, max_bad_rows)
        refuse_nothing(report, paths, options)
    return report


def _written(blocks: Any, options: CleaningOptions, partitions: int, write: Any) -> Any:
    """A PCollection of what `write` returned of each block."""
    import apache_beam as beam

    keyed = blocks | "By number" >> beam.Map(_with_number)
    together = {"blocks": keyed}
    if options.drop_duplicates:
        hashes = functools.partial(_hashes, options=options, partitions=partitions)
        together["new"] = (
            blocks
            | "Hash lines" >> beam.FlatMap(hashes)
            | "By partition" >> beam.GroupByKey()
            | "Find new lines" >> beam.FlatMap(_new_lines)
        )
    return together | beam.CoGroupByKey() | "Write blocks" >> beam.Map(write)


def _with_number(planned: PlannedBlock) -> Tuple[int, PlannedBlock]:
    return planned.index, planned


def _hashes(
    planned: PlannedBlock, options: CleaningOptions, partitions: int
) -> Iterator[Tuple[int, Tuple[int, bytes]]]:
    """(partition, (number of the block, its hashes there, in the order of lines))."""
    hashes = clean_block(load_block(planned), options).hashes
    partition = hashes % np.uint64(partitions)
    for number in np.unique(partition).tolist():
        yield number, (planned.index, hashes[partition == number].tobytes())


def _new_lines(
    partition: Tuple[int, Iterable[Tuple[int, bytes]]],
) -> Iterator[Tuple[int, Tuple[int, int, bytes]]]:
    """(number of a block, (partition, number of hashes, bits: is new))."""
    number, blocks = partition
    seen = SeenHashes()
    for index, content in sorted(blocks):
        hashes = np.frombuffer(content, dtype="<u8")
        is_new = seen.add(hashes)
        yield index, (number, len(hashes), np.packbits(is_new).tobytes())


def _write(
    block: Tuple[int, Dict[str, Iterable[Any]]],
    options: CleaningOptions,
    partitions: int,
    folder: OwnedFolder,
    max_bad_rows: int,
) -> List[Any]:
    """Writes the lines of a block that stay.

    Returns:
      The block's number, the fields of its report, its bad lines.
    """
    index, together = block
    (planned,) = together["blocks"]
    cleaned = clean_block(load_block(planned), options)
    for number, problem in enumerate(cleaned.problems, 1):
        refuse_bad_lines(number, problem, max_bad_rows)
    is_new = None
    if options.drop_duplicates:
        is_new = _joined(cleaned.hashes, partitions, together["new"])
    report = CleaningReport(bad=len(cleaned.problems))
    report.changed = dict.fromkeys(options.steps, 0)
    with new_file(folder(_block_name(index)), overwrite=True) as stream:
        write_block(cleaned, is_new, stream, report)
    return [index, dataclasses.asdict(report), cleaned.problems]


def _joined(
    hashes: np.ndarray, partitions: int, found: Iterable[Tuple[int, int, bytes]]
) -> np.ndarray:
    """What the partitions found of a block's lines, in the order of the lines."""
    is_new = np.zeros(len(hashes), dtype=bool)
    partition = hashes % np.uint64(partitions)
    for number, count, bits in found:
        packed = np.frombuffer(bits, np.uint8)
        is_new[partition == number] = np.unpackbits(packed, count=count)
    return is_new


def _block_name(index: int) -> str:
    return f"block-{index:07d}.txt"


def _put_together(
    folder: OwnedFolder, stream: BinaryIO, options: CleaningOptions, max_bad_rows: int
) -> CleaningReport:
    """Writes the blocks one after another, as `write_block` would have."""
    total = CleaningReport(changed=dict.fromkeys(options.steps, 0))
    for index, fields, problems in sorted(folder.required_json_list(RESULTS_NAME)):
        report = CleaningReport(**fields)
        for number, problem in enumerate(problems, total.bad + 1):
            refuse_bad_lines(number, problem, max_bad_rows)
        if total.documents_written and report.documents_written:
            stream.write(b"\n")
        total.add(report)
        stream.write(read_bytes(folder(_block_name(index))))
    if options.drop_duplicates:
        total.hash_bytes = SeenHashes.BYTES_PER_HASH * total.lines_written
    return total
