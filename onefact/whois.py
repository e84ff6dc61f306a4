"""Who is this, and who was it (某日认定): which entity a record was taken for on a day, with whom, and on what evidence.

All of it is read from the master: crosswalk and its history say who was whom, the edge ledger says why. Both are
append-only, so the answer for a day in the past stays the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import sqlalchemy as sa

from onefact.enter import current_id
from onefact.home import Home
from onefact.sides import titles
from schemas.model import EntityType
from warehouse.judgements import Pair, Record
from warehouse.tables import CROSSWALK, CROSSWALK_HISTORY, EDGE

RULES: Mapping[str, str] = {
    "anchor": "有效号码相同", "match": "综合比对", "single": "无其他记录", "decided": "指定归属", "judged": "人工判定",
}  # fmt: skip
"""Rules of the crosswalk in words; others are shown as they are named."""


class NobodyThen(Exception):
    """A question about a record or a day that has no answer, with the reason and what to do (中文)."""


@dataclass(frozen=True, slots=True)
class Held:
    """A record that belonged to an entity for a time.

    Attributes:
        record: the source record.
        master_id: the entity.
        rule: what linked it, e.g. anchor (the same valid number).
        since: from when; None = from before history was kept.
        until: to when; None = still.
        run_id: the run that linked it.
        ended_by: the run that ended it.
    """

    entity_type: EntityType
    record: Record
    master_id: str
    rule: str
    since: datetime | None
    until: datetime | None
    run_id: str | None
    ended_by: str | None

    def at(self, moment: datetime) -> bool:
        """Tell whether it held at a moment."""
        return (self.since is None or self.since <= moment) and (self.until is None or self.until > moment)


@dataclass(frozen=True, slots=True)
class Evidence:
    """An edge that held: what the model weighed (auto) or a person judged, who, when and why."""

    pair: Pair
    judgement: str
    weight: float | None
    rule: str | None
    model: str | None
    actor: str | None
    reason: str | None
    since: datetime
    until: datetime | None
    ended_by: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a record was taken for at a moment.

    Attributes:
        held: the record's own row.
        now: the id that stands for that entity now: itself, its heir, or None when no records are left.
        title: how the golden record of `now` is called now.
        fellows: the other records of the entity at that moment.
        evidence: what joined its records then, and what persons judged about any of them.
        life: everything the record was taken for, oldest first.
    """

    held: Held
    now: str | None
    title: str
    fellows: tuple[Held, ...]
    evidence: tuple[Evidence, ...]
    life: tuple[Held, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer for one record (a record may describe several entities) at a moment."""

    system_id: str
    record_key: str
    at: datetime
    identities: tuple[Identity, ...]


def moment(home: Home, on: str | None) -> datetime:
    """Return the moment a question is about: now, the given time, or the last moment of the given day (local time).

    Raises:
        NobodyThen: the text is neither a date nor a time.
    """
    if on is None:
        return home.now().astimezone()
    try:
        if len(on) <= len("2026-11-01"):
            after = datetime.combine(date.fromisoformat(on) + timedelta(days=1), time.min).astimezone()
            return after - timedelta(microseconds=1)
        return datetime.fromisoformat(on).astimezone()
    except (ValueError, OverflowError) as error:
        raise NobodyThen(f"“{on}”不是日期。请写成 2026-11-01，或带时刻 2026-11-01T12:00。") from error


def whois(home: Home, system_id: str, record_key: str, on: str | None = None) -> Answer:
    """Tell who a record was taken for on a day, and why.

    Args:
        home: the installation.
        system_id: the source system.
        record_key: the record's key there.
        on: a day (its last moment counts) or a time; now when not given.

    Raises:
        NobodyThen: the record is unknown, was not known yet or any more, or `on` is no date.
    """
    at = moment(home, on)
    with home.engine.connect() as connection:
        own = (CROSSWALK.c.system_id == system_id, CROSSWALK.c.record_key == record_key)
        past = (CROSSWALK_HISTORY.c.system_id == system_id, CROSSWALK_HISTORY.c.record_key == record_key)
        life = held_by(connection, own, past)
        if not life:
            raise NobodyThen(
                f"没有系统 {system_id} 的记录 {record_key}。请核对系统编号（onefact systems list）和记录号。"
            )
        then = [h for h in life if h.at(at)]
        if not then:
            raise NobodyThen(_not_then(system_id, record_key, at, life))
        return Answer(system_id, record_key, at, tuple(_identity(connection, h, at, life) for h in then))


def _not_then(system_id: str, record_key: str, at: datetime, life: Sequence[Held]) -> str:
    spans = "；".join(
        f"{_day(h.since) or '启用历史之前'} 至 {_day(h.until) or '今'}"
        for h in sorted(life, key=lambda h: h.until or at)[:5]
    )
    return f"系统 {system_id} 的记录 {record_key} 在 {_day(at)} 没有归属。有归属的时间：{spans}。"


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone():%Y-%m-%d %H:%M}"


def _identity(connection: sa.Connection, held: Held, at: datetime, life: Sequence[Held]) -> Identity:
    entity = held_by(
        connection, (CROSSWALK.c.master_id == held.master_id,), (CROSSWALK_HISTORY.c.master_id == held.master_id,)
    )
    members = [h for h in entity if h.at(at)]
    now = current_id(connection, held.master_id)
    named = titles(connection, [(held.entity_type, now)])
    mine = [h for h in life if (h.entity_type, h.record) == (held.entity_type, held.record)]
    return Identity(
        held, now if now in named else None, named.get(now, ""), tuple(h for h in members if h.record != held.record),
        _evidence(connection, held.entity_type, {h.record for h in members}, at),
        tuple(sorted(mine, key=lambda h: (h.until is None, h.until))),
    )  # fmt: skip


def held_by(
    connection: sa.Connection, now: Sequence[sa.ColumnElement[bool]], past: Sequence[sa.ColumnElement[bool]]
) -> list[Held]:
    """Return the rows of crosswalk (`now`) and of its history (`past`) that meet the conditions, by record."""
    names = ("system_id", "record_key", "role", "entity_type", "master_id", "rule", "since", "run_id")
    history = CROSSWALK_HISTORY
    parts = (
        sa.select(*(CROSSWALK.c[n] for n in names), sa.null().label("until"), sa.null().label("ended_by")).where(*now),
        sa.select(*(history.c[n] for n in names), history.c.until, history.c.ended_by).where(*past),
    )
    return sorted(
        (
            Held(
                r["entity_type"], Record(r["system_id"], r["record_key"], r["role"]), str(r["master_id"]), r["rule"],
                r["since"], r["until"], r["run_id"], r["ended_by"],
            )
            for part in parts
            for r in connection.execute(part).mappings()
        ),
        key=lambda h: (h.entity_type, h.record),
    )  # fmt: skip


def _evidence(
    connection: sa.Connection, entity_type: EntityType, members: set[Record], at: datetime
) -> tuple[Evidence, ...]:
    """Return the edges among the members at a moment, and every judgement that then stood on one of them."""
    keys = {m.record_key for m in members}
    query = sa.select(EDGE).where(
        EDGE.c.entity_type == entity_type,
        sa.or_(EDGE.c.left_key.in_(keys), EDGE.c.right_key.in_(keys)),
        EDGE.c.created_at <= at,
        sa.or_(EDGE.c.ended_at.is_(None), EDGE.c.ended_at > at),
    )
    found = []
    for r in connection.execute(query).mappings():
        left, right = (Record(r[f"{s}_system"], r[f"{s}_key"], r[f"{s}_role"]) for s in ("left", "right"))
        inside = (left in members) + (right in members)
        if inside == 2 or (inside and r["judgement"] != "auto"):
            found.append(
                Evidence(
                    Pair(entity_type, left, right), r["judgement"], r["weight"], r["rule"], r["model"], r["actor"], r["reason"],
                    r["created_at"], r["ended_at"], r["ended_by"],
                )
            )  # fmt: skip
    return tuple(sorted(found, key=lambda e: (e.judgement == "auto", -(e.weight or 0), e.pair)))
