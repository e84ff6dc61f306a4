"""Parses columns of addresses: each distinct text is read once, whatever the length of the column."""

from collections.abc import Sequence
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from schemas.address.arrays import strings
from schemas.address.elements import COLUMNS, floor_of_room
from schemas.address.shapes import read_columns
from schemas.address.text import normal_texts

SCHEMA = pa.schema([pa.field(name, pa.string()) for name in COLUMNS])
"""Thirteen nullable strings: see `COLUMNS`."""

Texts: TypeAlias = Sequence[str | None] | pa.Array | pa.ChunkedArray


def parse(texts: Texts) -> pa.Table:
    """Splits addresses (地址) into their elements, one row for each text, in order.

    Why by distinct text: registers repeat addresses (a household, a building's shops), so the column is dictionary
    encoded and only its distinct texts are read. Columns are those of `COLUMNS`, strings in normal form, NULL where
    the text does not name the element; nothing is inferred except the floor, which a room number of three or more
    digits tells when a building or unit stands before it.

    Raises:
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError: if the texts are not strings.
    """
    column = texts if isinstance(texts, (pa.Array, pa.ChunkedArray)) else strings(list(texts))
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else strings([])
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    encoded = column.cast(pa.string()).dictionary_encode()
    columns = read_columns(normal_texts(encoded.dictionary.to_pylist()))
    at = COLUMNS.index("floor")
    columns[at] = _with_floor_of_room(columns)
    if len(encoded.dictionary) < len(encoded):
        columns = [values.take(encoded.indices) for values in columns]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _with_floor_of_room(columns: list[pa.Array]) -> pa.Array:
    """The floor, taken from the room where the text did not say it but says the building or unit."""
    building, unit, floor, room = (columns[COLUMNS.index(name)] for name in ("building", "unit", "floor", "room"))
    inside = pc.or_(pc.is_valid(building), pc.is_valid(unit))
    rooms = room.dictionary_encode()
    told = strings([floor_of_room(text) for text in rooms.dictionary.to_pylist()]).take(rooms.indices)
    return pc.coalesce(floor, pc.if_else(inside, told, pa.nulls(len(told), pa.string())))
