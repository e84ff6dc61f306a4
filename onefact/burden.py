"""Burden (减负): what people typed once, and how many fields of how many systems were filled from it without typing.

Everything comes from PostgreSQL: an entry is what somebody typed, a change that was written is what nobody had to type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from onefact.home import Home

_WRITTEN = "state IN ('verified', 'sent')"
"""Changes that a system has taken."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month (`2026-11`): facts typed, fields written into systems by machine, fields still typed by hand from a list."""

    month: str
    typed: int
    written: int
    by_hand: int


@dataclass(frozen=True, slots=True)
class Worker:
    """One person: facts typed, and fields in systems that these facts filled."""

    actor: str
    typed: int
    carried: int


@dataclass(frozen=True, slots=True)
class Burden:
    """The meter: by month (oldest first), by person (most typed first), by system (fields written by machine)."""

    months: tuple[Month, ...]
    workers: tuple[Worker, ...]
    systems: Mapping[str, int]

    @property
    def typed(self) -> int:
        """Facts typed in all."""
        return sum(m.typed for m in self.months)

    @property
    def written(self) -> int:
        """Fields written by machine in all."""
        return sum(m.written for m in self.months)

    @property
    def by_hand(self) -> int:
        """Fields that wait to be typed from a prepared list."""
        return sum(m.by_hand for m in self.months)


_TYPED = "SELECT left(entered_at, 7) AS month, count(*) AS n FROM entry GROUP BY 1"

_FIELDS = f"""
SELECT to_char(created_at, 'YYYY-MM') AS month, sum(jsonb_array_length(changes)) FILTER (WHERE {_WRITTEN}) AS written,
       sum(jsonb_array_length(changes)) FILTER (WHERE state = 'awaiting_person') AS by_hand FROM outbox GROUP BY 1
"""

_WORKERS = f"""
SELECT e.actor, count(DISTINCT e.entry_id) AS typed, count(o.change_id) AS carried FROM entry e
LEFT JOIN outbox o ON o.master_id = e.master_id AND {_WRITTEN}
     AND o.changes @> jsonb_build_array(jsonb_build_object('field', e.field, 'new', e.value))
GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 200
"""

_SYSTEMS = f"SELECT system_id, sum(jsonb_array_length(changes)) FROM outbox WHERE {_WRITTEN} GROUP BY 1 ORDER BY 2 DESC"


def burden(home: Home, months: int = 12) -> Burden:
    """Return the meter of an installation."""
    with home.engine.connect() as connection:
        typed = {r.month: int(r.n) for r in connection.execute(sa.text(_TYPED))}
        fields = {r.month: (int(r.written or 0), int(r.by_hand or 0)) for r in connection.execute(sa.text(_FIELDS))}
        workers = tuple(Worker(r.actor, int(r.typed), int(r.carried)) for r in connection.execute(sa.text(_WORKERS)))
        systems = {r[0]: int(r[1]) for r in connection.execute(sa.text(_SYSTEMS))}
    known = sorted({*typed, *fields})[-months:]
    return Burden(tuple(Month(m, typed.get(m, 0), *fields.get(m, (0, 0))) for m in known), workers, systems)
