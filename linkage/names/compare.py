"""How near two names are (姓名比较): one level per pair, true for characters."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names import points
from linkage.names.forms import standardise
from linkage.names.points import Flags, Ints
from schemas.identifiers.columns import Texts, as_strings

LEVELS = (
    "exact",
    "folded",
    "homophone",
    "fuzzy_pinyin",
    "one_character",
    "missing_character",
    "swapped_order",
    "surname_only",
    "different",
)
"""Comparison levels, nearest first: equal; equal in simplified characters without variants (or in the sorted parts of
a Latin name); same pinyin; same fuzzy pinyin; one character differs, at least two agree; one character too few, at
least two agree; the same characters in another order; only the surname agrees; none of these."""

WIDTH = 24
"""Characters looked at: the longest names of a person are shorter; longer ones are only compared whole."""


def compare(left: Texts, right: Texts) -> pa.StringArray:
    """Return the level of each pair of names, NULL where either is missing or damaged.

    Every distinct name is standardised once and every distinct pair compared once.

    Raises:
        ValueError: the columns differ in length.
    """
    one, other = as_strings(left), as_strings(right)
    if len(one) != len(other):
        raise ValueError(f"{len(one)} names cannot be compared with {len(other)} names")
    encoded = pa.concat_arrays([one, other]).dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy()
    names = pa.concat_arrays([encoded.dictionary, pa.array([None], pa.string())])
    size = np.int64(len(names))
    pairs, which = np.unique(codes[: len(one)].astype(np.int64) * size + codes[len(one) :], return_inverse=True)
    level = _levels(standardise(names), pairs // size, pairs % size)
    # Position 0 of the labels is NULL: neither side may be missing.
    labels = pa.array([None, *LEVELS], pa.string())
    return labels.take(points.integers(level[which]))


def _levels(forms: pa.Table, a: Ints, b: Ints) -> Ints:
    """Return 1 + the position in `LEVELS` of each pair of rows of `forms`, 0 where a name is missing."""
    folded = points.of_texts(forms["folded"].combine_chunks())
    agree, same_size, shorter = points.agreeing(folded, a, b, WIDTH)
    size_a, size_b = folded.lengths[a], folded.lengths[b]
    tests = (
        _equal(forms["name"], a, b),
        _equal(forms["folded"], a, b),
        _equal(forms["pinyin"], a, b),
        _equal(forms["pinyin_fuzzy"], a, b),
        same_size & (agree == size_a - 1) & (agree >= 2),
        (np.abs(size_a - size_b) == 1) & (agree >= shorter) & (shorter >= 2),
        same_size & _same_characters(folded, a, b),
        _equal(forms["surname"], a, b),
    )
    level = np.select(tests, np.arange(1, len(LEVELS)), len(LEVELS))
    known = folded.lengths > 0
    return np.where(known[a] & known[b], level, 0)


def _equal(form: pa.ChunkedArray, a: Ints, b: Ints) -> Flags:
    """Compare a form by the numbers of its distinct values; NULL equals nothing."""
    codes = pc.dictionary_encode(form.combine_chunks()).indices.fill_null(-1).to_numpy()
    return np.asarray((codes[a] == codes[b]) & (codes[a] >= 0))


def _same_characters(folded: points.Points, a: Ints, b: Ints) -> Flags:
    """Whether both names are made of the same characters."""
    ordered = np.sort(folded.matrix(points.width(folded, WIDTH)), axis=1)
    short = folded.lengths <= WIDTH
    return np.asarray((ordered[a] == ordered[b]).all(axis=1) & short[a] & short[b])
