"""The evidence in a pair of addresses: a level for each element, as the weights name them (see `weights.yaml`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np

from linkage.address import names, roads
from linkage.address.across import door_as_building, regions_alone, road_of_village, villages_place
from linkage.address.alignment import EQUAL, JUDGED, NEITHER, ONE, Levels, Pairs, levels
from linkage.address.elements import Bools, Elements, Ints
from linkage.address.pieces import coverage
from linkage.address.townships import WITHIN, townships_within
from schemas.address.numerals import name_digits

CONFLICTING: Final = 3
"""What the marks of two names say when they contradict each other (`names.compare_names`)."""

_PROVINCE: Final = re.compile(r"[\u3400-\u9fff]{2,3}省|^(?:内蒙古|广西壮族|宁夏回族|新疆维吾尔|西藏)自治区")
_BLANK: Final = re.compile(r"[\s·.、,。，()（）\-]+")
_STEM: Final = re.compile(r"(?:自治[县区旗]|林区|新区|[市区县旗])$")
_ZONE: Final = re.compile(r"开发区|高新区|经开区|新区|度假区|风景区|保税|管理区|管委会|示范区|工业园区")


@dataclass(frozen=True, slots=True)
class Evidence:
    """Levels by element for each pair.

    `town` says whether the township of one text lies in the county of the other; `cover` is the share of the shorter
    text's pieces that the longer one has (NaN where there are none), `shared` their weight; `upper` tells whether any
    region or township agrees; `outlet` whether both names are those of chains.
    """

    city: Levels
    district: Levels
    street: Levels
    community: Levels
    road: Levels
    road_no: Levels
    place: Levels
    marks: Levels
    size: Levels
    cross: Levels
    mention: Levels
    building: Levels
    unit: Levels
    floor: Levels
    room: Levels
    cover: np.ndarray
    shared: np.ndarray
    town: Levels
    upper: Bools
    crossing: Bools
    one_crossing: Bools
    renumbered: Bools
    rest: Levels
    region: Levels
    group: Bools
    area: Bools
    outlet: Bools
    about: Bools
    gate: Bools
    doubtful: Bools


def gather(elements: Elements, pairs: Pairs) -> Evidence:
    """Aligns the elements of each pair; `mention` and `cover` stay unknown until `look_at_texts`."""
    of = elements.columns
    villages = levels(pairs, of["community"], _place_and_marks).astype(np.int16)
    renumbered = (villages >= JUDGED) & ((villages - JUDGED) % 4 == CONFLICTING)
    community = np.where(villages >= JUDGED, JUDGED + (villages - JUDGED) // 4, villages).astype(np.int8)
    community[road_of_village(elements, pairs, community)] = EQUAL
    joint = levels(pairs, of["place"], _place_and_marks).astype(np.int16)
    joint[villages_place(elements, pairs, joint)] = EQUAL
    judged = joint >= JUDGED
    city = _said(elements, pairs, "city", levels(pairs, of["city"], lambda _a, _b: JUDGED + 1))
    district = _said(elements, pairs, "district", levels(pairs, of["district"], _district))
    gone = elements.retired[pairs.left] | elements.retired[pairs.right]
    city[gone & (city > JUDGED)] = district[gone & (district > JUDGED)] = JUDGED
    street, town = levels(pairs, of["street"], _inside), townships_within(elements, pairs)
    agreed = (district == EQUAL) | (district == JUDGED) | (street == EQUAL) | (town == WITHIN)
    numbers = {name: levels(pairs, of[name], _number) for name in ("road_no", "building", "unit", "floor", "room")}
    door_as_building(elements, pairs, community, joint, numbers)
    return Evidence(
        city=city,
        district=district,
        street=street,
        town=town,
        upper=(city == EQUAL) | agreed,
        crossing=elements.crossing[pairs.left] & elements.crossing[pairs.right],
        renumbered=renumbered,
        rest=levels(pairs, of["rest"], lambda _a, _b: JUDGED),
        region=regions_alone(elements, pairs, (city, district, street)),
        one_crossing=elements.crossing[pairs.left] != elements.crossing[pairs.right],
        group=elements.group[pairs.left] & elements.group[pairs.right],
        area=elements.area[pairs.left] & elements.area[pairs.right],
        outlet=elements.chain[pairs.left] & elements.chain[pairs.right],
        shared=np.full(len(pairs.left), np.nan),
        community=community,
        road=levels(pairs, of["road"], lambda a, b: JUDGED + roads.compare_roads(a, b)),
        place=np.where(judged, JUDGED + (joint - JUDGED) // 4, joint).astype(np.int8),
        marks=np.where(judged, JUDGED + (joint - JUDGED) % 4, joint).astype(np.int8),
        size=_sizes(elements, pairs),
        cross=_cross(elements, pairs),
        mention=np.zeros(len(pairs.left), np.int8),
        cover=np.full(len(pairs.left), np.nan),
        about=elements.about[pairs.left] | elements.about[pairs.right],
        gate=elements.gate[pairs.left] != elements.gate[pairs.right],
        doubtful=elements.doubtful[pairs.left] | elements.doubtful[pairs.right],
        **numbers,
    )


def look_at_texts(elements: Elements, pairs: Pairs, evidence: Evidence, where: Bools) -> Evidence:
    """Adds what only the whole texts tell, for the pairs that their elements leave open."""
    at = np.flatnonzero(where)
    if not len(at):
        return evidence
    open_ = Pairs(pairs.left[at], pairs.right[at])
    bare, left, right = _bare(elements, open_)
    mention, cover, shared = evidence.mention.copy(), evidence.cover.copy(), evidence.shared.copy()
    mention[at] = _mentions(elements, open_, evidence.place[at], bare, (left, right))
    cover[at], shared[at] = coverage(bare, left, right)
    return replace(evidence, mention=mention, cover=cover, shared=shared)


def _place_and_marks(a: str, b: str) -> int:
    level, mark = names.compare_names(a, b)
    return JUDGED + level * 4 + mark


def _said(elements: Elements, pairs: Pairs, name: str, found: Levels) -> Levels:
    """A contradiction of regions counts only where both texts name theirs in full (凌云一区 lies in no 凌云县).

    A city may be named by its short name, or by a county in full that lies in no other.
    """
    column, district = elements.columns[name], elements.columns["district"]
    for i in np.flatnonzero(found >= JUDGED).tolist():
        for side in (pairs.left[i], pairs.right[i]):
            text, value = elements.texts[side], column.values[column.codes[side]]
            county = district.values[district.codes[side]] if district.codes[side] >= 0 else ""
            short = name == "city" and (value.removesuffix("市") in text or (county and county in text))
            if value not in text and not short:
                found[i] = ONE
    return found


def _bare(elements: Elements, pairs: Pairs) -> tuple[list[str], Ints, Ints]:
    """The texts of the pairs without their regions and blanks, numerals as digits; and the pairs by their place."""
    used, inverse = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    regions = [elements.columns[name] for name in ("city", "district")]
    bare = []
    for i in used.tolist():
        text = _PROVINCE.sub("", elements.texts[i])
        for column in regions:
            if column.codes[i] >= 0:
                text = text.replace(column.values[column.codes[i]], "", 1)
        bare.append(name_digits(_BLANK.sub("", text)))
    where = inverse.astype(np.int32)
    return bare, where[: len(pairs.left)], where[len(pairs.left) :]


def _mentions(elements: Elements, pairs: Pairs, place: Levels, bare: list[str], at: tuple[Ints, Ints]) -> Levels:
    """Whether the text of one side mentions the place of the other: 0 no, else the length of its core (2, 3, 4)."""
    column = elements.columns["place"]
    found = np.zeros(len(place), np.int8)
    for i in np.flatnonzero((place == ONE) | (place >= JUDGED + 1)).tolist():
        for side, other in ((pairs.left, at[1]), (pairs.right, at[0])):
            code = column.codes[side[i]]
            for value in column.values[code].split(names.SEPARATOR) if code >= 0 else ():
                core = names.read_name(value).anchor
                if len(core) >= 2 and core in bare[other[i]]:
                    found[i] = max(found[i], min(4, len(core)))
    return found


def _place(a: str, b: str) -> int:
    return JUDGED + names.compare_names(a, b)[0]


def _sizes(elements: Elements, pairs: Pairs) -> Levels:
    """Length of the shorter first name's anchor (2, 3 or 4), 0 where a side has no name."""
    column = elements.columns["place"]
    size = [min(4, max(2, len(names.read_name(v.split(names.SEPARATOR)[0]).anchor))) for v in column.values]
    by_code = np.array([*size, 0], np.int8)
    a, b = pairs.of(column)
    return np.minimum(by_code[a], by_code[b])


def _cross(elements: Elements, pairs: Pairs) -> Levels:
    """Best level of the community of one side against the names of the other; 0 where neither can be set against."""
    community, place = elements.columns["community"], elements.columns["place"]
    best = np.full(len(pairs.left), 127, np.int8)
    for one, other in ((pairs.left, pairs.right), (pairs.right, pairs.left)):
        a, b = community.codes[one], place.codes[other]
        at = np.flatnonzero((a >= 0) & (b >= 0))
        if not len(at):
            continue
        width = len(place.values)
        keys, inverse = np.unique(a[at].astype(np.int64) * width + b[at], return_inverse=True)
        judged = [_place(community.values[k // width], place.values[k % width]) for k in keys.tolist()]
        best[at] = np.minimum(best[at], np.array(judged, np.int8)[inverse])
    return np.where(best == 127, NEITHER, best).astype(np.int8)


def _inside(a: str, b: str) -> int:
    return JUDGED + (0 if a in b or b in a else 1)


def _district(a: str, b: str) -> int:
    """A county that became a district (溧水县, 溧水区) or a zone may be the same ground."""
    if _STEM.sub("", a) == _STEM.sub("", b):
        return JUDGED
    return JUDGED + (0 if _ZONE.search(a) or _ZONE.search(b) else 1)


@lru_cache(maxsize=1 << 16)
def _number(a: str, b: str) -> int:
    """A number within the other (26 and 26-10, 321 and 321-322), or another number."""
    short, long = sorted((a, b), key=len)
    if (
        long.startswith(short + "-")
        or _in_range(short, long)
        or re.fullmatch(re.escape(short) + "[甲乙丙丁院号].*", long)
    ):
        return JUDGED
    return JUDGED + 1


def _in_range(number: str, span: str) -> bool:
    ends = re.fullmatch(r"([0-9]{1,5})-([0-9]{1,5})", span)
    if not ends or not number.isdigit():
        return False
    first, last = int(ends[1]), int(ends[2])
    return first < last and first <= int(number) <= last
