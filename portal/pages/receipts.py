"""Who has received it (谁已收到): the own entries, system by system, and taking one back."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact import acts, undoing
from onefact.acts import ActRefused
from onefact.household import cards
from onefact.received import WORDS as RECEIVED
from onefact.received import received, summary
from portal.access import Current, Database, OfHome, Unknown, devices
from portal.pages.entering import KINDS
from portal.view import page
from portal.view.values import shown as as_seen

router = APIRouter(include_in_schema=False)


@router.get("/entries", name="outbox.own")
def own(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """List what this account has entered and where it has got to."""
    done = acts.recent(connection, account.login, limit=20)
    told = [(a, summary(received(connection, home, a)), any(not x.taken for x in a.lines)) for a in done]
    return page(request, "entry/own.html", told=told, kinds=KINDS, words=RECEIVED)


@router.get("/entries/{act_id}", name="outbox.own.act")
def one(request: Request, account: Current, connection: Database, home: OfHome, act_id: str) -> Response:
    """谁已收到: system by system what became of one act."""
    try:
        done = acts.find(connection, act_id)
    except KeyError:
        raise Unknown from None
    if done.actor != account.login and account.role == "worker":
        raise Unknown
    told = received(connection, home, done)
    lines = [(r, as_seen(account, r.field, r.line.value).text) for r in told]
    titles = {
        c.master_id: c.title
        for e in dict.fromkeys(r.line.entity_type for r in told)
        for c in cards(connection, home, e, {r.master_id for r in told if r.line.entity_type == e})
    }
    waiting = any(r.working or r.count("queued", "sent") for r in told)
    template = "entry/received.html" if request.headers.get("HX-Request") else "entry/act.html"
    return page(
        request, template, done=done, lines=lines, kinds=KINDS, summary=summary(told), words=RECEIVED, waiting=waiting, new_id=str(uuid.uuid4()),
        own=done.actor == account.login, titles=titles,
    )  # fmt: skip


@router.post("/entries/{act_id}/undo", name="entry.undo")
def undo(
    request: Request, account: Current, home: OfHome, act_id: str, new_id: Annotated[str, Form(max_length=36)] = ""
) -> Response:
    """Take an own act back by a new one."""
    try:
        taken = undoing.undo(home, act_id, str(uuid.UUID(new_id)), account.login, devices.origin(request, "撤销录入"))
    except ValueError:
        raise Unknown from None
    except ActRefused as problem:
        return page(request, "entry/refused.html", 422, problems=problem.problems, title="撤销")
    return RedirectResponse(request.app.url_path_for("outbox.own.act", act_id=taken.act_id), status_code=303)
