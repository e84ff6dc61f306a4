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


PERSON = Rules(
    "person",
    (
        ("id_number", "s.id_number"),
        ("name", "n_name.folded"),
        ("pinyin", "n_name.pinyin"),
        ("sound", "n_name.pinyin_fuzzy"),
        ("phone", "s.phone"),
        ("birth_date", "s.birth_date"),
        ("sex", "CASE WHEN s.sex IN ('1', '2') THEN s.sex END"),
        ("residence", "CASE WHEN t_residence_address.room IS NOT NULL THEN t_residence_address.normal_key END"),
        ("registered", "CASE WHEN t_registered_address.room IS NOT NULL THEN t_registered_address.normal_key END"),
        ("household_no", "s.household_no"),
        ("used_name", "n_used_name.folded"),
    ),
    ("residence_address", "registered_address"),
    "id_number",
    (
        Key("name_birth_phone", _together("name", "birth_date", "phone")),
        Key("name_birth_residence", _together("name", "birth_date", "residence")),
        Key("name_birth_registered", _together("name", "birth_date", "registered")),
        Key("name_household", _together("name", "household_no")),
        Key("name_phone", _together("name", "phone")),
        Key("name_residence", _together("name", "residence")),
        Key("name_registered", _together("name", "registered")),
        Key("pinyin_birth_phone", _together("pinyin", "birth_date", "phone")),
        Key("pinyin_birth_residence", _together("pinyin", "birth_date", "residence")),
        Key("pinyin_phone_residence", _together("pinyin", "phone", "residence")),
    ),
    ("birth_date", "sex"),
    ("name", "used_name"),
)
"""实有人口: the citizen number (or document number) anchors; a name counts only with phone, home or household.

Names are compared folded (张偉 = 张伟). Where only the sound agrees (同音字: 王玉 and 王钰), two further facts must: a
family shares phone and home, and brothers may sound alike to somebody who types.
"""

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

_STREET_SIDE = (
    "CASE WHEN t.road IS NOT NULL AND t.road_no IS NOT NULL THEN "
    + _together("t.road", "t.road_no", "coalesce(t.building, '')", "coalesce(t.unit, '')", "coalesce(t.room, '')")
    + " END"
)
_COMPOUND_SIDE = (
    "CASE WHEN t.compound IS NOT NULL AND t.building IS NOT NULL THEN "
    + _together("t.compound", "t.building", "coalesce(t.unit, '')", "coalesce(t.room, '')")
    + " END"
)


def _context(alias: str, element: str) -> str:
    """Return SQL of an upper element: the text's own, or the only one that this place is known in."""
    known = f"{{}}({alias}{element}) OVER (PARTITION BY {alias}normal_key)"
    only = f"CASE WHEN {known.format('min')} = {known.format('max')} THEN {known.format('min')} END"
    return f"coalesce({alias}{element}, {only})"


def _place(field: str) -> tuple[tuple[str, str], ...]:
    alias = f"t_{field}."
    return (
        # The key leaves out city and district, since most texts do; where a text names them they must agree, and where a
        # place is known in one district only, the silent texts mean that one.
        (
            "place",
            f"{alias}normal_key || '@' || coalesce({_context(alias, 'city')}, '') || coalesce({_context(alias, 'district')}, '')",
        ),
        ("street_side", _STREET_SIDE.replace("t.", alias)),
        ("compound_side", _COMPOUND_SIDE.replace("t.", alias)),
        ("street", f"{alias}street"),
        ("community", f"{alias}community"),
    )


_ANCHOR = "CASE WHEN street_side IS NOT NULL OR compound_side IS NULL THEN place END"
"""A text that names estate and building without the door plate is half an address: it attaches to the whole one."""

HOUSE = Rules(
    "house",
    (*_place("address"), ("house_code", "s.house_code"), ("certificate", "s.property_certificate_no")),
    ("address",),
    _ANCHOR,
    (
        Key("house_code", "house_code"),
        Key("street_side", "street_side"),
        Key("compound_side_street", _together("compound_side", "street")),
        Key("compound_side", "compound_side"),
        Key("place", "place"),
        Key("certificate", "certificate"),
    ),
)
"""实有房屋: the normal form of the address down to the room anchors; codes and half addresses attach."""

ADDRESS = Rules(
    "address",
    (*_place("full_text"), ("standard_code", "s.standard_code")),
    ("full_text",),
    _ANCHOR,
    (
        Key("standard_code", "standard_code"),
        Key("street_side", "street_side"),
        Key("compound_side_street", _together("compound_side", "street")),
        Key("compound_side", "compound_side"),
        Key("place", "place"),
    ),
)
"""标准地址: the normal form anchors."""

RULES: dict[EntityType, Rules] = {"address": ADDRESS, "house": HOUSE, "organisation": ORGANISATION, "person": PERSON}
"""Rules by entity, in the order in which they run."""
