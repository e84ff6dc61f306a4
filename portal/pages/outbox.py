"""The outbox (发件箱): every change on its way to a system, each step of it, and what a steward may decide."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from onefact import outbox as verb
from onefact.masking import mask_key
from portal.access import Current, Database, OfHome, Unknown, logged
from portal.view import page
from portal.view.values import shown
from schemas.entities import ENTITIES
from warehouse import outbox
from warehouse.outbox.decide import CANCELLED, RETRIED

router = APIRouter(include_in_schema=False)

SHOWN = 100


@router.get("/outbox", name="outbox")
def show(
    request: Request,
    home: OfHome,
    system: Annotated[str, Query(max_length=60)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """List the newest changes, by system and state; names of fields, no values."""
    systems = [system] if system in home.manifests else None
    counts: dict[str, int] = {}
    for row in outbox.states(home.engine):
        if systems is None or row["system_id"] in systems:
            name = "superseded" if row["code"] == "superseded" else row["state"]
            counts[name] = counts.get(name, 0) + row["n"]
    wanted = [state] if state in counts and state != "superseded" else []
    found = outbox.rows(
        home.engine, systems, wanted or tuple(s for s in counts if s not in {"dead", "superseded"}), SHOWN
    )
    return page(
        request, "outbox/list.html", rows=found, counts=counts, system=system, state=state, manifests=home.manifests,
        limit=SHOWN, cn=_cn,
    )  # fmt: skip


@router.get("/outbox/{change_id}", name="outbox.show")
def show_one(request: Request, home: OfHome, account: Current, connection: Database, change_id: int) -> Response:
    """Show a change with its values (masked) and every step."""
    try:
        row, steps = verb.show(home, change_id)
    except verb.NoSuchChange as unknown:
        raise Unknown from unknown
    entity = ENTITIES[row.entity_type]
    values = [
        (
            entity.field(str(c["field"])),
            *(shown(account, entity.field(str(c["field"])), c[k], in_list=True) for k in ("old", "new")),
        )
        for c in row.changes
    ]
    logged(
        connection, account, "read", row.entity_type, [row.master_id], purpose="查看投递", detail={"change": change_id}
    )
    decides = account.role == "steward"
    return page(
        request, "outbox/show.html", row=row, steps=steps, values=values, key=mask_key(row.record_key or ""),
        manifest=home.manifests.get(row.system_id), may_retry=decides and row.state in RETRIED,
        may_cancel=decides and row.state in CANCELLED,
    )  # fmt: skip


@router.post("/outbox/{change_id}", name="outbox.decide")
def decide(
    request: Request,
    home: OfHome,
    account: Current,
    change_id: int,
    what: Annotated[Literal["retry", "cancel"], Form()],
    why: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Let a change be tried again, or call it off."""
    try:
        if what == "retry":
            verb.retry(home, [change_id], [], [], account.login)
        else:
            verb.cancel(home, [change_id], [], [], account.login, why.strip() or None)
    except verb.NoSuchChange as unknown:
        raise Unknown from unknown
    return RedirectResponse(request.app.url_path_for("outbox.show", change_id=change_id), status_code=303)


def _cn(entity_type: str, fields: tuple[str, ...]) -> str:
    entity = next(e for e in ENTITIES.values() if e.name == entity_type)
    return "、".join(entity.field(f).cn for f in fields)
