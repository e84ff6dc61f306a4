"""What a text says of its place, as columns of integer codes: the form in which pairs are compared.

Equal code = equal element, -1 = not said. String functions see only the distinct values behind the codes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from linkage.address.names import SEPARATOR
from linkage.address.roads import former_names, is_group
from linkage.address.settings import words
from schemas.address import complete
from schemas.address.elements import floor_of_room
from schemas.address.numerals import HAN_DIGITS, name_digits
from schemas.address.patterns import PREMISES
from schemas.address.regions import region_rows

Ints: TypeAlias = npt.NDArray[np.int32]
Bools: TypeAlias = npt.NDArray[np.bool_]

_NUMBER_END: Final = re.compile(r"(?:号?院|栋|单元|层|室|号|弄|铺|#)$")
_AREA: Final = re.compile(r"(?:工业小?区|工业园区|开发区|片区|新区|保税区|高新区|产业园区)$")
_GATE: Final = re.compile(r"[东南西北]{0,2}[0-9一二三四五]?(?:大?门|出口|入口)$")
_ABOUT: Final = re.compile(r"交叉|交汇|路口|附近|[0-9]米|旁|对面|斜对|[东南西北]侧|隔壁|[东南西北]边")
_CROSSING: Final = re.compile(
    r"(?:^(?![与及跟、/于]|和(?!平))|[与及跟、/于]|和(?!平))([\u3400-\u9fff0-9]{2,12}?(?:大道|大街|公路|路|街|巷|线|道))"
)
_BRANCH: Final = re.compile(r"[(（][^()（）]{1,12}(?:店|支行|门诊部|分店)[)）]")
_PLAIN_ROOM: Final = re.compile("[0-9]{3}室")
_NUMERAL: Final = re.compile(f"[0-9{HAN_DIGITS}]")
_REST: Final = re.compile(r"(?<![0-9A-Z])[A-Z]?[0-9]{1,5}(?=[栋号单室层区期弄排米组座幢])")
_NOTE_NAME: Final = re.compile(r"[\u3400-\u9fffA-Z0-9]*[\u3400-\u9fff]{2}[\u3400-\u9fffA-Z0-9]*")
_NOT_NAME: Final = re.compile(
    r"[东南西北]?[0-9]*米|[收转]$|电话|客户|出发|到达|^[东南西北]{1,2}[侧门边]?$|建设中|[路街巷镇乡]$"
)


@dataclass(frozen=True, slots=True)
class Column:
    """One element of all texts: codes by text, the value behind each code."""

    codes: Ints
    values: list[str]


@dataclass(frozen=True, slots=True)
class Elements:
    """The comparable elements of distinct texts.

    Attributes:
        columns: city, district, street, community, road, road_no, place (names), building, unit, floor, room, and
            rest: the numbers beside the address that no element holds.
        about: the text says where beside a place, not at which (路口, 附近).
        gate: the text names a gate or premises of its place (东门, 地下车库).
        region: the text names nothing below its township.
        group: the road is a group of a village (8组), which says nothing without its village.
        retired: the county or city is no longer in use, so that another one of today may be the same ground.
        crossing: the text names a crossing of two roads, which is one point (凤新路与城东路交叉口).
        chain: the name is that of a chain or a kind of shop, of which every town has several (韵达快递, 益丰大药房).
        area: the place is larger than a door (工业区, 开发区), so that a door in it names the same place without it.
        doubtful: the parse found an element twice or left numbers over.
        odd: a remark, or a number within a name, so that the parse may not hold every number in its place.
        texts: the texts as written, for the comparison by pieces.
    """

    columns: dict[str, Column]
    about: Bools
    gate: Bools
    region: Bools
    group: Bools
    retired: Bools
    crossing: Bools
    chain: Bools
    area: Bools
    doubtful: Bools
    odd: Bools
    texts: list[str]


def read_elements(texts: list[str], parsed: pa.Table, known: Mapping[str, str] | None = None) -> Elements:
    """Codes the elements of distinct texts and their parse (`schemas.address.parse`), each distinct value read once.

    Args:
        texts: the distinct texts.
        parsed: their parse, row by row.
        known: alias of a compound -> the name it goes by.
    """
    filled = complete(parsed)
    columns = {
        "city": _coded(_plain(filled, "city")),
        "district": _coded(_plain(parsed, "district")),
        "street": _coded(_plain(parsed, "street"), street_stem),
        "community": _coded(_plain(parsed, "community"), _village),
    }
    for name in ("road_no", "building", "unit", "floor", "room"):
        said = _floors(parsed) if name == "floor" else _plain(parsed, name)
        columns[name] = _coded(said, number_key)
    notes = _plain(parsed, "note").dictionary_encode()
    beside = [_note(text) for text in notes.dictionary.to_pylist()]
    behind = _indices(notes)
    columns["road"] = _roads(filled, behind, [n.roads for n in beside])
    columns["place"] = _places(parsed, behind, [n.names for n in beside], known or {})
    columns["rest"] = _regrouped(behind, [n.rest for n in beside])
    about, gate, doubtful = (
        _spread(behind, [getattr(n, key) for n in beside]) for key in ("about", "gate", "doubtful")
    )
    gate |= _spread(behind, [n.premises for n in beside]) & (columns["room"].codes < 0)
    torn = np.array([*("院" in value for value in columns["unit"].values), False])[columns["unit"].codes]
    doubtful |= torn
    large = [_AREA.search(value.split(SEPARATOR)[0]) is not None for value in columns["place"].values]
    area = np.array([*large, False])[columns["place"].codes]
    crossed = np.array([*(SEPARATOR in value for value in columns["road"].values), False])[columns["road"].codes]
    outlets = [words().chains.search(value) is not None for value in columns["place"].values]
    branches = np.array([_BRANCH.search(text) is not None for text in texts], np.bool_)
    chain = np.array([*outlets, False])[columns["place"].codes] | branches
    group = np.array([*map(is_group, columns["road"].values), False])[columns["road"].codes]
    retired = _retired(columns["city"], columns["district"])
    odd = behind >= 0
    for name in ("community", "road", "place"):
        column = columns[name]
        numbered = [_NUMERAL.search(value) is not None for value in column.values]
        odd |= np.array([*numbered, False])[column.codes]
    below = [columns[name].codes for name in ("community", "road", "road_no", "place", "building", "unit", "room")]
    region = np.logical_and.reduce([codes < 0 for codes in below]) & (behind < 0)
    return Elements(columns, about, gate, region, group, retired, crossed, chain, area, doubtful, odd, texts)


@dataclass(frozen=True, slots=True)
class _Note:
    roads: str
    names: str
    about: bool
    gate: bool
    premises: bool
    doubtful: bool
    rest: str


@lru_cache(maxsize=1 << 16)
def _note(text: str) -> _Note:
    """What the remarks beside an address say of its place."""
    names, gate, premises = [], False, False
    roads = [m[1] for m in _CROSSING.finditer(text)] if _ABOUT.search(text) else []
    for part in text.split(" "):
        if _GATE.fullmatch(part):
            gate = True
        elif PREMISES.fullmatch(part) and not part.endswith(("厂房", "仓库")):  # a hall is what its number says
            premises = True
        elif _NOTE_NAME.fullmatch(part) and not _NOT_NAME.search(part) and not _ABOUT.search(part):
            names.append(part)
    doubtful = re.search(r"[0-9A-Z][0-9]*(?:栋|号|单元|室|层|区|期)", text) is not None
    rest = SEPARATOR.join(_REST.findall(text))
    return _Note(
        SEPARATOR.join(roads), SEPARATOR.join(names[:2]), bool(_ABOUT.search(text)), gate, premises, doubtful, rest
    )


@lru_cache(maxsize=1 << 16)
def number_key(value: str) -> str:
    """A numbered element without the word for its kind, without leading zeros: 3栋 and 03幢 are 3, A-7栋 is A7."""
    bare = value
    for _ in range(2):
        bare = _NUMBER_END.sub("", bare) or bare
    bare = re.sub(r"(?<![0-9])0+(?=[0-9])", "", bare.replace("号附", "-").replace("附", "-").removeprefix("第"))
    bare = re.sub(r"(?<=[0-9])号(?=-)", "", bare)
    return re.sub(r"(?<=[A-Z])-(?=[0-9])", "", bare)


def street_stem(value: str) -> str:
    """中南路街道 is 中南路: towns become streets and keep their name."""
    return re.sub(r"(?:街道|地区|镇|乡)$", "", value) or value


def _village(value: str) -> str:
    return name_digits(value)


def _plain(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _floors(table: pa.Table) -> pa.Array:
    """The floor as said, else as a room of three digits tells it (808室 lies on 8层), whatever stands before the room."""
    rooms = _plain(table, "room").dictionary_encode()
    told = [floor_of_room(room) if _PLAIN_ROOM.fullmatch(room) else None for room in rooms.dictionary.to_pylist()]
    return pc.coalesce(_plain(table, "floor"), pa.array(told, pa.string()).take(rooms.indices))


def _indices(encoded: pa.DictionaryArray) -> Ints:
    return np.asarray(encoded.indices.fill_null(-1)).astype(np.int32)


def _coded(values: pa.Array, key: Callable[[str], str] | None = None) -> Column:
    """Codes of a column; with a key, values of one key share a code."""
    encoded = values.dictionary_encode()
    distinct = encoded.dictionary.to_pylist()
    indices = _indices(encoded)
    if key is None:
        return Column(indices, distinct)
    return _regrouped(indices, [key(v) for v in distinct])


def _regrouped(indices: Ints, keys: Iterable[str]) -> Column:
    """Codes by key instead of by value; the empty key is an element not said."""
    ids: dict[str, int] = {}
    mapped = [ids.setdefault(k, len(ids)) if k else -1 for k in keys]
    return Column(np.array([*mapped, -1], np.int32)[indices], list(ids))


def _spread(behind: Ints, flags: list[bool]) -> Bools:
    return np.array([*flags, False], np.bool_)[behind]


def _combined(columns: list[Ints]) -> tuple[Ints, npt.NDArray[Any]]:
    """One code for each distinct combination of codes, and the combinations."""
    stacked = np.stack(columns, axis=1).astype(np.int64)
    key = np.zeros(len(stacked), np.int64)
    for at in range(stacked.shape[1]):
        key = key * (int(stacked[:, at].max(initial=-1)) + 2) + stacked[:, at] + 1
    _, first, codes = np.unique(key, return_index=True, return_inverse=True)
    return codes.astype(np.int32), stacked[first]


@lru_cache(maxsize=1)
def _today() -> tuple[frozenset[tuple[str, str]], frozenset[str], frozenset[str]]:
    """Counties of today with their city, their names, and the cities of today."""
    rows = [row for row in region_rows() if not row["retired"]]
    counties = frozenset((row["city"], row["name"]) for row in rows if row["level"] == "district")
    cities = frozenset(row["name"] for row in rows if row["level"] != "district")
    return counties, frozenset(name for _, name in counties), cities | frozenset(row["city"] for row in rows)


@lru_cache(maxsize=1)
def _formerly() -> frozenset[tuple[str, str]]:
    """Retired counties with their city, and without where no county of today has the name."""
    rows = [row for row in region_rows() if row["retired"] and row["level"] == "district"]
    names = frozenset(("", row["name"]) for row in rows if row["name"] not in _today()[1])
    return frozenset((row["city"], row["name"]) for row in rows) | names


def _retired(city: Column, district: Column) -> Bools:
    """Texts whose county or city the gazetteer lists as retired (广州市东山区, 襄樊市)."""
    counties, _, cities = _today()
    codes, found = _combined([city.codes, district.codes])
    flags = []
    for c, d in found.tolist():
        key = (city.values[c] if c >= 0 else "", district.values[d] if d >= 0 else "")
        gone = bool(key[1]) and key not in counties and (key in _formerly() or ("", key[1]) in _formerly())
        flags.append(gone or bool(key[0] and key[0] not in cities))
    return np.array([*flags, False], np.bool_)[codes]


def _roads(table: pa.Table, behind: Ints, crossings: list[str]) -> Column:
    """The road, under its name of today, and those that cross it."""
    road, city = _coded(_plain(table, "road")), _coded(_plain(table, "city"))
    codes, found = _combined([road.codes, city.codes, behind])
    former = former_names()
    anywhere = {name: today for (name, _), today in former.items()}
    keys = []
    for r, c, n in found.tolist():
        name = road.values[r] if r >= 0 else ""
        if name in anywhere:
            name = anywhere[name] if c < 0 else former.get((name, city.values[c]), name)
        crossed = crossings[n].split(SEPARATOR) if n >= 0 else []
        keys.append(SEPARATOR.join(sorted({*filter(None, [name, *crossed])})))  # a crossing has no first road
    return _regrouped(codes, keys)


def _places(table: pa.Table, behind: Ints, names: list[str], known: Mapping[str, str]) -> Column:
    """The names by which a text calls its place: the compound, and names beside it."""
    compound = _coded(_plain(table, "compound"))
    codes, found = _combined([compound.codes, behind])
    keys = [
        SEPARATOR.join(
            filter(
                None,
                [
                    _real(known.get(compound.values[c], compound.values[c])) if c >= 0 else "",
                    names[n] if n >= 0 else "",
                ],
            )
        )
        for c, n in found.tolist()
    ]
    return _regrouped(codes, keys)


def _real(name: str) -> str:
    """A name of at least two characters; one is left over from a name that the parser split (区)."""
    return name if len(name) >= 2 else ""
