"""The burden in a period (填报负担): fields that the systems would have asked for, against fields that were entered.

A fact that a worker enters once is a field that each system which got it would have asked somebody to type: the changes of the
outbox say which systems those are, so nothing is assumed. A form without authorised automation is still typed by a person
(assisted entry): those fields are counted apart and are not saved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from onefact.home import Home
from onefact.report.period.span import Period

LAST = """
CROSS JOIN LATERAL (SELECT d.state, d.code, d.receipt FROM delivery d WHERE d.change_id = o.change_id AND d.at < :end
    ORDER BY d.delivery_id DESC LIMIT 1) s
"""
"""The last step that a change `o` had taken when the period ended: read by the index, change by change."""

FACTS = """
CREATE TEMP TABLE entered ON COMMIT DROP AS
SELECT entry_id, actor, master_id, field, value, entered_at::timestamp AS at,
    row_number() OVER (PARTITION BY master_id, field, value ORDER BY entered_at, entry_id) = 1 AS news
FROM entry WHERE value IS NOT NULL
"""
"""What was typed; a withdrawn value (NULL) asks nothing of anybody, and a value typed again counts as typed, but carries nothing twice."""

CHANGED = f"""
CREATE TEMP TABLE carried ON COMMIT DROP AS
SELECT e.entry_id, e.actor, to_char(e.at, 'YYYY-MM') AS month, o.system_id, o.state, o.code
FROM entered e LEFT JOIN (
    SELECT o.system_id, o.master_id, o.changes, s.state, s.code FROM outbox o {LAST}
    WHERE o.master_id IN (SELECT master_id FROM entered) AND NOT (s.state = 'dead' AND coalesce(s.code, '') = 'superseded')
) o ON o.master_id = e.master_id AND e.news
    AND EXISTS (SELECT 1 FROM jsonb_array_elements(o.changes) c WHERE c ->> 'field' = e.field AND c ->> 'new' = e.value)
WHERE e.at >= :begin_local AND e.at < :end_local
"""
"""Entries of the period with the changes that carried their value; an entry that no system lacked stays, with NULL."""

BY = """
SELECT {by} AS unit, count(DISTINCT entry_id) AS entered, count(system_id) AS asked,
    count(*) FILTER (WHERE state IN ('verified', 'sent')
        AND coalesce(code, '') <> 'typed_by_person') AS carried,
    count(*) FILTER (WHERE state = 'awaiting_person' OR code = 'typed_by_person') AS typed, count(DISTINCT system_id) AS systems
FROM carried {where} GROUP BY 1 ORDER BY 1
"""

FLOWED = f"""
SELECT o.system_id AS unit, count(*) AS asked,
    count(*) FILTER (WHERE s.state IN ('verified', 'sent') AND coalesce(s.code, '') <> 'typed_by_person') AS carried,
    count(*) FILTER (WHERE s.state = 'awaiting_person' OR s.code = 'typed_by_person') AS typed
FROM outbox o {LAST} CROSS JOIN jsonb_array_elements(o.changes) c
WHERE o.created_at >= :begin AND o.created_at < :end AND NOT (s.state = 'dead' AND coalesce(s.code, '') = 'superseded')
    AND NOT EXISTS (SELECT 1 FROM entered e WHERE e.master_id = o.master_id AND e.field = c ->> 'field' AND e.value = c ->> 'new')
GROUP BY 1
"""
"""Fields that one system got because another knew them: what nobody entered in onefact."""

CELLS = """
SELECT actor, month, system_id, count(*) AS asked,
    count(*) FILTER (WHERE state IN ('verified', 'sent') AND coalesce(code, '') <> 'typed_by_person') AS carried,
    count(*) FILTER (WHERE state = 'awaiting_person' OR code = 'typed_by_person') AS typed
FROM carried WHERE system_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

NO_ENTRY = "本期没有录入"
NO_CHANGE = "本期没有需要回写的变更"


@dataclass(frozen=True, slots=True)
class Load:
    """One worker, system or month.

    Attributes:
        entered: facts that were typed once in onefact.
        asked: fields that the systems would have asked somebody to type for these facts.
        carried: of these, how many onefact has written.
        typed: of these, how many a person types all the same, into a form that may not be filled automatically.
        systems: how many systems would have asked.
    """

    unit: str
    entered: int
    asked: int
    carried: int
    typed: int
    systems: int = 0

    @property
    def saved(self) -> float | None:
        """The share of typing that is saved; None where the systems would have asked for nothing."""
        return None if not self.asked else max(1 - (self.entered + self.typed) / self.asked, 0.0)


@dataclass(frozen=True, slots=True)
class Burden:
    """The burden of a period; `why` says why there is nothing (未评价).

    `cells`: (worker, month, system, fields asked, carried, typed) for each combination.
    """

    workers: Sequence[Load]
    months: Sequence[Load]
    systems: Sequence[Load]
    total: Load | None
    flowed: Sequence[Load]
    cells: Sequence[tuple[str, str, str, int, int, int]]
    why: str
    flowed_why: str


def burden(home: Home, period: Period) -> Burden:
    """Read the burden of a period from entries and outbox."""
    span = {
        "begin": period.begin, "end": period.end, "begin_local": period.begin.replace(tzinfo=None),
        "end_local": period.end.replace(tzinfo=None),
    }  # fmt: skip
    with home.engine.begin() as connection:
        connection.execute(sa.text(FACTS))
        connection.execute(sa.text(CHANGED), span)
        workers = _by(connection, "actor")
        months = _by(connection, "month")
        systems = _by(connection, "system_id", "WHERE system_id IS NOT NULL")
        whole = _by(connection, "''")
        cells = [tuple(r) for r in connection.execute(sa.text(CELLS))]
        flowed = [
            Load(r.unit, 0, int(r.asked or 0), int(r.carried or 0), int(r.typed or 0))
            for r in connection.execute(sa.text(FLOWED), span)
        ]
    flowed.sort(key=lambda load: (-load.asked, load.unit))
    return Burden(
        workers,
        months,
        systems,
        whole[0] if whole else None,
        flowed,
        cells,
        "" if whole else NO_ENTRY,
        "" if flowed else NO_CHANGE,
    )


def _by(connection: sa.Connection, column: str, where: str = "") -> list[Load]:
    rows = connection.execute(sa.text(BY.format(by=column, where=where)))
    return [Load(r.unit, r.entered, r.asked, r.carried, r.typed, r.systems) for r in rows]
