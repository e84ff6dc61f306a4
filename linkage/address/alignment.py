"""Pairs of addresses aligned element by element (逐要素对齐): how each element of one agrees with the other's.

Equal codes need no look at the text; the distinct unequal pairs of values that remain are judged once each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from linkage.address.elements import Bools, Column, Ints

Levels: TypeAlias = npt.NDArray[np.int8]

NEITHER: Final = 0
ONE: Final = 1
EQUAL: Final = 2
"""Levels shared by all elements; levels from 3 on are the element's own."""
JUDGED: Final = 3
"""Levels from here on are the element's own, in the order of its names."""
CITY: Final = ("succession", "conflict")
DISTRICT: Final = ("succession", "conflict")
STREET: Final = ("inside", "conflict")
NUMBER: Final = ("part", "conflict")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Distinct pairs of texts by number."""

    left: Ints
    right: Ints

    def of(self, column: Column) -> tuple[Ints, Ints]:
        """The codes of a column on both sides."""
        return column.codes[self.left], column.codes[self.right]


def levels(pairs: Pairs, column: Column, judge: Callable[[str, str], int], where: Bools | None = None) -> Levels:
    """The level of one element for each pair; `judge` gives 3 and more for two unequal values.

    Args:
        pairs: the pairs of texts.
        column: the element of all texts.
        judge: level of two unequal values, symmetric in both.
        where: pairs worth judging; others that are unequal get level 127.
    """
    a, b = pairs.of(column)
    found = np.full(len(a), 127, np.int8)
    found[(a < 0) & (b < 0)] = NEITHER
    found[(a < 0) != (b < 0)] = ONE
    found[(a == b) & (a >= 0)] = EQUAL
    open_ = found == 127
    if where is not None:
        open_ &= where
    at = np.flatnonzero(open_)
    if not len(at):
        return found
    low, high = np.minimum(a[at], b[at]).astype(np.int64), np.maximum(a[at], b[at])
    keys, inverse = np.unique(low * len(column.values) + high, return_inverse=True)
    size = len(column.values)
    judged = np.fromiter(
        (judge(column.values[k // size], column.values[k % size]) for k in keys.tolist()), np.int8, len(keys)
    )
    found[at] = judged[inverse]
    return found
