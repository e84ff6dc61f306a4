"""Text columns as one array of code points: what is done to a character is one look-up for the whole column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Points:
    """The characters of a column side by side; text i is `codes[starts[i]:starts[i + 1]]`, NULL is empty."""

    codes: npt.NDArray[np.uint32]
    starts: Ints

    @property
    def lengths(self) -> Ints:
        """Characters of each text."""
        return np.diff(self.starts)

    def positions(self) -> Ints:
        """Return the place of each character in its text, from 0."""
        return np.arange(len(self.codes)) - np.repeat(self.starts[:-1], self.lengths)

    def spread(self, values: Ints) -> Ints:
        """Return one value per text as one per character."""
        return np.repeat(values, self.lengths)

    def counts(self, flags: Flags) -> Ints:
        """Return how many characters of each text are flagged."""
        return np.diff(_sums(flags)[self.starts])

    def keep(self, flags: Flags) -> Points:
        """Return the same texts with the flagged characters only."""
        return Points(self.codes[flags], _sums(flags)[self.starts])

    def pick(self, rows: Ints) -> Points:
        """Return the texts of the given rows."""
        lengths = self.lengths[rows]
        starts = np.r_[0, np.cumsum(lengths)]
        within = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)
        return Points(self.codes[np.repeat(self.starts[rows], lengths) + within], starts)

    def matrix(self, width: int, *, right: bool = False) -> npt.NDArray[np.uint32]:
        """Return the first (or last) `width` characters of each text as a row, padded with 0 at the far end."""
        grid = np.zeros((len(self.starts) - 1, width), dtype=np.uint32)
        place = self.positions()
        place = self.spread(self.lengths) - 1 - place if right else place
        inside = place < width
        row = np.repeat(np.arange(len(grid)), self.lengths)
        grid[row[inside], place[inside]] = self.codes[inside]
        return grid

    def texts(self) -> pa.StringArray:
        """Return the column; an empty text is NULL."""
        sizes = 1 + (self.codes >= 0x80) + (self.codes >= 0x800) + (self.codes >= 0x10000).astype(np.int64)
        offsets = np.r_[0, np.cumsum(sizes)][self.starts]
        data = self.codes.astype("<u4").tobytes().decode("utf-32-le").encode()
        known = pa.py_buffer(np.packbits(self.lengths > 0, bitorder="little"))
        buffers = [known, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(data)]
        return pa.Array.from_buffers(pa.string(), len(self.lengths), buffers)


def of_texts(column: pa.StringArray) -> Points:
    """Return the code points of a string column."""
    column = column.fill_null("") if column.null_count else column
    _, offset_buffer, data_buffer = column.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32, len(column) + 1, column.offset * 4).astype(np.int64)
    raw = bytes(memoryview(data_buffer)[offsets[0] : offsets[-1]]) if data_buffer else b""
    codes = np.frombuffer(raw.decode().encode("utf-32-le"), "<u4")
    leads = (np.frombuffer(raw, np.uint8) & 0xC0) != 0x80  # bytes that begin a character
    return Points(codes, _sums(leads)[offsets - offsets[0]])


def integers(values: Sequence[int] | npt.NDArray[np.generic]) -> pa.Int32Array:
    """Return an Arrow array over numpy integers (`pyarrow.array` would look for pandas first)."""
    whole = np.ascontiguousarray(values, dtype=np.int32)
    return pa.Array.from_buffers(pa.int32(), len(whole), [None, pa.py_buffer(whole)])


def agreeing(texts: Points, a: Ints, b: Ints, widest: int) -> tuple[Ints, Flags, Ints]:
    """Return for pairs of rows the characters that agree, whether the sizes agree, and the smaller size.

    With one character changed, added or lost, everything before it agrees from the front and everything behind it from
    the back: no distance matrix is needed to see one error. Texts longer than `widest` agree in nothing.
    """
    size_a, size_b = texts.lengths[a], texts.lengths[b]
    columns = width(texts, widest)
    front = leading(texts.matrix(columns), a, b)
    back = leading(texts.matrix(columns, right=True), a, b)
    agree = np.where(np.maximum(size_a, size_b) <= widest, front + back, 0)
    return agree, size_a == size_b, np.minimum(size_a, size_b)


def width(texts: Points, widest: int) -> int:
    """As wide as the longest text, if it is not too long: most columns hold four characters at most."""
    return int(min(widest, texts.lengths.max(initial=1)))


def leading(grid: npt.NDArray[np.uint32], a: Ints, b: Ints) -> Ints:
    """Return how many leading columns of two rows agree and are no padding."""
    agree = (grid[a] == grid[b]) & (grid[a] > 0)
    return np.asarray(np.where(agree.all(axis=1), grid.shape[1], np.argmin(agree, axis=1)))


def _sums(flags: Flags) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(flags, dtype=np.int64)])
