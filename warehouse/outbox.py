"""The outbox (发件箱): claiming planned changes, settling their outcomes, and the shadow of what was pushed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from schemas.records import Change, FieldChange, Outcome
from warehouse.tables import DECISION, METADATA, OUTBOX, PUSHED


@contextmanager
def _begin(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.begin() as connection:
        yield connection


def waiting(engine: sa.Engine) -> dict[str, int]:
    """Return how many planned changes each system has waiting."""
    query = (
        sa.select(OUTBOX.c.system_id, sa.func.count()).where(OUTBOX.c.state == "planned").group_by(OUTBOX.c.system_id)
    )
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query.order_by(OUTBOX.c.system_id))}


def unanswered(engine: sa.Engine) -> dict[str, int]:
    """Return how many changes of each system were accepted and are not verified yet."""
    query = (
        sa.select(OUTBOX.c.system_id, sa.func.count())
        .where(OUTBOX.c.state == "sent", OUTBOX.c.code.is_distinct_from("exported"))
        .group_by(OUTBOX.c.system_id)
    )
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def in_state(engine: sa.Engine, system_id: str, state: str) -> list[tuple[Change, str | None]]:
    """Return a system's changes in a state with their receipts, oldest first."""
    query = (
        sa.select(OUTBOX).where(OUTBOX.c.system_id == system_id, OUTBOX.c.state == state).order_by(OUTBOX.c.change_id)
    )
    with engine.connect() as connection:
        return [(_change(row, {}), row["receipt"]) for row in connection.execute(query).mappings()]


def claim(engine: sa.Engine, system_id: str, limit: int) -> list[Change]:
    """Take up to `limit` planned changes of a system, oldest first; several pushers may run at once.

    `FOR UPDATE SKIP LOCKED` keeps two pushers from taking the same row; a claimed row is `pending` until it is settled.
    """
    chosen = (
        sa.select(OUTBOX.c.change_id)
        .where(OUTBOX.c.system_id == system_id, OUTBOX.c.state == "planned")
        .order_by(OUTBOX.c.change_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    take = (
        sa.update(OUTBOX)
        .where(OUTBOX.c.change_id.in_(chosen))
        .values(state="pending", attempts=OUTBOX.c.attempts + 1)
        .returning(OUTBOX)
    )
    with _begin(engine) as connection:
        rows = connection.execute(take).mappings().all()
        rows = sorted(rows, key=lambda r: r["change_id"])
        current = _golden(connection, rows)
    return [_change(row, current) for row in rows]


def peek(engine: sa.Engine, system_ids: Sequence[str] | None = None, limit: int = 1_000_000) -> list[Change]:
    """Return planned changes without taking them (for `push --dry-run`)."""
    query = sa.select(OUTBOX).where(OUTBOX.c.state == "planned").order_by(OUTBOX.c.change_id).limit(limit)
    if system_ids:
        query = query.where(OUTBOX.c.system_id.in_(system_ids))
    with engine.connect() as connection:
        return [_change(row, {}) for row in connection.execute(query).mappings()]


def _golden(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> dict[str, dict[str, str]]:
    """Return the golden values of the entities of these rows: a template or a form wants whole records."""
    values: dict[str, dict[str, str]] = {}
    for entity_type in {row["entity_type"] for row in rows}:
        table = METADATA.tables[entity_type]
        skip = {"master_id", "provenance", "version", "run_id"}
        columns = [c for c in table.c if c.name not in skip]
        ids = [row["master_id"] for row in rows if row["entity_type"] == entity_type]
        for record in connection.execute(
            sa.select(table.c.master_id, *columns).where(table.c.master_id.in_(ids))
        ).mappings():
            values[record["master_id"]] = {c.name: str(record[c.name]) for c in columns if record[c.name] is not None}
    return values


def _change(row: sa.RowMapping, current: Mapping[str, Mapping[str, str]]) -> Change:
    return Change(
        change_id=str(row["change_id"]),
        system_id=row["system_id"],
        dataset=row["dataset"],
        entity_type=row["entity_type"],
        role=row["role"],
        operation=row["operation"],
        record_key=row["record_key"],
        changes=tuple(FieldChange(c["field"], c["old"], c["new"]) for c in row["changes"]),
        key=row["idempotency_key"],
        base_version=row["base_version"],
        current=current.get(row["master_id"], {}),
    )


def settle(engine: sa.Engine, changes: Sequence[Change], outcomes: Sequence[Outcome]) -> None:
    """Record outcomes; remember what was written, so that it is known as an echo when it comes back.

    A created record's key becomes a decision: we know who it is, no rule needs to find out.
    """
    by_id = {change.change_id: change for change in changes}
    with _begin(engine) as connection:
        for outcome in outcomes:
            connection.execute(
                sa.update(OUTBOX)
                .where(OUTBOX.c.change_id == int(outcome.change_id))
                .values(
                    state=outcome.state,
                    code=outcome.code,
                    message=outcome.message or None,
                    receipt=outcome.receipt,
                    detail=json.loads(json.dumps(list(outcome.detail))) if outcome.detail else None,
                    settled_at=sa.func.now(),
                    record_key=sa.func.coalesce(OUTBOX.c.record_key, outcome.record_key),
                )
            )
        _remember(connection, [(by_id[o.change_id], o) for o in outcomes if o.state in {"verified", "sent"}])


def _remember(connection: sa.Connection, written: Sequence[tuple[Change, Outcome]]) -> None:
    shadow: dict[tuple[str, ...], dict[str, Any]] = {}
    decisions: dict[tuple[str, ...], dict[str, Any]] = {}
    for change, outcome in written:
        key = change.record_key or outcome.record_key
        if key is None:
            continue
        base = {
            "system_id": change.system_id,
            "record_key": key,
            "entity_type": change.entity_type,
            "role": change.role,
        }
        for item in change.changes:
            shadow[(*base.values(), item.field)] = {**base, "field": item.field, "value": item.new}
        if change.operation == "create":
            decisions[tuple(base.values())] = {**base, "change_id": int(change.change_id)}
    if shadow:
        statement = insert(PUSHED).values(list(shadow.values()))
        connection.execute(
            statement.on_conflict_do_update(constraint=PUSHED.primary_key, set_={"value": statement.excluded.value})
        )
    for row in decisions.values():
        change_id = row.pop("change_id")
        master = sa.select(OUTBOX.c.master_id).where(OUTBOX.c.change_id == change_id).scalar_subquery()
        statement = insert(DECISION).values(**row, master_id=master, reason="created")
        connection.execute(statement.on_conflict_do_nothing())


def states(engine: sa.Engine, run_ids: Sequence[str] | None = None) -> list[Mapping[str, Any]]:
    """Return counts by system, state and code: every change counted exactly once."""
    query = (
        sa.select(OUTBOX.c.system_id, OUTBOX.c.state, OUTBOX.c.code, sa.func.count().label("n"))
        .group_by(OUTBOX.c.system_id, OUTBOX.c.state, OUTBOX.c.code)
        .order_by(OUTBOX.c.system_id, OUTBOX.c.state, OUTBOX.c.code)
    )
    if run_ids is not None:
        query = query.where(OUTBOX.c.run_id.in_(run_ids))
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]
