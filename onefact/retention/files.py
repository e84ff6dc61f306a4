"""Deleting files that have run out: landed batches that nothing rests on any more, and answers whose records are gone.

A batch stays while a current record comes from it: it is the evidence of what the master says, and `onefact rebuild` reads it.
Of a batch that goes, the register keeps the SHA-256, the counts and the time.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from onefact.acting import noted
from onefact.home import Home
from onefact.retention.rules import RULES
from schemas.entities import ENTITIES
from warehouse import landing
from warehouse.duck import standardised_table
from warehouse.tables import BATCH, DELIVERY, OUTBOX

SETTLING = timedelta(days=1)
"""An answer's file is there a moment before the step that names it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A landed batch that has run out."""

    batch_id: str
    system_id: str
    folder: str
    kind: str
    rows: int


def batches(home: Home, before: Mapping[str, datetime]) -> list[Batch]:
    """Return the batches that have run out; `before` is the moment for `landing` and for `rejects`."""
    known = " UNION ".join(f"SELECT batch_id FROM {standardised_table(e)}" for e in ENTITIES)
    with home.warehouse() as con:
        needed = {r[0] for r in con.execute(known).fetchall()}
        rejected = {r[0] for r in con.execute("SELECT DISTINCT batch_id FROM reject").fetchall()}
    with home.engine.connect() as connection:
        landed = connection.execute(
            sa.select(BATCH).where(BATCH.c.folder.is_not(None)).order_by(BATCH.c.pulled_at, BATCH.c.batch_id)
        )
        found = []
        for row in landed.mappings():
            kind = "rejects" if row["batch_id"] in rejected else "landing"
            old = row["pulled_at"] < before[kind].replace(tzinfo=None).isoformat()
            if old and row["batch_id"] not in needed:
                found.append(Batch(row["batch_id"], row["system_id"], row["folder"], kind, row["received"]))
    return found


def forget(home: Home, found: Sequence[Batch]) -> int:
    """Delete batches: proof, register and files together; where the files cannot be deleted, nothing is said to be gone."""
    for batch in found:
        folder = home.landing / batch.folder
        digest = landing.digest(folder) if folder.exists() else None
        with home.engine.begin() as connection:
            connection.execute(sa.update(BATCH).where(BATCH.c.batch_id == batch.batch_id).values(folder=None))
            noted(
                connection, home, "expire", "batch", [batch.batch_id], count=batch.rows, rule=batch.kind, law=RULES[batch.kind].law,
                system=batch.system_id, hash=digest,
            )  # fmt: skip
            if digest is not None:
                shutil.rmtree(folder)
    if found:
        with home.warehouse() as con:
            ids = [b.batch_id for b in found]
            con.execute("DELETE FROM reject WHERE batch_id IN (SELECT unnest(?))", [ids])
    return len(found)


def answers(home: Home, now: datetime) -> list[Path]:
    """Return the kept answers that no step names any more."""
    folder = home.path / "answers"
    with home.engine.connect() as connection:
        named = sa.union(
            *(sa.select(t.c.answer_sha256).where(t.c.answer_sha256.is_not(None)) for t in (DELIVERY, OUTBOX))
        )
        kept = set(connection.execute(named).scalars())
    old = (now - SETTLING).timestamp()
    return sorted(p for p in folder.glob("*/*") if p.name not in kept and p.stat().st_mtime < old)


def burn(home: Home, found: Sequence[Path]) -> int:
    """Delete answers; the proof is their count and the hash of their names, which are the hashes of what they held."""
    if found:
        names = hashlib.sha256("\n".join(p.name for p in found).encode()).hexdigest()
        with home.engine.begin() as connection:
            noted(
                connection, home, "expire", "answer", count=len(found), rule="sharing", law=RULES["sharing"].law, hash=names
            )  # fmt: skip
        for path in found:
            path.unlink()
    return len(found)
