"""From rows of the outbox to `Change`, with what a connector needs beside them: golden values and our own last writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from schemas.records import Change, FieldChange
from warehouse.tables import METADATA, PUSHED
from warehouse.tables.steps import UNANSWERED

_NOT_VALUES = {"master_id", "provenance", "version", "run_id"}

Shadow = Mapping[tuple[str, str, str, str, str], str | None]
"""(system, record key, entity, role, field) -> the value that we wrote last."""


def awaited(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the SQL that a row of the outbox was accepted and its answer is still to come."""
    return sa.and_(row.c.state == "sent", sa.func.coalesce(row.c.code, "").not_in(UNANSWERED))


def change_of(row: sa.RowMapping, golden: Mapping[str, Mapping[str, str]] = {}, shadow: Shadow = {}) -> Change:  # noqa: B006 - read only
    """Return the change that a row asks for, without the fields that were kept back when it was sent."""
    record = (row["system_id"], row["record_key"] or "", row["entity_type"], row["role"])
    return Change(
        change_id=str(row["change_id"]),
        system_id=row["system_id"],
        dataset=row["dataset"],
        entity_type=row["entity_type"],
        role=row["role"],
        operation=row["operation"],
        record_key=row["record_key"],
        changes=tuple(
            FieldChange(c["field"], c["old"], c["new"], shadow.get((*record, c["field"])))
            for c in row["changes"]
            if c["field"] not in (row["withheld"] or ())
        ),
        key=row["idempotency_key"],
        base_version=row["base_version"],
        current=golden.get(row["master_id"], {}),
    )


def golden_of(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> dict[str, dict[str, str]]:
    """Return the golden values of the entities of these rows: a template or a form wants whole records."""
    values: dict[str, dict[str, str]] = {}
    for entity_type in {row["entity_type"] for row in rows}:
        table = METADATA.tables[entity_type]
        columns = [c for c in table.c if c.name not in _NOT_VALUES]
        ids = [row["master_id"] for row in rows if row["entity_type"] == entity_type]
        found = connection.execute(sa.select(table.c.master_id, *columns).where(table.c.master_id.in_(ids)))
        for record in found.mappings():
            values[record["master_id"]] = {c.name: str(record[c.name]) for c in columns if record[c.name] is not None}
    return values


def shadow_of(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> Shadow:
    """Return what we ourselves wrote last to the fields of these rows' records."""
    keys = sorted({row["record_key"] for row in rows if row["record_key"]})
    if not keys:
        return {}
    query = sa.select(PUSHED).where(PUSHED.c.system_id == rows[0]["system_id"], PUSHED.c.record_key.in_(keys))
    return {
        (r["system_id"], r["record_key"], r["entity_type"], r["role"], r["field"]): r["value"]
        for r in connection.execute(query).mappings()
    }
