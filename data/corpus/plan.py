"""Where the text of each block lies, so that any machine can read it by itself.

`read_blocks` reads a corpus from one end to the other. Here each file is planned alone
(`plan_file`), the plans are put together (`plan_blocks`), and whoever works on a block
reads it (`load_block`). The blocks are those of `read_blocks`, to the byte.
"""

from typing import Iterable, Iterator, List, NamedTuple, Tuple

from ..io.errors import InputError
from ..io.files import new_file, open_file
from .reader import Block, Part, grouped, read_parts


class PlannedPart(NamedTuple):
    """A `Part` without its text, and where that is."""

    path: str
    line: int
    offset: int
    size: int  # bytes of text
    read: int
    is_cut: bool
    source: str  # the file that holds the text, not compressed
    start: int  # bytes of it before the text


class PlannedBlock(NamedTuple):
    """A `Block` without its text."""

    index: int  # type: ignore[assignment]  # not the method of tuples
    parts: Tuple[PlannedPart, ...]


def plan_file(path: str, block_bytes: int, unpacked: str) -> List[PlannedPart]:
    """Reads one file and notes where its parts are.

    Args:
      path: a text file, plain or .gz.
      block_bytes: as in `read_blocks`.
      unpacked: where the text of a .gz goes, since that can be read from its beginning
        only: once here, and not once for each block.

    Raises:
      InputError: a file cannot be read or written.
    """
    parts = read_parts(path, block_bytes)
    if not path.endswith(".gz"):
        return [_planned(part, path, part.offset) for part in parts]
    planned, start = [], 0
    with new_file(unpacked, overwrite=True) as stream:
        for part in parts:
            planned.append(_planned(part, unpacked, start))
            start += stream.write(part.data)
    return planned


def _planned(part: Part, source: str, start: int) -> PlannedPart:
    path, line, offset, _, read, is_cut = part
    return PlannedPart(path, line, offset, part.size, read, is_cut, source, start)


def plan_blocks(
    files: Iterable[Iterable[PlannedPart]], block_bytes: int
) -> Iterator[PlannedBlock]:
    """The blocks of a corpus, of the parts of its files in order."""
    parts = (part for file in files for part in file)
    for index, held in enumerate(grouped(parts, block_bytes)):
        yield PlannedBlock(index, held)


def load_block(planned: PlannedBlock) -> Block:
    """Reads the text of a block.

    Raises:
      InputError: a file cannot be read, or has become shorter.
    """
    return Block(planned.index, tuple(map(_load_part, planned.parts)))


def _load_part(part: PlannedPart) -> Part:
    # What was kept of a giant line has its line end from `read_parts`.
    line_end = b"\n" if part.is_cut else b""
    size = part.size - len(line_end)
    try:
        with open_file(part.source) as stream:
            stream.seek(part.start)
            data = stream.read(size)
    except OSError as error:
        raise InputError(f"{part.source} could not be read: {error}.") from error
    if len(data) < size:
        raise InputError(
            f"{part.path} has become shorter since the command began. Give it again."
        )
    return Part(
        part.path, part.line, part.offset, data + line_end, part.read, part.is_cut
    )
