"""Findings of reconciliations (核对发现) in the master: opened, closed, and silent losses planned again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from warehouse.tables import FINDING, OUTBOX, RUN, WAKE

KEPT = ("ghost", "stale", "silent_loss", "near_miss")
"""Kinds that are kept; `pending` and `news` explain themselves and pass by the next run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between a system and the master; `field` is empty where the whole record is meant."""

    system_id: str
    dataset: str
    entity_type: str
    role: str
    record_key: str
    field: str
    kind: str
    code: str
    master_id: str | None
    change_id: int | None


_NAMED = ("system_id", "dataset", "entity_type", "role", "record_key", "field", "kind", "code", "change_id")


def keep(
    engine: sa.Engine,
    run_id: str,
    systems: Sequence[str],
    found: Sequence[Finding],
    summary: Mapping[str, Any] | None = None,
) -> tuple[int, int]:
    """Open findings that are new, and close those of the compared systems that are gone; return (opened, closed).

    With a summary the run is registered too: a comparison that found nothing has to be told from one that never was.
    """
    fresh = {tuple(getattr(f, n) for n in _NAMED): f for f in found if f.kind in KEPT}
    query = sa.select(FINDING).where(FINDING.c.closed_at.is_(None), FINDING.c.system_id.in_(systems))
    with engine.begin() as connection:
        known = {tuple(r[n] for n in _NAMED): r["finding_id"] for r in connection.execute(query).mappings()}
        gone = [finding for key, finding in known.items() if key not in fresh]
        new = [{"run_id": run_id, **asdict(f)} for key, f in fresh.items() if key not in known]
        if gone:
            closing = sa.update(FINDING).where(FINDING.c.finding_id.in_(gone))
            connection.execute(closing.values(closed_at=sa.func.now(), closed_by=run_id))
        if new:
            connection.execute(sa.insert(FINDING), new)
        if summary is not None:
            connection.execute(sa.insert(RUN).values(run_id=run_id, verb="reconcile", summary=dict(summary)))
    return len(new), len(gone)


def plan_lost(engine: sa.Engine, run_id: str) -> int:
    """Plan the changes again whose values systems have lost silently; return how many.

    A change that was settled since the loss was found is left alone: whether it is lost again, the next comparison says.
    """
    number = (
        sa.select(sa.func.max(FINDING.c.finding_id))
        .where(
            FINDING.c.closed_at.is_(None),
            FINDING.c.kind == "silent_loss",
            FINDING.c.change_id == OUTBOX.c.change_id,
            OUTBOX.c.settled_at < FINDING.c.found_at,
        )
        .scalar_subquery()
    )
    # Another key: the system has seen the old one, and would take the write for a repetition.
    bare = sa.func.split_part(OUTBOX.c.idempotency_key, ":lost:", 1)
    values = {
        "state": "planned", "code": "lost", "message": None, "attempts": 0, "next_try_at": None, "run_id": run_id,
        "idempotency_key": sa.func.concat(bare, ":lost:", number),
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.set_config("onefact.run", run_id, True)))
        done = connection.execute(
            sa.update(OUTBOX).where(OUTBOX.c.state == "verified", number.is_not(None)).values(values)
        ).rowcount
        if done:
            connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
    return int(done)
