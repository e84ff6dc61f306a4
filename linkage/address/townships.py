"""Townships beside counties (乡镇归属): whether the township one text names lies in the county the other names.

A village's name recurs in every province, and one register says 大王镇苏刘村 where another says 埇桥区苏刘村. The gazetteer
knows the townships of each county, so that two texts without a level in common can still agree or contradict.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np

from linkage.address.alignment import Levels, Pairs
from linkage.address.elements import Elements, street_stem
from schemas.address.regions import townships

UNKNOWN: Final = 0
WITHIN: Final = 1
OUTSIDE: Final = 2


def townships_within(elements: Elements, pairs: Pairs) -> Levels:
    """For each pair `WITHIN`, `OUTSIDE` or `UNKNOWN` (no township, no county on the other side, or one not listed).

    Only a text that names no county of its own is asked: where both do, these are compared themselves.
    """
    street, district, city = (elements.columns[name] for name in ("street", "district", "city"))
    found = np.zeros(len(pairs.left), np.int8)
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        asked = np.flatnonzero((street.codes[one] >= 0) & (district.codes[one] < 0) & (street.codes[other] < 0))
        towns = street.codes[one[asked]].astype(np.int64)
        counties, cities = district.codes[other[asked]], city.codes[other[asked]]
        width, height = len(city.values) + 1, len(district.values) + 1
        keys, inverse = np.unique((towns * height + counties + 1) * width + cities + 1, return_inverse=True)
        judged = np.zeros(len(keys), np.int8)
        for at, key in enumerate(keys.tolist()):
            rest, c = divmod(key, width)
            t, d = divmod(rest, height)
            region = district.values[d - 1] if d else city.values[c - 1] if c else ""
            judged[at] = _within(street.values[t], region)
        found[asked] = np.maximum(found[asked], judged[inverse])
    return found


@lru_cache(maxsize=1)
def _stems() -> dict[str, frozenset[str]]:
    return {region: frozenset(map(street_stem, towns)) for region, towns in townships().items()}


def _within(town: str, region: str) -> int:
    known = _stems().get(region)
    if not known:
        return UNKNOWN
    return WITHIN if town in known else OUTSIDE
