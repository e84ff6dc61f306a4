"""Building a town: places, people, organisations, tenure, facts, history, in the order in which they need each other."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town.draw import Dice, Ints, Mask, Text, chance, take, where
from sandbox.town.history import Past, make_history, widowed_now
from sandbox.town.model import Life, Town, entity_table
from sandbox.town.names import Names, make_names
from sandbox.town.organisations import Organisations, count_of_premises, make_organisations
from sandbox.town.papers import Papers, make_papers
from sandbox.town.people import People, make_people, namesakes
from sandbox.town.places import Places, make_places, second_names
from sandbox.town.standing import Who, standing
from sandbox.town.tenure import Tenure, make_tenure, settle
from schemas.model import EntityType

DAY_OF_THE_TOWN = date(2026, 11, 1)
"""The default "today", fixed so that the same seed gives the same town whenever it is made."""


def make_town(people: int = 2000, seed: int = 1, today: date = DAY_OF_THE_TOWN) -> Town:
    """Make a synthetic town of so many residents; the same arguments give the same town.

    Raises:
        ValueError: fewer than 100 people, of which no town can be made.
        TownTooLarge: more people than the one synthetic area code has numbers for.
    """
    if people < 100:
        raise ValueError(f"A town needs at least 100 people, not {people}.")
    dice, day = Dice(seed), (today - date(1970, 1, 1)).days
    crowd, names = _crowd(dice, people, day)
    firms_wanted = max(40, people * 9 // 100)
    shops, offices = count_of_premises(firms_wanted)
    households = int(crowd.homes.household[people - 1]) + 1
    places = make_places(dice, int(households * 1.08) + 10, shops, offices, int(np.clip(people // 250, 8, 144)))
    crowd = settle(dice, crowd, places)
    papers = make_papers(dice, crowd, names, places, day)
    firms = make_organisations(dice, crowd, places, firms_wanted, day)
    papers.columns["marital_status"] = where(widowed_now(crowd), "30", papers.columns["marital_status"])
    facts, employer = standing(Who(dice, crowd, papers.columns, places, firms, day, papers.foreign))
    person = {**papers.columns, **facts}
    _name_people_in_firms(dice, firms, person)
    tenure = make_tenure(dice, crowd, places, firms, person=person, today=day)
    history, former = make_history(Past(dice, crowd, places, firms, tenure, person, day))
    tables: dict[EntityType, pa.Table] = {
        "address": entity_table("address", places.addresses, sum(places.kinds.values())),
        "house": entity_table("house", tenure.columns, places.houses),
        "organisation": entity_table("organisation", firms.columns, len(firms.house)),
        "person": entity_table("person", person, crowd.count),
    }
    relations = _relations(crowd, places, firms, tenure, employer)
    traits = _traits(crowd, places, firms, tenure, papers)
    lives = _lives(crowd, firms, places)
    return Town(seed, today, tables, relations, traits, history, former, lives, second_names(dice, places))


def _crowd(dice: Dice, people: int, day: int) -> tuple[People, Names]:
    """People with names, among them namesakes born the same day."""
    crowd = make_people(dice, people, max(20, people * 6 // 100), day)
    names = make_names(dice, crowd.homes)
    copied, copies = namesakes(dice, crowd)
    crowd.homes.born[copies] = crowd.homes.born[copied]
    crowd.age[copies] = crowd.age[copied]
    source = np.arange(crowd.count)
    source[copies] = copied
    index = pa.array(source)
    return crowd, Names(names.name.take(index), names.ethnicity.take(index))


def _name_people_in_firms(dice: Dice, firms: Organisations, person: dict[str, Text]) -> None:
    """Write the names, numbers and phones of legal representatives, contacts and officers into the firms' columns."""
    count = len(firms.house)
    rng = dice.on("officers")
    officer = np.where(chance(rng, 0.5, count), firms.legal, firms.contact)
    firms.columns.update(
        legal_representative=take(person["name"], firms.legal),
        legal_id_number=take(person["id_number"], firms.legal),
        legal_phone=take(person["phone"], firms.legal),
        contact_name=take(person["name"], firms.contact),
        security_officer=take(person["name"], officer),
        security_phone=take(person["phone"], officer),
        fire_officer=take(person["name"], np.where(chance(rng, 0.6, count), firms.legal, officer)),
    )


def _relations(crowd: People, places: Places, firms: Organisations, tenure: Tenure, employer: Ints) -> dict[str, Ints]:
    rows = sum(places.kinds.values())
    house_of_address = np.where(np.arange(rows) < places.houses, np.arange(rows), -1)
    resident = np.full(rows, -1, dtype=np.int64)
    resident[: places.houses] = tenure.resident
    organisation = np.full(rows, -1, dtype=np.int64)
    organisation[: places.houses] = tenure.occupant
    residents = np.flatnonzero(crowd.resident & (crowd.age >= 18) & (crowd.died < 0))
    here = np.where(crowd.left >= 0, -1, crowd.house)
    community = np.array(list(places.span("community")))
    seat = {int(c): a for a, c in zip(community, places.community[community], strict=True)}
    seat_of = np.array([seat.get(c, -1) for c in range(max(seat) + 1)])
    return {
        "person.house": here,
        "person.address": here,
        "person.guardian": crowd.guardian,
        "person.grown_child": crowd.grown_child,
        "person.spouse": crowd.homes.spouse,
        "person.head": np.where(crowd.resident, crowd.homes.head, -1),
        "person.organisation": employer,
        "house.address": np.arange(places.houses),
        "house.owner": tenure.owner,
        "house.tenant": tenure.tenant,
        "house.resident": tenure.resident,
        "house.organisation": tenure.occupant,
        "organisation.house": firms.house,
        "organisation.address": firms.house,
        "organisation.legal_representative": firms.legal,
        "organisation.contact": firms.contact,
        "address.house": house_of_address,
        "address.resident": resident,
        "address.organisation": organisation,
        "address.community": seat_of[places.community],
        "town.residents": residents,
    }


def _traits(
    crowd: People, places: Places, firms: Organisations, tenure: Tenure, papers: Papers
) -> dict[str, Mask | Text]:
    kind = np.repeat(np.arange(len(places.kinds)), list(places.kinds.values()))
    return {
        "person.resident": crowd.resident,
        "person.floating": crowd.homes.floating & crowd.resident,
        "person.foreign": papers.foreign,
        "person.household_size": np.bincount(crowd.homes.household)[crowd.homes.household],
        "house.kind": take(list(places.kinds), kind[: places.houses]),
        "address.kind": take(list(places.kinds), kind),
        "organisation.segment": firms.segment,
        "organisation.shop": np.asarray(pc.is_valid(firms.columns["sign_name"])),
        "house.occupied": tenure.resident >= 0,
    }


def _lives(crowd: People, firms: Organisations, places: Places) -> dict[EntityType, Life]:
    def never(count: int) -> Ints:
        return np.full(count, -1, dtype=np.int64)

    rows = sum(places.kinds.values())
    since = np.where(crowd.arrived >= 0, crowd.arrived, crowd.homes.born)
    return {
        "address": Life(never(rows), never(rows)),
        "house": Life(never(places.houses), never(places.houses)),
        "organisation": Life(firms.opened, firms.closed),
        "person": Life(np.maximum(since, -1), np.maximum(crowd.died, crowd.left)),
    }
