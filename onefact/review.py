"""Review (复核): the pairs that wait for a person, best first by what a decision would change, and the decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import duckdb
import sqlalchemy as sa

from onefact.acting import NOWHERE, Origin, noted
from onefact.home import Home
from onefact.rehearsal import deciding
from onefact.sides import JudgementRefused, Side, between, entity_of, judged, master_of, titles
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.judgements import By, Judgement, Pair, Record, judge, withdraw
from warehouse.tables import CROSSWALK, REVIEW

Answer = Literal["accept", "reject", "undecided"]

ANSWERS: Mapping[Answer, tuple[Judgement, str]] = {
    "accept": ("positive", "accepted"), "reject": ("negative", "rejected"), "undecided": ("unsure", "undecided"),
}  # fmt: skip
"""What is judged, and the state the question is left in."""

BOTH = (
    "CASE WHEN state = 'open' AND left_master <> right_master "
    "THEN least(left_master, right_master)::text || greatest(left_master, right_master)::text ELSE review_id::text END"
)
"""SQL: which two entities an open question is about; a question of unknown entities is about itself."""

LISTED = (
    "SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY both_) AS pairs, "
    "row_number() OVER (PARTITION BY both_ ORDER BY gain DESC NULLS LAST, weight DESC NULLS LAST, review_id) AS place "
    f"FROM (SELECT *, {BOTH} AS both_ FROM review WHERE state = :state AND entity_type = ANY(:types)) r) q WHERE place = 1"
)
"""One question for each two entities: the pair of theirs that would change most."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One side of a question: a source record, the entity it belongs to now, and by which name that is called."""

    record: Record
    master_id: str | None
    title: str
    records: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question for a person: are these two one?

    Attributes:
        number: by which it is called; stays while the question is open.
        reason: why the model does not decide: uncertain, bridge, ambiguous, two_numbers.
        weight: match weight in bits.
        gain: how much a decision would change.
        pairs: how many pairs of records of the two entities ask the same.
    """

    number: int
    entity_type: EntityType
    left: Asked
    right: Asked
    reason: str
    weight: float | None
    gain: float | None
    model: str | None
    pairs: int
    state: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decided_why: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of the two records beside each other."""

    field: str
    left: str | None
    right: str | None


@dataclass(frozen=True, slots=True)
class Decided:
    """A taken decision: `overruled` judgements of others had to be withdrawn for it to stand."""

    question: Question
    judgement: Judgement
    overruled: int


def questions(
    home: Home, entity_type: EntityType | None = None, *, page: int = 1, limit: int = 20, state: str = "open"
) -> tuple[list[Question], int]:
    """Return a page of the questions, the one whose answer changes most first, and how many there are."""
    values = {"state": state, "types": [entity_type] if entity_type else list(ENTITIES)}
    order = (
        "gain DESC NULLS LAST, weight DESC NULLS LAST, review_id" if state == "open" else "decided_at DESC, review_id"
    )
    with home.engine.connect() as connection:
        total = connection.execute(sa.text(f"SELECT count(*) FROM ({LISTED}) l"), values).scalar_one()
        query = sa.text(f"{LISTED} ORDER BY {order} LIMIT :limit OFFSET :skip")
        rows = connection.execute(query, {**values, "limit": limit, "skip": (page - 1) * limit}).mappings().all()
        return _worded(connection, rows), int(total)


def question(home: Home, number: int) -> Question:
    """Return one question.

    Raises:
        JudgementRefused: there is no question of this number.
    """
    with home.engine.connect() as connection:
        return _question(connection, number)


def _question(connection: sa.Connection, number: int) -> Question:
    rows = connection.execute(sa.select(REVIEW).where(REVIEW.c.review_id == number)).mappings().all()
    if not rows:
        raise JudgementRefused(f"没有第 {number} 号复核事项。用 onefact review 查看待复核清单。")
    return _worded(connection, rows)[0]


def _worded(connection: sa.Connection, rows: Sequence[sa.RowMapping]) -> list[Question]:
    masters = {(r["entity_type"], str(r[s])) for r in rows for s in ("left_master", "right_master") if r[s]}
    named = titles(connection, masters)
    ids = [master for _, master in masters]
    count = sa.select(CROSSWALK.c.master_id, sa.func.count()).where(CROSSWALK.c.master_id.in_(ids))
    counted = {str(master): int(n) for master, n in connection.execute(count.group_by(CROSSWALK.c.master_id))}

    def side(row: sa.RowMapping, which: str) -> Asked:
        record = Record(row[f"{which}_system"], row[f"{which}_key"], row[f"{which}_role"])
        master = str(row[f"{which}_master"]) if row[f"{which}_master"] else None
        return Asked(record, master, named.get(master or "", ""), counted.get(master or "", 0))

    return [
        Question(
            r["review_id"], r["entity_type"], side(r, "left"), side(r, "right"), r["reason"], r["weight"], r["gain"], r["model"],
            int(r.get("pairs", 1)), r["state"], r["created_at"], r["decided_by"], r["decided_at"], r["decided_why"],
        )
        for r in rows
    ]  # fmt: skip


def compared(home: Home, asked: Question) -> list[Compared]:
    """Return the fields that either record of a question fills, beside each other (values in full)."""
    with home.warehouse() as con:
        left, right = (_fields(con, asked.entity_type, s.record) for s in (asked.left, asked.right))
    names = [n for n in ENTITIES[asked.entity_type].names if left.get(n) or right.get(n)]
    return [Compared(n, left.get(n), right.get(n)) for n in names]


def _fields(con: duckdb.DuckDBPyConnection, entity_type: EntityType, record: Record) -> dict[str, Any]:
    names = ENTITIES[entity_type].names
    row = con.execute(
        f"SELECT {', '.join(f'{chr(34)}{n}{chr(34)}' for n in names)} FROM std_{entity_type} "
        "WHERE system_id = ? AND record_key = ? AND role = ?",
        [record.system_id, record.record_key, record.role],
    ).fetchall()
    return dict(zip(names, row[0], strict=True)) if row else {}


def joined(home: Home, asked: Question) -> tuple[str | None, str | None]:
    """Return the master ids under which the two records of a question stand now."""
    with home.engine.connect() as connection:
        left, right = (master_of(connection, asked.entity_type, s.record) for s in (asked.left, asked.right))
    return left, right


def decide(
    home: Home, number: int, answer: Answer, *, actor: str, reason: str | None, dry_run: bool = False,
    origin: Origin = NOWHERE,
) -> Decided:  # fmt: skip
    """Answer a question; an answer may be changed later by another.

    The judgement is about the two records, so it stands whatever ids they get later. To accept withdraws judgements that
    keep other records of the two entities apart: two answers cannot both hold.

    Raises:
        JudgementRefused: no such question, it is closed, or this is its answer already.
    """
    judgement, state = ANSWERS[answer]
    by = By(actor, reason, home.now())
    with deciding(home.engine, dry_run) as connection:
        connection.execute(sa.select(REVIEW.c.review_id).where(REVIEW.c.review_id == number).with_for_update())
        asked = _question(connection, number)
        if asked.state == "closed":
            raise JudgementRefused(
                f"第 {number} 号复核事项已因数据变化而关闭，无需再判定。用 onefact review 查看现有事项。"
            )
        if asked.state == state:
            raise JudgementRefused(f"第 {number} 号复核事项已由 {asked.decided_by} 这样判定，无需重复。")
        pair = Pair(asked.entity_type, asked.left.record, asked.right.record)
        overruled = _overrule(connection, pair, by) if answer == "accept" else 0
        judge(connection, [pair], judgement, by)
        _settle(connection, number, state, by)
        if asked.left.master_id and asked.right.master_id:
            _close_alike(connection, asked, by)
        noted(
            connection,
            home,
            "review",
            asked.entity_type,
            _both(asked),
            actor=actor,
            origin=origin,
            question=number,
            answer=answer,
        )
        return Decided(asked, judgement, overruled)


def _both(asked: Question) -> list[str]:
    return [s.master_id for s in (asked.left, asked.right) if s.master_id]


def _overrule(connection: sa.Connection, pair: Pair, by: By) -> int:
    """Withdraw what keeps other records of the two entities apart."""
    one, other = (_entity(connection, pair.entity_type, record) for record in (pair.left, pair.right))
    if one is None or other is None or one.master_id == other.master_id:
        return 0
    apart = [p for p in judged(between(connection, one, other), "negative") if p != pair]
    return withdraw(connection, apart, by)


def _entity(connection: sa.Connection, entity_type: EntityType, record: Record) -> Side | None:
    master = master_of(connection, entity_type, record)
    return entity_of(connection, master) if master else None


def _settle(connection: sa.Connection, number: int, state: str, by: By) -> None:
    decided = {"decided_by": by.actor, "decided_at": by.at.astimezone(), "decided_why": by.reason}
    connection.execute(sa.update(REVIEW).where(REVIEW.c.review_id == number).values(state=state, **decided))


def _close_alike(connection: sa.Connection, asked: Question, by: By) -> None:
    """Close the other questions about the same two entities: they were answered with this one."""
    both = (asked.left.master_id, asked.right.master_id)
    alike = sa.update(REVIEW).where(
        REVIEW.c.state == "open", REVIEW.c.review_id != asked.number, REVIEW.c.entity_type == asked.entity_type,
        REVIEW.c.left_master.in_(both), REVIEW.c.right_master.in_(both), REVIEW.c.left_master != REVIEW.c.right_master,
    )  # fmt: skip
    why = f"同第 {asked.number} 号"
    connection.execute(
        alike.values(state="closed", decided_by=by.actor, decided_at=by.at.astimezone(), decided_why=why)
    )


def reopen(
    home: Home, number: int, *, actor: str, reason: str | None, dry_run: bool = False, origin: Origin = NOWHERE
) -> Question:
    """Take an answer back, so that the model decides or asks again.

    Raises:
        JudgementRefused: no such question, or nobody has answered it.
    """
    by = By(actor, reason, home.now())
    with deciding(home.engine, dry_run) as connection:
        asked = _question(connection, number)
        if asked.state not in {state for _, state in ANSWERS.values()}:
            raise JudgementRefused(
                f"第 {number} 号复核事项没有可撤回的判定。用 onefact review --state accepted 等查看已判定的。"
            )
        pair = Pair(asked.entity_type, asked.left.record, asked.right.record)
        withdraw(connection, [pair], by)
        # The next consolidation asks again by itself if the pair is still uncertain.
        _settle(connection, number, "closed", by)
        noted(connection, home, "reopen", asked.entity_type, _both(asked), actor=actor, origin=origin, question=number)
    return asked
