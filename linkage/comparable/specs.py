"""Per entity: the label that identifies by itself, and the comparable columns over the standardised record.

In the SQL, `s` is the standardised record, `n_<field>` the forms of a name field (`linkage.names`), `p_<field>` the place
of an address field (`linkage.address.places`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.model import EntityType

Column = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spec:
    """How the comparable records of one entity are made.

    Attributes:
        label: SQL of the code of the valid identifier (证件号码、统一社会信用代码), NULL where there is none.
        columns: (name, SQL) of the comparable columns.
        names: name fields to join with their forms.
        places: address fields to join with their places.
        vote: the label may be somebody else's; names on the rows of one label vote (`linkage.foreign`).
        phones: phone fields, for which it is looked up whether many share the number.
    """

    entity_type: EntityType
    label: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    vote: bool = False
    phones: tuple[str, ...] = ()


def _code(sql: str) -> str:
    return f"CASE WHEN {sql} IS NOT NULL THEN hash({sql}) END"


def _name(column: str, field: str, used: str) -> tuple[Column, ...]:
    forms = (("folded", "folded"), ("pinyin", "pinyin"), ("sound", "pinyin_fuzzy"), ("surname", "surname"))
    return (
        (column, _code(f"s.{field}")),
        *((f"{column}_{name}", _code(f"n_{field}.{form}")) for name, form in forms),
        (f"{column}_used", used),
        (f"{column}_text", f"s.{field}"),
    )


def _date(column: str, field: str, when: str) -> tuple[Column, ...]:
    # Canonical dates are YYYY-MM-DD; every part is an integer of its own, so that swapped parts are seen without texts.
    parts = (("y", 1, 4), ("m", 6, 2), ("d", 9, 2))
    known = f"{when} AND s.{field} IS NOT NULL"
    return (
        (column, f"CASE WHEN {known} THEN hash(s.{field}) END"),
        *(
            (f"{column}_{n}", f"CASE WHEN {known} THEN CAST(substr(s.{field}, {start}, {size}) AS INTEGER) END")
            for n, start, size in parts
        ),
    )


def _place(column: str, field: str) -> tuple[Column, ...]:
    return tuple((f"{column}_{level}", f"p_{field}.{level}") for level in ("flat", "building", "site"))


def _phone(column: str, field: str) -> tuple[Column, ...]:
    return ((column, _code(f"s.{field}")), (f"{column}_shared", f"m_{field}.phone IS NOT NULL"))


_OWN = "f.rid IS NULL"
"""True where the number on the row is the person's own (not outvoted)."""

PERSON: Final = Spec(
    "person",
    label=f"CASE WHEN {_OWN} AND s.id_number IS NOT NULL THEN hash(s.id_number) END",
    columns=(
        *_name("name", "name", _code("n_used_name.folded")),
        *_date("birth", "birth_date", _OWN),
        ("sex", f"CASE WHEN {_OWN} AND s.sex IN ('1', '2') THEN CAST(s.sex AS INTEGER) END"),
        *_phone("phone", "phone"),
        *_place("residence", "residence_address"),
        *_place("registered", "registered_address"),
        ("household", _code("s.household_no")),
        ("head", _code("s.head_id_number")),
        ("relation", _code("s.household_relation")),
        ("name_rarity", "q.rarity"),
        ("number", _code("s.id_number")),
    ),
    names=("name", "used_name"),
    places=("residence_address", "registered_address"),
    vote=True,
    phones=("phone",),
)
"""实有人口: the citizen number (or document number) labels, unless the names on its other rows say it is another's."""

SPECS: Final[dict[EntityType, Spec]] = {"person": PERSON}
"""The entities that are linked by weights."""
