"""What a person may do with a change: have it tried again, or call it off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from warehouse import sealed
from warehouse.sealed import Act
from warehouse.tables import OUTBOX, WAKE

RETRIED = ("rejected", "conflict", "dead", "no_answer", "sent")
"""States from which a change may be tried again; one that was superseded may not: a newer one stands for it."""

CANCELLED = ("planned", "rejected", "conflict", "no_answer", "awaiting_person", "sent")
"""States from which a change may be called off; what a pusher holds must be settled first."""

WAITING = ("sent",)
"""States that are decided about only when they are named: an answer to them is still expected."""


REPLACED = """
EXISTS (SELECT 1 FROM outbox o, jsonb_array_elements(o.changes) theirs, jsonb_array_elements(outbox.changes) mine
    WHERE o.system_id = outbox.system_id AND o.record_key = outbox.record_key AND o.dataset = outbox.dataset
    AND o.entity_type = outbox.entity_type AND o.role = outbox.role AND o.change_id <> outbox.change_id
    AND theirs ->> 'field' = mine ->> 'field' AND (o.state <> 'dead' OR o.code IN ('attempts_spent', 'theirs'))
    AND (o.change_id > outbox.change_id OR o.settled_at > outbox.settled_at
        OR o.state IN ('planned', 'pending', 'sent', 'no_answer', 'awaiting_person')))
OR (outbox.operation = 'create' AND outbox.state <> 'no_answer' AND EXISTS (SELECT 1 FROM crosswalk x
    WHERE x.system_id = outbox.system_id AND x.entity_type = outbox.entity_type AND x.master_id = outbox.master_id))
"""
"""SQL: a later change speaks for one of its fields, or the record that it would create is there by now."""


def retry(
    engine: sa.Engine, change_ids: Sequence[int], actor: str, *, dry_run: bool = False, via: str = ""
) -> list[int]:
    """Let settled changes be tried again from the beginning; return the ids of those that now wait.

    A change that nobody answered (yet) is read back first, as always. Attempts start anew. What a newer change of the same
    record has replaced is left: its value is not wanted any more.
    """
    fresh = sa.case((OUTBOX.c.state.in_(("no_answer", "sent")), "no_answer"), else_="planned")
    return _decide(
        engine,
        sa.and_(
            _named(change_ids),
            OUTBOX.c.state.in_(RETRIED),
            OUTBOX.c.code.is_distinct_from("superseded"),
            sa.text(f"NOT ({REPLACED})"),
        ),
        {"state": fresh, "code": "retried", "message": None, "attempts": 0, "next_try_at": None, "actor": actor},
        Act(actor, "retry", "change", via=via),
        dry_run,
    )


def cancel(
    engine: sa.Engine,
    change_ids: Sequence[int],
    actor: str,
    reason: str | None = None,
    *,
    dry_run: bool = False,
    via: str = "",
) -> list[int]:
    """Call changes off; return the ids of those that now are dead. The next plan of a changed record may ask again."""
    return _decide(
        engine,
        sa.and_(_named(change_ids), OUTBOX.c.state.in_(CANCELLED), OUTBOX.c.leased_by.is_(None)),
        {"state": "dead", "code": "cancelled", "message": reason, "settled_at": sa.func.now(), "actor": actor},
        Act(actor, "cancel", "change", via=via),
        dry_run,
    )


def _named(change_ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """One array, since PostgreSQL takes 65,535 parameters and a flood of refused changes has more."""
    return OUTBOX.c.change_id == sa.any_(sa.literal(list(change_ids), ARRAY(sa.BigInteger)))


def _decide(
    engine: sa.Engine, which: sa.ColumnElement[bool], values: dict[str, object], act: Act, dry_run: bool
) -> list[int]:
    with engine.begin() as connection:
        if dry_run:
            return sorted(connection.execute(sa.select(OUTBOX.c.change_id).where(which)).scalars())
        connection.execute(sa.select(sa.func.set_config("onefact.actor", act.actor, True)))
        done = connection.execute(sa.update(OUTBOX).where(which).values(values).returning(OUTBOX.c.change_id))
        found = sorted(done.scalars())
        if found:
            connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
            sealed.append(connection, replace(act, subjects=list(map(str, found))))
    return found
