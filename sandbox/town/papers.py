"""Documents and basic facts of every person: numbers, names, sex, birth, origin, phone, household (基本信息)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town import reference
from sandbox.town.draw import Dice, Ints, Mask, Text, chance, dates, digits, join, picks, plain, take, where
from sandbox.town.households import CHILD, FATHER, HEAD, MATE, MOTHER, SPOUSE
from sandbox.town.identifiers import citizen_numbers, mobile_numbers
from sandbox.town.names import Names, given_names
from sandbox.town.people import People
from sandbox.town.places import REGION, Places

_OLD_DOCUMENTS: Final = ("414", "414", "414", "516", "553", "511", "516")
"""Document types given in turn to the few residents from abroad, Hong Kong, Macao and Taiwan."""


@dataclass(frozen=True, slots=True)
class Papers:
    """Columns of the person table, and masks later draws need."""

    columns: dict[str, Text]
    foreign: Mask
    has_phone: Mask


def make_papers(dice: Dice, people: People, names: Names, places: Places, today: int) -> Papers:
    """Give every person documents, an origin, a registered address, a phone, a place in the household."""
    homes = people.homes
    foreign, kind = _foreigners(dice, people)
    columns: dict[str, Text] = _documents(dice, people, names, kind, today)
    columns |= {
        "sex": where(homes.male, "1", "2"),
        "birth_date": dates(homes.born),
        "marital_status": plain(homes.marital),
        "residence_address": take(places.addresses["full_text"], people.house),
    }
    columns |= _origin(dice, people, places, foreign)
    phone, has_phone = _phones(dice, people)
    columns["phone"] = phone
    columns |= _household(people, columns)
    columns["residence_address"] = _where_outsiders_live(dice, people, columns)
    return Papers(columns, foreign, has_phone)


def _foreigners(dice: Dice, people: People) -> tuple[Mask, Ints]:
    """Which residents carry a foreign or HK/Macao/Taiwan document, and which type (index into the list above)."""
    rng = dice.on("foreigners")
    homes = people.homes
    able = (
        people.resident & homes.floating & np.isin(homes.role, (HEAD, MATE)) & (homes.spouse < 0) & (people.age >= 18)
    )
    pool = np.flatnonzero(able & (people.age < 70))
    chosen = rng.permutation(pool)[: max(5, people.residents // 400)]
    foreign = np.zeros(people.count, dtype=bool)
    foreign[chosen] = True
    kind = np.full(people.count, -1, dtype=np.int64)
    kind[chosen] = np.arange(len(chosen)) % len(_OLD_DOCUMENTS)
    return foreign, kind


def _documents(dice: Dice, people: People, names: Names, kind: Ints, today: int) -> dict[str, Text]:
    rng = dice.on("documents")
    count, homes, foreign = people.count, people.homes, kind >= 0
    citizen = citizen_numbers(dice, homes.born, homes.male)
    newborn = (today - homes.born < 120) & chance(rng, 0.6, count)
    types = take(_OLD_DOCUMENTS, kind)
    serial = digits(rng.integers(0, 10**8, count), 8)
    abroad = reference.rows("foreigners")
    who = picks(rng, reference.weights("foreigners"), count)
    western = foreign & np.isin(kind, [i for i, t in enumerate(_OLD_DOCUMENTS) if t in {"414", "553"}])
    country = take([a["country"] for a in abroad], who)
    surname = take([a["surname"] for a in abroad], who)
    given = where(
        homes.male, take([a["given_male"] for a in abroad], who), take([a["given_female"] for a in abroad], who)
    )
    permanent = join(country, digits(rng.integers(0, 10**12, count), 12))
    number = where(np.asarray(pc.fill_null(pc.equal(types, "553"), False)), permanent, join("P", serial))
    number = where(np.asarray(pc.fill_null(pc.equal(types, "516"), False)), join("H", serial), number)
    number = where(np.asarray(pc.fill_null(pc.equal(types, "511"), False)), serial, number)
    used = chance(rng, 0.02, count) & (people.age > 20) & ~foreign
    before = join(pc.utf8_slice_codeunits(names.name, 0, 1), given_names(dice, "used names", homes.born, homes.male))
    dotted = np.asarray(pc.match_substring(names.name, "·"))
    return {
        "id_type": where(foreign, types, where(newborn, None, "111")),
        "id_number": where(foreign, number, where(newborn, None, citizen)),
        "name": where(western, join(surname, " ", given), names.name),
        "used_name": where(used & ~dotted & np.asarray(pc.not_equal(before, names.name)), before),
        "foreign_surname": where(western, surname),
        "foreign_given_name": where(western, given),
        "nationality": where(western, country, "CHN"),
        "ethnicity": where(western, None, names.ethnicity),
        "visit_purpose": where(western, take(["02", "03", "01", "05"], picks(rng, [4, 4, 1, 1], count))),
        "arrival_date": where(western, dates(np.maximum(people.arrived, homes.born))),
        "departure_date": where(western, dates(today + rng.integers(60, 900, count))),
    }


def _origin(dice: Dice, people: People, places: Places, foreign: Mask) -> dict[str, Text]:
    """Registered region and address, consistency of register and residence, population type; one draw per household."""
    rng = dice.on("origins")
    homes = people.homes
    households = len(homes.starts)
    origin = picks(rng, reference.weights("origins"), households)
    origins, district_rows = reference.rows("origins"), reference.rows("city_districts")
    whole = [o["province"] + o["city"] + o["district"] + o["place"] for o in origins]
    other = picks(rng, reference.weights("city_districts"), households)
    urban = [f"湖北省武汉市{d['district']}{d['place']}" for d in district_rows]
    away = chance(rng, 0.17, households)
    elsewhere_in_town = rng.integers(0, places.kinds["flat"], households)
    number = join(plain(rng.integers(1, 400, households)), "号")
    in_city = where(
        chance(rng, 0.55, households),
        join(take(urban, other), number),
        take(places.addresses["full_text"], elsewhere_in_town),
    )
    mine = homes.household
    floating = homes.floating & people.resident
    registered = where(
        away[mine] | ~people.resident, in_city.take(pa.array(mine)), take(places.addresses["full_text"], people.house)
    )
    registered = where(floating, join(take(whole, origin), number).take(pa.array(mine)), registered)
    city_code = where(
        np.asarray(pc.match_substring(in_city, "武昌区")), REGION, take([d["code"] for d in district_rows], other)
    )
    region = where(away[mine] | ~people.resident, city_code.take(pa.array(mine)), REGION)
    origin_code = take([o["code"] for o in origins], origin).take(pa.array(mine))
    birthplace = where(chance(rng, 0.6, households)[mine] & ~floating, REGION, origin_code)
    consistent = np.asarray(pc.equal(registered, take(places.addresses["full_text"], people.house)).fill_null(False))
    return {
        "native_place": where(foreign, None, birthplace),
        "registered_region": where(foreign, None, where(floating, origin_code, region)),
        "registered_address": where(foreign, None, registered),
        "residence_consistency": where(people.resident & ~foreign, where(consistent, "01", "02")),
        "population_type": where(people.resident, where(foreign, "4", where(floating, "2", "1"))),
    }


def _phones(dice: Dice, people: People) -> tuple[Text, Mask]:
    """Own mobiles; teenagers who use the father's, elders who give their child's, small children without."""
    rng = dice.on("phones")
    own = mobile_numbers(dice, "mobile numbers", people.count)
    shared = np.where((people.age >= 12) & (people.age < 18) & chance(rng, 0.35, people.count), people.guardian, -1)
    of_child = (people.age >= 70) & chance(rng, 0.16, people.count)
    shared = np.where(of_child, people.grown_child, shared)
    none = (people.age < 12) | ((people.age >= 85) & chance(rng, 0.1, people.count))
    phone = where(shared >= 0, take(own, shared), own)
    return where(none, None, phone), ~none


def _household(people: People, columns: dict[str, Text]) -> dict[str, Text]:
    """Household number, head and relation (GB/T 4761) of those registered here."""
    homes = people.homes
    here = people.resident & ~homes.floating
    rank = np.arange(people.count) - homes.starts[homes.household]
    first_child = homes.role[np.minimum(np.arange(people.count) - 1, people.count - 1)] != CHILD
    siblings = np.zeros(len(homes.starts), dtype=np.int64)
    np.add.at(siblings, homes.household[homes.role == CHILD], 1)
    only = siblings[homes.household] == 1
    son = np.where(only, 21, np.where(first_child, 22, 23))
    daughter = np.where(only, 31, np.where(first_child, 32, 33))
    relation = np.select(
        [homes.role == HEAD, homes.role == SPOUSE, homes.role == CHILD, homes.role == FATHER, homes.role == MOTHER],
        [2, np.where(homes.male, 11, 12), np.where(homes.male, son, daughter), 51, 52],
        99,
    )
    return {
        "household_no": where(here, join("4", digits(homes.household + 1, 8))),
        "head_id_number": where(here, take(columns["id_number"], np.where(rank >= 0, homes.head, -1))),
        "household_relation": where(here, digits(relation, 2)),
    }


def _where_outsiders_live(dice: Dice, people: People, columns: dict[str, Text]) -> Text:
    """Outsiders live in other districts of the city; those who left town went there too."""
    rng = dice.on("outside addresses")
    rows = reference.rows("city_districts")
    texts = [f"湖北省武汉市{d['district']}{d['place']}" for d in rows]
    flat = join(plain(rng.integers(1, 300, people.count)), "号", plain(rng.integers(1, 40, people.count)), "栋")
    room = join(
        plain(rng.integers(1, 4, people.count)),
        "单元",
        plain(rng.integers(1, 8, people.count)),
        "0",
        plain(rng.integers(1, 4, people.count)),
        "室",
    )
    outside = join(take(texts, picks(rng, reference.weights("city_districts"), people.count)), flat, room)
    outside = outside.take(pa.array(people.homes.head))  # a household leaves together
    return where(~people.resident | (people.left >= 0), outside, columns["residence_address"])
