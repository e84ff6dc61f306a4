"""The verbs of the sealed log (密封日志): checkpoint, verify, export; and who has seen somebody.

The log itself is `warehouse.sealed`; here are its keys and folders in an installation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from onefact.home import Home
from warehouse import sealed
from warehouse.sealed import Sealed, Verdict, checkpoint, keys, ledgers
from warehouse.sealed.checkpoint import Checkpoint
from warehouse.sealed.entry_seals import EntryFinding, differing_entries
from warehouse.sealed.ledgers import Portion
from warehouse.sealed.signing import PublicKey
from warehouse.sealed.walk import of_lines
from warehouse.tables import REDIRECT

FOLDER_VARIABLE = "ONEFACT_CHECKPOINTS"
"""Environment: where checkpoints go; a folder that another department keeps, or that can be written once only."""


class NotALog(Exception):
    """A file is no exported log."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: 不是 onefact log export 写出的文件。")


@dataclass(frozen=True, slots=True)
class Verified:
    """What a verification found: the log itself, the sealed portions of ledgers and the entries that are not as they were."""

    log: Verdict
    ledgers: tuple[Portion, ...] = ()
    entries: tuple[EntryFinding, ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return self.log.sound and not self.ledgers and not self.entries


def folder(home: Home) -> Path:
    """Return where checkpoints are written."""
    return Path(os.environ.get(FOLDER_VARIABLE) or home.path / checkpoint.FOLDER)


def issue(home: Home) -> tuple[Checkpoint, Path]:
    """Seal the ledgers, sign the end of the log, write the file; daily (`dags/daily_checkpoint.py`, or cron)."""
    mine, at = keys.load(home.path), home.now().astimezone()
    ledgers.seal(home.engine, actor=home.actor, at=at, via=home.via)
    with home.engine.begin() as connection:
        return checkpoint.issue(connection, mine, folder(home), actor=home.actor, at=at, via=home.via)


def verify(home: Home, checkpoints: Sequence[Path] = (), key: Path | None = None, file: Path | None = None) -> Verified:
    """Verify the log of the master, or an exported file, against itself and against checkpoints.

    Args:
        home: the installation.
        checkpoints: files or folders; those of the installation when none is given.
        key: file of the public key; the installation's own when None. An auditor keeps both elsewhere.
        file: an exported log; then no database is asked.

    Raises:
        NotALog: the file is none.
        warehouse.sealed.checkpoint.CheckpointUnreadable: a file is no checkpoint.
        warehouse.sealed.keys.KeyUnreadable: a key is none.
    """
    marks = checkpoint.all_of(checkpoints or [folder(home)])
    public = (keys.public_of(key.read_bytes(), str(key)),) if key else _own(home, bool(marks))
    if file is not None:
        return Verified(_of_file(file, marks, public))
    with home.engine.connect() as connection:
        found = sealed.verify(sealed.stored(connection), marks, public)
        portions = tuple(ledgers.differing(connection, expired(connection)))
        return Verified(found, portions, tuple(differing_entries(connection, keys.load(home.path).naming)))


def _own(home: Home, needed: bool) -> tuple[PublicKey, ...]:
    return keys.load(home.path).publics if needed else ()


def _of_file(file: Path, marks: Sequence[Checkpoint], public: Sequence[PublicKey]) -> Verdict:
    try:
        with file.open("rb") as lines:
            return sealed.verify(of_lines(lines), marks, public)
    except (ValueError, KeyError, TypeError) as problem:
        raise NotALog(file) from problem


def expired(connection: sa.Connection) -> dict[str, int]:
    """Return until which number the rows of a ledger were deleted by retention, as the log says."""
    done: dict[str, int] = {}
    for row in sealed.entries(connection, act="expire", limit=100_000):
        table, last = row.detail.get("table"), row.detail.get("last")
        if isinstance(table, str) and isinstance(last, int):
            done[table] = max(done.get(table, 0), last)
    return done


def export(home: Home, out: Path) -> int:
    """Write the log as JSON Lines, each row as it is stored; return how many rows."""
    out.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with home.engine.connect() as connection, out.open("wb") as file:
        for line in sealed.lines(connection):
            file.write(line)
            written += 1
    return written


def entries(home: Home, **wanted: Any) -> list[Sealed]:
    """Return rows of the log, newest first (`warehouse.sealed.entries`)."""
    with home.engine.connect() as connection:
        return sealed.entries(connection, **wanted)


def seen(home: Home, entity_type: str, master_id: str, limit: int = 100, until: datetime | None = None) -> list[Sealed]:
    """Return who has seen an entity (by a moment), newest first; ids that were merged into it count."""
    with home.engine.connect() as connection:
        ids, found = {master_id}, {master_id}
        while found:
            query = sa.select(REDIRECT.c.old_id).where(REDIRECT.c.new_id.in_(found))
            found = {str(i) for i in connection.execute(query).scalars()} - ids
            ids |= found
        return sealed.seen_by(connection, entity_type, sorted(ids), limit, until)
