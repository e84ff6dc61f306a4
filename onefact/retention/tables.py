"""Deleting rows that have run out, with proof (到期删除): count and hash of what goes stand in the log before it goes.

A ledger that is sealed by its numbers loses a beginning of them only, so that what is left can still be verified; other
tables lose the rows that have run out. PostgreSQL lets a row of an append-only table go only in the transaction that has
noted it (`warehouse.append_only`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from onefact.acting import act_of
from onefact.home import Home
from onefact.retention.rules import RULES
from warehouse import sealed
from warehouse.sealed.entry_seals import expire_entries, over_ids
from warehouse.tables import METADATA
from warehouse.tables.steps import OPEN

PORTION = 10_000
"""Rows that go in one transaction, under one row of the log."""


@dataclass(frozen=True, slots=True)
class Target:
    """Rows of one table that a kind lets expire.

    Attributes:
        kind: the rule.
        table: where they are.
        number: column that orders them.
        gone: SQL: this row has run out (`t` is the row, `:before` the moment).
        prefix: only the beginning of the numbers goes, up to the first row that stays.
    """

    kind: str
    table: str
    number: str
    gone: str
    prefix: bool = False


_OPEN = ", ".join(f"'{s}'" for s in OPEN)

TARGETS = (
    Target("sharing", "delivery", "delivery_id", "t.at < :before", prefix=True),
    Target("sharing", "refusal", "refusal_id", "t.at < :before", prefix=True),
    Target(
        "sharing", "outbox", "change_id",
        f"t.settled_at < :before AND t.state NOT IN ({_OPEN}) AND NOT EXISTS (SELECT 1 FROM delivery d WHERE d.change_id = t.change_id)",
    ),
    Target(
        "entries", "entry", "entry_id",
        "t.entered_at < :before_local AND EXISTS (SELECT 1 FROM entry e WHERE e.master_id = t.master_id AND e.field = t.field "
        "AND (e.entered_at, e.entry_id) > (t.entered_at, t.entry_id))",
    ),
    Target(
        "tickets", "ticket_event", "event_id",
        "t.at < :before AND NOT EXISTS (SELECT 1 FROM ticket k WHERE k.ticket_id = t.ticket_id AND (k.closed_at IS NULL OR k.closed_at >= :before))",
        prefix=True,
    ),
    Target(
        "tickets", "ticket", "ticket_id",
        "t.closed_at < :before AND NOT EXISTS (SELECT 1 FROM ticket_event e WHERE e.ticket_id = t.ticket_id)",
    ),
    Target("golden", "golden_history", "history_id", "t.until < :before", prefix=True),
    Target("identity", "crosswalk_history", "history_id", "t.until < :before", prefix=True),
    Target("findings", "finding", "finding_id", "t.closed_at < :before"),
)  # fmt: skip
"""In the order in which they go: a change goes after its steps."""


def count(connection: sa.Connection, target: Target, before: datetime) -> int:
    """Return how many rows have run out."""
    return int(connection.execute(sa.text(f"SELECT count(*) FROM {_which(target)} t"), _moment(before)).scalar_one())


def delete(home: Home, target: Target, before: datetime) -> int:
    """Delete what has run out, a portion at a time; return how many rows went."""
    total = 0
    while gone := _portion(home, target, before):
        total += gone
    return total


def _portion(home: Home, target: Target, before: datetime) -> int:
    columns = ", ".join(f't."{c.name}"' for c in METADATA.tables[target.table].columns)
    chosen = f"(SELECT * FROM {_which(target)} w ORDER BY w.{target.number} LIMIT {PORTION})"
    with home.engine.begin() as connection:
        connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
        found = connection.execute(
            sa.text(
                f"SELECT count(*) AS n, array_agg(t.{target.number}) AS numbers, "
                f"encode(sha256(convert_to(string_agg(ROW({columns})::text, chr(10) ORDER BY t.{target.number}), 'UTF8')), 'hex') AS hash "
                f"FROM {chosen} t"
            ),
            _moment(before),
        ).one()
        if not found.n:
            return 0
        numbers = list(found.numbers)
        span = {"first": min(numbers), "last": max(numbers)} if isinstance(numbers[0], int) else {}
        told: dict[str, Any] = {"expired": over_ids(numbers)} if target.table == "entry" else {}
        proof = act_of(
            home, "expire", "table", [target.table], count=found.n, rule=target.kind, law=RULES[target.kind].law, table=target.table,
            before=before.isoformat(), hash=found.hash, **span, **told,
        )  # fmt: skip
        end = sealed.append(connection, proof, at=home.now().astimezone())
        if told:
            expire_entries(connection, numbers, end.seq)
        connection.execute(sa.select(sa.func.set_config("onefact.expiry", str(end.seq), True)))
        table = METADATA.tables[target.table]
        gone = connection.execute(
            sa.delete(table).where(
                table.c[target.number] == sa.any_(sa.literal(numbers, ARRAY(table.c[target.number].type)))
            )
        )
        if gone.rowcount != found.n:
            raise sa.exc.InvalidRequestError("rows changed while they expired")  # rolls back, proof and all
        return int(found.n)


def _which(target: Target) -> str:
    rows = f"SELECT * FROM {target.table} t WHERE {target.gone}"
    if target.prefix:
        stays = f"SELECT min(s.n) FROM (SELECT t.{target.number} AS n FROM {target.table} t WHERE ({target.gone}) IS NOT TRUE) s"
        rows += f" AND t.{target.number} < coalesce(({stays}), 9223372036854775807)"
    return f"({rows})"


def _moment(before: datetime) -> dict[str, object]:
    return {"before": before, "before_local": before.replace(tzinfo=None).isoformat()}
