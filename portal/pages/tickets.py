"""Correction tickets (纠错工单): what an authority is asked to correct, how long it has, what it answered."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from onefact.law import tickets as verb
from portal.access import Current, Database, OfHome, Unknown, logged, settings_of
from portal.view import export, page
from portal.view.values import shown
from schemas.entities import ENTITIES

router = APIRouter(include_in_schema=False)

EVENTS = {
    "opened": "提出",
    "reminded": "催办",
    "accepted": "已更正",
    "refused": "未采纳",
    "withdrawn": "撤回",
    "note": "备注",
}
"""What happened to a ticket -> word."""

GROUPS = {"open": ("open",), "closed": ("accepted", "refused", "withdrawn")}


@router.get("/tickets", name="tickets")
def show(request: Request, home: OfHome, which: Annotated[Literal["open", "closed"], Query()] = "open") -> Response:
    """List tickets, the most urgent first; no values."""
    found = verb.tickets(home, GROUPS[which], 200)
    return page(request, "tickets/list.html", tickets=found, which=which, manifests=home.manifests, entities=ENTITIES)


@router.get("/tickets.xlsx", name="tickets.export")
def take(request: Request, home: OfHome, account: Current, connection: Database) -> Response:
    """Take the open tickets as a file: numbers, fields and dates, no values."""
    rows = [
        (t.ticket_id, ENTITIES[t.entity_type].cn, ENTITIES[t.entity_type].field(t.field).cn, t.department,
         f"{t.opened_at:%Y-%m-%d}", f"{t.due_at:%Y-%m-%d}", t.entered_by)
        for t in verb.tickets(home, GROUPS["open"], export.MOST)
    ]  # fmt: skip
    columns = ("编号", "对象", "数据项", "权威部门", "提出", "期限", "录入人")
    return export.sheet(
        connection,
        account,
        "未结纠错工单",
        columns,
        rows,
        subject_type="ticket",
        purpose="督办纠错工单",
        now=home.now(),
        settings=settings_of(request),
        what="tickets",
    )


@router.get("/tickets/{ticket_id}", name="tickets.show")
def show_one(request: Request, home: OfHome, account: Current, connection: Database, ticket_id: int) -> Response:
    """Show a ticket, its value masked, and what happened to it."""
    try:
        ticket, events = verb.show(home, ticket_id)
    except verb.NoSuchTicket as unknown:
        raise Unknown from unknown
    field = ENTITIES[ticket.entity_type].field(ticket.field)
    value = shown(account, field, ticket.value, in_list=True)
    shown_page = page(
        request, "tickets/show.html", ticket=ticket, events=events, words=EVENTS, field=field, value=value, entity=ENTITIES[ticket.entity_type],
        authority=home.manifests.get(ticket.authority), may_answer=account.role == "steward" and ticket.state == "open",
    )  # fmt: skip
    told = {"ticket": ticket_id, "field": ticket.field}
    logged(connection, account, "read", ticket.entity_type, [ticket.master_id], purpose="办理纠错工单", detail=told)
    return shown_page


@router.post("/tickets/{ticket_id}", name="tickets.answer")
def answer(
    request: Request,
    home: OfHome,
    account: Current,
    ticket_id: int,
    what: Annotated[Literal["reminded", "note", "refused"], Form()],
    words: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """Note what the authority said."""
    try:
        verb.answer(home, ticket_id, what, account.login, words.strip())
    except verb.NoSuchTicket as unknown:
        raise Unknown from unknown
    return RedirectResponse(request.app.url_path_for("tickets.show", ticket_id=ticket_id), status_code=303)
