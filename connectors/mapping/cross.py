"""What a citizen ID number says about its holder (身份证号与生日、性别互证).

The number carries birth date and sex. Where the row says otherwise, the number wins and the field is rejected (domain
README §1.5): one is proven by a check digit, the other was typed. Where the row says nothing, the number fills in.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.mapping.rejects import where
from connectors.mapping.rows import NOTHING

RESIDENT_ID_CARD = "111"
"""GA/T 517: 居民身份证."""

_SHAPE = "^[1-8][0-9]{16}[0-9X]$"
_PERMIT = "^8[123]0000[0-9]{11}[0-9X]$"
"""Residence permit of a Hong Kong, Macao or Taiwan resident: the same layout, another document."""

_DATE = ((6, 10), (10, 12), (12, 14))


@dataclass(frozen=True, slots=True)
class Crossed:
    """The person's columns after the comparison, and the rule broken per row for birth date and sex.

    Attributes:
        proves: the rows whose number proves both; None when no row has a number.
    """

    columns: dict[str, pa.StringArray]
    broken: dict[str, pa.StringArray]
    proves: pa.BooleanArray | None = None


def cross_check(columns: dict[str, pa.StringArray]) -> Crossed:
    """Compare and complete id_type, birth_date and sex of persons from their citizen ID numbers.

    The numbers must have been normalised (check digit and date proven): then all that has the shape of a citizen ID
    is one, and birth date and sex are slices of it.
    """
    numbers = columns.get("id_number")
    if numbers is None or numbers.null_count == len(numbers):
        return Crossed(columns, {})
    id_type = columns.get("id_type", pa.nulls(len(numbers), pa.string()))
    shaped = pc.fill_null(pc.match_substring_regex(numbers, _SHAPE), fill_value=False)
    permit = pc.fill_null(pc.match_substring_regex(numbers, _PERMIT), fill_value=False)
    card = pc.and_not(pc.and_(shaped, pc.fill_null(pc.equal(id_type, RESIDENT_ID_CARD), fill_value=True)), permit)
    proves = pc.or_(card, permit)
    result, broken = dict(columns), {}
    result["id_type"] = pc.if_else(pc.and_(card, pc.is_null(id_type)), RESIDENT_ID_CARD, id_type)
    for name, rule, read in (("birth_date", "cross.birth_id", _birth_date), ("sex", "cross.sex_id", _sex)):
        said = columns.get(name, pa.nulls(len(numbers), pa.string()))
        proven = pc.if_else(proves, read(numbers), NOTHING)
        broken[name] = where(pc.and_(pc.not_equal(said, proven), _is_a_statement(name, said)), rule)
        result[name] = pc.coalesce(proven, said)
    return Crossed(result, broken, proves)


def _birth_date(numbers: pa.StringArray) -> pa.StringArray:
    year, month, day = (pc.binary_slice(numbers.cast(pa.binary()), a, b).cast(pa.string()) for a, b in _DATE)
    return pc.binary_join_element_wise(year, month, day, "-")


def _sex(numbers: pa.StringArray) -> pa.StringArray:
    digit = pc.binary_slice(numbers.cast(pa.binary()), 16, 17)
    return pc.if_else(pc.is_in(digit, value_set=pa.array([b"1", b"3", b"5", b"7", b"9"])), "1", "2")


def _is_a_statement(name: str, said: pa.StringArray) -> pa.BooleanArray:
    # 0 unknown and 9 not stated (GB/T 2261.1) contradict nothing.
    return pc.is_in(said, value_set=pa.array(["1", "2"])) if name == "sex" else pc.is_valid(said)
