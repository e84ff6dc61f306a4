"""How near two organisation names are (单位名称比较): one level per pair."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from linkage.names import points
from linkage.names.points import Flags, Ints
from linkage.organisations import relations
from linkage.organisations.forms import standardise
from linkage.organisations.relations import ALIKE, EQUAL, ONE_MISSING
from linkage.organisations.tables import words
from schemas.identifiers.columns import Texts, as_strings

LEVELS = (
    "exact",
    "folded",
    "same_but_form",
    "same_but_place",
    "former_name",
    "brand_and_trade",
    "sign_in_name",
    "brand_only",
    "homophone_brand",
    "one_character",
    "different_form",
    "branch_of",
    "other_branch",
    "same_name_elsewhere",
    "different",
)
"""Comparison levels. For one organisation, best first:

exact: the names are equal when normalised.
folded: equal in simplified characters without marks, or in all parts (东湖(武汉)科技有限公司, 武汉市东湖科技有限公司).
same_but_form: only the form differs or is missing (有限公司, 股份有限公司; 商行, 经营部).
same_but_place: brand and trade equal; a place is missing or lies in the other (湖北, 武汉).
former_name: a former name given in brackets is the other's name.
brand_and_trade: brands equal, trades alike (餐饮, 热干面).
sign_in_name: a shop sign and a registered name, one holds the brand of the other.
brand_only: brands equal, trades different or missing.
homophone_brand: brands of one pinyin, trades equal or alike.
one_character: brands differ by one character, at least two agree; trades equal or alike; no public bodies, whose names
    differ by as little (东湖路, 东湖村).
different_form: brand and trade agree, one is a company and one is none (个体户 converted to a company: a new registration).

For two organisations, which must not be joined by their names:

branch_of: the heads agree, one name is of a branch.
other_branch: the heads agree, the branches are two.
same_name_elsewhere: brand and trade equal, places that exclude each other.
different: none of these.
"""

WIDTH = 16
"""Characters of a brand looked at for one error; longer ones are only compared whole."""

SHORTEST_NAME = 4
"""Characters of a name that is looked for whole behind a place."""

(_EXACT, _FOLDED, _FORM, _PLACE, _FORMER, _TRADE, _SIGN, _BRAND, _SOUND, _ONE, _CONVERTED, _BRANCH_OF, _OTHER,
 _ELSEWHERE, _DIFFERENT) = range(1, len(LEVELS) + 1)  # fmt: skip


def compare(left: Texts, right: Texts) -> pa.StringArray:
    """Return the level of each pair of names, NULL where either is missing or damaged.

    The level does not depend on which name is left. Every distinct name is read once and every distinct pair compared
    once.

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
    level = levels(standardise(names), pairs // size, pairs % size)
    # Position 0 of the labels is NULL: neither side may be missing.
    labels = pa.array([None, *LEVELS], pa.string())
    return labels.take(points.integers(level[which]))


def levels(forms: pa.Table, a: Ints, b: Ints) -> Ints:
    """Return 1 + the position in `LEVELS` of each pair of rows of `forms`, 0 where a name is missing."""
    level = _of_parts(_Parts.of(forms), a, b)
    former = forms["former"].combine_chunks()
    given = np.flatnonzero(_flags(former.is_valid()))
    if len(given):
        level = _with_former(forms, former.take(points.integers(given)), given, level, a, b)
    return level


def _with_former(forms: pa.Table, former: pa.StringArray, given: Ints, level: Ints, a: Ints, b: Ints) -> Ints:
    """Compare the former names too: one of them may be the other's name or former name."""
    both = _Parts.of(pa.concat_tables([forms, standardise(former)]))
    row = np.arange(len(forms))
    row[given] = len(forms) + np.arange(len(given))
    asked = np.flatnonzero((level > _FORMER) & ((row[a] != a) | (row[b] != b)))
    a, b = a[asked], b[asked]
    tries = [_of_parts(both, x, y) for x, y in ((row[a], b), (a, row[b]), (row[a], row[b]))]
    best = np.min([np.where(found > 0, found, _DIFFERENT) for found in tries], axis=0)
    level = level.copy()
    level[asked[best <= _PLACE]] = _FORMER
    return level


@dataclass(frozen=True, slots=True)
class _Parts:
    """The columns of the forms, as the comparison needs them."""

    name: Ints
    plain: Ints
    brand: Ints
    pinyin: Ints
    plains: list[str]
    brands: pa.StringArray
    folded: pa.StringArray
    trade: pa.StringArray
    place: pa.StringArray
    form: pa.StringArray
    family: pa.StringArray
    branch: pa.StringArray
    weak: Flags

    @classmethod
    def of(cls, forms: pa.Table) -> _Parts:
        whole = {name: forms[name].combine_chunks() for name in forms.column_names}
        form = pc.binary_join_element_wise(whole["family"], whole["form"], " ")
        numbers = {name: _numbers(whole[name]) for name in ("name", "plain", "brand", "pinyin")}
        return cls(
            **numbers, plains=whole["plain"].to_pylist(), brands=whole["brand"], folded=whole["folded"], trade=whole["trade"], place=whole["place"],
            form=form, family=whole["family"], branch=whole["branch"],
            weak=_flags(whole["brand_from"].is_valid()),
        )  # fmt: skip


def _of_parts(parts: _Parts, a: Ints, b: Ints) -> Ints:
    known = parts.name >= 0
    brand = _same(parts.brand, a, b)
    sound = _same(parts.pinyin, a, b) & ~brand
    nobody = (parts.brand < 0) & known
    near = _one_error(parts.brands, a, b) & ~brand & ~sound
    trade_equal = _same(_numbers(parts.trade), a, b, missing=True)
    # 商贸公司 without a brand is 武汉商贸公司 if its place was left off.
    left_off = trade_equal & ((nobody[a] & parts.weak[b]) | (nobody[b] & parts.weak[a]))
    brand |= left_off | (trade_equal & nobody[a] & nobody[b])
    signs = _signs(parts, a, b)
    some = brand | sound | near
    place = relations.relate(parts.place, a, b, some | signs, relations.areas)
    place = np.where(left_off, np.minimum(place, ONE_MISSING), place)
    trade = relations.relate(parts.trade, a, b, some, relations.trades)
    form = relations.relate(parts.form, a, b, some, relations.forms)
    public = relations.public(parts.family, a, b)
    form = np.where(public & (form == ONE_MISSING), relations.DIFFERENT, form)
    fits, agree, alike = form >= ONE_MISSING, trade == EQUAL, trade >= ALIKE
    here = place >= ONE_MISSING
    # 乐昌超市 is 武汉乐昌超市 or a supermarket in 乐昌: with a place for a brand the trade must be the same.
    weak = np.where(agree, parts.weak[a] & parts.weak[b], parts.weak[a] | parts.weak[b])
    usual = here & fits & ~public
    tests = {
        _FOLDED: brand & agree & (place == EQUAL) & (form == EQUAL),
        _FORM: brand & agree & (place == EQUAL) & fits,
        _PLACE: brand & agree & here & fits,
        _TRADE: brand & alike & here & (fits | signs) & ~public & ~weak,
        _SIGN: signs & here & ~weak & ~public,
        _BRAND: brand & usual & ~weak,
        _SOUND: sound & alike & here & fits & ~weak,
        _ONE: near & alike & usual & ~weak,
        _CONVERTED: brand & alike & here & ~weak & relations.converted(parts.family, a, b),
        _ELSEWHERE: brand & agree & fits,
    }
    level = np.select(list(tests.values()), list(tests), _DIFFERENT)
    level = _by_branch(parts, level, a, b)
    level[_place_in_front(parts, level, a, b)] = _PLACE
    level = np.where(_same(parts.plain, a, b), _FOLDED, level)
    level = np.where(_same(parts.name, a, b), _EXACT, level)
    return np.where(known[a] & known[b], level, 0)


def _place_in_front(parts: _Parts, level: Ints, a: Ints, b: Ints) -> Ints:
    """Pairs that were read differently, of which one is the other with places in front: 武昌区白沙洲协会, 白沙洲协会.

    Without its place 白沙洲 was taken for something in 白沙.
    """
    names = parts.plains
    asked = np.flatnonzero((level >= _ELSEWHERE) & (parts.plain[a] >= 0) & (parts.plain[b] >= 0))
    found = []
    for row, one, other in zip(asked.tolist(), a[asked].tolist(), b[asked].tolist(), strict=True):
        short, long = sorted((names[one], names[other]), key=len)
        if len(short) >= SHORTEST_NAME and long.endswith(short) and relations.only_places(long[: -len(short)]):
            found.append(row)
    return np.array(found, dtype=np.int64)


def _by_branch(parts: _Parts, level: Ints, a: Ints, b: Ints) -> Ints:
    """Names of branches: the level of their heads counts if they are one branch, and never joins two."""
    strong = level <= _SIGN
    branch = relations.relate(parts.branch, a, b, level < _DIFFERENT, relations.branches)
    apart = np.where(branch == ONE_MISSING, _BRANCH_OF, _OTHER)
    return np.where(branch == EQUAL, level, np.where(strong, apart, _DIFFERENT))


def _signs(parts: _Parts, a: Ints, b: Ints) -> Flags:
    """Which pairs are a shop sign and a registered name of which one holds the brand of the other."""
    unnamed = pc.or_(pc.is_null(parts.family), pc.is_in(parts.family, pa.array(["business", "shop"])))
    sign = _flags(pc.and_(pc.is_null(parts.place), unnamed)) & (parts.brand >= 0)
    registered = ~_flags(unnamed) | _flags(pc.is_valid(parts.place))
    registered &= parts.brand >= 0
    found = np.zeros(len(a), dtype=np.bool_)
    for signs, names in ((a, b), (b, a)):
        asked = np.flatnonzero(sign[signs] & registered[names])
        if len(asked):
            found[asked] |= _holds(parts, signs[asked], names[asked])
    return found


def _holds(parts: _Parts, one: Ints, other: Ints) -> Flags:
    """Whether one brand stands in the other name; a brand that is but a place must be the whole brand."""
    folded, brands, weak = parts.folded.to_pylist(), parts.brands.to_pylist(), parts.weak.tolist()
    size = np.int64(len(folded))
    pairs, which = np.unique(one * size + other, return_inverse=True)

    def held(s: int, n: int) -> bool:
        if brands[s] == brands[n] or weak[s] or weak[n]:
            return bool(brands[s] == brands[n])
        inside = len(brands[s]) > 1 and brands[s] in folded[n]
        return inside or (len(brands[n]) > 1 and brands[n] in folded[s])

    return np.array([held(p // int(size), p % int(size)) for p in pairs.tolist()], dtype=np.bool_)[which]


def _one_error(brands: pa.StringArray, a: Ints, b: Ints) -> Flags:
    """One character changed, lost or added, at least two agree, and it is none that tells organisations apart."""
    text = points.of_texts(brands)
    agree, same_size, shorter = points.agreeing(text, a, b, WIDTH)
    size_a, size_b = text.lengths[a], text.lengths[b]
    changed = same_size & (agree == size_a - 1)
    lost = (np.abs(size_a - size_b) == 1) & (agree >= shorter)
    found = (changed | lost) & (shorter >= 2) & (agree >= 2)
    rows = np.flatnonzero(found)
    grid = text.matrix(points.width(text, WIDTH) + 1)
    at = points.leading(grid, a[rows], b[rows])
    telling = np.array(sorted(ord(c) for c in words().distinguishing), dtype=np.uint32)
    odd = np.isin(grid[a[rows], at], telling) | np.isin(grid[b[rows], at], telling)
    found[rows[odd]] = False
    return np.asarray(found)


def _same(numbers: Ints, a: Ints, b: Ints, *, missing: bool = False) -> Flags:
    equal = numbers[a] == numbers[b]
    return np.asarray(equal if missing else equal & (numbers[a] >= 0))


def _numbers(column: pa.StringArray) -> Ints:
    """Return the number of each distinct value, -1 where there is none."""
    codes = column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(codes, dtype=np.int64)


def _flags(values: pa.BooleanArray) -> Flags:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.bool_)
