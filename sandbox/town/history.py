"""What changed in the last three years: moves, phones, marriages, jobs, deaths, firms renamed or handed over (变更历史)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town.draw import Dice, Ints, Mask, Text, chance, dates, take, where
from sandbox.town.households import HEAD, SPOUSE
from sandbox.town.identifiers import mobile_numbers
from sandbox.town.model import Change, Former
from sandbox.town.organisations import Organisations
from sandbox.town.people import People
from sandbox.town.places import Places
from sandbox.town.tenure import OWN_USE, RENTED, VACANT, Tenure
from schemas.model import EntityType

History = dict[tuple[EntityType, str], Change]
Relations = dict[str, Former]


@dataclass(frozen=True, slots=True)
class Past:
    """What the draws of the past need."""

    dice: Dice
    people: People
    places: Places
    organisations: Organisations
    tenure: Tenure
    person: Mapping[str, Text]
    today: int

    def days(self, topic: str, mask: Mask, high: int = 1095) -> Ints:
        """A day within the last three years where the mask holds, -1 elsewhere."""
        drawn = self.today - self.dice.on(topic).integers(3, high, len(mask))
        return np.where(mask, drawn, -1)


def make_history(past: Past) -> tuple[History, Relations]:
    """Every field that changed with its earlier value, and every relation with its earlier target."""
    flats, flat_days = _moves(past)
    rooms, room_days = _firm_moves(past)
    texts = past.places.addresses["full_text"]
    history: History = {
        ("person", "residence_address"): Change(take(texts, flats), flat_days),
        ("organisation", "address"): Change(take(texts, rooms), room_days),
        **_personal(past), **_firms(past), **_houses(past),
    }  # fmt: skip
    firms, tenure = past.organisations, past.tenure
    relations: Relations = {
        "person.house": Former(flats, flat_days),
        "person.address": Former(flats, flat_days),
        "organisation.house": Former(rooms, room_days),
        "organisation.address": Former(rooms, room_days),
        "organisation.legal_representative": Former(firms.old_legal, firms.handed_over),
        "organisation.contact": Former(
            np.where(firms.contact == firms.legal, firms.old_legal, firms.contact), firms.handed_over
        ),
        "house.owner": Former(tenure.old_owner, tenure.sold),
        "house.tenant": Former(tenure.old_tenant, tenure.leased),
    }
    return history, relations


def _moves(past: Past) -> tuple[Ints, Ints]:
    """Former flat and day of households that moved within town, and of those that left it."""
    people, homes = past.people, past.people.homes
    rng = past.dice.on("moves")
    households = len(homes.starts)
    moved = chance(rng, 0.13, households)[homes.household] & people.resident & (people.left < 0)
    when = past.days("move days", np.ones(households, dtype=bool))[homes.household]
    moved &= (when > people.arrived) & (when > homes.born)
    before = rng.integers(0, past.places.kinds["flat"], households)[homes.household]
    left = people.left >= 0
    return np.where(left, people.house, before), np.where(left, people.left, np.where(moved, when, -1))


def _firm_moves(past: Past) -> tuple[Ints, Ints]:
    """Former premises and day of the firms that moved."""
    rng, count = past.dice.on("firm moves"), len(past.organisations.house)
    day = past.days("firm move days", chance(rng, 0.05, count))
    rooms = rng.integers(past.places.kinds["flat"], past.places.rooms, count)
    return rooms, np.where(day > past.organisations.opened, day, -1)


def _personal(past: Past) -> History:
    people, homes, person = past.people, past.people.homes, past.person
    count = people.count
    rng = past.dice.on("personal changes")
    has_phone = np.asarray(person["phone"].is_valid())
    new_phone = has_phone & chance(rng, 0.17, count)
    spouse_died = people.died[homes.spouse]
    widowed = (homes.spouse >= 0) & (spouse_died >= 0)
    married = np.isin(homes.role, (HEAD, SPOUSE)) & (homes.spouse >= 0) & (people.age < 33)
    pair = chance(rng, 0.25, len(homes.starts))[homes.household]
    wedding = past.days("weddings", np.ones(len(homes.starts), dtype=bool))[homes.household]
    wedding = np.where(married & pair, wedding, -1)
    works = np.asarray(person["employer_name"].is_valid())
    new_job = works & chance(rng, 0.2, count)
    retired = np.asarray(pc.equal(person["employment_status"], "退休").fill_null(False)) & (people.age <= 62)
    renamed = np.asarray(person["used_name"].is_valid()) & chance(rng, 0.4, count)
    holds = np.asarray(person["permit_expiry"].is_valid())
    expiry = np.asarray(
        pc.cast(pc.cast(person["permit_expiry"].fill_null("1970-01-01"), pa.date32()), pa.int32())
    ).astype(np.int64)
    frail = np.asarray(pc.match_substring(person["care_level"], "失能").fill_null(False))
    dead = people.died
    old_employers = take(person["employer_name"], np.roll(np.arange(count), 17))
    return {
        ("person", "phone"): Change(_former_mobiles(past), past.days("phone days", new_phone)),
        ("person", "marital_status"): Change(
            where(wedding >= 0, "10", "20"), np.where(widowed, spouse_died, wedding)
        ),
        ("person", "employer_name"): Change(old_employers, past.days("job days", new_job)),
        ("person", "employment_status"): Change(where(retired, "就业"), past.days("retirements", retired)),
        ("person", "name"): Change(person["used_name"], past.days("name days", renamed)),
        ("person", "used_name"): Change(pa.nulls(count, pa.string()), past.days("name days", renamed)),
        ("person", "permit_expiry"): Change(
            where(holds, dates(expiry - 365)), np.where(holds & (expiry - 365 > people.arrived + 30), expiry - 365, -1)
        ),
        ("person", "care_level"): Change(where(frail, "能力完好"), past.days("care days", frail, 700)),
        ("person", "death_date"): Change(pa.nulls(count, pa.string()), dead),
    }  # fmt: skip


def _former_mobiles(past: Past) -> Text:
    """Numbers given up; the operator has given some of them to somebody else, whose own they are now (二次放号)."""
    count = past.people.count
    rng = past.dice.on("numbers given out again")
    other = rng.integers(0, count, count)
    again = chance(rng, 0.04, count) & (other != np.arange(count)) & np.asarray(past.person["phone"].is_valid())[other]
    return where(again, take(past.person["phone"], other), mobile_numbers(past.dice, "former mobiles", count))


def widowed_now(people: People) -> Mask:
    """Spouses of the dead, whose present marital status is widowed."""
    spouse = people.homes.spouse
    return np.asarray((spouse >= 0) & (people.died[spouse] >= 0))


def _firms(past: Past) -> History:
    firms, person = past.organisations, past.person
    count = len(firms.house)
    rng = past.dice.on("firm changes")
    handed = firms.handed_over
    same = firms.contact == firms.legal
    new_phone = past.days("firm phones", chance(rng, 0.12, count))
    new_phone = np.where(new_phone > firms.opened, new_phone, -1)
    who = np.where(same, firms.old_legal, firms.contact)
    return {
        ("organisation", "name"): Change(firms.old_name, firms.renamed),
        ("organisation", "legal_representative"): Change(take(person["name"], firms.old_legal), handed),
        ("organisation", "legal_id_number"): Change(take(person["id_number"], firms.old_legal), handed),
        ("organisation", "legal_phone"): Change(take(person["phone"], firms.old_legal), handed),
        ("organisation", "contact_name"): Change(take(person["name"], who), np.where(same, handed, -1)),
        ("organisation", "phone"): Change(mobile_numbers(past.dice, "former firm phones", count), new_phone),
        ("organisation", "status_date"): Change(dates(firms.opened), firms.closed),
        ("organisation", "status"): Change(where(firms.closed >= 0, "01"), firms.closed),
    }


def _houses(past: Past) -> History:
    tenure, person = past.tenure, past.person
    rented = np.asarray(pc.equal(tenure.columns["status"], RENTED))
    room = np.arange(len(rented)) < past.places.rooms
    vacant = np.asarray(pc.equal(tenure.columns["status"], VACANT))
    turned = past.days(
        "status days", room & chance(past.dice.on("house status"), np.where(vacant, 0.4, 0.06), len(rented))
    )
    history: History = {
        ("house", "status"): Change(where(rented, where(turned % 2 == 0, OWN_USE, VACANT), RENTED), turned)
    }
    for role, old, day in (("tenant", tenure.old_tenant, tenure.leased), ("owner", tenure.old_owner, tenure.sold)):
        for field, source in (("name", "name"), ("id_number", "id_number"), ("phone", "phone")):
            history["house", f"{role}_{field}"] = Change(take(person[source], old), day)
    return history
