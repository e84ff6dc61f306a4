"""Where the town is: communities, estates with their buildings, flats, street-front shops and offices.

Estates are named after their community (`梅苑小区`), as no list of real estates exists; the same name occurs in two
streets now and then, which is one of the things linkage must survive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Text, chance, decimals, digits, join, picks, plain, take, where

PROVINCE, CITY, DISTRICT, REGION = "湖北省", "武汉市", "武昌区", "420106"
_SUFFIXES: Final = ("小区", "花园", "家园", "苑", "公寓", "宿舍", "新村", "雅居", "华庭", "新苑")
_TOWERS: Final = ("国际大厦", "广场", "商务中心", "写字楼")
_SHAPES: Final = np.array(
    # units, floors, flats per floor and unit, built from, built to, structure (house_structure), weight
    [
        [3, 6, 2, 1976, 1992, 5, 12],
        [3, 7, 2, 1984, 2004, 4, 34],
        [4, 7, 2, 1992, 2008, 4, 20],
        [2, 11, 2, 2003, 2016, 3, 12],
        [1, 26, 4, 2007, 2021, 3, 12],
        [2, 32, 3, 2012, 2024, 3, 10],
    ]
)


@dataclass(frozen=True, slots=True)
class Places:
    """Every place of the town as columns.

    Attributes:
        addresses: columns of the address table; rows are flats, then shops, offices, buildings, estates, communities.
        kinds: how many rows of each kind, in that order.
        estate: per address the estate's number (-1 for street fronts), floor, community: the same for their things.
        built_year, floors, structure, flats_in_building: facts of the building, per address that has a house.
    """

    addresses: dict[str, Text]
    kinds: dict[str, int]
    estate: Ints
    community: Ints
    built_year: Ints
    floors: Ints
    structure: Ints
    flats_in_building: Ints

    def span(self, kind: str) -> range:
        """The row numbers of one kind of address."""
        start = 0
        for name, count in self.kinds.items():
            if name == kind:
                return range(start, start + count)
            start += count
        raise KeyError(kind)

    @property
    def rooms(self) -> int:
        """Flats, shops and offices: what can be owned and let; they are the first rows."""
        return self.kinds["flat"] + self.kinds["shop"] + self.kinds["office"]

    @property
    def houses(self) -> int:
        """Rooms and, after them, whole buildings: every row of the house table."""
        return self.rooms + self.kinds["building"]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Element columns of one kind of address before they are put together; -1 and NULL mean absent."""

    community: Ints
    estate: Ints
    building: Ints
    unit: Ints
    floor: Ints
    room: Ints
    road_no: Text | None
    road: Ints
    shape: Ints


def make_places(dice: Dice, flats: int, shops: int, offices: int, communities: int) -> Places:
    """Lay out estates for `flats` flats, street fronts for `shops`, towers for `offices`, in so many communities."""
    chosen = np.sort(dice.on("communities").permutation(len(reference.rows("communities")))[:communities])
    estates = _Estates.lay_out(dice, chosen, flats, offices)
    parts = {
        "flat": estates.rooms("flat"),
        "shop": _street_fronts(dice, chosen, shops),
        "office": estates.rooms("office"),
    }
    parts["building"] = estates.buildings(parts["flat"])
    parts["estate"] = estates.nodes()
    nothing = np.full(communities, -1, dtype=np.int64)
    parts["community"] = _Rows(chosen, nothing, nothing, nothing, nothing, nothing, None, nothing, nothing)
    return _compose(dice, parts, estates)


@dataclass(frozen=True, slots=True)
class _Estates:
    """The estates (and office towers, at the end) with their share of rooms."""

    community: Ints
    shape: Ints
    built: Ints
    road: Ints
    number: Ints
    rooms_in: Ints
    towers: int
    names: Text

    @classmethod
    def lay_out(cls, dice: Dice, chosen: Ints, flats: int, offices: int) -> _Estates:
        """Spread the flats over estates of some 40 to 1,400, and the offices over a few towers."""
        rng = dice.on("estates")
        count = max(2 * len(chosen), flats // 520)
        community = np.sort(np.r_[np.repeat(chosen, 2), rng.choice(chosen, count - 2 * len(chosen))])
        shares = rng.gamma(2.0, 1.0, count) + 0.25
        edges = np.round(np.cumsum(shares) / shares.sum() * flats).astype(np.int64)
        rooms = np.diff(np.r_[0, edges])
        towers = max(1, offices // 120)
        tower_rooms = np.diff(np.round(np.linspace(0, offices, towers + 1)).astype(np.int64))
        shape = picks(rng, _SHAPES[:, 6], count)
        built = rng.integers(_SHAPES[shape, 3], _SHAPES[shape, 4] + 1)
        rank = np.arange(count) - np.searchsorted(community, community)
        shift = rng.integers(0, len(_SUFFIXES), len(reference.rows("communities")))[community]
        stems = pa.array([reference.stem(c).removesuffix("小区") for c in reference.column("communities", "community")])
        phase = np.where(rank >= len(_SUFFIXES), rank // len(_SUFFIXES) + 1, 0)
        estate_names = join(
            take(stems, community),
            take(_SUFFIXES, (rank + shift) % len(_SUFFIXES)),
            where(phase > 0, join(plain(phase), "期")),
        )
        tower_community = rng.choice(chosen, towers)
        tower_names = join(
            take(stems, tower_community),
            take(_TOWERS, np.arange(towers) // len(chosen) % len(_TOWERS)),
            take(["", *"ABCDEFGHJKLMN"], np.arange(towers) % 14),
        )
        roads = len(reference.lines("roads"))
        return cls(
            np.r_[community, tower_community],
            np.r_[shape, np.full(towers, 5)],
            np.r_[built, rng.integers(1998, 2022, towers)],
            rng.integers(0, roads, count + towers),
            rng.integers(1, 700, count + towers),
            np.r_[rooms, tower_rooms],
            towers,
            pa.concat_arrays([estate_names, tower_names]),
        )

    def rooms(self, kind: str) -> _Rows:
        """Number the rooms of every estate (or tower) from the bottom of its first building up."""
        which = np.arange(len(self.community))
        which = which[: -self.towers] if kind == "flat" else which[-self.towers :]
        estate = np.repeat(which, self.rooms_in[which])
        index = np.arange(len(estate)) - np.repeat(
            np.cumsum(self.rooms_in[which]) - self.rooms_in[which], self.rooms_in[which]
        )
        shape = self.shape[estate]
        per_floor = np.where(kind == "flat", _SHAPES[shape, 2], 12)
        units = np.where(kind == "flat", _SHAPES[shape, 0], 1)
        index, door = np.divmod(index, per_floor)
        index, floor = np.divmod(index, _SHAPES[shape, 1])
        building, unit = np.divmod(index, units)
        none = np.full(len(estate), -1)
        flat = kind == "flat"
        room = (floor + 1) * 100 + door + 1
        number = join(plain(self.number[estate]), "号")
        return _Rows(
            self.community[estate], estate, building + 1 if flat else none, unit + 1 if flat else none, floor + 1, room,
            number, self.road[estate], shape,
        )  # fmt: skip

    def buildings(self, flats: _Rows) -> _Rows:
        """One row per building that has flats."""
        key = np.unique(flats.estate * 100_000 + flats.building)
        estate, building = np.divmod(key, 100_000)
        none = np.full(len(key), -1)
        number = join(plain(self.number[estate]), "号")
        return _Rows(
            self.community[estate], estate, building, none, none, none, number, self.road[estate], self.shape[estate]
        )

    def nodes(self) -> _Rows:
        """One row per estate and tower."""
        estate = np.arange(len(self.community))
        none = np.full(len(estate), -1)
        number = join(plain(self.number), "号")
        return _Rows(self.community, estate, none, none, none, none, number, self.road, self.shape)


def _street_fronts(dice: Dice, chosen: Ints, count: int) -> _Rows:
    """Shops along the roads; every fourth door number is divided (附1号)."""
    rng = dice.on("street fronts")
    road = np.sort(rng.integers(0, len(reference.lines("roads")), count))
    home = rng.choice(chosen, len(reference.lines("roads")))
    rank = np.arange(count) - np.searchsorted(road, road)
    part = rank % 4
    number = join(
        plain(road * 37 % 400 + rank // 4 * 6 + 3 + part // 2),
        "号",
        where(part % 2 == 1, join("附", plain(part), "号")),
    )
    none = np.full(count, -1)
    return _Rows(home[road], none, none, none, none, none, number, road, np.ones(count, dtype=np.int64))


def _compose(dice: Dice, parts: dict[str, _Rows], estates: _Estates) -> Places:
    def stack(name: str) -> Ints:
        return np.concatenate([getattr(p, name) for p in parts.values()]).astype(np.int64)

    kinds = {kind: len(p.community) for kind, p in parts.items()}
    community, estate, building = stack("community"), stack("estate"), stack("building")
    unit, floor, room, road, shape = stack("unit"), stack("floor"), stack("room"), stack("road"), stack("shape")
    codes = pa.array(reference.column("communities", "community_code"))
    grids = dice.on("grids").integers(1, 7, len(estates.community) + 1)
    grid = np.where(estate >= 0, grids[estate], 1 + road % 6)
    numbers = pa.concat_arrays(
        [pa.nulls(len(p.community), pa.string()) if p.road_no is None else p.road_no for p in parts.values()]
    )
    columns: dict[str, Text] = {
        "province": take([PROVINCE], np.zeros(len(estate), dtype=np.int64)),
        "city": take([CITY], np.zeros(len(estate), dtype=np.int64)),
        "district": take([DISTRICT], np.zeros(len(estate), dtype=np.int64)),
        "street": take(reference.column("communities", "street"), community),
        "community": take(reference.column("communities", "community"), community),
        "community_code": take(codes, community),
        "grid_code": where(estate + road >= -1, join(take(codes, community), digits(grid, 3))),
        "road": take(reference.lines("roads"), road),
        "road_no": numbers,
        "compound": take(estates.names, estate),
        "building": where(building > 0, join(plain(building), "栋")),
        "unit": where(unit > 0, join(plain(unit), "单元")),
        "floor": where(floor > 0, join(plain(floor), "层")),
        "room": where(room > 0, join(plain(room), "室")),
    }
    columns["full_text"] = full_text(columns)
    columns["standard_code"] = join(take(codes, community), digits(np.arange(len(estate)), 9), "01")
    columns |= _positions(dice, community, estate, road, building)
    houses = slice(0, kinds["flat"] + kinds["shop"] + kinds["office"] + kinds["building"])
    built = np.where(estate >= 0, estates.built[estate], 1975 + (road * 7) % 45)[houses]
    building_key = (estate * 100_000 + building)[houses]
    _, inverse, counts = np.unique(building_key, return_inverse=True, return_counts=True)
    in_building = np.where(building[houses] > 0, counts[inverse] - 1, 1)  # less the building's own row
    floors = np.where(estate >= 0, _SHAPES[shape, 1], 2)[houses]
    return Places(columns, kinds, estate, community, built, floors, _SHAPES[shape, 5][houses], in_building)


def full_text(columns: dict[str, Text]) -> Text:
    """The whole address in order; the floor is left out where the room number already says it."""
    names = (
        "province",
        "city",
        "district",
        "street",
        "community",
        "road",
        "road_no",
        "compound",
        "building",
        "unit",
        "room",
    )
    return join(*(columns[name] for name in names))


def second_names(dice: Dice, places: Places) -> dict[str, str]:
    """Give a fifth of the estates another name, as where a factory's dormitories were rebuilt and people moved back (还建)."""
    rng = dice.on("second names")
    estates = sorted(set(places.addresses["compound"].drop_null().to_pylist()))
    chosen = [estate for estate, lucky in zip(estates, chance(rng, 0.2, len(estates)), strict=True) if lucky]
    brands = reference.rows("brands")[0]
    first, second = brands["first"].split(), brands["second"].split()
    # A running number through all pairs of characters: no two estates get one name.
    number = int(rng.integers(0, len(first) * len(second))) + 31 * np.arange(len(chosen))
    names = [first[n // len(second) % len(first)] + second[n % len(second)] for n in number]
    endings = ("厂宿舍", "还建小区", "公司宿舍", "村")
    return {
        estate: name + endings[i % len(endings)] for i, (estate, name) in enumerate(zip(chosen, names, strict=True))
    }


def _positions(dice: Dice, community: Ints, estate: Ints, road: Ints, building: Ints) -> dict[str, Text]:
    rng = dice.on("positions")
    count = len(reference.rows("communities"))
    place = np.where(estate >= 0, estate + 1000, road)
    jitter = rng.uniform(-0.004, 0.004, (2, int(place.max()) + 1))
    centre = np.stack([rng.uniform(114.285, 114.395, count), rng.uniform(30.500, 30.610, count)])
    where_ = centre[:, community] + jitter[:, place] + np.where(building > 0, building, 0) % 40 * 0.00021
    text = [decimals(v, 8) for v in np.round(where_ * 10**8).astype(np.int64)]
    return {"longitude": text[0], "latitude": text[1]}
