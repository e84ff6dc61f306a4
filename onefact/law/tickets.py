"""Correction tickets (纠错工单): a worker's value for a field that is not theirs goes to its authority, with a due date.

The value stays a candidate: survivorship lets it reach other systems only when the authority has it. The ticket closes by
itself then; when the worker's value changes or is taken back, it is withdrawn; only a person closes it as refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from onefact.acting import noted
from onefact.home import Home
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field
from warehouse.publish import as_text
from warehouse.seals import seals_of
from warehouse.tables import TICKET, TICKET_EVENT

WORKING_DAYS = 10
"""Working days in which an authority answers (政务数据共享条例: a configurable clock; see docs/auditor)."""


class NoSuchTicket(Exception):
    """There is no open ticket of this number."""

    def __init__(self, ticket_id: int) -> None:
        super().__init__(f"没有编号为 {ticket_id} 的未结工单。用 onefact ticket list 查看。")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as people look at it; `waits` says how it stands by now: open, remind (过半), overdue (逾期), or closed."""

    ticket_id: int
    entity_type: EntityType
    master_id: str
    field: str
    value: str
    entered_by: str
    authority: str
    department: str
    opened_at: datetime
    remind_at: datetime
    due_at: datetime
    state: str
    closed_at: datetime | None
    closed_by: str | None
    answer: str | None
    waits: str


def working_days_after(start: datetime, days: int) -> datetime:
    """Return the moment so many working days later (Saturdays and Sundays do not count; public holidays are not known)."""
    moment = start
    while days > 0:
        moment += timedelta(days=1)
        if moment.weekday() < 5:
            days -= 1
    return moment


def open_ticket(
    connection: sa.Connection,
    home: Home,
    entity_type: EntityType,
    master_id: str,
    field: Field,
    value: str | None,
    actor: str,
) -> int | None:
    """Open a ticket in the transaction of the entry, withdrawing an older one of the field; None where nobody is asked."""
    now = home.now().astimezone()
    older = sa.and_(
        TICKET.c.entity_type == entity_type,
        TICKET.c.master_id == master_id,
        TICKET.c.field == field.name,
        TICKET.c.state == "open",
    )
    held = connection.execute(sa.select(TICKET.c.ticket_id, TICKET.c.value).where(older)).first()
    if held is not None and held.value == value:
        return int(held.ticket_id)
    if held is not None:
        _close(connection, [int(held.ticket_id)], "withdrawn", actor, now, "录入已更改")
    if value is None or field.worker:
        return None
    manifest = home.manifests.get(field.authority or "")
    row = {
        "entity_type": entity_type, "master_id": master_id, "field": field.name,
        "value": seals_of(connection).value(entity_type, field, master_id, value), "entered_by": actor,
        "authority": field.authority or "", "department": manifest.department if manifest else "系统外的权威部门", "opened_at": now,
        "remind_at": working_days_after(now, WORKING_DAYS // 2), "due_at": working_days_after(now, WORKING_DAYS),
    }  # fmt: skip
    ticket_id = int(connection.execute(sa.insert(TICKET).values(row).returning(TICKET.c.ticket_id)).scalar_one())
    _event(connection, ticket_id, "opened", actor, now, None)
    return ticket_id


def settle(home: Home, run_id: str) -> int:
    """Close tickets whose value the master has by now from somebody else than a worker; return how many."""
    with home.engine.begin() as connection:
        return _settled(connection, run_id, home.now().astimezone())


def _settled(connection: sa.Connection, run_id: str, now: datetime) -> int:
    closed = 0
    for entity_type, name in connection.execute(
        sa.select(TICKET.c.entity_type, TICKET.c.field).where(TICKET.c.state == "open").distinct()
    ).all():
        golden = as_text(ENTITIES[entity_type].field(name))
        found = connection.execute(
            sa.text(
                # Of an entity that was merged the heir is asked; the ticket keeps its id, for the merge may be undone.
                "WITH RECURSIVE about AS (SELECT ticket_id, master_id FROM ticket WHERE state = 'open' "
                "AND entity_type = :entity AND field = :field UNION SELECT a.ticket_id, r.new_id FROM about a "
                "JOIN redirect r ON r.old_id = a.master_id WHERE r.new_id IS NOT NULL) "
                f"SELECT t.ticket_id FROM ticket t JOIN about a USING (ticket_id) JOIN {entity_type} g ON g.master_id = a.master_id "
                f"WHERE {golden} = t.value AND split_part(g.provenance ->> :field, '|', 1) <> 'entry'"
            ),
            {"entity": entity_type, "field": name},
        )
        closed += _close(connection, [int(r[0]) for r in found], "accepted", run_id, now, "权威系统已是该值")
    return closed


def tickets(home: Home, states: Sequence[str] = ("open",), limit: int = 100) -> list[Ticket]:
    """Return tickets, the most urgent first."""
    now = home.now().astimezone()
    query = (
        sa.select(TICKET).where(TICKET.c.state.in_(states)).order_by(TICKET.c.due_at, TICKET.c.ticket_id).limit(limit)
    )
    with home.engine.connect() as connection:
        return [_ticket(r, now) for r in connection.execute(query).mappings()]


def show(home: Home, ticket_id: int) -> tuple[Ticket, list[dict[str, Any]]]:
    """Return a ticket and what happened to it; raises `NoSuchTicket`."""
    with home.engine.connect() as connection:
        row = connection.execute(sa.select(TICKET).where(TICKET.c.ticket_id == ticket_id)).mappings().first()
        if row is None:
            raise NoSuchTicket(ticket_id)
        events = sa.select(TICKET_EVENT).where(TICKET_EVENT.c.ticket_id == ticket_id).order_by(TICKET_EVENT.c.event_id)
        return _ticket(row, home.now().astimezone()), [dict(e) for e in connection.execute(events).mappings()]


def answer(home: Home, ticket_id: int, what: str, actor: str, words: str) -> None:
    """Note what the authority said: `refused` closes the ticket, `reminded` and `note` leave it open."""
    with home.engine.begin() as connection:
        where = sa.and_(TICKET.c.ticket_id == ticket_id, TICKET.c.state == "open")
        if connection.execute(sa.select(TICKET.c.ticket_id).where(where).with_for_update()).first() is None:
            raise NoSuchTicket(ticket_id)
        now = home.now().astimezone()
        if what == "refused":
            _close(connection, [ticket_id], "refused", actor, now, words)
        else:
            _event(connection, ticket_id, what, actor, now, words)
        noted(connection, home, "ticket", "ticket", [ticket_id], actor=actor, what=what)


def _close(connection: sa.Connection, ids: Sequence[int], state: str, actor: str, now: datetime, words: str) -> int:
    closed = 0
    for ticket_id in ids:
        done = connection.execute(
            sa.update(TICKET)
            .where(TICKET.c.ticket_id == ticket_id, TICKET.c.state == "open")
            .values(state=state, closed_at=now, closed_by=actor, answer=words)
        )
        if done.rowcount:  # else somebody else has closed it meanwhile: what they said stands
            _event(connection, ticket_id, state, actor, now, words)
            closed += 1
    return closed


def _event(connection: sa.Connection, ticket_id: int, what: str, actor: str, now: datetime, words: str | None) -> None:
    connection.execute(insert(TICKET_EVENT).values(ticket_id=ticket_id, at=now, what=what, actor=actor, words=words))


def _ticket(row: sa.RowMapping, now: datetime) -> Ticket:
    waits = row["state"]
    if waits == "open":
        waits = "overdue" if row["due_at"] < now else "remind" if row["remind_at"] < now else "open"
    return Ticket(**row, waits=waits)
