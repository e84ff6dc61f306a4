"""The numbers that distinguish neighbours (区分邻居的数字), where the parse does not hold them all.

Weighted pieces of names cannot tell 8-3排3单元 from 8-3排4单元, and a parse that left a number over cannot either. What tells
neighbours apart is nearly always a number, so a pair that would be one place is asked for its numbers: where each text
has one that the other lacks, they are not one place for certain. A phone number and a distance are no such numbers.
Only the pair is looked at, no frequencies of the batch, because a pair must weigh the same in every batch.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import numpy as np

from linkage.address.alignment import Pairs
from linkage.address.elements import Bools
from schemas.address.numerals import name_digits
from schemas.address.text import normal_texts

_NUMBER: Final = re.compile(r"[0-9]+")
_NO_PLACE: Final = re.compile(
    r"[0-9]{7,}|0[0-9]{2,3}-[0-9]{7,8}|[0-9]+(?:多)?(?:米|公里|KM|M)(?![A-Z])|[A-Z]{3,}[0-9]+"
)
_ZEROS: Final = re.compile(r"(?<![0-9])0+(?=[0-9])")


def distinguished(texts: list[str], pairs: Pairs, where: Bools) -> tuple[Bools, Bools]:
    """Pairs whose texts each have a number that the other lacks, and those of them that differ in numbers alone.

    Args:
        texts: the distinct texts.
        pairs: pairs of them.
        where: the pairs to look at.
    """
    apart, alone = np.zeros(len(where), np.bool_), np.zeros(len(where), np.bool_)
    at = np.flatnonzero(where)
    if not len(at):
        return apart, alone
    used, inverse = np.unique(np.concatenate([pairs.left[at], pairs.right[at]]), return_inverse=True)
    plain = [_plain(text) for text in normal_texts([texts[i] for i in used.tolist()])]
    numbers = [Counter(_NUMBER.findall(text)) for text in plain]
    left, right = inverse[: len(at)].tolist(), inverse[len(at) :].tolist()
    for i, a, b in zip(at.tolist(), left, right, strict=True):
        if numbers[a] - numbers[b] and numbers[b] - numbers[a]:
            apart[i] = True
            alone[i] = _NUMBER.sub("0", plain[a]) == _NUMBER.sub("0", plain[b])
    return apart, alone


def _plain(text: str) -> str:
    """The text with all numerals as digits, without phone numbers and distances."""
    return _ZEROS.sub("", name_digits(_NO_PLACE.sub(" ", text)))
