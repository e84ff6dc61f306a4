"""How near two Latin texts are (拉丁文本): names, streets and numbers that were typed, with the slips of typing.

The distances are RapidFuzz's, on characters; both sides are taken as they are, so the caller folds case and spaces.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rapidfuzz.distance import OSA, JaroWinkler
from rapidfuzz.process import cpdist

from linkage.evidence.pairs import levels_of
from schemas.identifiers.columns import Ints, Texts

LEVELS: Final = ("one_edit", "jw_92", "jw_80")
"""One character added, lost, changed, or two neighbours exchanged; Jaro-Winkler similarity of at least 0.92; of 0.80."""

_SHORTEST: Final = 3
"""Characters from which on a single edit leaves something to recognise."""


def compare(left: Texts, right: Texts) -> pa.StringArray:
    """Return the level of each pair of texts, NULL where they are less alike or a side is missing. Symmetric.

    Equal texts are one edit apart at most; `exact` is decided on codes before.

    Raises:
        UnequalColumns: the columns differ in length.
    """
    return levels_of(left, right, LEVELS, _levels)


def _levels(texts: pa.StringArray, a: Ints, b: Ints) -> Ints:
    words = np.array(texts.to_pylist(), dtype=object)
    place = np.empty(len(texts), np.int64)
    place[pc.sort_indices(texts).to_numpy()] = np.arange(len(texts))
    # Jaro pairs characters greedily from the first text on; in alphabetical order neither side is the first.
    swap = place[a] > place[b]
    one, other = words[np.where(swap, b, a)].tolist(), words[np.where(swap, a, b)].tolist()
    length = pc.utf8_length(texts).to_numpy()
    short = np.minimum(length[a], length[b])
    edits = cpdist(one, other, scorer=OSA.distance, score_cutoff=1)
    # Without a cutoff: RapidFuzz with one loses pairs that reach it.
    alike = cpdist(one, other, scorer=JaroWinkler.similarity, dtype=np.float64)
    return np.select([(edits <= 1) & (short >= _SHORTEST), alike >= 0.92, alike >= 0.80], [1, 2, 3], 0)
