"""Pairs of texts, each distinct pair worked once; and texts of figures as one matrix of characters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.identifiers.columns import Bytes, Flags, Ints, Texts, as_strings, flags

Work = Callable[[pa.StringArray, Ints, Ints], Ints]
"""From distinct texts and pairs of their rows to 1 + the position of each pair's level, 0 where it says nothing."""

STAR = ord("*")
"""Stands for an unknown character."""


class UnequalColumns(ValueError):
    """Two columns that should be compared row by row differ in length."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} values cannot be compared with {right} values")


def levels_of(left: Texts, right: Texts, levels: Sequence[str], work: Work) -> pa.StringArray:
    """Return the level of each pair of texts, NULL where either is missing or `work` says 0.

    Raises:
        UnequalColumns: the columns differ in length.
    """
    one, other = as_strings(left), as_strings(right)
    if len(one) != len(other):
        raise UnequalColumns(len(one), len(other))
    encoded = pa.concat_arrays([one, other]).dictionary_encode()
    texts = encoded.dictionary
    codes = encoded.indices.fill_null(-1).to_numpy().astype(np.int64)
    a, b = codes[: len(one)], codes[len(one) :]
    there = (a >= 0) & (b >= 0)
    # A pair and its mirror image are one pair: half the work, and nothing can depend on the side.
    pairs = np.minimum(a, b)[there] * max(len(texts), 1) + np.maximum(a, b)[there]
    distinct, which = np.unique(pairs, return_inverse=True)
    level = np.zeros(len(one), np.int64)
    if len(distinct):
        level[there] = work(texts, distinct // len(texts), distinct % len(texts))[which]
    return pa.array([None, *levels], pa.string()).take(pa.array(level))


@dataclass(frozen=True, slots=True)
class Figures:
    """Texts of ASCII characters as matrices, padded with 0.

    Attributes:
        left: first characters first; right: the same set flush right.
        lengths: characters of each text; 0 for texts that are too long or not ASCII.
    """

    left: Bytes
    right: Bytes
    lengths: Ints

    @property
    def hidden(self) -> Flags:
        """Which texts have unknown characters."""
        return np.asarray((self.left == STAR).any(axis=1))

    def differing(self, a: Ints, b: Ints) -> Flags:
        """Return where the characters of two rows are known and differ (rows of equal length)."""
        one, other = self.left[a], self.left[b]
        return np.asarray((one != other) & (one != STAR) & (other != STAR))

    def visible(self, a: Ints, b: Ints) -> Flags:
        """Return where the characters of two rows are both known."""
        one, other = self.left[a], self.left[b]
        return np.asarray((one != STAR) & (other != STAR) & (one > 0) & (other > 0))

    def swapped(self, a: Ints, b: Ints, differing: Flags, reach: int) -> Flags:
        """Return which pairs differ in exactly two places, at most `reach` apart, that hold each other's character."""
        one, other = self.left[a], self.left[b]
        first = differing.argmax(axis=1)
        last = differing.shape[1] - 1 - differing[:, ::-1].argmax(axis=1)
        row = np.arange(len(a))
        crosswise = (one[row, first] == other[row, last]) & (one[row, last] == other[row, first])
        return np.asarray((differing.sum(axis=1) == 2) & (last - first <= reach) & crosswise)

    def one_lost(self, a: Ints, b: Ints) -> Flags:
        """Return which pairs are equal but for one character that the longer text has more."""
        size_a, size_b = self.lengths[a], self.lengths[b]
        front = _run(self.left[a], self.left[b])
        back = _run(self.right[a][:, ::-1], self.right[b][:, ::-1])
        shorter = np.minimum(size_a, size_b)
        return np.asarray((np.abs(size_a - size_b) == 1) & (front + back >= shorter) & (shorter > 0))


def figures(texts: pa.StringArray, width: int) -> Figures:
    """Return texts of at most `width` ASCII characters as matrices; others have length 0."""
    fits = flags(pc.fill_null(pc.and_(pc.string_is_ascii(texts), pc.less_equal(pc.binary_length(texts), width)), False))
    rows = np.flatnonzero(fits)
    chosen = texts.take(pa.array(rows))
    lengths = np.zeros(len(texts), np.int64)
    lengths[rows] = pc.binary_length(chosen).to_numpy(zero_copy_only=False)
    return Figures(
        _matrix(pc.ascii_rpad(chosen, width, "\0"), rows, len(texts), width),
        _matrix(pc.ascii_lpad(chosen, width, "\0"), rows, len(texts), width),
        lengths,
    )


def _matrix(padded: pa.StringArray, rows: Ints, count: int, width: int) -> Bytes:
    grid = np.zeros((count, width), np.uint8)
    if len(rows):
        offsets, data = padded.buffers()[1:]
        start = int(np.frombuffer(offsets, np.int32, 1, padded.offset * 4)[0])
        grid[rows] = np.frombuffer(data, np.uint8, width * len(rows), start).reshape(-1, width)
    return grid


def _run(one: Bytes, other: Bytes) -> Ints:
    """Return how many leading columns agree and are no padding."""
    agree = (one == other) & (one > 0)
    return np.asarray(np.where(agree.all(axis=1), one.shape[1], np.argmin(agree, axis=1)))
