"""When an answer is due (应答期限): by how the system's manifest says that it answers, where the connector says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from connectors.manifest import Manifest
from schemas.records import Outcome
from warehouse.tables.steps import UNANSWERED

PATIENCE: Mapping[str, timedelta] = {
    "immediate": timedelta(hours=1),
    "later": timedelta(days=2),
}
"""How long after sending an answer may take: a receipt that comes the next day may meet a day off."""


def dated(manifest: Manifest, outcomes: Iterable[Outcome], now: datetime) -> list[Outcome]:
    """Return the outcomes; those that were accepted without an answer carry the time when it is due."""
    wait = PATIENCE.get(manifest.capabilities.receipt)
    if wait is None:
        return list(outcomes)
    due = (now + wait).astimezone().isoformat(timespec="seconds")
    return [
        replace(o, due=due) if o.state == "sent" and o.due is None and o.code not in UNANSWERED else o for o in outcomes
    ]
