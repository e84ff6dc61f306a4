"""Assisted entry (辅助录入): what a person types into a system that has only a form, line by line, and the confirmation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from connectors.base import ConnectorError
from onefact import tasks
from onefact.masking import mask_key
from onefact.tasks import NoSuchTask, NotSeen
from portal.access import Account, Current, Database, OfHome, Unknown, devices, logged
from portal.view import page
from portal.view.values import shown
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.tables import METADATA, OUTBOX

router = APIRouter(include_in_schema=False)

PURPOSE: Final = "辅助录入"


@dataclass(frozen=True, slots=True)
class Mine:
    """What waits to be typed in, and whose record it is, masked as in a list."""

    number: int
    system_id: str
    master_id: str
    operation: str
    record_key: str
    title: str
    details: tuple[tuple[str, str], ...]


TOLD: Final[Mapping[EntityType, tuple[str, ...]]] = {
    "person": ("name", "id_number", "residence_address"), "house": ("address", "owner_name"),
    "organisation": ("name", "uscc", "address"), "address": ("full_text",),
}  # fmt: skip
"""By which fields somebody who has the form open finds the right record; the first is the title."""


def _mine(connection: Database, account: Account, number: int | None = None) -> list[Mine]:
    """Return what waits and may be seen; the database keeps it to the own grids."""
    query = sa.select(OUTBOX).where(OUTBOX.c.state == "awaiting_person")
    if number is not None:
        query = query.where(OUTBOX.c.change_id == number)
    rows = connection.execute(query.order_by(OUTBOX.c.system_id, OUTBOX.c.change_id).limit(500)).mappings().all()
    known: dict[str, Mapping[str, object]] = {}
    for entity_type, fields in TOLD.items():
        table = METADATA.tables[entity_type]
        ids = {str(r["master_id"]) for r in rows if r["entity_type"] == entity_type}
        if ids:
            columns = [table.c[f] for f in fields]
            found = connection.execute(sa.select(table.c.master_id, *columns).where(table.c.master_id.in_(ids)))
            known |= {str(r["master_id"]): dict(r) for r in found.mappings()}
    return [_told(account, r, known.get(str(r["master_id"]))) for r in rows]


def _told(account: Account, row: sa.RowMapping, golden: Mapping[str, object] | None) -> Mine:
    """An entity that has ended is told by what the change itself says of it."""
    values = golden or {c["field"]: c["old"] or c["new"] for c in row["changes"]}
    entity, names = ENTITIES[row["entity_type"]], TOLD[row["entity_type"]]
    told = [
        (entity.field(n).cn, shown(account, entity.field(n), values.get(n), in_list=n != names[0]).text) for n in names
    ]
    key = mask_key(row["record_key"]) if row["record_key"] else ""
    return Mine(
        row["change_id"], row["system_id"], str(row["master_id"]), row["operation"], key, told[0][1] or "（未登记）",
        tuple((cn, text) for cn, text in told[1:] if text),
    )  # fmt: skip


@router.get("/assist", name="assist")
def list_(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """List what waits to be typed in, system by system."""
    mine = _mine(connection, account)
    systems: dict[str, list[Mine]] = {}
    for one in mine:
        system = one.system_id
        systems.setdefault(home.manifests[system].name if system in home.manifests else system, []).append(one)
    logged(connection, account, "read", "task", purpose=PURPOSE, count=len(mine))
    return page(request, "assist/list.html", systems=systems, count=len(mine))


@router.get("/assist/{number:int}", name="assist.show")
def show(request: Request, account: Current, connection: Database, home: OfHome, number: int) -> Response:
    """Show one form's lines with a button to copy each."""
    return _shown(request, account, connection, home, number, None)


def _shown(
    request: Request, account: Account, connection: Database, home: OfHome, number: int, problem: str | None
) -> Response:
    mine = _mine(connection, account, number)
    if not mine:
        raise Unknown
    task = tasks.task(home, number)
    logged(
        connection,
        account,
        "read",
        "task",
        [mine[0].master_id],
        purpose=PURPOSE,
        detail={"change": number, "system": task.system_id},
    )
    return page(request, "assist/show.html", 409 if problem else 200, task=task, mine=mine[0], problem=problem)


@router.post("/assist/{number:int}/done", name="assist.done")
def done(
    request: Request, account: Current, connection: Database, home: OfHome, number: int,
    unread: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Confirm that it has been typed in; where the system can be read, the reading decides."""
    if not _mine(connection, account, number):
        raise Unknown
    try:
        tasks.done(home, number, account.login, unread=unread, origin=devices.origin(request, PURPOSE))
    except NoSuchTask:
        raise Unknown from None
    except NotSeen as problem:
        return _shown(request, account, connection, home, number, f"还没有完成：{problem.what}。请核对后再确认。")
    except ConnectorError:
        return _shown(
            request, account, connection, home, number, "现在读不到对方系统，无法核对。稍后再确认，或选择“不核对”。"
        )
    return RedirectResponse(request.app.url_path_for("assist"), status_code=303)
