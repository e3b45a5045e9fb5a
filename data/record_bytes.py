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

from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

HEADER_BYTES = 12  # length and its checksum, before the data
FOOTER_BYTES = 4  # checksum of the data, after it

_LENGTH_DELIMITED = 2  # wire type of messages, strings and packed lists
_LIST_FIELD = {"float32": 2, "int64": 3}  # fields of tf.train.Feature
_MASK_DELTA = 0xA282EAD8


class Piece(NamedTuple):
    """Some consecutive bytes of every row."""

    data: np.ndarray  # uint8 [N, w]
    used: np.ndarray  # bool [N, w] or [1, w]: which of them belong to the row
    size: np.ndarray  # int64 [N] or [1]: how many do


def _fixed(data: np.ndarray) -> Piece:
    """A piece of which every row uses all bytes; data uint8 [N, w] or [1, w]."""
    width = data.shape[1]
    return Piece(data, np.ones((1, width), bool), np.array([width]))


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
        data[:, :, index] = values & 0x7F | more.astype(np.uint8) << 7
        if index + 1 < width:
            used[:, :, index + 1] = more
            size += np.count_nonzero(more, axis=1)
            values = values >> 7
    return Piece(data.reshape(rows, -1), used.reshape(rows, -1), size)


def _joined(pieces: Sequence[Piece]) -> Piece:
    """Pieces side by side."""
    rows = max(len(piece.data) for piece in pieces)
    width = sum(piece.data.shape[1] for piece in pieces)
    joined = Piece(
        np.empty((rows, width), np.uint8),
        np.empty((rows, width), bool),
        sum(piece.size for piece in pieces),
    )
    at = 0
    for data, used, _ in pieces:
        joined.data[:, at : at + data.shape[1]] = data
        joined.used[:, at : at + data.shape[1]] = used
        at += data.shape[1]
    return joined


def _message(field: int, pieces: Sequence[Piece]) -> List[Piece]:
    """A field that holds `pieces`: its tag, their size, themselves."""
    size = sum(piece.size for piece in pieces)
    return [_tag(field), _varints(size[:, None])] + list(pieces)


def _map_entry(name: str, dtype: str, values: np.ndarray) -> List[Piece]:
    """One entry of the map in tf.train.Features: the key and the packed list."""
    if dtype == "float32":
        packed = np.ascontiguousarray(values, "<f4").view(np.uint8)
        payload = _fixed(packed.reshape(len(values), -1))
    else:
        payload = _varints(values)
    feature = _message(_LIST_FIELD[dtype], _message(1, [payload]))
    key = _fixed(np.frombuffer(name.encode("utf-8"), np.uint8)[None])
    return _message(1, _message(1, [key]) + _message(2, feature))


def encode(arrays: Sequence[Tuple[str, str, np.ndarray]]) -> Piece:
    """Rows of fixed-length features as serialized tf.train.Example messages.

    Args:
      arrays: (name, "int64" or "float32", values [N, length]) per feature, written
        in this order. Integers must not be negative.

    Returns:
      Row i serialized is `data[i][used[i]]`, `size[i]` bytes.
    """
    entries = []  # type: List[Piece]
    for name, dtype, values in arrays:
        entries.extend(_map_entry(name, dtype, values))
    return _joined(_message(1, entries))


def _crc_tables() -> np.ndarray:
    """CRC-32C (Castagnoli, reflected) of every 16-bit word, uint32 [65536]."""
    table = np.arange(1 << 16, dtype=np.uint32)
    for _ in range(16):
        table = np.where(table & 1, table >> 1 ^ np.uint32(0x82F63B78), table >> 1)
    return table.astype(np.uint32)


_CRC_OF_WORD = _crc_tables()


def masked_crc32c(rows: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """The masked CRC-32C of every row, as TFRecord stores it.

    Args:
      rows: uint8 [N, W], W even, each row's data at its RIGHT end and zeros before
        it: a checksum register of 0 ignores leading zeros, so that rows of
        different lengths take the same steps. Changed in place.
      sizes: int64 [N], bytes of data per row.

    Returns:
      uint32 [N].
    """
    # A register that starts at 0xFFFFFFFF equals one that starts at 0 and sees the
    # first four bytes inverted; rows shorter than that keep what is left of it.
    count, width = rows.shape
    row = np.arange(count)
    for index in range(min(4, width)):
        inside = sizes > index
        rows[row[inside], width - sizes[inside] + index] ^= 0xFF
    words = rows.view("<u2")
    crc = np.zeros(count, np.uint32)
    for index in range(words.shape[1]):
        low = (crc ^ words[:, index]) & np.uint32(0xFFFF)
        crc = _CRC_OF_WORD[low] ^ crc >> np.uint32(16)
    left = np.minimum(sizes, 4).astype(np.uint64) * np.uint64(8)
    crc ^= (np.uint64(0xFFFFFFFF) >> left).astype(np.uint32)
    crc = ~crc
    rotated = crc >> np.uint32(15) | crc << np.uint32(17)
    return rotated + np.uint32(_MASK_DELTA)


def _right_aligned(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Consecutive rows of a flat buffer, each at the right end of a zero row."""
    width = int(sizes.max()) if len(sizes) else 0
    width += width % 2
    rows = np.zeros((len(sizes), width), np.uint8)
    rows[np.arange(width) >= width - sizes[:, None]] = data
    return rows


def data_checksums(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of consecutive pieces of `data` (uint8), uint32 [N]."""
    return masked_crc32c(_right_aligned(data, sizes), sizes)


def length_checksums(sizes: np.ndarray) -> np.ndarray:
    """Masked CRC-32C of each length as it stands in the header, uint32 [N]."""
    header = np.ascontiguousarray(sizes, "<u8").view(np.uint8).reshape(-1, 8)
    return masked_crc32c(header.copy(), np.full(len(sizes), 8, np.int64))


def frames(data: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """TFRecord frames around consecutive records.

    Args:
      data: uint8 [sum of sizes], the records one after another.
      sizes: int64 [N], bytes of each.

    Returns:
      uint8 [sum of sizes + 16 N], ready to be written to a file.
    """
    ends = np.cumsum(sizes + HEADER_BYTES + FOOTER_BYTES)
    starts = ends - sizes - HEADER_BYTES - FOOTER_BYTES
    framed = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    is_data = np.ones(len(framed), bool)

    def put(at: np.ndarray, values: np.ndarray, dtype: str) -> None:
        parts = np.ascontiguousarray(values, dtype).view(np.uint8)
        where = at[:, None] + np.arange(np.dtype(dtype).itemsize)
        framed[where] = parts.reshape(where.shape)
        is_data[where] = False

    put(starts, sizes, "<u8")
    put(starts + 8, length_checksums(sizes), "<u4")
    put(ends - FOOTER_BYTES, data_checksums(data, sizes), "<u4")
    framed[is_data] = data
    return framed
