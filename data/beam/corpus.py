"""What the pipelines have in common: blocks of a corpus in, results out.

Text lies in files that all workers reach; between them go its places, counts and
hashes.
"""

import contextlib
import functools
from typing import Any, Iterable, Iterator, List, Sequence, Tuple

from ..corpus.plan import PlannedBlock, PlannedPart, plan_blocks, plan_file
from ..io.files import absolute, list_folder, remove_folder
from ..io.owned_folder import OwnedFolder

RESULTS_NAME = "results.json"


@contextlib.contextmanager
def work_folder(path: str, *written: str) -> Iterator[OwnedFolder]:
    """A folder for what workers leave each other, which goes at the end.

    Args:
      written: patterns of the files, beside `RESULTS_NAME` and unpacked text.

    Raises:
      InputError: it cannot be made, or another process writes to it.
    """
    patterns = ["corpus-*.unpacked", *written]
    folder = OwnedFolder(absolute(path), RESULTS_NAME, patterns)
    folder.lock()
    try:
        _empty(folder)  # of what a killed command left
        yield folder
    finally:
        _empty(folder)
        folder.unlock()
        if not list_folder(folder.path):
            remove_folder(folder.path)


def _empty(folder: OwnedFolder) -> None:
    folder.delete(folder.files() + folder.left_behind(), (), "")


def planned_blocks(
    pipeline: Any,
    paths: Sequence[str],
    block_bytes: int,
    folder: OwnedFolder,
    prefix: str = "corpus",
) -> Any:
    """The blocks of a corpus as a PCollection of `PlannedBlock`s, shared out.

    Args:
      paths: text files, plain or .gz, each of which is planned by one worker.
      folder: where text that was compressed goes, in files that begin with `prefix`.
    """
    import apache_beam as beam

    plan = functools.partial(
        _plan_file, block_bytes=block_bytes, folder=folder, prefix=prefix
    )
    return (
        pipeline
        | "Files" >> beam.Create(list(enumerate(map(absolute, paths))))
        | "Share out files" >> beam.Reshuffle()
        | "Plan files" >> beam.Map(plan)
        | "Gather plans" >> beam.combiners.ToList()
        | "Plan blocks" >> beam.FlatMap(_blocks, block_bytes)
        | "Share out blocks" >> beam.Reshuffle()
    )


def _plan_file(
    file: Tuple[int, str], block_bytes: int, folder: OwnedFolder, prefix: str
) -> Tuple[int, List[PlannedPart]]:
    number, path = file
    unpacked = folder(f"{prefix}-{number:05d}.unpacked")
    return number, plan_file(path, block_bytes, unpacked)


def _blocks(
    files: Iterable[Tuple[int, List[PlannedPart]]], block_bytes: int
) -> Iterator[PlannedBlock]:
    return plan_blocks((parts for _, parts in sorted(files)), block_bytes)


def collect(results: Any, folder: OwnedFolder, name: str = RESULTS_NAME) -> None:
    """Writes a PCollection of JSON values as one list, in any order."""
    import apache_beam as beam

    write = functools.partial(_write, folder=folder, name=name)
    _ = (
        results
        | "Gather results" >> beam.combiners.ToList()
        | "Write results" >> beam.Map(write)
    )


def _write(results: List[Any], folder: OwnedFolder, name: str) -> None:
    folder.write_json(name, results)
