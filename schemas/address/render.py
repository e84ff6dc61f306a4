"""Writes elements back as one line: the full address text (地址全称)."""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.arrays import joined, strings
from schemas.address.elements import floor_of_room

_PLACES: Final = ("district", "street", "community", "road", "road_no", "compound", "building", "unit")


def render(table: pa.Table) -> pa.Array:
    """Joins the elements of each row from the largest to the smallest; NULL where no element is known.

    Why not simply all columns: a municipality is named once (北京市, not 北京市北京市), and a floor which the room
    number tells anyway (15层 of 1502室) is left out, as people write addresses. A door plate without a road stands
    behind the place it belongs to where a building follows (丁家桥26号4栋). Notes are no part of an address.

    Raises:
        KeyError: if a column of `COLUMNS` is missing.
    """
    room, floor = _column(table, "room"), _column(table, "floor")
    told = _floors(room)
    place = pc.or_kleene(pc.is_valid(_column(table, "building")), pc.is_valid(_column(table, "unit")))
    redundant = _true(pc.and_(pc.equal(floor, told), place))
    city, province = _column(table, "city"), _column(table, "province")
    same = _true(pc.equal(city, province))
    nothing = pa.nulls(table.num_rows, pa.string())
    said = [pc.is_valid(_column(table, name)) for name in ("road_no", "compound", "building")]
    behind = pc.and_(pc.is_null(_column(table, "road")), pc.and_(pc.and_(said[0], said[1]), said[2]))
    plate, compound = _column(table, "road_no"), _column(table, "compound")
    places = {name: _column(table, name) for name in _PLACES}
    places["road_no"] = pc.if_else(behind, compound, plate)
    places["compound"] = pc.if_else(behind, plate, compound)
    parts = [
        province,
        pc.if_else(same, nothing, city),
        *places.values(),
        pc.if_else(redundant, nothing, floor),
        room,
    ]
    text = joined(parts)
    return pc.if_else(pc.equal(text, strings([""])[0]), nothing, text)


def _column(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name).combine_chunks()
    return pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column


def _true(truth: pa.Array) -> pa.Array:
    """The truth values, the unknown ones false."""
    return pc.and_kleene(pc.is_valid(truth), truth)


def _floors(rooms: pa.Array) -> pa.Array:
    """The floor each room tells, worked out once for each distinct room."""
    encoded = rooms.dictionary_encode()
    told = strings([floor_of_room(room) for room in encoded.dictionary.to_pylist()])
    return pc.take(told, encoded.indices)
