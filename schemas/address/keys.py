"""The canonical key of an address, for linking records by equality (确定性匹配)."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.arrays import joined, or_empty, strings
from schemas.address.numerals import name_digits

_KIND: Final = r"(?:号院|栋|号|单元|室|层)$"
_SEPARATOR: Final = "|"


def normal_key(table: pa.Table) -> pa.Array:
    """One string for each address that is equal exactly where the elements below the county are.

    The key begins with the most precise anchor the text gives: road and door plate; else village or community and
    group or estate; else the estate with a building or room. Behind it follow building, unit and room, reduced to
    their numbers (3栋, 3幢 and 3号楼 are one); the floor counts where the room does not tell it (五楼左, 5层2室). Numerals
    in names become digits (七〇一社区 is 701社区, 武珞路2巷 is 武珞路二巷). Province, city, county and street are left out, because most registers
    omit some of them: join on the county as well where both sides have it. An estate behind a door plate is left
    out too, because the plate names the place already.

    NULL where too little was said to identify a place (a road without a number, a street, an estate alone).

    Raises:
        KeyError: if a column of `COLUMNS` is missing.
    """
    nothing = pa.nulls(table.num_rows, pa.string())
    road, plate = _name(table, "road"), _number(table, "road_no")
    community, compound = _name(table, "community"), _name(table, "compound")
    building, unit, room = (_number(table, name) for name in ("building", "unit", "room"))
    floor = pc.if_else(pc.match_substring_regex(or_empty(room), "[0-9]{3}"), nothing, _number(table, "floor"))
    anchored = pc.and_(pc.is_valid(road), pc.is_valid(plate))
    village = pc.and_(pc.is_valid(community), pc.or_(pc.is_valid(plate), pc.is_valid(building)))
    inside = pc.or_(pc.is_valid(building), pc.is_valid(room))
    estate = pc.and_(pc.is_valid(compound), inside)
    group = pc.match_substring_regex(or_empty(road), r"(?:组|社|队)$")
    by_road = _join(pc.if_else(group, community, nothing), road, plate)
    by_village = _join(community, road, plate, compound)
    anchor = pc.case_when(pc.make_struct(anchored, estate, village), by_road, _join(compound, plate), by_village)
    return pc.if_else(pc.is_null(anchor), nothing, _join(anchor, building, unit, floor, room))


def _join(*parts: pa.Array) -> pa.Array:
    """Elements side by side; an absent one leaves its place empty, so that 3栋501室 and 3单元501室 stay apart."""
    return joined(parts, _SEPARATOR)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _name(table: pa.Table, name: str) -> pa.Array:
    """A named element, its numerals written with digits once for each distinct name."""
    encoded = _column(table, name).dictionary_encode()
    return pc.take(strings([name_digits(text) for text in encoded.dictionary.to_pylist()]), encoded.indices)


def _number(table: pa.Table, name: str) -> pa.Array:
    """An element without the word for its kind."""
    return pc.replace_substring_regex(_column(table, name), _KIND, "")
