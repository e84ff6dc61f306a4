"""How near two Latin texts are (拉丁文本): names, streets and numbers that were typed, with the slips of typing.

The distances are RapidFuzz's, on characters; both sides are taken as they are, so the caller folds case and spaces.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

LEVELS: Final = ("one_edit", "jw_92", "jw_80")
"""One character added, lost, changed, or two neighbours exchanged; Jaro-Winkler similarity of at least 0.92; of 0.80."""

_SHORTEST: Final = 3
"""Characters from which on a single edit leaves something to recognise."""


def compare(left: pa.Array, right: pa.Array) -> pa.StringArray:
    """Return the level of each pair of texts, NULL where they are less alike or a side is missing. Symmetric.

    Every distinct pair is compared once. Equal texts are one edit apart at most; `exact` is decided on codes before.

    Raises:
        ValueError: the columns differ in length.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} texts cannot be compared with {len(right)} texts")
    both = pa.concat_arrays([left.cast(pa.string()), right.cast(pa.string())]).dictionary_encode()
    codes = both.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    one, other = codes[: len(left)], codes[len(left) :]
    known = np.flatnonzero((one >= 0) & (other >= 0))
    size = np.int64(max(1, len(both.dictionary)))
    pairs, which = np.unique(one[known] * size + other[known], return_inverse=True)
    level = np.zeros(len(left), np.int64)
    level[known] = _levels(both.dictionary.take(pa.array(pairs // size)), both.dictionary.take(pa.array(pairs % size)))[
        which
    ]
    return pa.array([None, *LEVELS], pa.string()).take(pa.array(level))


def _levels(one: pa.StringArray, other: pa.StringArray) -> npt.NDArray[np.int64]:
    """Return 1 + the position in `LEVELS`, 0 = none."""
    a, b = one.to_pylist(), other.to_pylist()
    if not a:
        return np.empty(0, np.int64)
    edits = cpdist(a, b, scorer=OSA.distance, score_cutoff=1)
    alike = cpdist(a, b, scorer=JaroWinkler.similarity, dtype=np.float64)
    short = np.minimum([len(t) for t in a], [len(t) for t in b])
    return np.select([(edits <= 1) & (short >= _SHORTEST), alike >= 0.92, alike >= 0.80], [1, 2, 3], 0)
