"""Raw rows: everything a source delivers becomes text in an Arrow table, before anyone interprets it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa

from schemas.records import PLACE, REJECT_SCHEMA


def text(value: object) -> str | None:
    """Return a database or spreadsheet value as text: ISO times, shortest numbers, `true`/`false`, NULL for None."""
    if value is None:
        return None
    if isinstance(value, str):  # half a character (a lone surrogate of JSON) becomes `?`, which no name may hold
        return value.encode("utf-8", "replace").decode("utf-8")
    for kind, spell in _SPELLINGS:
        if isinstance(value, kind):
            return spell(value)
    return str(value)


def _moment(value: datetime) -> str:
    """A date cell is a datetime at midnight."""
    return value.date().isoformat() if value.time() == time.min else value.replace(tzinfo=None).isoformat(sep=" ")


_SPELLINGS: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
    (bool, lambda v: "true" if v else "false"),  # before int, datetime before date: they are subclasses
    (datetime, _moment),
    ((date, time), lambda v: v.isoformat()),
    (float, lambda v: str(int(v)) if v.is_integer() else repr(v)),
    (Decimal, lambda v: format(v.normalize(), "f")),
    (bytes, lambda v: v.hex()),
)


def texts(values: Sequence[object]) -> pa.StringArray:
    """Return a column of values as text; columns that are text already are taken as they are."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowTypeError, pa.ArrowInvalid, UnicodeEncodeError):
        return pa.array([text(v) for v in values], pa.string())


def table(columns: Mapping[str, pa.Array], places: pa.Array) -> pa.Table:
    """Return a page's table: the columns and `_place`."""
    return pa.table({**columns, PLACE: places})


def drop_repeats(rows: pa.Table) -> tuple[pa.Table, int]:
    """Drop rows that the channel delivered again, and say how many.

    The last of several identical rows stays: between them the record may have had another value and got the first back.
    """
    names = [name for name in rows.column_names if name != PLACE]
    plain = [str(i) for i in range(len(names))]  # a source may call a column whatever it likes
    numbered = rows.select(names).rename_columns(plain).append_column("row", pa.array(range(rows.num_rows), pa.int64()))
    kept = numbered.group_by(plain).aggregate([("row", "max")]).column("row_max")
    if len(kept) == rows.num_rows:
        return rows, 0
    return rows.take(kept.sort()), rows.num_rows - len(kept)


def empty(columns: Sequence[str]) -> pa.Table:
    """Return a page's table without rows."""
    return pa.schema([(name, pa.string()) for name in (*columns, PLACE)]).empty_table()


def rejects(found: Sequence[Mapping[str, str | None]], system: str, dataset: str) -> pa.Table:
    """Return a reject table from the few rows that a reader refused; keys not given are NULL."""
    rows = [{"system_id": system, "dataset": dataset, **one} for one in found]
    return pa.Table.from_pylist([{name: row.get(name) for name in REJECT_SCHEMA.names} for row in rows], REJECT_SCHEMA)
