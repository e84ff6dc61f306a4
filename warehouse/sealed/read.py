"""Reading the log: the newest acts, and who has seen somebody (谁看过)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from warehouse.sealed.chain import ALL, stamp
from warehouse.tables.sealed import SEALED_LOG

READINGS = ("read", "export", "sample")
"""Acts that show personal data to somebody."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """One row of the log, taken apart; `at` is in UTC."""

    seq: int
    at: str
    actor: str
    act: str
    subject_type: str
    subjects: tuple[str, ...]
    purpose: str
    count: int
    detail: dict[str, Any]
    outcome: str
    via: str
    hash: str


def entries(
    connection: sa.Connection,
    *,
    actor: str | None = None,
    act: str | Sequence[str] | None = None,
    subject: str | None = None,
    since: str | None = None,
    until: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[Sealed]:
    """Return rows, newest first.

    Args:
        connection: to the master.
        actor: only theirs.
        act: only this kind, or one of these.
        subject: only what names this subject.
        since: from this time on (ISO, UTC; a prefix is enough: `2026-11`).
        until: before this time.
        before: only rows before this number (the next page).
        limit: rows at most.
    """
    c = SEALED_LOG.c
    where: list[sa.ColumnElement[bool]] = []
    if actor is not None:
        where.append(c.actor == actor)
    if act is not None:
        where.append(c.act.in_([act] if isinstance(act, str) else list(act)))
    if subject is not None:
        where.append(c.subjects.contains([subject]))
    if since is not None:
        where.append(c.at >= since)
    if until is not None:
        where.append(c.at < until)
    if before is not None:
        where.append(c.seq < before)
    return _rows(connection, sa.select(c.seq, c.hash, c.body).where(*where).order_by(c.seq.desc()).limit(limit))


def seen_by(
    connection: sa.Connection, subject_type: str, ids: Iterable[str], limit: int = 100, until: datetime | None = None
) -> list[Sealed]:
    """Return who has seen somebody, newest first: readings that name one of the ids, and those of everything of the type.

    Args:
        connection: to the master.
        subject_type: `person`, `house`, `organisation`, `address`.
        ids: the master id and those that were merged into it.
        limit: rows at most.
        until: only what had been read by then.
    """
    c = SEALED_LOG.c
    named = sa.or_(*(c.subjects.contains([i]) for i in ids))
    everything = sa.and_(c.subject_type == subject_type, c.subjects.contains([ALL]))
    query = sa.select(c.seq, c.hash, c.body).where(c.act.in_(READINGS), sa.or_(named, everything))
    if until is not None:
        query = query.where(c.at <= stamp(until))
    return _rows(connection, query.order_by(c.seq.desc()).limit(limit))


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[Sealed]:
    found = []
    for seq, digest, body in connection.execute(query):
        told = json.loads(body)
        told.pop("seq", None)
        found.append(Sealed(seq=seq, hash=bytes(digest).hex(), **(told | {"subjects": tuple(told["subjects"])})))
    return found
