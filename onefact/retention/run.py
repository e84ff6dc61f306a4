"""The expiry job (到期删除): what has run out by the settings, and its deletion with proof in the sealed log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from onefact import log
from onefact.acting import noted
from onefact.home import Home
from onefact.retention import files, tables
from onefact.retention.rules import RULES
from onefact.retention.settings import Retention, load
from warehouse import sealed
from warehouse.sealed import checkpoint, keys
from warehouse.sealed.chain import stamp
from warehouse.sealed.checkpoint import Checkpoint
from warehouse.tables import SEALED_LOG


class LogUnsound(Exception):
    """The log does not verify: nothing of it is cut, and nothing else is deleted before somebody has looked."""

    def __init__(self) -> None:
        super().__init__("密封日志核验不通过，未删除任何内容。请先运行 onefact log verify 查明。")


@dataclass(frozen=True, slots=True)
class Expired:
    """What has run out, or was deleted: so many of a kind, from before a moment."""

    kind: str
    what: str
    count: int
    before: datetime


def due(home: Home) -> list[Expired]:
    """Return what has run out by now, without deleting anything."""
    before = _moments(home, load(home))
    found = []
    with home.engine.connect() as connection:
        found += [
            Expired(t.kind, t.table, tables.count(connection, t, before[t.kind]), before[t.kind])
            for t in tables.TARGETS
        ]
        at = _cut(home, connection, before["log"])
        rows = (
            connection.execute(sa.select(sa.func.count()).where(SEALED_LOG.c.seq <= at.seq)).scalar_one() if at else 0
        )
    batches = files.batches(home, before)
    found += [Expired(k, "batch", sum(b.kind == k for b in batches), before[k]) for k in ("landing", "rejects")]
    found.append(Expired("sharing", "answer", len(files.answers(home, home.now())), before["sharing"]))
    return [*found, Expired("log", "sealed_log", int(rows), before["log"])]


def run(home: Home) -> list[Expired]:
    """Delete what has run out; return what went.

    Raises:
        LogUnsound: the sealed log does not verify.
        onefact.retention.settings.TooShort: a setting lies below the floor of the law.
    """
    before = _moments(home, load(home))
    if not log.verify(home).sound:
        raise LogUnsound
    gone = [Expired(t.kind, t.table, tables.delete(home, t, before[t.kind]), before[t.kind]) for t in tables.TARGETS]
    batches = files.batches(home, before)
    files.forget(home, batches)
    gone += [Expired(k, "batch", sum(b.kind == k for b in batches), before[k]) for k in ("landing", "rejects")]
    gone.append(Expired("sharing", "answer", files.burn(home, files.answers(home, home.now())), before["sharing"]))
    gone.append(Expired("log", "sealed_log", _cut_log(home, before["log"]), before["log"]))
    return gone


def _moments(home: Home, settings: Retention) -> dict[str, datetime]:
    now = home.now().astimezone()
    return {kind: now - timedelta(days=settings.days[kind]) for kind in RULES}


def _cut(home: Home, connection: sa.Connection, before: datetime) -> Checkpoint | None:
    """The newest checkpoint all of whose rows have run out."""
    moment = stamp(before)
    c = SEALED_LOG.c
    kept = connection.execute(sa.select(sa.func.min(c.seq)).where(c.at >= moment)).scalar()
    first = connection.execute(sa.select(sa.func.min(c.seq))).scalar()
    marks = checkpoint.all_of([log.folder(home)])
    public = keys.load(home.path).publics if marks else ()
    fit = [m for m in marks if first and first <= m.seq and (kept is None or m.seq < kept) and m.signed_by(*public)]
    return max(fit, key=lambda m: m.seq, default=None)


def _cut_log(home: Home, before: datetime) -> int:
    """Cut the log at a signed checkpoint; the row that says so holds the checkpoint, so that what is left can be verified."""
    with home.engine.begin() as connection:
        at = _cut(home, connection, before)
        if at is None:
            return 0
        rows = connection.execute(sa.select(sa.func.count()).where(SEALED_LOG.c.seq <= at.seq)).scalar_one()
        noted(
            connection, home, "cut", "table", ["sealed_log"], count=rows, rule="log", law=RULES["log"].law,
            before=before.isoformat(), checkpoint=at.document(),
        )  # fmt: skip
        end = sealed.head(connection)
        connection.execute(sa.select(sa.func.set_config("onefact.expiry", str(end.seq), True)))
        connection.execute(sa.delete(SEALED_LOG).where(SEALED_LOG.c.seq <= at.seq))
        return int(rows)
