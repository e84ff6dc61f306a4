"""Per entity: the comparable columns over the standardised record, and which of them identify by themselves.

In the SQL, `s` is the standardised record, `n_<field>` the forms of a name field (`linkage.names`), `o_<field>` those of a
field with the name of an organisation (`linkage.organisations`), `p_<field>` the place of an address field
(`linkage.address.places`), `q` the frequency of the name, `h` what a refused ID number still says
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
        organisations: fields with names of organisations, to join with their forms.
        places: address fields to join with their places.
        vote: the number on a row may be somebody else's; the names beside it vote (`linkage.foreign`).
        own: columns that are read out of the number, so they are another's where the number is.
        phones: phone columns, for which it is looked up whether many share the number (`<phone>_shared`).
        frequencies: SQL of the folded name, the sex and the decade by which the name is looked up in the table of name
            frequencies ('' = any); empty = it is not.
        implied: comparisons that the identifier fills in (the birth date in a citizen number); where identifiers agree
            they agree too, so identifiers cannot teach their weights.
        hinted: columns that serve the comparison with hints alone: without hints they are empty.
    """

    entity_type: EntityType
    columns: tuple[Column, ...]
    names: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    vote: bool = False
    own: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    frequencies: tuple[str, ...] = ()
    implied: tuple[str, ...] = ()
    hinted: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the standardised record that the columns are made of."""
        named = re.findall(r"\bs\.(\w+)", " ".join(sql for _, sql in self.columns))
        counted = re.findall(r"\bs\.(\w+)", " ".join(self.frequencies))
        return tuple(dict.fromkeys((*named, *self.names, *self.organisations, *self.places, *counted)))


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
    frequencies=(
        "n_name.folded",
        "coalesce(CASE WHEN s.sex IN ('1', '2') THEN s.sex END, '')",
        "coalesce(substr(s.birth_date, 1, 3), '')",
    ),
    implied=("birth", "sex"),
    hinted=tuple(name for name, _ in NUMBER),
)
"""实有人口: the citizen number (or document number) labels, unless the names on its other rows say it is another's."""

NO_CODE: Final = "CAST(NULL AS UBIGINT)"
"""A column of codes that the entity has no values for."""

_LEGAL_FORMS: Final = "'company', 'cooperative', 'business', 'partnership', 'social', 'public'"
"""Families of forms (`linkage/organisations/data/forms.csv`) in which a name is registered; a sign ends in 店 or in nothing."""


def organisation_columns(column: str, field: str, used: str) -> tuple[Column, ...]:
    """Return the columns of a comparison of kind `organisation`.

    `_registered` is 1 for a name with its place and its form: no two of one registrar may bear it (企业名称登记管理规定).
    Signs end in 店 too, but do not open with city and district.
    `_branch` is empty for a name that is of no branch.
    """
    forms = (("", "name"), ("_plain", "plain"), ("_folded", "folded"), ("_pinyin", "pinyin"), ("_branch", "branch"))
    place, family = f"o_{field}.place", f"o_{field}.family"
    registered = f"{place} IS NOT NULL AND ({family} IN ({_LEGAL_FORMS}) OR ({family} = 'shop' AND {place} LIKE '% %'))"
    return (
        *((f"{column}{suffix}", code(f"o_{field}.{form}")) for suffix, form in forms),
        (f"{column}_registered", f"CAST(CASE WHEN {registered} THEN 1 ELSE 0 END AS SMALLINT)"),
        (f"{column}_used", used),
        (f"{column}_text", f"s.{field}"),
    )


_LICENCE: Final = "CASE WHEN length(s.registration_no) {} THEN {} END"
"""Old systems have one field for the number of the licence, whichever it is."""

ORGANISATION: Final = Spec(
    "organisation",
    columns=(
        ("number", code("s.uscc")),
        *organisation_columns("name", "name", code("coalesce(o_sign_name.plain, o_short_name.plain)")),
        *organisation_columns("sign", "sign_name", NO_CODE),
        # GB 32100: positions 9 to 17 of the credit code are the organisation code that was there before it.
        (
            "org_code",
            code(
                f"coalesce(substr(s.uscc, 9, 9), s.org_code, {_LICENCE.format('= 18', 'substr(s.registration_no, 9, 9)')})"
            ),
        ),
        ("registration", code(_LICENCE.format("IN (13, 15)", "s.registration_no"))),
        ("phone", code("s.phone")),
        ("legal_phone", code("s.legal_phone")),
        *name_columns("legal", "legal_representative", NO_CODE),
        *place_columns("address", "address"),
        *place_columns("registered", "registered_address"),
        ("name_rarity", "q.rarity"),
    ),
    names=("legal_representative",),
    organisations=("name", "short_name", "sign_name"),
    places=("address", "registered_address"),
    phones=("phone", "legal_phone"),
    frequencies=("o_name.folded", "''", "''"),
    implied=("org_code",),
)
"""实有单位: the credit code labels; the organisation code inside it, an old registration number, or names with what is beside
them find the records without one."""

SPECS: Final[dict[EntityType, Spec]] = {"person": PERSON, "organisation": ORGANISATION}
"""The entities that are linked by weights."""
