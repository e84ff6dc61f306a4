"""What an auditor asks of the law's records: refused flows, and who received what by which document (共享记录)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from onefact.home import Home
from warehouse.tables import REFUSAL

SHARED = """
SELECT d.at, o.system_id, a.receiver, o.entity_type, o.master_id::text AS master_id, o.change_id, o.state, coalesce(o.receipt, d.receipt) AS receipt,
    array_agg(DISTINCT c ->> 'field' ORDER BY c ->> 'field') AS fields, min(a.purpose) AS purpose, min(a.document) AS document
FROM delivery d JOIN outbox o USING (change_id) CROSS JOIN LATERAL jsonb_array_elements(o.changes) c
LEFT JOIN authorisation a ON a.system_id = o.system_id AND a.entity_type = o.entity_type AND a.field = c ->> 'field'
    AND a.direction = 'out' AND a.since <= d.at AND (a.ended_at IS NULL OR a.ended_at > d.at)
WHERE d.state IN ('verified', 'sent') AND coalesce(d.before, '') NOT IN ('sent', 'verified') AND NOT EXISTS (
        SELECT 1 FROM delivery e WHERE e.change_id = d.change_id AND e.delivery_id < d.delivery_id AND e.state IN ('verified', 'sent')
        AND NOT EXISTS (SELECT 1 FROM delivery l WHERE l.change_id = d.change_id AND l.delivery_id BETWEEN e.delivery_id AND d.delivery_id
            AND l.before = 'verified' AND l.state = 'planned'))
    AND o.system_id = ANY(:systems) AND d.at >= :since
    AND NOT coalesce(jsonb_exists(o.withheld, c ->> 'field'), false)
GROUP BY d.delivery_id, d.at, o.system_id, a.receiver, o.entity_type, o.master_id, o.change_id, o.state, o.receipt, d.receipt
ORDER BY d.at DESC LIMIT :limit
"""
"""One row for each change that reached a system: the steps of the outbox joined with the line that held at that moment.

A change that was accepted, then in doubt, and then shown or sent again has reached the system once. It has twice where the
system had shown it and lost it again.
"""


def sharing(home: Home, systems: Sequence[str], since: datetime, limit: int = 100) -> list[Mapping[str, Any]]:
    """Return who received which fields of whom, for which purpose, by which document, newest first."""
    with home.engine.connect() as connection:
        found = connection.execute(sa.text(SHARED), {"systems": list(systems), "since": since, "limit": limit})
        return [dict(r) for r in found.mappings()]


def refusals(home: Home, systems: Sequence[str], limit: int = 100) -> list[Mapping[str, Any]]:
    """Return refused flows, newest first."""
    query = (
        sa.select(REFUSAL).where(REFUSAL.c.system_id.in_(systems)).order_by(REFUSAL.c.refusal_id.desc()).limit(limit)
    )
    with home.engine.connect() as connection:
        return [dict(r) for r in connection.execute(query).mappings()]
