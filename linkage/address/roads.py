"""Roads compared (路名比较): spelling of the kind of road, directions, branches, former names."""

from __future__ import annotations

import csv
import re
from functools import lru_cache
from importlib.resources import files
from typing import Final, TypeAlias

from rapidfuzz.distance import OSA

from linkage.address.names import SEPARATOR
from linkage.address.settings import words
from schemas.address.numerals import name_digits

LEVELS: Final = ("same", "kind", "inside", "typo", "direction", "branch", "apart")
"""How two roads agree, best first."""

Parts: TypeAlias = tuple[str, str, str, str, str]
"""Full name, stem, direction, branch numbers, kind."""

_GROUP: Final = re.compile(r"(.{1,5})[组社队]")
_DIGITS: Final = re.compile(r"[0-9一二三四五六七八九十]+")
_ROAD: Final = re.compile(
    r"(?P<stem>.+?)(?P<direction>[东南西北中]?)(?P<number>[0-9]{0,3})(?P<kind>大道|马路|公路|大街|路|街|道|巷|弄|胡同|线)"
    r"(?P<rest>[东南西北中]?(?:[0-9]{1,3}段|[东南西北中]段)?(?:[0-9]{1,3}(?:巷|支路|弄|条|里|街|路|横路|横街|横巷|胡同))?.*)$"
)


@lru_cache(maxsize=1)
def former_names() -> dict[tuple[str, str], str]:
    """Former road name and its city -> the name of today, from `renamed_roads.csv`."""
    with files(__package__).joinpath("renamed_roads.csv").open(encoding="utf-8") as file:
        return {(row["former"], row["city"]): row["today"] for row in csv.DictReader(file)}


@lru_cache(maxsize=1 << 16)
def _read(road: str) -> Parts:
    """Takes a road's name apart."""
    full = name_digits(road)
    group = _GROUP.fullmatch(full)
    if group:
        return full, "", "", group[1], "组"
    match = _ROAD.match(full)
    if not match:
        return full, full, "", "", ""
    tail = match["rest"]
    direction = match["direction"] + tail[:1] * (tail[:1] in "东南西北中")
    return full, match["stem"], direction, match["number"] + "/" + re.sub(r"[^0-9巷弄]", "", tail), match["kind"]


def is_group(road: str) -> bool:
    """Whether it is a group of a village (8组, 赵庄组), which says nothing without its village."""
    return _GROUP.fullmatch(road) is not None


def compare_roads(left: str, right: str) -> int:
    """The best level over the roads of two texts (index into `LEVELS`); a crossing names two."""
    return min(_compare(a, b) for a in left.split(SEPARATOR) for b in right.split(SEPARATOR))


def written_alike(left: str, right: str) -> bool:
    """Whether two names may be one road in two hands: a typing error, or a former name beside the name of today.

    Short names are judged too (珞喻路 and 珞瑜路), so this is for roads about which all else agrees: the plate and the
    name of what stands behind it. A text that names no city keeps the former name, since another city may have it today.
    """
    return any(_one_road(a, b) for a in left.split(SEPARATOR) for b in right.split(SEPARATOR))


def _one_road(left: str, right: str) -> bool:
    if _compare(left, right) <= LEVELS.index("typo"):
        return True
    a, b = _read(left), _read(right)
    stems = [part[1].translate(words().alike) for part in (a, b)]
    return (a[2:] == b[2:] and stems[0] == stems[1]) or bool({(left, right), (right, left)} & _renamed())


@lru_cache(maxsize=1)
def _renamed() -> frozenset[tuple[str, str]]:
    """Former road names with the name of today, of any city."""
    return frozenset((former, today) for (former, _), today in former_names().items())


def _compare(left: str, right: str) -> int:
    a, b = _read(left), _read(right)
    return LEVELS.index(_level(a, b))


def _level(a: Parts, b: Parts) -> str:
    if a[0] == b[0]:
        return "same"
    stems = sorted((a[1], b[1]), key=len)
    alike = stems[0] == stems[1] or (len(stems[0]) >= 2 and stems[1].endswith(stems[0]))
    if _neighbours(a, b, alike=alike):
        return "branch"
    if a[3] != b[3]:
        return "apart"
    if a[2] != b[2]:
        return "direction" if alike and not (a[2] and b[2]) else "apart"
    if stems[0] == stems[1]:
        return "kind"
    return _spelling(a, b, stems, alike=alike)


def _neighbours(a: Parts, b: Parts, *, alike: bool) -> bool:
    """Roads that differ in a number or direction alone: 海甸五西路 and 海甸四西路, 一街 and 二街, 中山东路 and 中山西路."""
    if _DIGITS.sub("0", a[0]) == _DIGITS.sub("0", b[0]):
        return True
    if a[3] != b[3]:
        return alike and a[4] == b[4]
    return a[1] == b[1] and a[4] == b[4] and bool(a[2] and b[2]) and a[2] != b[2]


def _spelling(a: Parts, b: Parts, stems: list[str], *, alike: bool) -> str:
    if a[4] != b[4]:
        return "apart"
    if alike:
        return "inside"
    return "typo" if _typo(stems) else "apart"


def _typo(stems: list[str]) -> bool:
    """Characters written for one another in a stem of at least three, or any one character of at least four."""
    short, long = stems
    if any(char.isascii() for char in short + long) or len(short) < 3:
        return False
    folded = [stem.translate(words().alike) for stem in stems]
    return folded[0] == folded[1] or (len(short) >= 4 and OSA.distance(short, long, score_cutoff=1) <= 1)
