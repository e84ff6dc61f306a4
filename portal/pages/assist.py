"""Assisted entry (辅助录入): what a person types into a system that has only a form, line by line, and the confirmation."""

from __future__ import annotations

from typing import Annotated, Final

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from connectors.base import ConnectorError
from onefact import tasks
from onefact.tasks import NoSuchTask, NotSeen
from portal.access import Account, Current, Database, OfHome, Unknown, devices, logged
from portal.view import page
from warehouse.tables import OUTBOX

router = APIRouter(include_in_schema=False)

PURPOSE: Final = "辅助录入"


def _mine(connection: Database, number: int | None = None) -> list[tuple[int, str, str]]:
    """Return (number, system, master id) of what waits and may be seen; the database keeps it to the own grids."""
    query = sa.select(OUTBOX.c.change_id, OUTBOX.c.system_id, OUTBOX.c.master_id).where(
        OUTBOX.c.state == "awaiting_person"
    )
    if number is not None:
        query = query.where(OUTBOX.c.change_id == number)
    return [
        (int(c), str(s), str(m))
        for c, s, m in connection.execute(query.order_by(OUTBOX.c.system_id, OUTBOX.c.change_id).limit(500))
    ]


@router.get("/assist", name="assist")
def list_(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """List what waits to be typed in, system by system."""
    mine = _mine(connection)
    systems: dict[str, list[int]] = {}
    for number, system, _ in mine:
        systems.setdefault(home.manifests[system].name if system in home.manifests else system, []).append(number)
    logged(connection, account, "read", "task", purpose=PURPOSE, count=len(mine))
    return page(request, "assist/list.html", systems=systems, count=len(mine))


@router.get("/assist/{number:int}", name="assist.show")
def show(request: Request, account: Current, connection: Database, home: OfHome, number: int) -> Response:
    """Show one form's lines with a button to copy each."""
    return _shown(request, account, connection, home, number, None)


def _shown(
    request: Request, account: Account, connection: Database, home: OfHome, number: int, problem: str | None
) -> Response:
    mine = _mine(connection, number)
    if not mine:
        raise Unknown
    task = tasks.task(home, number)
    logged(
        connection,
        account,
        "read",
        "task",
        [mine[0][2]],
        purpose=PURPOSE,
        detail={"change": number, "system": task.system_id},
    )
    return page(request, "assist/show.html", 409 if problem else 200, task=task, problem=problem)


@router.post("/assist/{number:int}/done", name="assist.done")
def done(
    request: Request, account: Current, connection: Database, home: OfHome, number: int,
    unread: Annotated[bool, Form()] = False,
) -> Response:  # fmt: skip
    """Confirm that it has been typed in; where the system can be read, the reading decides."""
    if not _mine(connection, number):
        raise Unknown
    try:
        tasks.done(home, number, account.login, unread=unread, origin=devices.origin(request, PURPOSE))
    except NoSuchTask:
        raise Unknown from None
    except NotSeen as problem:
        what = f"这些项与应录入的值不同：{'、'.join(problem.fields)}" if problem.fields else "对方系统里还没有这条记录"
        return _shown(request, account, connection, home, number, f"还没有完成：{what}。请核对后再确认。")
    except ConnectorError:
        return _shown(
            request, account, connection, home, number, "现在读不到对方系统，无法核对。稍后再确认，或选择“不核对”。"
        )
    return RedirectResponse(request.app.url_path_for("assist"), status_code=303)
