"""Looking at the outbox: what waits, what was sent, how often each outcome came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from schemas.model import EntityType
from schemas.records import Change
from warehouse.outbox.changes import awaited, change_of
from warehouse.tables import DELIVERY, OUTBOX


@dataclass(frozen=True, slots=True)
class Row:
    """One change as a person looks at it; `fields` are names only, values stand in `changes`."""

    change_id: int
    system_id: str
    dataset: str
    record_key: str | None
    entity_type: EntityType
    role: str
    master_id: str
    operation: str
    fields: tuple[str, ...]
    changes: tuple[Mapping[str, str | None], ...]
    state: str
    code: str | None
    message: str | None
    receipt: str | None
    attempts: int
    created_at: datetime
    settled_at: datetime | None
    next_try_at: datetime | None
    due_at: datetime | None
    detail: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a change, as `delivery` keeps it."""

    at: datetime
    attempt: int
    before: str | None
    state: str
    code: str | None
    message: str | None
    receipt: str | None
    answer_sha256: str | None
    run_id: str | None
    actor: str | None


def waiting(engine: sa.Engine) -> dict[str, int]:
    """Return how many changes of each system could be taken up now: planned and due, or doubtful."""
    due = sa.or_(OUTBOX.c.next_try_at.is_(None), OUTBOX.c.next_try_at <= sa.func.now())
    free = sa.or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until <= sa.func.now())
    doubtful = sa.and_(OUTBOX.c.state.in_(("pending", "no_answer")), free)
    query = sa.select(OUTBOX.c.system_id, sa.func.count()).where(due, sa.or_(OUTBOX.c.state == "planned", doubtful))
    with engine.connect() as connection:
        found = connection.execute(query.group_by(OUTBOX.c.system_id).order_by(OUTBOX.c.system_id))
        return {row[0]: row[1] for row in found}


def next_due(engine: sa.Engine) -> float | None:
    """Return in how many seconds the next change that now waits could be taken up; None when none waits."""
    moment = sa.func.greatest(OUTBOX.c.next_try_at, OUTBOX.c.lease_until)
    query = sa.select(sa.func.extract("epoch", sa.func.min(moment) - sa.func.now())).where(
        OUTBOX.c.state.in_(("planned", "pending", "no_answer")), moment > sa.func.now()
    )
    with engine.connect() as connection:
        seconds = connection.execute(query).scalar()
    return None if seconds is None else max(float(seconds), 0.0)


def last_sent(engine: sa.Engine) -> float | None:
    """Return how many seconds ago the last of the changes was accepted that still wait for an answer; None if none does."""
    query = sa.select(sa.func.extract("epoch", sa.func.now() - sa.func.max(OUTBOX.c.settled_at))).where(awaited(OUTBOX))
    with engine.connect() as connection:
        seconds = connection.execute(query).scalar()
    return None if seconds is None else max(float(seconds), 0.0)


def unanswered(engine: sa.Engine) -> dict[str, int]:
    """Return how many changes of each system were accepted and are not verified yet."""
    query = sa.select(OUTBOX.c.system_id, sa.func.count()).where(awaited(OUTBOX)).group_by(OUTBOX.c.system_id)
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change that somebody has to answer: the target (`sent`) or a person (`awaiting_person`)."""

    change: Change
    receipt: str | None
    attempts: int


def in_state(engine: sa.Engine, system_id: str, state: str) -> list[Waiting]:
    """Return a system's changes in a state, oldest first."""
    query = (
        sa.select(OUTBOX).where(OUTBOX.c.system_id == system_id, OUTBOX.c.state == state).order_by(OUTBOX.c.change_id)
    )
    with engine.connect() as connection:
        found = connection.execute(query).mappings()
        return [Waiting(change_of(row), row["receipt"], row["attempts"]) for row in found]


def peek(engine: sa.Engine, system_ids: Sequence[str] | None = None, limit: int = 1_000_000) -> list[Change]:
    """Return planned changes without taking them (for `push --dry-run`)."""
    query = sa.select(OUTBOX).where(OUTBOX.c.state == "planned").order_by(OUTBOX.c.change_id).limit(limit)
    if system_ids:
        query = query.where(OUTBOX.c.system_id.in_(system_ids))
    with engine.connect() as connection:
        return [change_of(row) for row in connection.execute(query).mappings()]


def rows(
    engine: sa.Engine,
    system_ids: Sequence[str] | None = None,
    in_states: Sequence[str] | None = None,
    limit: int = 50,
) -> list[Row]:
    """Return changes, the newest first: by their numbers, which are in the order of planning and need no sorting."""
    query = sa.select(OUTBOX).order_by(OUTBOX.c.change_id.desc()).limit(limit)
    if system_ids:
        query = query.where(OUTBOX.c.system_id.in_(system_ids))
    if in_states:
        query = query.where(OUTBOX.c.state.in_(in_states))
    with engine.connect() as connection:
        return [_row(r) for r in connection.execute(query).mappings()]


def find(engine: sa.Engine, change_id: int) -> Row | None:
    """Return one change."""
    with engine.connect() as connection:
        found = connection.execute(sa.select(OUTBOX).where(OUTBOX.c.change_id == change_id)).mappings().first()
    return None if found is None else _row(found)


def named(engine: sa.Engine, change_ids: Sequence[int]) -> list[Row]:
    """Return these changes."""
    which = OUTBOX.c.change_id == sa.any_(sa.literal(list(change_ids), ARRAY(sa.BigInteger)))
    with engine.connect() as connection:
        return [_row(r) for r in connection.execute(sa.select(OUTBOX).where(which)).mappings()]


def overdue(engine: sa.Engine, now: datetime) -> list[Row]:
    """Return sent changes whose answer should have come by now, longest overdue first."""
    query = sa.select(OUTBOX).where(awaited(OUTBOX), OUTBOX.c.due_at < now).order_by(OUTBOX.c.due_at)
    with engine.connect() as connection:
        return [_row(r) for r in connection.execute(query).mappings()]


def steps(engine: sa.Engine, change_id: int) -> list[Step]:
    """Return every step of a change, in order."""
    query = sa.select(DELIVERY).where(DELIVERY.c.change_id == change_id).order_by(DELIVERY.c.delivery_id)
    names = ("at", "attempt", "before", "state", "code", "message", "receipt", "answer_sha256", "run_id", "actor")
    with engine.connect() as connection:
        return [Step(**{n: r[n] for n in names}) for r in connection.execute(query).mappings()]


def states(engine: sa.Engine) -> list[Mapping[str, Any]]:
    """Return counts by system, state and code: every change counted exactly once."""
    keys = (OUTBOX.c.system_id, OUTBOX.c.state, OUTBOX.c.code)
    query = sa.select(*keys, sa.func.count().label("n")).group_by(*keys).order_by(*keys)
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def of_run(engine: sa.Engine, run_id: str) -> list[Mapping[str, Any]]:
    """Return how often each outcome came in a run, by system: every change counted once, by its last step in it."""
    last = (
        sa.select(DELIVERY.c.change_id, DELIVERY.c.state, DELIVERY.c.code)
        .where(DELIVERY.c.run_id == run_id)
        .distinct(DELIVERY.c.change_id)
        .order_by(DELIVERY.c.change_id, DELIVERY.c.delivery_id.desc())
        .subquery()
    )
    keys = (OUTBOX.c.system_id, last.c.state, last.c.code)
    query = (
        sa.select(*keys, sa.func.count().label("n"))
        .join(last, last.c.change_id == OUTBOX.c.change_id)
        .group_by(*keys)
        .order_by(*keys)
    )
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def _row(row: sa.RowMapping) -> Row:
    return Row(
        change_id=row["change_id"],
        system_id=row["system_id"],
        dataset=row["dataset"],
        record_key=row["record_key"],
        entity_type=row["entity_type"],
        role=row["role"],
        master_id=row["master_id"],
        operation=row["operation"],
        fields=tuple(c["field"] for c in row["changes"]),
        changes=tuple(row["changes"]),
        state=row["state"],
        code=row["code"],
        message=row["message"],
        receipt=row["receipt"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        settled_at=row["settled_at"],
        next_try_at=row["next_try_at"],
        due_at=row["due_at"],
        detail=tuple((label, value) for label, value in row["detail"] or ()),
    )
