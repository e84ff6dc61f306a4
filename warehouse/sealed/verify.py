"""Verifying the log (核验): the rows of the database or of an exported file, against themselves and against checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa

from warehouse.sealed.checkpoint import Checkpoint, CheckpointUnreadable, parse
from warehouse.sealed.signing import PublicKey
from warehouse.sealed.walk import Finding, Row, Walk

AT_ONCE = 5000
"""Rows fetched at a time: the log is never in memory whole."""

ROWS = "SELECT seq, algorithm, prev, hash, convert_to(body, 'UTF8') FROM sealed_log ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found.

    Attributes:
        rows: rows read.
        first: number of the first (1, unless the log was cut lawfully).
        last: number of the last.
        hash: hash of the last row (hex): the one figure that stands for the whole log.
        checkpoints: signed checkpoints compared.
        covered: number up to which a checkpoint vouches; rows after it stand by the chain alone.
        findings: what is wrong, in the order of the rows.
    """

    rows: int
    first: int
    last: int
    hash: str
    checkpoints: int
    covered: int
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not self.findings


def verify(
    rows: Iterable[Row | tuple[int, str, bytes, bytes, bytes]],
    checkpoints: Sequence[Checkpoint] = (),
    key: PublicKey | Sequence[PublicKey] | None = None,
) -> Verdict:
    """Verify rows in the order of their numbers.

    Args:
        rows: of the database (`stored`) or of a file (`warehouse.sealed.walk.of_lines`).
        checkpoints: signed statements of how far the log had come; those not signed by `key` are findings.
        key: the public key, or all that were used one after the other; without any signatures are not looked at, only the hashes.
    """
    keys = (key,) if isinstance(key, PublicKey) else tuple(key or ())
    good = [c for c in checkpoints if not keys or c.signed_by(*keys)]
    bad = [Finding(c.seq, "forged", told=f"{c.at} 的检查点") for c in checkpoints if c not in good]
    walk = Walk({c.seq: bytes.fromhex(c.hash) for c in good if c.seq})
    walk.over(rows)
    last, digest = walk.end
    first = walk.first or (1 if walk.count else 0)
    found = [*bad, *_beginning(walk, keys), *walk.findings]
    beyond = max((c.seq for c in good), default=0)
    if beyond > last:
        found.append(Finding(last + 1, "cut_off", beyond, f"检查点证明日志曾有 {beyond} 条"))
    found.sort(key=lambda f: f.seq)
    covered = max((c.seq for c in good if first <= c.seq <= last), default=0)
    return Verdict(walk.count, first, last, digest.hex(), len(good), covered, tuple(found))


def _beginning(walk: Walk, keys: Sequence[PublicKey]) -> Iterator[Finding]:
    """A log begins with row 1, or where a signed checkpoint says that it was cut."""
    if walk.first in {None, 1}:
        return  # whether row 1 begins the log, the walk has said
    for body in walk.cuts:
        try:
            at = parse(json.loads(body)["detail"]["checkpoint"], Path("cut"))
        except (ValueError, KeyError, TypeError, CheckpointUnreadable):
            continue
        joins = at.seq + 1 == walk.first and bytes.fromhex(at.hash) == walk.first_prev
        if joins and (not keys or at.signed_by(*keys)):
            return
    yield Finding(1, "unproven", (walk.first or 1) - 1)


def stored(connection: sa.Connection) -> Iterator[tuple[int, str, bytes, bytes, bytes]]:
    """Read the log of the database, in portions, by the driver itself: this is where the time of a verification goes."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)  # noqa: S101 - narrows the type
    with driver.cursor("sealed_log_walk", binary=True) as cursor:
        cursor.itersize = AT_ONCE
        cursor.execute(ROWS)
        yield from cursor


def lines(connection: sa.Connection) -> Iterator[bytes]:
    """Return the log as JSON Lines, each row as it is stored: a file that can be verified without the database."""
    for seq, algorithm, prev, digest, body in stored(connection):
        row = {"seq": seq, "algorithm": algorithm, "prev": prev.hex(), "hash": digest.hex(), "body": body.decode()}
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"
