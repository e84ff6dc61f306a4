"""How near two citizen numbers are (公民身份号码) of which at least one is no valid number: failed, masked or cut off.

The check character finds every single wrong digit and every swap of neighbours. So where two numbers are one such slip
apart, one of them is wrong, and it is the one that fails; where both are sound they are two.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.evidence.pairs import Figures, figures, levels_of
from schemas.identifiers import citizen_id, columns
from schemas.identifiers.columns import Flags, Ints, Texts

LEVELS: Final = (
    "exact",
    "swapped_digits",
    "one_digit",
    "missing_digit",
    "pattern",
    "pattern_ends",
    "same_area_and_birth",
    "different",
)
"""Comparison levels, nearest first: equal; two digits at most two places apart are swapped; one digit differs; one
digit is lost or doubled; one side is masked and agrees in all that is visible, the year of birth and the end among it;
the same, with the year hidden, or a masked document of another kind; area and birth date agree and nothing is said of the
end, or it differs; none of these."""

WHOLE: Final = 18
"""Characters of a whole number."""

_WIDTH: Final = 30
_REACH: Final = 2
_YEAR, _BIRTH_ENDS = slice(6, 10), 14
_LEAST_VISIBLE, _LEAST_OF_END = 6, 3


def compare(left: Texts, right: Texts) -> pa.StringArray:
    """Return the level of each pair of numbers, NULL where the pair says nothing.

    It says nothing where a side is missing, where what is visible on both sides agrees but is too little (three of the
    last four characters, or area and birth date), where a pattern has another length than the other number, and where
    one is a number of 18 digits and the other a document of another kind: one person may have both.

    Args:
        left: canonical values and hints (`typo`, `masked`, `truncated` of `schemas.values.hints`).
        right: the same, row for row.

    Raises:
        UnequalColumns: the columns differ in length.
    """
    return levels_of(left, right, LEVELS, _levels)


def _levels(texts: pa.StringArray, a: Ints, b: Ints) -> Ints:
    form = figures(texts, _WIDTH)
    same_size = (form.lengths[a] == form.lengths[b]) & (form.lengths[a] > 0)
    differing = form.differing(a, b)
    count = np.where(same_size, differing.sum(axis=1), _WIDTH)
    pattern = form.hidden[a] | form.hidden[b]
    sound = _sound(texts)
    near_whole = _near_whole(form)
    slip = ~pattern & ~(sound[a] & sound[b]) & near_whole[a] & near_whole[b]
    eighteen = same_size & (form.lengths[a] == WHOLE)
    agrees, visible = pattern & (count == 0), form.visible(a, b)
    end = visible[:, _BIRTH_ENDS:WHOLE].sum(axis=1) >= _LEAST_OF_END
    # A document of another kind is laid out in its own way: of it some characters must do.
    telling = (visible.sum(axis=1) >= _LEAST_VISIBLE) & (end | ~eighteen)
    born = ~differing[:, :_BIRTH_ENDS].any(axis=1) & visible[:, :_BIRTH_ENDS].all(axis=1)
    tests = {
        # A number that is masked alike twice is no whole number.
        "exact": (a == b) & ~pattern,
        "swapped_digits": slip & eighteen & form.swapped(a, b, differing, _REACH),
        "one_digit": slip & eighteen & (count == 1),
        "missing_digit": slip & form.one_lost(a, b),
        "pattern": agrees & telling & eighteen & visible[:, _YEAR].all(axis=1),
        "pattern_ends": agrees & telling,
        "same_area_and_birth": eighteen & born & (agrees | slip),
        "different": np.where(pattern, same_size & (count > 0), near_whole[a] == near_whole[b]),
    }
    return np.select(list(tests.values()), [1 + LEVELS.index(level) for level in tests], 0)


def _sound(texts: pa.StringArray) -> Flags:
    """Return which texts are whole numbers with the right check character and an existing birth date."""
    value = citizen_id.parse(texts)["value"].combine_chunks()
    return columns.flags(pc.fill_null(pc.equal(value, texts), False))


def _near_whole(form: Figures) -> Flags:
    """Return which texts are numbers of 18 characters, or one more or less: no passport has as many."""
    return np.asarray((form.lengths >= WHOLE - 1) & (form.lengths <= WHOLE + 1))
