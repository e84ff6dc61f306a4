"""How two parts of organisation names stand to each other: trades, places, forms, branches; per distinct pair."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names.points import Flags, Ints
from linkage.organisations.anatomy import trade_classes
from linkage.organisations.tables import DISTRICT, Place, places, words

DIFFERENT, ONE_MISSING, ALIKE, EQUAL = range(4)
"""Relations of two parts, worst first; two missing parts are equal."""

LONGEST_PLACE = 15
"""Characters of the longest name of a region that a name is opened with."""

_UNINCORPORATED = frozenset({"business", "shop", "cooperative"})
_PUBLIC = frozenset({"public", "social"})


def relate(column: pa.StringArray, a: Ints, b: Ints, where: Flags, test: Callable[[str, str], int]) -> Ints:
    """Return the relation of each pair of rows, worked out once per distinct pair of values; elsewhere DIFFERENT.

    Args:
        column: the part, one row per name.
        a: row of the left name of each pair.
        b: row of the right one.
        where: pairs that matter; the others are not worked.
        test: relation of two known, unequal values; it must not depend on their order.
    """
    coded = column.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    left, right = codes[a], codes[b]
    low, high = np.minimum(left, right), np.maximum(left, right)
    found = np.where(low == high, EQUAL, np.where(low < 0, ONE_MISSING, DIFFERENT))
    asked = np.flatnonzero(where & (low != high) & (low >= 0))
    size = max(len(coded.dictionary), 1)
    pairs, which = np.unique(low[asked] * size + high[asked], return_inverse=True)
    values = coded.dictionary.to_pylist()
    answers = np.array([test(values[p // size], values[p % size]) for p in pairs.tolist()], dtype=np.int64)
    if len(asked):
        found[asked] = answers[which]
    return found


def trades(one: str, other: str) -> int:
    """Alike if one is a part of the other (面馆, 热干面馆) or both hold words of one class (餐饮管理, 热干面)."""
    if one in other or other in one:
        return ALIKE
    return ALIKE if _classes(one) & _classes(other) else DIFFERENT


@lru_cache(maxsize=1 << 14)
def _classes(trade: str) -> frozenset[str]:
    return trade_classes(trade)


@lru_cache(maxsize=1 << 14)
def only_places(text: str) -> bool:
    """Return whether a text is names of regions and nothing else, each inside the one before."""
    wider: Place | None = None
    while text:
        for length in range(min(len(text), LONGEST_PLACE), 1, -1):
            place = places().get(text[:length])
            if place and (wider is None or any(a.startswith(w) for a in place.areas for w in wider.areas)):
                break
        else:
            return False
        wider, text = place, text[length:]
    return wider is not None


def areas(one: str, other: str) -> int:
    """Alike if the places can lie in each other (湖北, 武汉 武昌); what is no region must be the same in both."""
    left, right = _known(one), _known(other)
    if left[1] and right[1] and not (left[1] & right[1]):
        return DIFFERENT
    if not left[0] or not right[0]:
        return ALIKE
    nested = any(a.startswith(b) or b.startswith(a) for a in left[0] for b in right[0])
    return ALIKE if nested else DIFFERENT


@lru_cache(maxsize=1 << 14)
def _known(place: str) -> tuple[frozenset[str], frozenset[str]]:
    """The areas of the narrowest region named, within the wider ones, and the names that are no region."""
    found: frozenset[str] = frozenset()
    others: set[str] = set()
    for name in place.split(" "):
        region = places().get(name)
        if region is None:
            others.add(name)
            continue
        inside = frozenset(a for a in region.areas if not found or any(a.startswith(w) for w in found))
        found = inside or found
    return found, frozenset(others)


def branches(one: str, other: str) -> int:
    """The same branch if one writes the city too (武汉中南路店) or the kind of its road (中南店, 中南路店).

    No more than that: 金州五一路支行 and 五一路支行 of one bank are two, and a branch without a name (分公司) can be any.
    """
    short, long = sorted((one, other), key=len)
    for kind in (*words().shop_kinds, *words().branch_kinds):
        if short.endswith(kind) and long.endswith(kind):
            stem, longer = short[: -len(kind)], long[: -len(kind)]
            if longer.endswith(stem) and stem.endswith(words().road_ends):
                place = places().get(longer[: -len(stem)])
                return EQUAL if place and all(len(area) < DISTRICT for area in place.areas) else DIFFERENT
            ended = longer.startswith(stem) and longer[len(stem) :] in words().road_ends
            return EQUAL if len(stem) > 1 and ended else DIFFERENT
    return DIFFERENT


def forms(one: str, other: str) -> int:
    """Relation of two forms, written `family form`: of one family, and public bodies only if their form is the same."""
    left, right = (form.partition(" ")[0] for form in (one, other))
    if left in _PUBLIC or right in _PUBLIC:
        return DIFFERENT
    if left == right or {left, right} <= _UNINCORPORATED:
        return ALIKE
    return DIFFERENT


def converted(family: pa.StringArray, a: Ints, b: Ints) -> Flags:
    """Which pairs are of forms between which organisations change: a sole trader or works that became a company."""
    company = _is_in(family, {"company"})
    before = _is_in(family, _UNINCORPORATED | {"partnership"})
    return (company[a] & before[b]) | (company[b] & before[a])


def public(family: pa.StringArray, a: Ints, b: Ints) -> Flags:
    """Which pairs hold a public body or an association."""
    known = _is_in(family, _PUBLIC)
    return known[a] | known[b]


def _is_in(column: pa.StringArray, values: set[str] | frozenset[str]) -> Flags:
    return np.asarray(pc.is_in(column, pa.array(sorted(values), pa.string())).to_numpy(zero_copy_only=False), np.bool_)
