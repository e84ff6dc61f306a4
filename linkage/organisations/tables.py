"""The words of organisation names, read once from the data files beside this module, and the places in front of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

from schemas.address.regions import region_rows, townships

DATA = Path(__file__).parent / "data"
GENERIC = "generic"
"""Class of the trade words that say little: 发展, 实业, 集团."""

_NATIONS = ("自治区", "自治州", "自治县", "自治旗")
_SHORT_AUTONOMOUS = {
    "内蒙古自治区": "内蒙古",
    "广西壮族自治区": "广西",
    "西藏自治区": "西藏",
    "宁夏回族自治区": "宁夏",
    "新疆维吾尔自治区": "新疆",
}


DISTRICT = 6
"""Digits of the code of a county or district."""

_ZONES = ("开发区", "园区", "管理区")
"""Statistics count these as districts, by the full name of their city; names say city and zone."""


class Form(NamedTuple):
    """What an end of a name says: its form and the family of forms it belongs to."""

    form: str
    family: str


class Place(NamedTuple):
    """A region as a name may open with it.

    Attributes:
        short: the name without 省, 市, 区, 县; with it if several cities have a place of that name (朝阳区).
        areas: the areas it may be: 2, 4 or 6 digits of GB/T 2260, so that one lies in another if it begins with it.
        full: whether this spelling carries its 省, 市, 区 or 县; without it a place may be a brand.
        alone: whether this spelling is taken for a place without a wider place in front.
    """

    short: str
    areas: frozenset[str]
    full: bool
    alone: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """Words looked for at the end of a text: by last character, the lengths to try, longest first."""

    lengths: dict[str, tuple[int, ...]]
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Words:
    """The lists of `words.yaml`, as the reader needs them."""

    not_after: tuple[str, ...]
    never_after: tuple[str, ...]
    status_notes: frozenset[str]
    former_words: tuple[str, ...]
    present_words: tuple[str, ...]
    shop_kinds: tuple[str, ...]
    branch_kinds: tuple[str, ...]
    heads: tuple[str, ...]
    chain_heads: tuple[str, ...]
    road_ends: tuple[str, ...]
    distinguishing: frozenset[str]


@cache
def forms() -> dict[str, Form]:
    """Return what each end of a name stands for (`forms.csv`)."""
    return {row["suffix"]: Form(row["form"], row["family"]) for row in _rows("forms.csv")}


@cache
def form_ends() -> Ends:
    """Return the ends of `forms.csv` for looking them up."""
    return _ends(forms())


@cache
def trades() -> dict[str, str]:
    """Return the class of each trade word (`trades.csv`); a word in two classes keeps the first that is not generic."""
    found: dict[str, str] = {}
    for row in _rows("trades.csv"):
        for word in row["words"].split():
            if found.get(word, GENERIC) == GENERIC:
                found[word] = row["class"]
    return found


@cache
def trade_ends() -> Ends:
    """Return the words of `trades.csv` of two characters and more for looking them up."""
    return _ends(word for word in trades() if len(word) > 1)


@cache
def words() -> Words:
    """Return the lists of `words.yaml`, longest words first where they are tried one after the other."""
    raw = _raw()

    def longest(name: str) -> tuple[str, ...]:
        return tuple(sorted(raw[name], key=lambda w: (-len(w), w)))

    return Words(
        not_after=(*longest("not_after"), *longest("never_after")),
        never_after=longest("never_after"),
        status_notes=frozenset(raw["status_notes"]),
        former_words=longest("former_words"),
        present_words=longest("present_words"),
        shop_kinds=longest("shop_kinds"),
        branch_kinds=longest("branch_kinds"),
        heads=longest("heads"),
        chain_heads=longest("chain_heads"),
        road_ends=longest("road_ends"),
        distinguishing=frozenset(raw["distinguishing"]),
    )


@cache
def places() -> dict[str, Place]:
    """Return every spelling of a region a name may open with: 武汉市, 武汉, 武昌区, 武昌."""
    areas: dict[str, set[str]] = {}
    full: dict[str, str] = {}
    trusted: set[str] = set()
    for row in region_rows():
        if row["name"].endswith(_ZONES):
            continue
        short = _short(row["name"])
        area = _area(row["code"], row["level"])
        areas.setdefault(row["name"], set()).add(area)
        areas.setdefault(short, set()).add(area)
        full[row["name"]] = short
        if row["level"] != "district" or row["name"][-1] in "市县":
            trusted.add(short)
        if row["name"].endswith("自治州"):
            full[short + "州"] = short
            areas.setdefault(short + "州", set()).add(area)
    doubtful = frozenset(_raw()["not_places"])
    for short in set(full.values()):
        # 西安 is the city, not one of the districts 西安区 elsewhere.
        wide = {area for area in areas[short] if len(area) < DISTRICT}
        areas[short] = wide or areas[short]
    found = {
        name: Place(
            name if _ambiguous(areas[name], areas[short]) else short,
            frozenset(areas[name]),
            full=True,
            alone=len(name) > 2 or name[-1] == "县",
        )
        for name, short in full.items()
    }
    for short in sorted(set(full.values())):
        if short not in found and len(short) > 1:
            alone = short not in doubtful and (short in trusted or len(areas[short]) == 1)
            found[short] = Place(short, frozenset(areas[short]), full=False, alone=alone)
    return found


@cache
def place_heads() -> dict[str, tuple[int, ...]]:
    """Return for the first two characters of a place the lengths of the spellings that begin so, longest first."""
    found: dict[str, set[int]] = {}
    for name in places():
        found.setdefault(name[:2], set()).add(len(name))
    return {head: tuple(sorted(lengths, reverse=True)) for head, lengths in found.items()}


@cache
def township_names() -> frozenset[str]:
    """Return the names of townships without 街道, 镇, 乡, of the whole country."""
    return frozenset(name for entries in townships().values() for name in entries)


def _ambiguous(own: set[str], short: set[str]) -> bool:
    """Whether the short name of a district is also that of a place elsewhere (朝阳区, 朝阳市)."""
    return all(len(area) == DISTRICT for area in own) and len({area[:4] for area in own | short}) > 1


def _short(name: str) -> str:
    if name in _SHORT_AUTONOMOUS:
        return _SHORT_AUTONOMOUS[name]
    if name.endswith("特别行政区"):
        return name.removesuffix("特别行政区")
    for end in _NATIONS:
        if name.endswith(end):
            return _without_nations(name.removesuffix(end))
    if name.endswith("地区") and len(name) > 3:
        return name.removesuffix("地区")
    return name[:-1] if len(name) > 2 and name[-1] in "省市区县盟旗" else name


def _without_nations(stem: str) -> str:
    """恩施土家族苗族 is 恩施: the part in front of the first nation named."""
    ends = [at for nation in _raw()["nations"] if (at := stem.find(nation)) > 1]
    return stem[: min(ends)] if ends else stem


def _area(code: str, level: str) -> str:
    if level == "province":
        return code[:2]
    return code[:4] if level == "city" else code


def _ends(words_of: Iterable[str]) -> Ends:
    known = frozenset(words_of)
    lengths: dict[str, set[int]] = {}
    for word in known:
        lengths.setdefault(word[-1], set()).add(len(word))
    return Ends({end: tuple(sorted(found, reverse=True)) for end, found in lengths.items()}, known)


@cache
def _raw() -> dict[str, list[str]]:
    found: dict[str, list[str]] = yaml.safe_load((DATA / "words.yaml").read_text(encoding="utf-8"))
    return found


def _rows(file: str) -> Iterator[dict[str, str]]:
    with (DATA / file).open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)
