"""Taking changes into a pusher's hands (认领): several pushers may run at once, and one may die at any moment.

A claimed change is `pending` under a lease of the database's clock. When the lease runs out nobody knows how far its
pusher came: the change is doubtful, and is read back before it is sent again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from schemas.records import Change
from warehouse.outbox.changes import change_of, golden_of, shadow_of
from warehouse.tables import OUTBOX
from warehouse.tables.steps import UNANSWERED

LEASE_SECONDS = 300.0
"""How long a batch may take; a pusher that takes longer finds that another has looked after its changes."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A change in our hands.

    Attributes:
        change: what to write.
        attempt: how often it has been taken up, this time included.
        state: `pending`, or `no_answer` where it is doubtful.
        sent_before: True when an earlier pusher may have sent it.
    """

    change: Change
    attempt: int
    state: str = "pending"
    sent_before: bool = False


def claim(engine: sa.Engine, system_id: str, limit: int, owner: str, lease: float = LEASE_SECONDS) -> list[Claimed]:
    """Take up to `limit` changes of a system that are due, oldest first; they are `pending` and ours for the lease.

    A change whose record has an older change that is still open waits for it: changes of one record arrive in their
    order, and a stuck record holds up nothing but itself. Changes of one record that are due together come together
    where they are of different roles, since a file holds one row for them; of one role they come one after the other,
    for each must be compared with what the one before it has written.
    """
    older = OUTBOX.alias("older")
    blocked = sa.exists().where(
        older.c.system_id == OUTBOX.c.system_id,
        older.c.record_key == OUTBOX.c.record_key,
        older.c.dataset == OUTBOX.c.dataset,
        older.c.change_id < OUTBOX.c.change_id,
        sa.or_(
            older.c.state.in_(("pending", "no_answer")),
            sa.and_(older.c.state == "sent", sa.func.coalesce(older.c.code, "").not_in(UNANSWERED)),
            sa.and_(
                older.c.state == "planned",
                sa.or_(
                    older.c.next_try_at > sa.func.now(),
                    sa.and_(older.c.role == OUTBOX.c.role, older.c.entity_type == OUTBOX.c.entity_type),
                ),
            ),
        ),
    )
    chosen = (
        sa.select(OUTBOX.c.change_id)
        .where(
            OUTBOX.c.system_id == system_id,
            OUTBOX.c.state == "planned",
            sa.or_(OUTBOX.c.next_try_at.is_(None), OUTBOX.c.next_try_at <= sa.func.now()),
            ~blocked,
        )
        .order_by(OUTBOX.c.change_id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=OUTBOX)
    )
    take = (
        sa.update(OUTBOX)
        .where(OUTBOX.c.change_id.in_(chosen))
        .values(
            state="pending", code=None, message=None, attempts=OUTBOX.c.attempts + 1, leased_by=owner,
            lease_until=_after(lease), next_try_at=None,
        )
        .returning(OUTBOX)
    )  # fmt: skip
    with engine.begin() as connection:
        _one_at_a_time(connection, system_id)
        return _claimed(connection, connection.execute(take).mappings().all(), "pending")


def doubtful(
    engine: sa.Engine,
    system_id: str,
    limit: int,
    owner: str,
    lease: float = LEASE_SECONDS,
    without: Collection[str] = (),
) -> list[Claimed]:
    """Take changes of which nobody knows whether they were written: no answer came, or their pusher died.

    Those of `without` are left alone: who has just been asked about them need not ask again at once.
    """
    chosen = (
        sa.select(OUTBOX.c.change_id)
        .where(
            OUTBOX.c.system_id == system_id,
            OUTBOX.c.state.in_(("pending", "no_answer")),
            OUTBOX.c.change_id.not_in([int(i) for i in without]),
            sa.or_(OUTBOX.c.lease_until.is_(None), OUTBOX.c.lease_until <= sa.func.now()),
            sa.or_(OUTBOX.c.next_try_at.is_(None), OUTBOX.c.next_try_at <= sa.func.now()),
        )
        .order_by(OUTBOX.c.change_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    take = (
        sa.update(OUTBOX)
        .where(OUTBOX.c.change_id.in_(chosen))
        .values(leased_by=owner, lease_until=_after(lease))
        .returning(OUTBOX)
    )
    with engine.begin() as connection:
        return _claimed(connection, connection.execute(take).mappings().all(), "no_answer")


def _after(seconds: float) -> sa.ColumnElement[datetime]:
    return sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _one_at_a_time(connection: sa.Connection, system_id: str) -> None:
    """Two pushers that choose at the same moment would each see the other's older change as not yet taken."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"onefact claim {system_id}"))))


def _claimed(connection: sa.Connection, rows: Sequence[sa.RowMapping], state: str) -> list[Claimed]:
    rows = sorted(rows, key=lambda r: r["change_id"])
    golden, shadow = golden_of(connection, rows), shadow_of(connection, rows)
    return [Claimed(change_of(row, golden, shadow), row["attempts"], state, row["attempts"] > 1) for row in rows]
