"""The normal form of an element that a system keeps in a column of its own: `602` and `602号` in a room column are 602室."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.parse import parse

WORDS: Mapping[str, str] = MappingProxyType(
    {"road_no": "号", "building": "栋", "unit": "单元", "floor": "层", "room": "室"}
)
"""Element -> the word that its normal form ends in, and that a column of its own usually leaves out."""

BARE = r"^-?[0-9A-Za-z]+(-[0-9A-Za-z]+)*$"
"""A number or letter without its word."""


def normal_form(element: str, values: pa.Array) -> pa.Array:
    """Return the values of one element column in the normal form that `parse` gives.

    A value is taken as that element whatever word it carries, because the column says so; what `parse` reads as
    something else is left as it is written.

    Args:
        element: name of the column: road_no, building, unit, floor or room; others come back unchanged.
        values: string array, NULL where absent.
    """
    word = WORDS.get(element)
    if word is None or values.null_count == len(values):
        return values
    coded = values.dictionary_encode()
    distinct = coded.dictionary
    if element == "room":  # 602号 in a column of rooms is no door plate
        distinct = pc.replace_substring_regex(distinct, r"^([0-9A-Za-z-]+)(号房?|房)$", r"\1")
    bare = pc.match_substring_regex(distinct, BARE)
    worded = pc.if_else(bare, pc.binary_join_element_wise(pc.utf8_upper(distinct), word, ""), distinct)
    read = parse(worded)
    others = [read.column(name).is_valid() for name in read.column_names if name != element]
    alone = pc.and_(read.column(element).is_valid(), pc.invert(reduce(pc.or_, others)))
    formed = pc.if_else(alone, read.column(element), worded)
    return pa.array(formed.to_pylist(), pa.string()).take(coded.indices)
