"""Firms, shops, chains and public bodies of the town with their registers' facts (实有单位)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sandbox.town import reference
from sandbox.town.draw import (
    Dice,
    Ints,
    Mask,
    Text,
    chance,
    dates,
    decimals,
    digits,
    join,
    picks,
    plain,
    take,
    where,
    zipf,
)
from sandbox.town.identifiers import credit_codes, landline_numbers, mobile_numbers
from sandbox.town.people import People
from sandbox.town.places import Places

_PREFIXES: Final = ("武汉", "武汉市武昌区", "湖北", "武汉市")
_SOLE_FORMS: Final = ("店", "经营部", "商行", "馆")


@dataclass(frozen=True, slots=True)
class Organisations:
    """One element per organisation.

    Attributes:
        columns: master columns as text. segment: food, retail, service, office, chemical, community, public, social.
        house: premises (-1 none). legal, contact: person numbers. opened, closed, renamed, handed_over: days, -1 never.
        old_name, old_legal: what was true before (the same where nothing changed).
    """

    columns: dict[str, Text]
    segment: Text
    house: Ints
    legal: Ints
    contact: Ints
    opened: Ints
    closed: Ints
    renamed: Ints
    handed_over: Ints
    old_name: Text
    old_legal: Ints


@dataclass(frozen=True, slots=True)
class _Register:
    """What is known of each organisation once it is named; the three sorts are concatenated in this shape."""

    name: Text
    old_name: Text
    sign: Text
    uscc_class: Text
    org_class: Text
    industry: Text
    segment: Text
    fire_class: Text
    environment: Text
    office: Mask
    community: Ints
    chain: Ints


def count_of_premises(organisations: int) -> tuple[int, int]:
    """(shops, offices) to build for so many organisations; a tenth stays empty."""
    return int(organisations * 0.95) + 8, int(organisations * 0.42) + 8


def make_organisations(dice: Dice, people: People, places: Places, count: int, today: int) -> Organisations:
    """Register about `count` organisations, give each premises, a legal representative and a contact."""
    communities = np.array(list(places.span("community")))
    public = _public_bodies(places, communities)
    branches = max(6, count // 14)
    sorts = [public, _chains(dice, branches, places), _firms(dice, max(10, count - branches - len(public.office)))]
    register = _stack(sorts)
    total = len(register.office)
    house = _premises(dice, register, places)
    shares = chance(dice.on("chains share"), 0.6, total)
    legal = _as_head_office(register.chain, shares, _legal_representatives(dice, people, total))
    rng = dice.on("organisation events")
    opened = today - np.minimum(rng.gamma(1.4, 1500, total).astype(np.int64) + 15, 12_000)
    closed = np.where(chance(rng, 0.045, total), today - rng.integers(5, 900, total), -1)
    closed = np.where((closed > opened + 100) & (np.arange(total) >= len(public.office)), closed, -1)
    renamed = np.where(
        np.asarray(pc.not_equal(register.name, register.old_name)), today - rng.integers(10, 1000, total), -1
    )
    renamed = np.where(renamed > opened, renamed, -1)
    handed = np.where(chance(rng, 0.08, total), today - rng.integers(10, 1000, total), -1)
    handed = np.where((handed > opened) & (closed < 0), handed, -1)
    old_legal = np.where(handed >= 0, _legal_representatives(dice, people, total, "former"), legal)
    pool = _adults(people)
    contact = np.where(chance(rng, 0.55, total), legal, rng.choice(pool, total))
    columns = _facts(dice, register, places, house, opened=opened, closed=closed)
    return Organisations(
        columns, register.segment, house, legal, contact, opened, closed, renamed, handed,
        where(renamed >= 0, register.old_name, register.name), old_legal,
    )  # fmt: skip


def _as_head_office(chain: Ints, shares: Mask, values: Ints) -> Ints:
    """Give the units of a chain, where they share it, what its first unit has."""
    _, first, which = np.unique(chain, return_index=True, return_inverse=True)
    return np.where((chain >= 0) & shares, values[first[which]], values)


def _adults(people: People) -> Ints:
    able = (people.age >= 22) & (people.age <= 72) & (people.died < 0) & (people.left < 0)
    return np.flatnonzero(able & (people.resident | (np.arange(people.count) % 2 == 1)))


def _legal_representatives(dice: Dice, people: People, count: int, topic: str = "present") -> Ints:
    """Residents, or (two fifths) people from outside; some run several firms."""
    rng = dice.on(f"legal representatives {topic}")
    inside = _adults(people)
    outside = np.arange(people.residents, people.count)
    return np.where(chance(rng, 0.4, count), rng.choice(outside, count), rng.choice(inside, count)).astype(np.int64)


def _public_bodies(places: Places, communities: Ints) -> _Register:
    """Residents' committees, clinics, schools, associations: one per community or street."""
    chosen = places.community[communities]
    names = np.array(reference.column("communities", "community"))
    streets = np.array(reference.column("communities", "street"))
    _, first = np.unique(streets[chosen], return_index=True)
    parts: list[list[str]] = [[] for _ in range(5)]
    homes: list[int] = []
    for body in reference.rows("public_bodies"):
        for c in {"community": chosen, "street": chosen[first], "once": chosen[:1]}[body["every"]]:
            stem = reference.stem(names[c] if body["every"] == "community" else streets[c])
            parts[0].append(body["pattern"].format(community=names[c], street=streets[c], stem=stem))
            for column, key in zip(parts[1:], ("uscc_class", "org_class", "industry", "segment"), strict=True):
                column.append(body[key])
            homes.append(int(c))
    text = [pa.array(p, pa.string()) for p in parts]
    none = pa.nulls(len(homes), pa.string())
    return _Register(
        text[0], text[0], text[0], text[1], text[2], text[3], text[4], none, none,
        np.zeros(len(homes), dtype=bool), np.array(homes, dtype=np.int64), np.full(len(homes), -1, dtype=np.int64),
    )  # fmt: skip


def _chains(dice: Dice, count: int, places: Places) -> _Register:
    """A head office and its branches: the head company's name, for a branch with its place; each with a code and address."""
    rng = dice.on("chains")
    chains = reference.rows("chains")
    which = np.sort(picks(rng, zipf(len(chains), 3), count))
    rank = np.arange(count) - np.searchsorted(which, which)
    here = places.community[np.array(list(places.span("community")))]
    community = rng.permutation(here)[rank % len(here)]
    stems = [reference.stem(c) for c in reference.column("communities", "community")]
    turn = where(rank >= len(here), plain(rank // len(here) + 1))
    place = join(take(stems, community), turn, "店")
    brand, company = take([c["stem"] + c["trade"] for c in chains], which), take([c["head"] for c in chains], which)
    sign = where(rank == 0, brand, join(brand, "(", place, ")"))
    name = where(rank == 0, company, join(company, place))
    none = pa.nulls(count, pa.string())
    return _Register(
        name, name, sign, take(["91"], np.zeros(count, dtype=np.int64)), take(["01"], np.zeros(count, dtype=np.int64)),
        take([c["industry"] for c in chains], which), take([c["segment"] for c in chains], which), none, none,
        np.zeros(count, dtype=bool), community, which,
    )  # fmt: skip


def _firms(dice: Dice, count: int) -> _Register:
    """Companies and sole traders: region, brand, trade, form; sole traders often carry a surname."""
    rng = dice.on("firms")
    trades = reference.rows("trades")
    trade = picks(rng, reference.weights("trades"), count)
    brands = reference.rows("brands")[0]
    first, second = brands["first"].split(), brands["second"].split()

    def brand(topic: str) -> Text:
        own = dice.on(topic)
        return join(
            take(first, picks(own, zipf(len(first), 20), count)), take(second, picks(own, zipf(len(second), 20), count))
        )

    def whole(stem: Text) -> Text:
        company = join(take(_PREFIXES, region), stem, trade_name, where(foreign, "(中国)"), "有限公司")
        trader = join("武汉市武昌区", stem, trade_name, take(_SOLE_FORMS, form))
        return pc.replace_substring(where(sole, trader, company), "店店", "店")

    sole = np.array([t["form"] == "个体" for t in trades])[trade] & chance(rng, 0.86, count)
    foreign = ~sole & chance(rng, 0.015, count)
    region, form = picks(rng, [4, 2, 2, 1], count), picks(rng, [4, 4, 2, 1], count)
    trade_name = take([t["trade"] for t in trades], trade)
    surname = take(reference.column("surnames", "surname"), picks(rng, reference.weights("surnames"), count))
    stem = where(
        sole & chance(rng, 0.3, count),
        join(take(["老", "小", "大"], picks(rng, [5, 3, 1], count)), surname),
        brand("brands"),
    )
    changes = chance(rng, 0.07, count)
    old = where(changes, brand("old brands"), stem)
    return _Register(
        whole(stem), whole(old), join(stem, trade_name), where(sole, "92", "91"),
        where(sole, "03", where(foreign, "02", "01")), take([t["industry"] for t in trades], trade),
        take([t["segment"] for t in trades], trade), take([t["fire_class"] or None for t in trades], trade),
        take([t["environment_class"] or None for t in trades], trade),
        np.array([t["premises"] == "office" for t in trades])[trade], *(np.full(count, -1, dtype=np.int64) for _ in range(2)),
    )  # fmt: skip


def _stack(sorts: list[_Register]) -> _Register:
    def text(name: str) -> Text:
        return pa.concat_arrays([getattr(s, name).cast(pa.string()) for s in sorts])

    stacked = {
        name: text(name)
        for name in (
            "name",
            "old_name",
            "sign",
            "uscc_class",
            "org_class",
            "industry",
            "segment",
            "fire_class",
            "environment",
        )
    }
    return _Register(
        **stacked,
        office=np.concatenate([s.office for s in sorts]),
        community=np.concatenate([s.community for s in sorts]),
        chain=np.concatenate([s.chain for s in sorts]),
    )


def _premises(dice: Dice, register: _Register, places: Places) -> Ints:
    """A free shop or office for each; one organisation in fifty shares its room with another."""
    rng = dice.on("premises")
    house = np.full(len(register.office), -1, dtype=np.int64)
    for kind, mask in (("shop", ~register.office), ("office", register.office)):
        span = places.span(kind)
        needed = int(mask.sum())
        rooms = rng.permutation(np.arange(span.start, span.stop))
        house[mask] = rooms[np.arange(needed) % max(len(rooms), 1)]
    shared = chance(rng, 0.02, len(house)) & register.office
    house[shared] = np.roll(house, 1)[shared]
    return _at_home(house, register.community, places)


def _at_home(house: Ints, community: Ints, places: Places) -> Ints:
    """Move the bodies of a community (and branches named after one) into a shop of that community, if it has one."""
    shops = np.array(places.span("shop"))
    order = shops[np.argsort(places.community[shops], kind="stable")]
    sorted_communities = places.community[order]
    bound = np.flatnonzero(community >= 0)
    first = np.searchsorted(sorted_communities, community[bound])
    room = np.searchsorted(sorted_communities, community[bound], side="right") - first
    rank = np.arange(len(bound))
    chosen = order[np.minimum(first + rank % np.maximum(room, 1), len(order) - 1)]
    house[bound] = np.where(room > 0, chosen, house[bound])
    return house


def _facts(
    dice: Dice, register: _Register, places: Places, house: Ints, *, opened: Ints, closed: Ints
) -> dict[str, Text]:
    """Master columns that do not name a person."""
    rng = dice.on("organisation facts")
    count = len(house)
    uscc = credit_codes(dice, register.uscc_class)
    staff = np.where(
        np.asarray(pc.equal(register.org_class, "03")), rng.integers(1, 6, count), rng.gamma(1.2, 14, count) + 2
    ).astype(np.int64)
    food = np.asarray(pc.equal(register.segment, "food"))
    chemical = np.asarray(pc.equal(register.segment, "chemical"))
    shop = ~register.office
    address = take(places.addresses["full_text"], house)
    elsewhere = register.office & chance(rng, 0.12, count)
    hazard = take(["00", "02", "01", "04", "03", "99"], picks(rng, [90, 5, 2, 1, 1, 1], count))
    party = ~np.asarray(pc.equal(register.org_class, "03")) & chance(rng, 0.22, count)
    public = np.asarray(pc.is_in(register.segment, pa.array(["community", "public", "social"])))
    status = where(closed >= 0, "04", where(public, "01", take(["01", "02", "03"], picks(rng, [97, 2, 1], count))))
    status_day = np.where(closed >= 0, closed, opened)
    licence = join("JY", where(food, "2", "1"), "420199", digits(rng.integers(0, 10**7, count), 7))
    landline = chance(rng, np.where(register.office, 0.5, 0.12), count)
    hotline = chance(dice.on("hotlines"), 0.4, count)
    phones = where(
        landline,
        landline_numbers(dice, "organisation landlines", count),
        mobile_numbers(dice, "organisation mobiles", count),
    )
    return {
        "uscc": uscc,
        "org_code": pc.utf8_slice_codeunits(uscc, 8, 17),
        "name": register.name,
        "short_name": where(shop, None, pc.utf8_slice_codeunits(register.sign, 0, 8)),
        "sign_name": where(shop, register.sign),
        "org_class": register.org_class,
        "industry": register.industry,
        "registered_address": where(elsewhere, take(places.addresses["full_text"], np.roll(house, 3)), address),
        "address": address,
        "phone": phones.take(pa.array(_as_head_office(register.chain, hotline, np.arange(count)))),
        "fire_class": where(shop, register.fire_class),
        "environment_class": register.environment,
        "employee_count": plain(staff),
        "is_hazchem": where(chemical & chance(rng, 0.5, count), "1", "0"),
        "hazard": hazard,
        "attention": where(
            np.asarray(pc.not_equal(hazard, "00")), take(["02", "03", "01"], picks(rng, [5, 4, 1], count))
        ),
        "has_party_org": where(party, "1", "0"),
        "party_member_count": where(party, plain(np.maximum(3, staff // 6))),
        "licence_no": where(food | chemical, licence),
        "floor_area_m2": decimals(rng.integers(1200, 40_000, count) // 5 * 5, 2),
        "frontage_no": where(shop, join("MQ", digits(np.arange(count) + 1, 7))),
        "revenue": where(~public, join(plain(staff * rng.integers(40_000, 400_000, count)), ".25")),
        "status": status,
        "status_date": dates(status_day),
    }
