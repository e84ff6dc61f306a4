"""Merges and what was taken apart again (合并与拆分): who, when, why; to merge two by hand, and to undo a merge."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact import merge, merges
from onefact.sides import JudgementRefused
from portal.access import Account, Current, Database, OfHome, logged
from portal.view import page
from portal.view.values import shown
from schemas.entities import ENTITIES
from schemas.model import EntityType

router = APIRouter(include_in_schema=False)


@router.get("/merges", name="merges")
def show(request: Request, account: Current, connection: Database) -> Response:
    """List what was merged and what persons judged."""
    return _shown(request, account, connection)


def _shown(request: Request, account: Account, connection: Database, problem: str | None = None) -> Response:
    done, said = merges.merged(connection), merges.judged(connection)
    logged(
        connection,
        account,
        "read",
        "review",
        [m.new_id for m in done],
        purpose="查看合并历史",
        count=len(done) + len(said),
    )
    return page(
        request, "merges/list.html", 409 if problem else 200, merged=done, judged=said, problem=problem, cn=lambda e: ENTITIES[e].cn,
        called=lambda e, title: _called(account, e, title), may=account.role == "steward",
    )  # fmt: skip


def _called(account: Account, entity_type: EntityType, title: str) -> str:
    """Return a title as it may be seen in a list."""
    named = {"house": "address", "address": "full_text"}.get(entity_type, "name")
    return shown(account, ENTITIES[entity_type].field(named), title, in_list=True).text or "未命名"


@router.post("/merges", name="merges.join")
def join(
    request: Request, account: Current, connection: Database, home: OfHome, one: Annotated[str, Form(max_length=36)] = "",
    other: Annotated[str, Form(max_length=36)] = "", reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:  # fmt: skip
    """Judge that two ids are one; the next run merges them."""
    if not reason.strip():
        return _shown(request, account, connection, "请写明合并的理由。")
    try:
        merge.merge(home, one.strip(), other.strip(), actor=account.login, reason=reason.strip())
    except JudgementRefused as problem:
        return _shown(request, account, connection, str(problem))
    return RedirectResponse(request.app.url_path_for("merges"), status_code=303)


@router.post("/merges/{old_id}/undo", name="merges.undo")
def undo(
    request: Request, account: Current, connection: Database, home: OfHome, old_id: str,
    reason: Annotated[str, Form(max_length=200)] = "",
) -> Response:  # fmt: skip
    """Take a merge back: with the next run the id stands again, with its records."""
    try:
        merge.unmerge(home, old_id, actor=account.login, reason=reason.strip() or "在门户撤销合并")
    except JudgementRefused as problem:
        return _shown(request, account, connection, str(problem))
    return RedirectResponse(request.app.url_path_for("merges"), status_code=303)
