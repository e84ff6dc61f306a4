"""Sealing anew what lies in the master (重新加密): after a rotation, and in a master that lay in clear.

One transaction: either every value that can be changed is sealed by the active keys or none is. Ledgers that are only added to
(`golden_history`) stay as they were written; the ring keeps their keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from schemas.entities import ENTITIES
from warehouse.seals.values import BLIND, MARK, Seals, sealed_fields
from warehouse.search_keys import BLINDED

AT_ONCE: Final = 20_000
"""Rows worked on at a time, to bound memory."""

Row = Mapping[str, Any]
Sealing = Callable[[Seals, Row], str | None]
"""From a row to its value sealed anew, None where it stays."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where values lie that are sealed.

    Attributes:
        table: the table.
        column: the column with the value.
        key: the columns that name a row.
        beside: more columns that the sealing needs.
        where: SQL of the rows that may hold one.
        sealed: from a row to its value sealed anew.
        kind: `jsonb` where the column is JSON.
    """

    table: str
    column: str
    key: tuple[str, ...]
    sealed: Sealing
    beside: tuple[str, ...] = ()
    where: str = "true"
    kind: str = "text"


def places() -> Iterator[Place]:
    """Return every place, the golden records first."""
    for entity_type in ENTITIES:
        for field in sealed_fields(entity_type):
            yield Place(
                entity_type,
                field.name,
                ("master_id",),
                _golden(entity_type, field.name),
                where=f'"{field.name}" IS NOT NULL',
            )
    names = ", ".join(f"'{n}'" for n in sorted({f.name for e in ENTITIES for f in sealed_fields(e)}))
    fact, of = f"field IN ({names}) AND value IS NOT NULL", ("entity_type", "master_id", "field")
    yield Place("entry", "value", ("entry_id",), _fact, of, fact)
    yield Place("ticket", "value", ("ticket_id",), _fact, of, fact)
    yield Place("candidate", "value", ("ctid",), _fact, of, fact)
    yield Place("outbox", "changes", ("change_id",), _changes, ("entity_type", "master_id"), kind="jsonb")
    yield Place(
        "outbox",
        "detail",
        ("change_id",),
        _detail,
        ("entity_type", "changes"),
        where="detail IS NOT NULL",
        kind="jsonb",
    )
    pushed = "(SELECT c.master_id FROM crosswalk c WHERE c.system_id = t.system_id AND c.record_key = t.record_key AND c.entity_type = t.entity_type AND c.role = t.role) AS master_id"
    yield Place("pushed", "value", ("ctid",), _fact, ("entity_type", "field", pushed), fact)
    kinds = ", ".join(f"'{k}'" for k in BLINDED)
    yield Place("search_key", "key", ("ctid",), _key, where=f"kind IN ({kinds}) AND left(key, 1) <> '{BLIND}'")


def rewrite(dsn: str, seals: Seals, *, dry_run: bool = False) -> dict[str, int]:
    """Seal every value anew that is not sealed by the active key of its compartment; return table -> values.

    Writers of these tables wait meanwhile; readers do not.
    """
    done: dict[str, int] = {}
    with psycopg.connect(dsn) as connection:
        connection.execute("SET LOCAL lock_timeout = '60s'")
        for table in dict.fromkeys(p.table for p in places()):
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(sql.Identifier(table)))
        for number, place in enumerate(places()):
            if count := _anew(connection, seals, place, f"sealed_{number}"):
                done[place.table] = done.get(place.table, 0) + count
        if dry_run:
            connection.rollback()
    return done


def _anew(connection: psycopg.Connection[Any], seals: Seals, place: Place, temporary: str) -> int:
    names = [*place.key, place.column, *(b.rpartition(" AS ")[2] for b in place.beside)]
    columns = ", ".join(f't."{k}"::text' for k in place.key)
    beside = "".join(f", {b}" for b in place.beside)
    made = ", ".join(f'"k_{k}" text' for k in place.key)
    connection.execute(f"CREATE TEMP TABLE {temporary} ({made}, fresh text) ON COMMIT DROP".encode())
    rows = 0
    with connection.cursor(name=f"read_{temporary}") as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(
            f'SELECT {columns}, t."{place.column}"::text{beside} FROM "{place.table}" t WHERE {place.where}'.encode()
        )
        while batch := cursor.fetchmany(AT_ONCE):
            rows += _put(connection, temporary, list(_fresh(seals, place, names, batch)))
    if rows:
        same = " AND ".join(f't."{k}" = n."k_{k}"::{_type(k)}' for k in place.key)
        connection.execute(f"ANALYZE {temporary}".encode())
        connection.execute(
            f'UPDATE "{place.table}" t SET "{place.column}" = n.fresh::{place.kind} FROM {temporary} n WHERE {same}'.encode()
        )
    return rows


def _type(key: str) -> str:
    return {"ctid": "tid", "change_id": "bigint", "ticket_id": "bigint"}.get(key, "uuid")


def _fresh(
    seals: Seals, place: Place, names: Sequence[str], batch: Sequence[Sequence[Any]]
) -> Iterator[tuple[str, ...]]:
    for values in batch:
        row = dict(zip(names, values, strict=True))
        anew = place.sealed(seals, row)
        if anew is not None and anew != row[place.column]:
            yield (*values[: len(place.key)], anew)


def _put(connection: psycopg.Connection[Any], temporary: str, rows: Sequence[Sequence[str]]) -> int:
    with connection.cursor() as cursor, cursor.copy(f"COPY {temporary} FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)
    return len(rows)


def _golden(entity_type: Any, name: str) -> Sealing:
    return lambda seals, row: seals.value(entity_type, name, row["master_id"], seals.open(row[name]))


def _fact(seals: Seals, row: Row) -> str | None:
    """A value whose record has no master any more (`pushed` of a record that is gone) stays: it names its key itself."""
    if row["master_id"] is None or row["field"] not in ENTITIES[row["entity_type"]].names:
        return None
    value = row.get("value")
    return (
        None
        if value is None
        else seals.value(row["entity_type"], row["field"], str(row["master_id"]), seals.open(value))
    )


def _changes(seals: Seals, row: Row) -> str | None:
    told = json.loads(row["changes"])
    opened = [{k: seals.open(v) if isinstance(v, str) else v for k, v in c.items()} for c in told]
    anew = seals.changes(row["entity_type"], str(row["master_id"]), opened)
    return None if anew == told else json.dumps(anew, ensure_ascii=False)


def _detail(seals: Seals, row: Row) -> str | None:
    told, entity = json.loads(row["detail"]), ENTITIES[row["entity_type"]]
    fields = [entity.field(c["field"]) for c in row["changes"]]
    about = f"detail|{row['change_id']}"
    anew = [[label, v if v is None else seals.secret(seals.open(v), about, fields)] for label, v in told]
    return None if anew == told else json.dumps(anew, ensure_ascii=False)


def _key(seals: Seals, row: Row) -> str | None:
    return None if row["key"].startswith(MARK) else seals.blind(row["key"])
