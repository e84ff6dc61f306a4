"""Sealing the pipeline's ledgers (密封流水): their rows are hashed by their numbers, a portion in one row of the log.

Deliveries, refusals and steps of tickets come by the ten thousand within long transactions; a chain through each of them
would make every writer wait for every other. They stand in tables that PostgreSQL only adds to, numbered as they come. The
seal takes what has come since the last one, hashes it in the order of the numbers, and notes table, range, count and hash in
the log. So a changed, removed or added row of theirs shows as well, in its portion.

Numbers are given before a transaction commits, so a smaller one may become visible after a greater one. The seal therefore
waits, for a moment, until nobody is writing into the table (a SHARE lock): then no number below the greatest can still come.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from warehouse.sealed.chain import Act, append
from warehouse.tables import METADATA
from warehouse.tables.sealed import SEALED_LOG

LEDGERS: Mapping[str, str] = {
    "delivery": "delivery_id", "refusal": "refusal_id", "ticket_event": "event_id", "crosswalk_history": "history_id",
    "golden_history": "history_id",
}  # fmt: skip
"""Ledger -> the column of its numbers."""

PORTION = 10_000
"""Rows under one hash."""

PATIENCE = "2s"
"""How long a seal waits for writers; what it does not get is sealed the next time."""


@dataclass(frozen=True, slots=True)
class Portion:
    """A sealed range of a ledger, as the log has it."""

    table: str
    first: int
    last: int
    count: int
    hash: str
    columns: tuple[str, ...]
    seq: int

    def __str__(self) -> str:
        return f"流水表 {self.table} 第 {self.first} 至 {self.last} 号与密封时不符（密封于日志第 {self.seq} 条）"


def seal(engine: sa.Engine, *, actor: str, at: datetime | None = None, via: str = "") -> int:
    """Seal what has come into the ledgers; return how many rows. Of two at once the second finds nothing left to do."""
    tops = {table: _settled(engine, table, number) for table, number in LEDGERS.items()}
    with engine.begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("onefact seal ledgers"))))
        connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
        done = {p.table: p.last for p in portions(connection)}  # the newest of each table comes last
        acts: list[Act] = []
        for table, number in LEDGERS.items():
            columns = [c.name for c in METADATA.tables[table].columns]
            begin = done.get(table, 0)
            while begin < tops[table]:
                count, last, digest = _hash(connection, table, number, columns, begin, tops[table])
                if count == 0:
                    break
                told = {"table": table, "first": begin + 1, "last": last, "hash": digest, "columns": columns}
                acts.append(Act(actor, "seal", "ledger", (table,), count=count, detail=told, via=via))
                begin = last
        if acts:
            append(connection, *acts, at=at)
    return sum(a.count or 0 for a in acts)


def portions(connection: sa.Connection) -> Iterator[Portion]:
    """Return the sealed ranges, in the order in which they were sealed."""
    query = sa.select(SEALED_LOG.c.seq, SEALED_LOG.c.body).where(SEALED_LOG.c.act == "seal").order_by(SEALED_LOG.c.seq)
    for seq, body in connection.execute(query):
        told = json.loads(body)
        d = told["detail"]
        yield Portion(d["table"], d["first"], d["last"], told["count"], d["hash"], tuple(d["columns"]), seq)


def differing(connection: sa.Connection, expired: Mapping[str, int] | None = None) -> list[Portion]:
    """Return the sealed ranges that are not as they were.

    Args:
        connection: to the master.
        expired: ledger -> the number until which its rows were deleted lawfully; ranges below are not looked at.
    """
    connection.execute(sa.text("SET LOCAL timezone = 'UTC'"))
    wrong = []
    for p in portions(connection):
        if p.table not in LEDGERS or p.first <= (expired or {}).get(p.table, 0):
            continue
        found = _hash(connection, p.table, LEDGERS[p.table], p.columns, p.first - 1, p.last, limit=None)
        if (found[0], found[2]) != (p.count, p.hash):
            wrong.append(p)
    return wrong


def _settled(engine: sa.Engine, table: str, number: str) -> int:
    """The number below which nothing can come any more; 0 while somebody keeps writing.

    In a transaction of its own: writers wait for this moment only, not for the hashing.
    """
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"SET LOCAL lock_timeout = '{PATIENCE}'"))
            connection.execute(sa.text(f"LOCK TABLE {table} IN SHARE MODE"))
            top = connection.execute(sa.text(f"SELECT coalesce(max({number}), 0) FROM {table}")).scalar_one()
    except sa.exc.OperationalError:
        return 0
    return int(top)


def _hash(
    connection: sa.Connection,
    table: str,
    number: str,
    columns: Any,
    after: int,
    until: int,
    limit: int | None = PORTION,
) -> tuple[int, int, str]:
    """Return count, last number and hash of the rows in (after, until], at most `limit`."""
    row = ", ".join(f't."{c}"' for c in columns)
    found = connection.execute(
        sa.text(
            f"SELECT count(*), max(n), encode(sha256(convert_to(string_agg(line, chr(10) ORDER BY n), 'UTF8')), 'hex') FROM "
            f"(SELECT t.{number} AS n, ROW({row})::text AS line FROM {table} t WHERE t.{number} > :after AND t.{number} <= :until "
            f"ORDER BY t.{number} LIMIT :limit) r"
        ),
        {"after": after, "until": until, "limit": limit},
    ).one()
    return int(found[0]), int(found[1] or after), str(found[2])
