"""Weighted pieces of names (加权二字片段): how much of the shorter text's names the longer one has.

For texts whose parse is unsure: whichever element a name landed in, its pieces are the same. Pieces of common words
(工业园, 有限公司, 东路) weigh little, so that what distinguishes a place from its neighbours decides. The table of common
words is shipped rather than learned from the batch, because a pair must weigh the same in every batch.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from linkage.address.elements import Ints
from linkage.address.settings import words

Floats: TypeAlias = npt.NDArray[np.float64]

_LOW: Final = 0.2
"""Weight of a piece of a common word; every other piece weighs 1."""


def coverage(bare: list[str], left: Ints, right: Ints) -> tuple[Floats, Floats]:
    """Shared weight over the smaller of both weights, 0 to 1, NaN where a side has no pieces; and the shared weight."""
    if not len(left):
        return np.zeros(0), np.zeros(0)
    matrix = _matrix(bare)
    total = np.asarray(matrix.sum(axis=1)).ravel()
    shared = np.asarray(matrix[left].minimum(matrix[right]).sum(axis=1)).ravel()
    least = np.minimum(total[left], total[right])
    return np.where(least > 0, shared / np.where(least > 0, least, 1.0), np.nan), shared


def _matrix(texts: list[str]) -> sparse.csr_matrix:
    """One row for each text, one column for each distinct piece, its weight where the text has it."""
    codes = np.frombuffer("\n".join([*texts, ""]).translate(words().alike).encode("utf-32-le"), np.uint32).astype(
        np.int64
    )
    row = np.cumsum(codes == 10)
    first, second = codes[:-1], codes[1:]
    at = np.flatnonzero((first >= 0x3400) & (second >= 0x3400))
    keys, column = np.unique(first[at] << 21 | second[at], return_inverse=True)
    common = {ord(w[0].translate(words().alike)) << 21 | ord(w[1].translate(words().alike)) for w in words().generic}
    weight = np.where(np.isin(keys, np.fromiter(common, np.int64)), _LOW, 1.0)
    place = np.unique(row[at] * max(1, len(keys)) + column)
    rows, columns = np.divmod(place, max(1, len(keys)))
    return sparse.csr_matrix((weight[columns], (rows, columns)), shape=(len(texts), max(1, len(keys))))
