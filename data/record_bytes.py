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

from typing import List, Optional, Sequence, Tuple

import numpy as np

HEADER_BYTES = 12  # length and its checksum, before the data
FOOTER_BYTES = 4  # checksum of the data, after it

_LENGTH_DELIMITED = 2  # wire type of messages, strings and packed lists
_LIST_FIELD = {"float32": 2, "int64": 3}  # fields of tf.train.Feature
_MASK_DELTA = 0xA282EAD8

# Bytes [N, w] and which of them belong to the row; None = all of them.
Columns = Tuple[np.ndarray, Optional[np.ndarray]]


def _tag(field: int) -> int:
    return field << 3 | _LENGTH_DELIMITED


def _varints(values: np.ndarray) -> Columns:
    """Every value as a varint in as many columns as the largest one needs.

    Args:
      values: non-negative integers, [N, M].

    Returns:
      bytes uint8 [N, M * width] and the mask of those that a value really uses:
      [[5, 300]] -> [[0x05, 0, 0xAC, 0x02]], [[True, False, True, True]].
    """
    largest = int(values.max()) if values.size else 0
    if largest < 0x80:
        return values.astype(np.uint8), None
    width = -(-largest.bit_length() // 7)
    shifted = values[:, :, None] >> np.arange(0, 7 * width, 7, dtype=values.dtype)
    used = shifted > 0
    used[:, :, 0] = True
    encoded = (shifted & 0x7F | (shifted > 0x7F).astype(values.dtype) << 7).astype(
        np.uint8
    )
    return encoded.reshape(len(values), -1), used.reshape(len(values), -1)


def _row_bytes(columns: Sequence[Columns]) -> np.ndarray:
    """How many bytes each row uses, int64 [N]."""
    return sum(
        np.full(len(part), part.shape[1], np.int64) if used is None else used.sum(1)
        for part, used in columns
    )


def _length_prefixed(tag: int, columns: List[Columns]) -> List[Columns]:
    """A tag, the byte count of `columns` as a varint, and `columns`."""
    rows = len(columns[0][0])
    size = _row_bytes(columns)
    return [
        (np.full((rows, 1), tag, np.uint8), None),
        _varints(size[:, None]),
    ] + columns


def _feature_columns(name: str, dtype: str, values: np.ndarray) -> List[Columns]:
    """One entry of the map in tf.train.Features: the key and the packed list."""
    if dtype == "float32":
        packed = np.ascontiguousarray(values, "<f4").view(np.uint8)
        payload = (packed.reshape(len(values), -1), None)
    else:
        payload = _varints(values)
    values_list = _length_prefixed(_tag(1), [payload])
    feature = _length_prefixed(_tag(_LIST_FIELD[dtype]), values_list)
    key = np.frombuffer(name.encode("utf-8"), np.uint8)
    key_columns = [(np.broadcast_to(key, (len(values), len(key))), None)]
    return _length_prefixed(
        _tag(1),
        _length_prefixed(_tag(1), key_columns) + _length_prefixed(_tag(2), feature),
    )


def _joined(columns: Sequence[Columns]) -> Tuple[np.ndarray, np.ndarray]:
    """All columns side by side: bytes uint8 [N, W], used bool [N, W]."""
    used = [
        np.ones(part.shape, bool) if mask is None else mask for part, mask in columns
    ]
    return np.concatenate([part for part, _ in columns], 1), np.concatenate(used, 1)


def example_matrix(
    arrays: Sequence[Tuple[str, str, np.ndarray]],
) -> Tuple[np.ndarray, np.ndarray]:
    """Rows of fixed-length features as serialized tf.train.Example messages.

    Args:
      arrays: (name, "int64" or "float32", values [N, length]) per feature, written
        in this order. Integers must not be negative.

    Returns:
      bytes uint8 [N, W] and used bool [N, W]: row i serialized is
      `bytes[i][used[i]]`.
    """
    columns = []  # type: List[Columns]
    for name, dtype, values in arrays:
        columns.extend(_feature_columns(name, dtype, values))
    return _joined(_length_prefixed(_tag(1), columns))


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
