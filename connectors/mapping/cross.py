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
from schemas.identifiers import citizen_id

RESIDENT_ID_CARD = "111"
"""GA/T 517: 居民身份证."""


@dataclass(frozen=True, slots=True)
class Crossed:
    """The person's columns after the comparison, and the rule broken per row for birth date and sex."""

    columns: dict[str, pa.StringArray]
    broken: dict[str, pa.StringArray]


def cross_check(columns: dict[str, pa.StringArray]) -> Crossed:
    """Compare and complete id_type, birth_date and sex of persons from their valid citizen ID numbers."""
    numbers = columns.get("id_number")
    if numbers is None or numbers.null_count == len(numbers):
        return Crossed(columns, {})
    id_type = columns.get("id_type", pa.nulls(len(numbers), pa.string()))
    read = citizen_id.parse(numbers)
    kind = pc.fill_null(_array(read, "kind"), "")
    card = pc.and_(pc.equal(kind, "citizen"), pc.fill_null(pc.equal(id_type, RESIDENT_ID_CARD), fill_value=True))
    proves = pc.or_(card, pc.equal(kind, "residence_permit"))
    result, broken = dict(columns), {}
    result["id_type"] = pc.if_else(pc.and_(card, pc.is_null(id_type)), RESIDENT_ID_CARD, id_type)
    for name, rule in (("birth_date", "cross.birth_id"), ("sex", "cross.sex_id")):
        said = columns.get(name, pa.nulls(len(numbers), pa.string()))
        proven = pc.if_else(proves, _array(read, name), NOTHING)
        broken[name] = where(pc.and_(pc.not_equal(said, proven), _is_a_statement(name, said)), rule)
        result[name] = pc.coalesce(proven, said)
    return Crossed(result, broken)


def _is_a_statement(name: str, said: pa.StringArray) -> pa.BooleanArray:
    # 0 unknown and 9 not stated (GB/T 2261.1) contradict nothing.
    return pc.is_in(said, value_set=pa.array(["1", "2"])) if name == "sex" else pc.is_valid(said)


def _array(table: pa.Table, name: str) -> pa.StringArray:
    column = table.column(name)
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
