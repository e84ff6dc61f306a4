"""The deterministic rules of places: per entity an anchor that identifies by itself and keys that attach where unambiguous.

A key never overrules an anchor: records with two different anchors stay apart. Persons and organisations are linked by
weights (`linkage.comparable`).
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.model import EntityType


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key: a name (stored with each link as its rule) and the SQL of its value, NULL when incomplete."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Place:
    """How a record is located (`linkage.address.located`): its address, its code, and how deep its place may lie."""

    address: str
    code: str
    depths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """How the records of one entity are grouped.

    Attributes:
        columns: SQL of the comparable columns, by name, over `s` (standardised record) and `l` (its place).
        anchor: SQL over the columns of the identifying value.
        keys: attaching keys, strongest first.
        place: how records are located; their place is the column `place` of the relation `l`.
    """

    entity_type: EntityType
    columns: tuple[tuple[str, str], ...]
    anchor: str
    keys: tuple[Key, ...]
    place: Place


HOUSE = Rules(
    "house",
    (("place", "l.place"), ("house_code", "s.house_code"), ("certificate", "s.property_certificate_no")),
    "place",
    (Key("house_code", "house_code"), Key("certificate", "certificate")),
    Place("address", "house_code", ("site", "building", "unit", "floor", "flat")),
)
"""实有房屋: the place of the address anchors, however it is written; codes attach what has no address or half of one."""

ADDRESS = Rules(
    "address",
    (("place", "l.place"), ("standard_code", "s.standard_code")),
    "place",
    (Key("standard_code", "standard_code"),),
    Place("full_text", "standard_code", ("area", "road", "site", "building", "unit", "floor", "flat")),
)
"""标准地址: the place anchors; the code attaches what could be several places by its text."""

RULES: dict[EntityType, Rules] = {"address": ADDRESS, "house": HOUSE}
"""Rules by entity, in the order in which they run."""
