"""Which household lives in which flat, who owns it, who rents it, and the facts of the building (实有房屋)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Text, chance, dates, decimals, digits, join, picks, plain, take, where
from sandbox.town.organisations import Organisations
from sandbox.town.people import People
from sandbox.town.places import Places

OWN_USE, RENTED, VACANT = "1", "2", "3"
_MANAGERS: Final = [
    *(body["pattern"] for body in reference.rows("public_bodies") if body["segment"] == "property"),
    "社区自管",
]


@dataclass(frozen=True, slots=True)
class Tenure:
    """One element per house: flats, shops, offices, and whole buildings, which nobody owns or rents as such.

    Attributes:
        owner, tenant, resident, old_tenant, old_owner: person numbers, -1 none; the old ones equal the present where
            nothing changed. occupant: organisation number. leased, sold: days of those changes, -1 never.
        columns: the house table.
    """

    owner: Ints
    tenant: Ints
    resident: Ints
    occupant: Ints
    old_tenant: Ints
    old_owner: Ints
    leased: Ints
    sold: Ints
    columns: dict[str, Text]


def settle(dice: Dice, people: People, places: Places) -> People:
    """Give every household of residents a flat of its own."""
    homes = people.homes
    households = int(homes.household[people.residents - 1]) + 1
    flats = dice.on("flats").permutation(places.kinds["flat"])[:households]
    house = np.full(people.count, -1, dtype=np.int64)
    house[: people.residents] = flats[homes.household[: people.residents]]
    return replace(people, house=house)


def make_tenure(
    dice: Dice, people: People, places: Places, organisations: Organisations, *, person: dict[str, Text], today: int
) -> Tenure:
    """Decide owners and tenants and write the house table."""
    rng = dice.on("tenure")
    count = places.houses
    resident = np.full(count, -1, dtype=np.int64)
    heads = np.unique(people.homes.head[: people.residents])
    resident[people.house[heads]] = heads
    lived_in = resident >= 0
    floating = lived_in & people.homes.floating[resident]
    rents = lived_in & chance(rng, np.where(floating, 0.78, 0.08), count)
    occupant = np.full(count, -1, dtype=np.int64)
    occupant[organisations.house[::-1]] = np.arange(len(organisations.house))[::-1]
    business_rents = (occupant >= 0) & chance(rng, 0.7, count)
    landlord = _landlords(dice, people, count)
    room = np.arange(count) < places.rooms
    owner = np.where(lived_in & ~rents, _owner_in_household(dice, people, resident), np.where(room, landlord, -1))
    tenant = np.where(rents, resident, np.where(business_rents, organisations.legal[occupant], -1))
    gone = lived_in & (people.left[resident] >= 0)
    tenant = np.where(gone, -1, tenant)
    leased = np.where((tenant >= 0) & chance(rng, 0.45, count), today - rng.integers(5, 900, count), -1)
    sold = np.where(room & chance(rng, 0.04, count), today - rng.integers(20, 1000, count), -1)
    strangers = people.residents + rng.integers(0, people.count - people.residents, (2, count))
    used = (lived_in & ~gone) | (occupant >= 0) | ~room
    status = where(rents & ~gone | business_rents, RENTED, where(used, OWN_USE, VACANT))
    columns = _columns(dice, places, person, _Holders(owner, tenant), status=status, today=today)
    return Tenure(
        owner, tenant, np.where(gone, -1, resident), occupant, np.where(leased >= 0, strangers[0], tenant),
        np.where(sold >= 0, strangers[1], owner), leased, sold, columns,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Holders:
    owner: Ints
    tenant: Ints


def _landlords(dice: Dice, people: People, count: int) -> Ints:
    """Owners who do not live in the house: outsiders or residents of another flat; some own several."""
    rng = dice.on("landlords")
    able = np.flatnonzero((people.age >= 28) & (people.age < 85) & (people.left < 0))
    outside = people.residents + rng.integers(0, people.count - people.residents, count)
    return np.where(chance(rng, 0.45, count), outside, rng.choice(able, count)).astype(np.int64)


def _owner_in_household(dice: Dice, people: People, resident: Ints) -> Ints:
    """The head, or the spouse in every fifth flat."""
    spouse = people.homes.spouse[resident]
    return np.where((spouse >= 0) & chance(dice.on("owners"), 0.2, len(resident)), spouse, resident)


def _columns(
    dice: Dice, places: Places, person: dict[str, Text], holders: _Holders, *, status: Text, today: int
) -> dict[str, Text]:
    rng = dice.on("house facts")
    count, flats, shops = places.houses, places.kinds["flat"], places.kinds["shop"]
    number = np.arange(count)
    kind = np.where(number < flats, 0, np.where(number < flats + shops, 1, np.where(number < places.rooms, 2, 3)))
    room, home = kind < 3, (kind == 0) | (kind == 3)
    rented = np.asarray(pc.equal(status, RENTED))
    area = np.where(kind == 0, rng.normal(92, 26, count).clip(28, 240), rng.gamma(2.2, 40, count) + 9)
    hundredths = np.round(area * 100).astype(np.int64) // 5 * 5 + 5
    usage = where(
        kind == 0,
        take(["01", "06", "99"], picks(rng, [965, 30, 5], count)),
        where(kind == 1, "02", where(room, "03", "01")),
    )
    rent_usage = where(kind == 0, "02", where(kind == 1, "03", "04"))
    age = today // 365 + 1970 - places.built_year
    grade = _grades(rng.random(count), age)
    illegal = room & chance(rng, np.where(kind == 0, 0.012, 0.03), count)
    addresses = {name: column.slice(0, count) for name, column in places.addresses.items()}
    managed = take(_MANAGERS, np.where(kind == 1, -1, places.estate[:count] % len(_MANAGERS)))
    lease_end = today + rng.integers(-30, 700, count)
    tenant = where(holders.tenant >= 0, "1")
    return {
        "house_code": join("F", addresses["community_code"], digits(number + 1, 7)),
        "address": addresses["full_text"],
        "usage": usage,
        "area_m2": where(room, decimals(hundredths, 2)),
        "structure": plain(places.structure),
        "built_year": plain(places.built_year),
        "floors": plain(places.floors),
        "status": status,
        "owner_name": take(person["name"], holders.owner),
        "owner_id_number": take(person["id_number"], holders.owner),
        "owner_phone": take(person["phone"], holders.owner),
        "owner_address": take(person["residence_address"], holders.owner),
        "property_certificate_no": where(
            room & chance(rng, 0.9, count), join("鄂2019武汉市武昌不动产权第", digits(number + 1, 7), "号")
        ),
        "rent_usage": where(rented, rent_usage),
        "hazard": where(rented, take(["00", "01", "02", "03", "05", "99"], picks(rng, [90, 5, 2, 1, 1, 1], count))),
        "tenant_name": take(person["name"], holders.tenant),
        "tenant_id_number": take(person["id_number"], holders.tenant),
        "tenant_phone": take(person["phone"], holders.tenant),
        "lease_end": where(np.asarray(tenant.is_valid()), dates(lease_end)),
        "safety_grade": grade,
        "illegal_area_m2": where(illegal, join(plain(rng.integers(3, 90, count)), ".5")),
        "property_company": managed,
        "household_count": where(home, plain(places.flats_in_building)),
    }


def _grades(luck: npt.NDArray[np.float64], age: Ints) -> Text:
    """Safety grade A-D, worse in old buildings."""
    old = np.select([luck < 0.012, luck < 0.06, luck < 0.5], ["D", "C", "B"], "A")
    new = np.select([luck < 0.002, luck < 0.06], ["C", "B"], "A")
    return pa.array(np.where(age > 35, old, new).astype(object), pa.string())
