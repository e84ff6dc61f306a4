"""Taking changes into a pusher's hands (认领): several pushers may run at once, and one may die at any moment.

A claimed change is `pending` under a lease of the database's clock. When the lease runs out nobody knows how far its
pusher came: the change is doubtful, and is read back before it is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from schemas.records import Change
from warehouse.outbox.changes import awaited, change_of, golden_of, shadow_of
from warehouse.tables import OUTBOX

DOUBTED = ("not_there", "sent_again")
"""Codes of `planned` changes that were perhaps sent before."""

HELD = ("pending", "no_answer")
"""States in which a change can be in a pusher's hands."""

LEASE_SECONDS = 300.0
"""How long a pusher may be silent; one that is at work renews its lease, one that died is found out after it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A change in our hands.

    Attributes:
        change: what to write.
        attempt: how often it has been taken up, this time included.
    """

    change: Change
    attempt: int


def claim(engine: sa.Engine, system_id: str, limit: int, owner: str, lease: float = LEASE_SECONDS) -> list[Claimed]:
    """Take up to `limit` changes of a system that are due, oldest first; they are `pending` and ours for the lease.

    A change whose record has an older change that is still open waits for it: changes of one record arrive in their
    order, and a stuck record holds up nothing but itself. Changes of one record that are due together come together
    where they are of different roles, since a file holds one row for them; of one role they come one after the other,
    for each must be compared with what the one before it has written.
    """
    older = OUTBOX.alias("older")
    blocked = sa.exists().where(
        # Not as a column: without fresh statistics PostgreSQL takes the system for as good a way to a few rows as the
        # record (`outbox_under_way_of`), and would read all that waits for the system once for each change.
        sa.func.concat(older.c.system_id) == OUTBOX.c.system_id,
        older.c.record_key == OUTBOX.c.record_key,
        older.c.dataset == OUTBOX.c.dataset,
        older.c.change_id != OUTBOX.c.change_id,
        older.c.state.in_(("planned", "pending", "no_answer", "sent", "awaiting_person")),
        sa.or_(
            # On its way, whatever its number: a change that is wanted again keeps its old one.
            older.c.state.in_(("pending", "no_answer")),
            awaited(older),
            sa.and_(
                older.c.state == "planned",
                sa.tuple_(_known(older), older.c.change_id) < sa.tuple_(_known(OUTBOX), OUTBOX.c.change_id),
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
            lease_until=_after(lease), next_try_at=None, withheld=None,
        )
        .returning(OUTBOX)
    )  # fmt: skip
    with engine.begin() as connection:
        _one_at_a_time(connection, system_id)
        return _claimed(connection, connection.execute(take).mappings().all())


def renew(engine: sa.Engine, system_id: str, owner: str, lease: float = LEASE_SECONDS) -> int:
    """Let the lease of everything that a pusher holds of a system begin anew; return how many changes that were.

    What another pusher has taken meanwhile is not ours any more and is left.
    """
    longer = (
        sa.update(OUTBOX)
        .where(OUTBOX.c.system_id == system_id, OUTBOX.c.state.in_(HELD), OUTBOX.c.leased_by == owner)
        .values(lease_until=_after(lease))
    )
    with engine.begin() as connection:
        return connection.execute(longer).rowcount


def withhold(engine: sa.Engine, owner: str, fields: Mapping[str, Sequence[str]]) -> None:
    """Note which fields of claimed changes (change id -> names) do not go out: nobody may think later that they did."""
    if not fields:
        return
    rows = [{"change_id": int(change_id), "names": list(names)} for change_id, names in fields.items()]
    with engine.begin() as connection:
        connection.execute(sa.text(WITHHOLD), {"rows": json.dumps(rows), "owner": owner})


WITHHOLD = """
UPDATE outbox o SET withheld = v.names FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS v(change_id bigint, names jsonb)
WHERE o.change_id = v.change_id AND o.leased_by = :owner
"""


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
        return _claimed(connection, connection.execute(take).mappings().all())


def _known(row: sa.FromClause) -> sa.ColumnElement[bool]:
    """False for what was perhaps sent before and may still be on its way: it goes first, as in `warehouse.publish`."""
    return sa.func.coalesce(row.c.code, "").not_in(DOUBTED)


def _after(seconds: float) -> sa.ColumnElement[datetime]:
    return sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _one_at_a_time(connection: sa.Connection, system_id: str) -> None:
    """Two pushers that choose at the same moment would each see the other's older change as not yet taken."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"onefact claim {system_id}"))))


def _claimed(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[Claimed]:
    rows = sorted(rows, key=lambda r: r["change_id"])
    golden, shadow = golden_of(connection, rows), shadow_of(connection, rows)
    return [Claimed(change_of(row, golden, shadow), row["attempts"]) for row in rows]
