"""Pieces of fixed size from arbitrary byte offsets of one buffer, all in one call.

NumPy copies void items with one memcpy each, so a record of 50 bytes costs as much as a number.
An item type whose elements overlap (stride 1) makes every byte offset addressable as an index.
"""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


def gather(data: Bytes, offsets: Ints, size: int) -> npt.NDArray[np.void]:
    """Return the `size` bytes at each offset as void items (n,).

    data: uint8 (bytes,), contiguous; offsets: (n,), each with offset + size <= bytes.
    """
    if not len(offsets):
        return np.empty(0, f"V{size}")
    window = np.ndarray((len(data) - size + 1,), f"V{size}", buffer=data, strides=(1,))
    taken: npt.NDArray[np.void] = window[offsets]
    return taken


def within(counts: Ints) -> Ints:
    """Return 0..c-1 for each count c, end to end: the place of a record within its set."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total, dtype=np.int64) - np.repeat(ends - counts, counts)
