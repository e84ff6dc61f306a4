"""Who has received it (谁已收到): after saving, per system what became of a fact, in plain words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from onefact.acts import Line, Taken
from onefact.enter import current_id
from onefact.home import Home
from onefact.household import name_of
from onefact.law import register
from onefact.reach import reach
from schemas.entities import ENTITIES
from schemas.model import Field
from warehouse.tables import OUTBOX, TICKET

State = Literal["received", "sent", "queued", "refused", "person", "ticket", "needless", "stopped"]

WORDS: Final[Mapping[State, str]] = {
    "received": "已接收", "sent": "已发出，待回执", "queued": "排队", "refused": "被拒", "person": "待人工录入", "ticket": "待权威部门",
    "needless": "不需要", "stopped": "已停止",
}  # fmt: skip
"""State -> what people call it."""

DELETING: Final[Mapping[State, str]] = {"received": "已注销", "queued": "排队注销", "person": "待人工注销"}
"""The same of a record that is to be deleted."""

TONES: Final[Mapping[State, str]] = {
    "received": "good", "sent": "wait", "queued": "wait", "refused": "bad", "person": "wait", "ticket": "wait", "needless": "none",
    "stopped": "none",
}  # fmt: skip

OUTCOMES: Final[Mapping[str, State]] = {
    "verified": "received", "sent": "sent", "planned": "queued", "pending": "queued", "no_answer": "sent", "rejected": "refused",
    "conflict": "refused", "awaiting_person": "person", "dead": "stopped",
}  # fmt: skip
"""State of the outbox -> what it means to a worker."""

REASONS: Final[Mapping[str, str]] = {
    "readback_differs": "对方收下后，读出来的值不一样",
    "conflict": "对方的记录同时被别人改过，正在重新比对",
    "not_there": "对方没有显示这次更改，稍后再看",
    "exported": "单向导出，不再有回音",
    "no_receipt": "文件已放到对方目录，对方不给回执",
    "typed_by_person": "已人工录入，对方不提供回读",
    "too_often": "多次尝试没有成功，已转给数据管理员",
    "withheld": "依规定不外传",
}
"""Stable code -> the reason in plain words, where the system itself said none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one fact at one system."""

    system_id: str
    system: str
    state: State
    at: datetime | None
    receipt: str
    why: str
    change_id: int | None
    deletes: bool = False

    @property
    def word(self) -> str:
        """What the state is called."""
        return DELETING.get(self.state, WORDS[self.state]) if self.deletes else WORDS[self.state]

    @property
    def tone(self) -> str:
        """How it is coloured: good, wait, bad, none."""
        return TONES[self.state]


@dataclass(frozen=True, slots=True)
class Received:
    """One fact with what became of it everywhere; `working`: it was saved, and the next run takes it along."""

    line: Line
    field: Field
    master_id: str
    working: bool
    deliveries: tuple[Delivery, ...]

    def count(self, *states: State) -> int:
        """Return at how many systems it is in one of these states."""
        return sum(d.state in states for d in self.deliveries)


def received(connection: sa.Connection, home: Home, act: Taken) -> list[Received]:
    """Return for each fact of an act what became of it, system by system."""
    authorised = register.read_in(connection, {line.field for line in act.lines}).may("out", home.now().date())
    ids = {line.master_id: current_id(connection, line.master_id) for line in act.lines}
    rows = connection.execute(
        sa.select(OUTBOX).where(OUTBOX.c.master_id.in_(set(ids.values()))).order_by(OUTBOX.c.change_id)
    ).mappings().all()  # fmt: skip
    facts = [(line.entity_type, ids[line.master_id], line.field) for line in act.lines]
    ways = reach(connection, home, facts, authorised)
    told = []
    for line, way in zip(act.lines, ways, strict=True):
        mine = [r for r in rows if str(r["master_id"]) == ids[line.master_id] and _about(r, line, act.at)]
        newest = {(r["system_id"], r["record_key"], r["role"]): r for r in mine}
        found = [_delivery(home, r) for r in newest.values()]
        if not line.counts:
            found += _ticket(connection, line)
        done = {d.system_id for d in found}
        if line.taken and line.counts:
            found += [
                Delivery(
                    w.system_id,
                    w.system,
                    "needless",
                    None,
                    "",
                    w.why if w.how == "none" else "该系统已是这个值，或不再需要",
                    None,
                )
                for w in way.ways
                if w.system_id not in done and w.how != "ticket"
            ]
        order = list(WORDS)
        told.append(
            Received(
                line, ENTITIES[line.entity_type].field(line.field), ids[line.master_id], not line.taken,
                tuple(sorted(found, key=lambda d: (order.index(d.state), d.system))),
            )
        )  # fmt: skip
    return told


def _about(row: sa.RowMapping, line: Line, since: datetime) -> bool:
    """Whether a change carries this fact: its field, made or settled since, not replaced by a newer plan."""
    if row["state"] == "dead" and row["code"] == "superseded":
        return False
    if not any(c["field"] == line.field for c in row["changes"]):
        return False
    moments = [m for m in (row["created_at"], row["settled_at"]) if m is not None]
    return max(moments) >= since or row["state"] in {"planned", "pending", "awaiting_person"}


def _delivery(home: Home, row: sa.RowMapping) -> Delivery:
    state: State = OUTCOMES[row["state"]]
    if row["state"] == "sent" and row["code"] in {"exported", "typed_by_person"}:
        state = "received"
    why = REASONS.get(row["code"] or "", "")
    if state == "refused":
        why = row["message"] or why or "对方没有接受"
    if state == "stopped":
        why = row["message"] or why or "这次更改不再需要"
    deletes = row["operation"] == "delete"
    if deletes and state in {"person", "queued"}:
        why = "登记已撤销，对方系统里已建的记录须注销"
    return Delivery(
        row["system_id"], name_of(home, row["system_id"]), state, row["settled_at"], row["receipt"] or "", why, row["change_id"], deletes
    )  # fmt: skip


def _ticket(connection: sa.Connection, line: Line) -> list[Delivery]:
    query = (
        sa.select(TICKET)
        .where(TICKET.c.master_id == line.master_id, TICKET.c.field == line.field, TICKET.c.value == line.value)
        .order_by(TICKET.c.ticket_id.desc())
        .limit(1)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        return []
    state: State = {"open": "ticket", "accepted": "received", "refused": "refused"}.get(row["state"], "stopped")  # type: ignore[assignment]
    due = f"工单 {row['ticket_id']}，应于 {row['due_at']:%Y-%m-%d} 前答复"
    why = {"open": due, "accepted": "权威部门已采用", "refused": row["answer"] or "权威部门没有采用"}.get(
        row["state"], "已撤回"
    )
    return [
        Delivery(row["authority"], f"{row['department']}", state, row["closed_at"] or row["opened_at"], "", why, None)
    ]


def summary(told: Sequence[Received]) -> dict[State, int]:
    """Return how many deliveries of an act are in each state."""
    return {s: n for s in WORDS if (n := sum(r.count(s) for r in told))}
