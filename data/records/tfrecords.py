"""Reading and writing TFRecord files, every checksum verified."""

from typing import Any, BinaryIO, Dict, Iterable, Iterator, List, NamedTuple, Sequence

import numpy as np

from ..io.errors import InputError
from ..io.files import new_file, open_file
from . import record_bytes

_RECORDS_AT_A_TIME = 1024


def write_records(
    path: str, serialized: Iterable[bytes], overwrite: bool = False
) -> int:
    """Writes a TFRecord file, which gets its name only when it is whole.

    Returns:
      The number of records.

    Raises:
      InputError: the file exists and `overwrite` is false, or cannot be written.
    """
    count = 0
    with new_file(path, overwrite) as stream:
        for batch in _batches(serialized):
            stream.write(record_bytes.frames([record_bytes.ragged(batch)]).tobytes())
            count += len(batch)
    return count


def _batches(records: Iterable[bytes]) -> Iterator[List[bytes]]:
    batch = []  # type: List[bytes]
    for record in records:
        batch.append(record)
        if len(batch) == _RECORDS_AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def split_frames(stream: BinaryIO) -> Iterator[bytes]:
    """The frames of a whole TFRecord file, unopened and not verified."""
    while True:
        header = stream.read(record_bytes.HEADER_BYTES)
        if not header:
            return
        size = int.from_bytes(header[:8], "little")
        yield header + stream.read(size + record_bytes.FOOTER_BYTES)


def read_records(path: str) -> Iterator[bytes]:
    """The records of a TFRecord file, every checksum verified.

    Yields:
      Serialized records. All records before a damaged one are yielded first.

    Raises:
      InputError: the file cannot be read, or a record is truncated or corrupt; the
        message has the file and the byte at which that record begins.
    """
    batch = []  # type: List[_Frame]
    damage = None
    try:
        with open_file(path) as stream:
            for frame in _frames(stream):
                if frame.damage:
                    damage = frame
                    break
                batch.append(frame)
                if len(batch) == _RECORDS_AT_A_TIME:
                    yield from _verified(path, batch)
                    batch = []
    except OSError as error:
        raise InputError(f"{path} could not be read: {error}.") from error
    yield from _verified(path, batch)
    if damage:
        raise _damaged(path, damage.offset, damage.damage)


class _Frame(NamedTuple):
    offset: int  # bytes from the start of the file
    data: bytes
    checksum: int
    damage: str  # "" = none seen yet


def _frames(stream: Any) -> Iterator[_Frame]:
    """Splits a file into frames and verifies their lengths; the last may be damaged."""
    offset = 0
    while True:
        header = stream.read(record_bytes.HEADER_BYTES)
        if not header:
            return
        size = int.from_bytes(header[:8], "little")
        if len(header) < record_bytes.HEADER_BYTES:
            yield _Frame(offset, b"", 0, "is cut off in its header")
            return
        if _length_checksum(size) != int.from_bytes(header[8:], "little"):
            yield _Frame(offset, b"", 0, "has a corrupt length")
            return
        body = stream.read(size + record_bytes.FOOTER_BYTES)
        if len(body) < size + record_bytes.FOOTER_BYTES:
            missing = size + record_bytes.FOOTER_BYTES - len(body)
            yield _Frame(offset, b"", 0, f"is cut off: {missing} bytes are missing")
            return
        yield _Frame(offset, body[:size], int.from_bytes(body[size:], "little"), "")
        offset += record_bytes.HEADER_BYTES + len(body)


_LENGTH_CHECKSUMS: Dict[int, int] = {}


def _length_checksum(size: int) -> int:
    if size not in _LENGTH_CHECKSUMS:
        checksum = record_bytes.length_checksums(np.array([size], np.uint64))
        _LENGTH_CHECKSUMS[size] = int(checksum[0])
    return _LENGTH_CHECKSUMS[size]


def _verified(path: str, batch: Sequence[_Frame]) -> Iterator[bytes]:
    if not batch:
        return
    data = np.frombuffer(b"".join(frame.data for frame in batch), np.uint8)
    sizes = np.array([len(frame.data) for frame in batch], np.int64)
    checksums = record_bytes.data_checksums(data, sizes)
    for frame, checksum in zip(batch, checksums.tolist()):
        if frame.checksum != checksum:
            raise _damaged(path, frame.offset, "does not match its checksum")
        yield frame.data


def _damaged(path: str, offset: int, damage: str) -> InputError:
    what = f"{path}: the record at byte {offset} {damage}."
    if not offset:
        return InputError(
            f"{what} Is it a file of records? data.create_pretraining_data makes these "
            "of text. If it was one, copy or build it again."
        )
    return InputError(
        f"{what} Copy the file again, or delete it and build it again with the command "
        "that made it."
    )
