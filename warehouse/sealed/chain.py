"""The chain (哈希链): one row is one act, and its hash covers the row before, so that no row can change alone.

**Where the lock is.** An act of a person (an entry, a judgement, a reading) is chained in the transaction that does it, under
an advisory lock that is held until the commit: an act and its row exist together or not at all, and two writers cannot
continue the same row (a fork). Such acts come at human speed and their transactions are short. The steps of the pipeline
come by the ten thousand within long transactions and must not wait for each other: they stand in ledgers of their own
(`delivery`, `refusal`, `entry` …), and `warehouse.sealed.ledgers` seals those by their numbers, a range in one row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from warehouse.sealed.canonical import canonical, clean
from warehouse.tables.sealed import SEALED_LOG

GENESIS = bytes(32)
"""What the first row takes for the hash of the row before it."""

ALGORITHMS = ("sha256", "sm3")

FIRST = "sha256"
"""Algorithm of a log that has not begun."""

ALL = "*"
"""The subject of an act that concerned everything of its type (an export of all persons)."""

LISTED = 1000
"""Subjects that are named one by one; an act that concerned more is one on all of its type."""

SWITCH = "hash"
"""The act that changes the algorithm: from this row on the log is hashed so."""

Hash = Callable[[bytes], bytes]


class NoSuchAlgorithm(Exception):
    """This machine cannot compute the hash (SM3 needs an OpenSSL that has it)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"没有算法 {name}：日志可用 sha256 或 sm3（sm3 需要带国密算法的 OpenSSL）。")


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did or read.

    Attributes:
        actor: who: an account, a person at a terminal, a scheduler.
        act: what, one word: `read`, `enter`, `merge` … (`warehouse.sealed.words.ACTS` has the Chinese words).
        subject_type: what `subjects` are: `person`, `house`, `system`, `rule` …
        subjects: whom it concerned, by master id or another number that names nobody; (`ALL`,) for everything.
        purpose: for what, in the words of who acts.
        count: how many records or things it concerned; the number of subjects when not given.
        detail: more, in texts, whole numbers, truth values, lists and objects; no personal data.
        outcome: `done`, `refused` or `failed`.
        via: where: `cli`, `portal`, `api`, `schedule`.
    """

    actor: str
    act: str
    subject_type: str = ""
    subjects: Sequence[str] = ()
    purpose: str = ""
    count: int | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = "done"
    via: str = ""

    def document(self, seq: int, at: datetime) -> dict[str, Any]:
        """Return the act as the document that is hashed; what people typed is cleaned of citizen and mobile numbers."""
        subjects = sorted(set(map(str, self.subjects)))
        return {
            "seq": seq,
            "at": stamp(at),
            "actor": clean(self.actor)[:60], "act": self.act[:30], "subject_type": self.subject_type[:30],
            "subjects": clean(subjects) if len(subjects) <= LISTED else [ALL],
            "purpose": clean(self.purpose), "count": len(subjects) if self.count is None else self.count,
            "detail": clean(dict(self.detail)), "outcome": self.outcome, "via": self.via,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the log: how far it has come and the hash that covers everything until there."""

    seq: int
    hash: bytes
    algorithm: str


def stamp(at: datetime) -> str:
    """Return a moment as the log writes it: UTC, so that its text sorts as it does."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def hashing(algorithm: str) -> Hash:
    """Return the hash function of a name; raises `NoSuchAlgorithm`.

    SM3 (GB/T 32905-2016) is OpenSSL's, by `hashlib`.
    """
    if algorithm == "sha256":
        return lambda data: hashlib.sha256(data).digest()
    if algorithm != "sm3" or "sm3" not in hashlib.algorithms_available:
        raise NoSuchAlgorithm(algorithm)
    return lambda data: hashlib.new("sm3", data).digest()


def head(connection: sa.Connection) -> Head:
    """Return the end of the log; (0, GENESIS) of an empty one."""
    query = sa.select(SEALED_LOG.c.seq, SEALED_LOG.c.hash, SEALED_LOG.c.algorithm)
    row = connection.execute(query.order_by(SEALED_LOG.c.seq.desc()).limit(1)).first()
    return Head(int(row.seq), bytes(row.hash), row.algorithm) if row else Head(0, GENESIS, FIRST)


def hold_end(connection: sa.Connection) -> None:
    """Keep the end of the log for this transaction until its commit; whoever holds it already goes on."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("onefact sealed log"))))


def append(connection: sa.Connection, *acts: Act, at: datetime | None = None) -> Head:
    """Chain acts at the end of the log, in the caller's transaction; return the new end.

    Call it last before the commit: from here to the commit nobody else can append. A caller that shows personal data
    commits first and shows then, so that nothing is read that is not in the log.

    Args:
        connection: of the transaction that does what is told.
        acts: one or more.
        at: when; now when not given.

    Raises:
        warehouse.sealed.canonical.NotCanonical: a detail cannot be written in one way only.
        NoSuchAlgorithm: the log is hashed by an algorithm that this machine lacks.
    """
    moment = at or datetime.now(UTC)
    hold_end(connection)
    end = head(connection)
    rows = []
    for act in acts:
        algorithm = str(act.detail["algorithm"]) if act.act == SWITCH else end.algorithm
        body = canonical(act.document(end.seq + 1, moment))
        digest = hashing(algorithm)(end.hash + body)
        rows.append(
            {"seq": end.seq + 1, "algorithm": algorithm, "prev": end.hash, "hash": digest, "body": body.decode()}
        )
        end = Head(end.seq + 1, digest, algorithm)
    if rows:
        connection.execute(sa.insert(SEALED_LOG), rows)
    return end
