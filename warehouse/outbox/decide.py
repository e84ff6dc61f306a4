"""What a person may do with a change: have it tried again, or call it off."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from warehouse.tables import OUTBOX, WAKE

RETRIED = ("rejected", "conflict", "dead", "no_answer")
"""States from which a change may be tried again; one that was superseded may not: a newer one stands for it."""

CANCELLED = ("planned", "rejected", "conflict", "no_answer", "awaiting_person")
"""States from which a change may be called off; what is under way must be settled first."""


def retry(engine: sa.Engine, change_ids: Sequence[int], actor: str) -> list[int]:
    """Let settled changes be tried again from the beginning; return the ids of those that now wait.

    A change that nobody answered is read back first, as always. Attempts start anew. One whose record has a newer change is
    left alone: it would bring an old value back.
    """
    newer = OUTBOX.alias("newer")
    overtaken = sa.exists().where(
        newer.c.system_id == OUTBOX.c.system_id,
        newer.c.record_key == OUTBOX.c.record_key,
        newer.c.entity_type == OUTBOX.c.entity_type,
        newer.c.role == OUTBOX.c.role,
        newer.c.change_id > OUTBOX.c.change_id,
        newer.c.state != "dead",
    )
    fresh = sa.case((OUTBOX.c.state == "no_answer", "no_answer"), else_="planned")
    return _decide(
        engine,
        sa.and_(
            OUTBOX.c.change_id.in_(change_ids),
            OUTBOX.c.state.in_(RETRIED),
            OUTBOX.c.code.is_distinct_from("superseded"),
            ~overtaken,
        ),
        {"state": fresh, "code": "retried", "message": None, "attempts": 0, "next_try_at": None, "actor": actor},
        actor,
    )


def cancel(engine: sa.Engine, change_ids: Sequence[int], actor: str, reason: str | None = None) -> list[int]:
    """Call changes off; return the ids of those that now are dead. The next plan of a changed record may ask again."""
    return _decide(
        engine,
        sa.and_(OUTBOX.c.change_id.in_(change_ids), OUTBOX.c.state.in_(CANCELLED), OUTBOX.c.leased_by.is_(None)),
        {"state": "dead", "code": "cancelled", "message": reason, "settled_at": sa.func.now(), "actor": actor},
        actor,
    )


def _decide(engine: sa.Engine, which: sa.ColumnElement[bool], values: dict[str, object], actor: str) -> list[int]:
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.set_config("onefact.actor", actor, True)))
        done = connection.execute(sa.update(OUTBOX).where(which).values(values).returning(OUTBOX.c.change_id))
        found = sorted(row[0] for row in done)
        if found:
            connection.execute(sa.select(sa.func.pg_notify(WAKE, "")))
    return found
