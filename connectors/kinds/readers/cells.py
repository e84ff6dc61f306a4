"""Typed values (Excel cells, JSON, Parquet columns) → the text that stands for them everywhere else."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from connectors.raw import text, texts


def cell_text(value: object) -> str | None:
    """Return a single value as text: whole numbers without point, dates in ISO, NULL for an empty cell."""
    return None if value == "" else text(value)


def number_text(number: str) -> str:
    """The shortest text of a decimal number as written in JSON: `12`, `12.5`."""
    return text(float(number)) or ""


def column_text(array: pa.Array) -> pa.StringArray:
    """A column of any Arrow type as text, by the same rules as `cell_text`."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return column_text(array.dictionary_decode())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        array = array.cast(pa.string())
        return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        coded = array.dictionary_encode()
        return texts(coded.dictionary.to_pylist()).take(coded.indices)
    if pa.types.is_timestamp(kind):
        return _moments(array)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return texts(array.to_pylist())
    return array.cast(pa.string())


def _moments(array: pa.Array) -> pa.StringArray:
    local = pc.local_timestamp(pc.assume_timezone(array, "UTC")) if array.type.tz is None else pc.local_timestamp(array)
    written = pc.strftime(local.cast(pa.timestamp("s"), safe=False), "%Y-%m-%d %H:%M:%S")
    return pc.replace_substring_regex(written, " 00:00:00$", "")
