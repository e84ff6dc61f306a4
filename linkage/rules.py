"""The deterministic rules: per entity an anchor that identifies by itself and keys that attach where unambiguous.

Order of trust, as in every national linkage programme: a valid identifier first, then combinations that hardly two
people, houses or firms share. A key never overrules an anchor: records with two different anchors stay apart.
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
class Rules:
    """How the records of one entity are grouped.

    Attributes:
        columns: SQL of the comparable columns, by name, over `s` (standardised record), address joins `t_<field>` and
            name joins `n_<field>`.
        addresses: address-typed fields to join with their parse.
        anchor: SQL over the columns of the identifying value.
        keys: attaching keys, strongest first.
        guards: columns that may not contradict (both known and different) between a record and what it attaches to.
        names: name-typed fields to join with their forms (`linkage.names`).
    """

    entity_type: EntityType
    columns: tuple[tuple[str, str], ...]
    addresses: tuple[str, ...]
    anchor: str
    keys: tuple[Key, ...]
    guards: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def _together(*parts: str) -> str:
    """Return SQL that joins the parts, NULL when any is missing."""
    return " || '|' || ".join(parts)


ORGANISATION = Rules(
    "organisation",
    (
        ("uscc", "s.uscc"),
        ("registration_no", "s.registration_no"),
        ("name", "upper(regexp_replace(s.name, '[()（）\\s]', '', 'g'))"),
        ("phone", "s.phone"),
        ("legal", "n_legal_representative.folded"),
        ("address", "t_address.normal_key"),
    ),
    ("address",),
    "uscc",
    (
        Key("registration_no", "registration_no"),
        Key("name_address", _together("name", "address")),
        Key("name_legal", _together("name", "legal")),
        Key("name_phone", _together("name", "phone")),
        Key("name", "CASE WHEN length(name) >= 6 THEN name END"),
    ),
    names=("legal_representative",),
)
"""实有单位: the credit code anchors; a full legal name is unique within a registrar's area, so it attaches alone."""

RULES: dict[EntityType, Rules] = {"organisation": ORGANISATION}
"""Rules by entity, in the order in which they run."""
