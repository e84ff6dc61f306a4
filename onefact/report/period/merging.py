"""Duplicates in a period (重复与归并): found, merged, undone, waiting; all from crosswalk, edges and questions with their times."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from onefact.home import Home
from onefact.report.period.span import Period
from schemas.entities import ENTITIES

STANDING = """
SELECT entity_type, count(*) AS records, count(DISTINCT master_id) AS entities FROM (
    SELECT entity_type, master_id FROM crosswalk WHERE system_id <> 'entry' AND coalesce(since, '-infinity') < :at
    UNION ALL
    SELECT entity_type, master_id FROM crosswalk_history WHERE system_id <> 'entry' AND coalesce(since, '-infinity') < :at AND until >= :at
) held GROUP BY entity_type
"""
"""Records and entities at a moment."""

JUDGED = """
SELECT entity_type, judgement, count(*) AS n FROM edge WHERE actor IS NOT NULL AND created_at >= :begin AND created_at < :end
GROUP BY entity_type, judgement
"""

MERGED = """
SELECT entity_type, count(DISTINCT master_id) AS n FROM crosswalk_history h
WHERE until >= :begin AND until < :end AND EXISTS (SELECT 1 FROM redirect r WHERE r.old_id = h.master_id AND r.new_id IS NOT NULL
    AND r.run_id = h.ended_by) GROUP BY entity_type
"""
"""Entities that became part of another in the period."""

ASKED = """
SELECT entity_type, count(*) FILTER (WHERE created_at >= :begin) AS asked,
    count(*) FILTER (WHERE state IN ('accepted', 'rejected', 'undecided') AND decided_at >= :begin AND decided_at < :end) AS answered,
    count(*) FILTER (WHERE decided_at IS NULL OR decided_at >= :end) AS waiting,
    min(created_at) FILTER (WHERE decided_at IS NULL OR decided_at >= :end) AS oldest
FROM review WHERE created_at < :end GROUP BY entity_type
"""


@dataclass(frozen=True, slots=True)
class Merging:
    """One entity type.

    Attributes:
        records, entities: source records and what they were taken for, when the period ended.
        before: duplicates when the period began.
        joined: entities that became part of another one in the period.
        positive, negative, withdrawn: judgements of persons in the period: is one, is not one, taken back.
        asked, answered: questions to persons, asked and answered in the period; waiting: open when it ended.
        oldest: days for which the oldest of these has waited.
    """

    cn: str
    records: int
    entities: int
    before: int
    joined: int
    positive: int
    negative: int
    withdrawn: int
    asked: int
    answered: int
    waiting: int
    oldest: int | None

    @property
    def found(self) -> int:
        """Descriptions of something that another record describes too (发现重复), at the end of the period."""
        return self.records - self.entities

    @property
    def new(self) -> int:
        """How many more than when the period began."""
        return self.found - self.before


def merging(home: Home, period: Period) -> list[Merging]:
    """Read what was found, merged, undone, and what waits, per entity type."""
    span = {"begin": period.begin, "end": period.end}
    with home.engine.connect() as connection:
        after = {r.entity_type: r for r in connection.execute(sa.text(STANDING), {"at": period.end})}
        before = {r.entity_type: r for r in connection.execute(sa.text(STANDING), {"at": period.begin})}
        judged = {(r.entity_type, r.judgement): r.n for r in connection.execute(sa.text(JUDGED), span)}
        joined = {r.entity_type: r.n for r in connection.execute(sa.text(MERGED), span)}
        asked = {r.entity_type: r for r in connection.execute(sa.text(ASKED), span)}
    rows = []
    for name, entity in ENTITIES.items():
        now, old, questions = after.get(name), before.get(name), asked.get(name)
        oldest = questions.oldest if questions else None
        rows.append(
            Merging(
                entity.cn, now.records if now else 0, now.entities if now else 0, old.records - old.entities if old else 0,
                joined.get(name, 0), judged.get((name, "positive"), 0), judged.get((name, "negative"), 0),
                judged.get((name, "withdrawn"), 0), questions.asked if questions else 0, questions.answered if questions else 0,
                questions.waiting if questions else 0, (min(period.end, home.now().astimezone()) - oldest).days if oldest else None,
            )
        )  # fmt: skip
    return rows
