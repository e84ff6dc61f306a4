"""Per entity: the comparable columns over the standardised record, and which of them identify by themselves.

In the SQL, `s` is the standardised record, `n_<field>` the forms of a name field (`linkage.names`), `p_<field>` the place
of an address field (`linkage.address.places`), `q` the frequency of the name, `h` what a refused ID number still says
(`value`; its visible parts: `born`, the birth date, `head` and `tail`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from schemas.model import EntityType

Column = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Spec:
    """How the comparable records of one entity are made.

    Attributes:
        columns: (name, SQL) of the comparable columns. `number` is the code of the valid identifier (证件号码、统一社会
            信用代码); it labels the record.
        names: name fields to join with their forms.
        places: address fields to join with their places.
        vote: the number on a row may be somebody else's; the names beside it vote (`linkage.foreign`).
        own: columns that are read out of the number, so they are another's where the number is.
        phones: phone columns, for which it is looked up whether many share the number (`<phone>_shared`).
        frequencies: names are looked up in the table of name frequencies.
        implied: comparisons that the identifier fills in (the birth date in a citizen number); where identifiers agree
            they agree too, so identifiers cannot teach their weights.
        hinted: columns that serve the comparison with hints alone: without hints they are empty.
    """

    entity_type: EntityType
    columns: tuple[Column, ...]
    names: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    vote: bool = False
    own: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    frequencies: bool = False
    implied: tuple[str, ...] = ()
    hinted: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the standardised record that the columns are made of."""
        named = re.findall(r"\bs\.(\w+)", " ".join(sql for _, sql in self.columns))
        dated = ("birth_date", "sex") if self.frequencies else ()
        return tuple(dict.fromkeys((*named, *self.names, *self.places, *dated)))


def code(sql: str) -> str:
    """Return the SQL of a value's code, NULL where there is no value (a hash of NULL is a number)."""
    return f"CASE WHEN {sql} IS NOT NULL THEN hash({sql}) END"


def name_columns(column: str, field: str, used: str) -> tuple[Column, ...]:
    """Return the columns of a comparison of kind `name`."""
    forms = (("folded", "folded"), ("pinyin", "pinyin"), ("sound", "pinyin_fuzzy"), ("surname", "surname"))
    return (
        (column, code(f"s.{field}")),
        *((f"{column}_{name}", code(f"n_{field}.{form}")) for name, form in forms),
        (f"{column}_used", used),
        (f"{column}_text", f"s.{field}"),
    )


def date_columns(column: str, sql: str) -> tuple[Column, ...]:
    """Return the columns of a comparison of kind `date`; canonical dates are YYYY-MM-DD."""
    # Every part is an integer of its own, so that swapped parts are seen without texts.
    parts = (("y", 1, 4), ("m", 6, 2), ("d", 9, 2))
    return (
        (column, code(sql)),
        *((f"{column}_{n}", f"CAST(substr({sql}, {start}, {size}) AS SMALLINT)") for n, start, size in parts),
    )


def number_columns(column: str, field: str) -> tuple[Column, ...]:
    """Return the columns of a comparison of kind `number`, and its two halves for blocking.

    A slip or a mask leaves one half whole: area and birth date (`_head`), or the last four characters (`_tail`).
    """
    number = f"s.{field}"

    def half(start: int, size: int, hinted: str) -> str:
        return code(f"coalesce(CASE WHEN length({number}) = 18 THEN substr({number}, {start}, {size}) END, {hinted})")

    return (
        (
            f"{column}_hint",
            f"CAST(CASE WHEN {number} IS NOT NULL THEN 0 WHEN h.value IS NOT NULL THEN 1 END AS SMALLINT)",
        ),
        (f"{column}_text", f"coalesce({number}, h.value)"),
        (f"{column}_head", half(1, 14, "h.head")),
        (f"{column}_tail", half(15, 4, "h.tail")),
    )


def place_columns(column: str, field: str) -> tuple[Column, ...]:
    """Return the columns of a comparison of kind `place`."""
    return tuple((f"{column}_{level}", f"p_{field}.{level}") for level in ("flat", "building", "site"))


NUMBER: Final = number_columns("number", "id_number")

PERSON: Final = Spec(
    "person",
    columns=(
        ("number", code("s.id_number")),
        *name_columns("name", "name", code("n_used_name.folded")),
        *date_columns("birth", "coalesce(s.birth_date, h.born)"),
        ("sex", "CASE WHEN s.sex IN ('1', '2') THEN CAST(s.sex AS SMALLINT) END"),
        ("phone", code("s.phone")),
        *place_columns("residence", "residence_address"),
        *place_columns("registered", "registered_address"),
        ("household", code("s.household_no")),
        ("name_rarity", "q.rarity"),
        *NUMBER,
    ),
    names=("name", "used_name"),
    places=("residence_address", "registered_address"),
    vote=True,
    own=("birth", "birth_y", "birth_m", "birth_d", "sex", *(name for name, _ in NUMBER)),
    phones=("phone",),
    frequencies=True,
    implied=("birth", "sex"),
    hinted=tuple(name for name, _ in NUMBER),
)
"""实有人口: the citizen number (or document number) labels, unless the names on its other rows say it is another's."""

SPECS: Final[dict[EntityType, Spec]] = {"person": PERSON}
"""The entities that are linked by weights."""
