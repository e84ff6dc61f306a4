"""What was merged and what was taken apart (合并历史): ids that lead to another, judgements of persons; who, when, why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from onefact.sides import titles
from schemas.model import EntityType

Verdict = Literal["positive", "negative", "unsure", "withdrawn"]

VERDICTS: Final[Mapping[Verdict, str]] = {
    "positive": "判定相同", "negative": "判定不同", "unsure": "无法判断", "withdrawn": "撤回判定",
}  # fmt: skip
"""What a person judged, in words."""


@dataclass(frozen=True, slots=True)
class Merged:
    """An id that leads to another now.

    Attributes:
        old_id, new_id: what was merged, and into what; title: what the heir is called.
        records: how many records stood under the old id when it ended.
        at: when; None for what was merged before history was kept.
        actor, reason: the person whose judgement joined them; None where the rules did.
        waiting: a later judgement takes it apart again with the next consolidation.
    """

    entity_type: EntityType
    old_id: str
    new_id: str
    title: str
    records: int
    at: datetime | None
    actor: str | None
    reason: str | None
    waiting: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """A judgement of a person on two records: each with the entity it belongs to now."""

    entity_type: EntityType
    verdict: Verdict
    left: str
    right: str
    left_id: str | None
    right_id: str | None
    titles: tuple[str, str]
    actor: str
    reason: str | None
    at: datetime
    ended_at: datetime | None
    ended_by: str | None

    @property
    def word(self) -> str:
        """What was judged."""
        return VERDICTS[self.verdict]


MERGED: Final = """
WITH r AS (
  SELECT r.entity_type, r.old_id, r.new_id, max(h.until) AS at FROM redirect r
  LEFT JOIN crosswalk_history h ON h.master_id = r.old_id AND h.entity_type = r.entity_type
  WHERE r.new_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 4 DESC NULLS LAST, 2 LIMIT :most),
was AS (
  SELECT r.old_id, h.entity_type, h.system_id, h.record_key, h.role FROM r
  JOIN crosswalk_history h ON h.master_id = r.old_id AND h.until = r.at),
said AS (
  SELECT w.old_id, e.judgement, e.actor, e.reason, e.created_at, e.ended_at,
    row_number() OVER (PARTITION BY w.old_id, e.judgement ORDER BY e.created_at DESC) AS place
  FROM was w JOIN edge e ON e.entity_type = w.entity_type AND e.judgement IN ('positive', 'negative', 'withdrawn')
    AND ((e.left_system, e.left_key, e.left_role) = (w.system_id, w.record_key, w.role)
      OR (e.right_system, e.right_key, e.right_role) = (w.system_id, w.record_key, w.role)))
SELECT r.entity_type, r.old_id::text, r.new_id::text, r.at, (SELECT count(*) FROM was w WHERE w.old_id = r.old_id) AS records,
  p.actor, p.reason,
  EXISTS (SELECT 1 FROM said s WHERE s.old_id = r.old_id AND s.judgement <> 'positive' AND s.created_at > r.at) AS waiting
FROM r LEFT JOIN said p ON p.old_id = r.old_id AND p.judgement = 'positive' AND p.place = 1 AND p.created_at <= r.at
ORDER BY r.at DESC NULLS LAST, r.old_id
"""


def merged(connection: sa.Connection, *, most: int = 100) -> list[Merged]:
    """Return the merges that stand, the newest first."""
    rows = connection.execute(sa.text(MERGED), {"most": most}).mappings().all()
    named = titles(connection, {(r["entity_type"], r["new_id"]) for r in rows})
    return [
        Merged(
            r["entity_type"], r["old_id"], r["new_id"], named.get(r["new_id"], ""), r["records"], r["at"], r["actor"], r["reason"],
            r["waiting"],
        )
        for r in rows
    ]  # fmt: skip


JUDGED: Final = """
SELECT e.entity_type, e.judgement, e.left_system || '/' || e.left_key AS left_record, e.right_system || '/' || e.right_key AS right_record,
  l.master_id::text AS left_id, r.master_id::text AS right_id, e.actor, e.reason, e.created_at, e.ended_at, e.ended_by
FROM edge e
LEFT JOIN crosswalk l ON (l.entity_type, l.system_id, l.record_key, l.role) = (e.entity_type, e.left_system, e.left_key, e.left_role)
LEFT JOIN crosswalk r ON (r.entity_type, r.system_id, r.record_key, r.role) = (e.entity_type, e.right_system, e.right_key, e.right_role)
WHERE e.judgement <> 'auto' ORDER BY e.created_at DESC, e.edge_id DESC LIMIT :most
"""


def judged(connection: sa.Connection, *, most: int = 100) -> list[Judged]:
    """Return what persons judged, the newest first, with what was taken back since."""
    rows = connection.execute(sa.text(JUDGED), {"most": most}).mappings().all()
    sides = {(r["entity_type"], r[s]) for r in rows for s in ("left_id", "right_id") if r[s]}
    named = titles(connection, sides)
    return [
        Judged(
            r["entity_type"], r["judgement"], r["left_record"], r["right_record"], r["left_id"], r["right_id"],
            (named.get(r["left_id"] or "", ""), named.get(r["right_id"] or "", "")), r["actor"] or "", r["reason"],
            r["created_at"], r["ended_at"], r["ended_by"],
        )
        for r in rows
    ]  # fmt: skip
