"""tf.train.Example messages and TFRecord frames as bytes, built for many rows at once.

Everything here is array arithmetic over whole batches: one call encodes thousands
of examples, where a call per example into protobuf costs more than building the
example did. Which features there are is decided in `records.py`; no TensorFlow here.

Sources: the protocol buffer wire format (a varint holds 7 bits per byte, lowest
first, bit 7 set on all but the last), and the TFRecord frame of TensorFlow:

    uint64 length | uint32 masked CRC-32C of length | data | uint32 masked CRC-32C

all little-endian. "Masked" is a rotation by 15 bits plus a constant.

Letters: N rows (records), W bytes of the longest row.
"""

from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

HEADER_BYTES = 12  # length and its checksum, before the data
FOOTER_BYTES = 4  # checksum of the data, after it

_LENGTH_DELIMITED = 2  # wire type of messages, strings and packed lists
_LIST_FIELD = {"float32": 2, "int64": 3}  # fields of tf.train.Feature
_MASK_DELTA = 0xA282EAD8


class Piece(NamedTuple):
    """Some consecutive bytes of every row."""

    data: np.ndarray  # uint8 [N, w], or [1, w]: the same in every row
    used: Optional[np.ndarray]  # bool [N, w], which of them belong to it; None = all
    size: np.ndarray  # int64 [N] or [1], how many do


def _fixed(data: np.ndarray) -> Piece:
    """A piece of which every row uses all bytes; data uint8 [N, w] or [1, w]."""
    return Piece(data, None, np.array([data.shape[1]]))


def _tag(field: int) -> Piece:
    return _fixed(np.array([[field << 3 | _LENGTH_DELIMITED]], np.uint8))


def _varints(values: np.ndarray) -> Piece:
    """Every value as a varint, in as many bytes as the largest one needs.

    Args:
      values: non-negative integers, [N, M].

    Returns:
      bytes [N, M * width]: [[5, 300]] -> [[0x05, 0, 0xAC, 0x02]], the second unused.
    """
    largest = int(values.max()) if values.size else 0
    if largest < 0x80:
        return _fixed(values.astype(np.uint8))
    rows, columns = values.shape
    width = -(-largest.bit_length() // 7)
    data = np.empty((rows, columns, width), np.uint8)
    used = np.ones((rows, columns, width), bool)
    size = np.full(rows, columns, np.int64)
    for index in range(width):
        more = values > 0x7F
        data[:, :, index] = values.astype(np.uint8) & 0x7F | more.view(np.uint8) << 7
        if index + 1 < width:
            used[:, :, index + 1] = more
            size += more.sum(axis=1, dtype=np.uint32)
            values = values >> 7
    return Piece(data.reshape(rows, -1), used.reshape(rows, -1), size)


def join(pieces: Sequence[Piece]) -> Piece:
    """Pieces side by side, as one."""
    rows = max(len(piece.data) for piece in pieces)
    width = sum(piece.data.shape[1] for piece in pieces)
    data = np.empty((rows, width), np.uint8)
    used = np.ones((rows, width), bool)
    at = 0
    for piece in pieces:
        columns = slice(at, at + piece.data.shape[1])
        data[:, columns] = piece.data
        if piece.used is not None:
            used[:, columns] = piece.used
        at = columns.stop
    size = np.broadcast_to(sum(piece.size for piece in pieces), (rows,))
    return Piece(data, used, size)


def _message(field: int, pieces: Sequence[Piece]) -> List[Piece]:
    """A field that holds `pieces`: its tag, their size, themselves."""
    size = sum((piece.size for piece in pieces), np.zeros(1, np.int64))
    return [_tag(field), _varints(size[:, None])] + list(pieces)


def _map_entry(name: str, dtype: str, values: np.ndarray) -> List[Piece]:
    """One entry of the map in tf.train.Features: the key and the packed list."""
    if dtype == "float32":
        payload = _fixed(_bytes_of(values, "<f4"))
    else:
        payload = _varints(values)
    feature = _message(_LIST_FIELD[dtype], _message(1, [payload]))
    key = _fixed(np.frombuffer(name.encode("utf-8"), np.uint8)[None])
    return _message(1, _message(1, [key]) + _message(2, feature))


def encode(arrays: Sequence[Tuple[str, str, np.ndarray]]) -> List[Piece]:
    """Rows of fixed-length features as serialized tf.train.Example messages.

    Args:
      arrays: (name, "int64" or "float32", values [N, length]) per feature, written
        in this order. Integers must not be negative.

    Returns:
      The pieces of each message, in order.
    """
    entries = []  # type: List[Piece]
    for name, dtype, values in arrays:
        entries.extend(_map_entry(name, dtype, values))
    return _message(1, entries)


def ragged(records: Sequence[bytes]) -> Piece:
    """Records that are bytes already."""
    size = np.array([len(record) for record in records], np.int64)
    used = np.arange(size.max()) < size[:, None]
    data = np.zeros(used.shape, np.uint8)
    data[used] = np.frombuffer(b"".join(records), np.uint8)
    return Piece(data, used, size)


def _crc_of_words() -> np.ndarray:
    """CRC-32C (Castagnoli, reflected) of every 16-bit word, uint32 [65536]."""
    table = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_HIGH_WORD = _crc_of_words()
_LOW_WORD = _HIGH_WORD[_HIGH_WORD & 0xFFFF] ^ _HIGH_WORD >> np.uint32(16)


def _masked_crc32c(words: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The masked CRC-32C of every row, as TFRecord stores it.

    Args:
      words: little-endian uint32 [N, W / 4]; each row's data stands at its RIGHT end,
        its first four bytes inverted, with zeros before it.
      sizes: int64 [N], bytes of data per row.

    Returns:
      uint32 [N].
    """
    # The register should begin at 0xFFFFFFFF. One that begins at 0 ignores the leading
    # zeros, so that rows of different sizes take the same steps, and becomes the same
    # when the first four bytes are inverted; shorter rows keep what is left of it.
    crc = np.zeros(len(words), np.uint32)
    for word in np.ascontiguousarray(words.T):
        crc ^= word
        crc = _LOW_WORD.take(crc.astype(np.uint16)) ^ _HIGH_WORD.take(crc >> 16)
    missing = np.minimum(sizes, 4).astype(np.uint64) * np.uint64(8)
    crc = ~(crc ^ (np.uint64(0xFFFFFFFF) >> missing).astype(np.uint32))
    rotated = crc >> np.uint32(15) | crc << np.uint32(17)
    return rotated + np.uint32(_MASK_DELTA)


def _right_aligned(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Consecutive pieces of a flat buffer, each at the right end of a row of zeros.

    Returns:
      uint8 [N, W], W a multiple of 4.
    """
    width = -(-int(sizes.max()) // 4) * 4
    rows = np.zeros((len(sizes), width), np.uint8)
    start = (width - sizes).astype(np.int32)
    rows[np.arange(width, dtype=np.int32) >= start[:, None]] = data
    return rows


def _invert_start(rows: np.ndarray, start: np.ndarray, sizes: np.ndarray) -> None:
    """Inverts the first four bytes of each row's data, which begins at `start`."""
    for index in range(4):
        inside = np.flatnonzero(sizes > index)
        rows[inside, start[inside] + index] ^= 0xFF


def data_checksums(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of consecutive pieces of `data` (uint8), uint32 [N]."""
    rows = _right_aligned(data, sizes)
    _invert_start(rows, rows.shape[1] - sizes, sizes)
    return _masked_crc32c(rows.view("<u4"), sizes)


def length_checksums(sizes: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of each length as it stands in the header, uint32 [N]."""
    headers = np.ascontiguousarray(sizes, "<u8").view(np.uint8)
    return data_checksums(headers, np.full(len(sizes), 8, np.int64))


def frames(records: Sequence[Piece]) -> np.ndarray:
    """TFRecord frames around records, uint8, ready to be written to a file.

    Args:
      records: pieces of the records, in order.
    """
    rows = max(len(piece.data) for piece in records)
    size = np.broadcast_to(sum(piece.size for piece in records), (rows,))
    header = np.empty((rows, HEADER_BYTES), np.uint8)
    header[:, :8] = _bytes_of(size, "<u8")
    header[:, 8:] = _bytes_of(length_checksums(size), "<u4")
    footer = np.zeros((rows, FOOTER_BYTES), np.uint8)
    whole = join([_fixed(header), *records, _fixed(footer)])
    framed = whole.data[whole.used]

    aligned = _right_aligned(framed, whole.size)
    start = aligned.shape[1] - FOOTER_BYTES - size
    aligned[np.arange(rows)[:, None], start[:, None] - 1 - np.arange(HEADER_BYTES)] = 0
    _invert_start(aligned, start, size)
    checksums = _masked_crc32c(aligned.view("<u4")[:, :-1], size)
    footers = np.cumsum(whole.size)[:, None] - FOOTER_BYTES + np.arange(FOOTER_BYTES)
    framed[footers] = _bytes_of(checksums, "<u4")
    return framed


def _bytes_of(values: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers as bytes, uint8 [N, bytes of the type]."""
    return np.ascontiguousarray(values, dtype).view(np.uint8).reshape(len(values), -1)
