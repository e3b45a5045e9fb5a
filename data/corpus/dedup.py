"""A set of 64-bit hashes that takes 8 bytes for each, to find exact duplicates."""

from typing import List

import numpy as np


class SeenHashes:
    """Remembers hashes in sorted arrays of which each is twice as long as the next.

    One million hashes take 8 MB, and 16 MB for a moment while arrays are merged. Two
    different lines have the same 64-bit hash with a probability of about n^2 / 2^65 for
    n lines: one in a thousand for 180 million lines.
    """

    BYTES_PER_HASH = 8

    def __init__(self):
        self._arrays: List[np.ndarray] = []

    def __len__(self) -> int:
        """How many different hashes were seen."""
        return sum(len(array) for array in self._arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that they take."""
        return sum(array.nbytes for array in self._arrays)

    def add(self, hashes: np.ndarray) -> np.ndarray:
        """Adds hashes and tells which are new.

        Args:
          hashes: uint64 [n], in the order of the lines.
        Returns:
          bool [n], true for the first of its value ever: [7, 3, 7] -> [T, T, F], and
          then [3, 9] -> [F, T].
        """
        values, first = np.unique(hashes, return_index=True)
        is_new = np.ones(len(values), dtype=bool)
        for array in self._arrays:
            places = np.minimum(np.searchsorted(array, values), len(array) - 1)
            is_new &= array[places] != values
        if is_new.any():
            self._arrays.append(values[is_new])
            self._merge()
        result = np.zeros(len(hashes), dtype=bool)
        result[first[is_new]] = True
        return result

    def _merge(self):
        while len(self._arrays) > 1 and len(self._arrays[-2]) < 2 * len(
            self._arrays[-1]
        ):
            merged = np.concatenate([self._arrays.pop(), self._arrays.pop()])
            merged.sort()
            self._arrays.append(merged)
