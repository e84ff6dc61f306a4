"""Excel in bulk (批量导入): download a template, try a file, take its good rows in, get the bad ones back."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from onefact.bulk.enter import BulkDone, TooManyErrors, bulk
from onefact.bulk.guard import UploadRefused
from onefact.bulk.layout import NoSuchLayout, layout, layouts
from onefact.bulk.returns import write_bad
from onefact.bulk.template import write_template
from portal.access import Current, OfHome, Unknown, devices, logged
from portal.pages.uploads import content, keep, onward, taken, within, workbook
from portal.view import page

router = APIRouter(prefix="/bulk", include_in_schema=False)

COUNTS = {"created": "新登记", "updated": "有更新", "unchanged": "无变化", "repeated": "重复行", "bad": "退回"}


@dataclass(frozen=True, slots=True)
class Tried:
    """A file that was tried or taken in."""

    name: str
    data: bytes
    done: BulkDone
    refused: str | None = None


@router.get("", name="bulk")
def show(request: Request) -> Response:
    """Show the templates and where to upload."""
    return page(request, "bulk/show.html", layouts=layouts(), problem=None)


@router.get("/template/{entity_type}", name="bulk.template")
def template(entity_type: str) -> Response:
    """Give a template."""
    try:
        found = layout(entity_type)
    except NoSuchLayout as error:
        raise Unknown from error
    memory = BytesIO()
    write_template(found, memory)
    return workbook(memory.getvalue(), f"{found.title}批量导入模板.xlsx")


@router.post("/check", name="bulk.check")
async def check(
    request: Request, account: Current, home: OfHome, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Say what would happen to each row; nothing is kept but the file, on the shelf, for the next click."""
    try:
        data = await content(file)
        done = await run_in_threadpool(bulk, home, data, account.login, within=within(account), dry_run=True)
    except UploadRefused as refused:
        return page(request, "bulk/show.html", 422, layouts=layouts(), problem=str(refused))
    ticket = keep(request, account, Tried((file.filename if file else "") or "", data, done), len(data) * 2)
    return onward(request, "bulk.result", ticket)


@router.get("/{ticket}", name="bulk.result")
def result(request: Request, account: Current, ticket: str) -> Response:
    """Show what would become of each row, or what became of it."""
    tried: Tried = taken(request, account, ticket, Tried)
    status = 422 if tried.refused else 200
    return page(
        request, "bulk/result.html", status, done=tried.done, ticket=ticket, counts=COUNTS, refused=tried.refused
    )


@router.post("/{ticket}/enter", name="bulk.enter")
def enter(request: Request, account: Current, home: OfHome, ticket: str) -> Response:
    """Take the good rows of a tried file in."""
    tried: Tried = taken(request, account, ticket, Tried)
    refused = None
    try:
        origin = devices.origin(request, "批量导入")
        done = bulk(home, tried.data, account.login, within=within(account), origin=origin)
    except TooManyErrors as problem:
        done, refused = problem.done, str(problem)
    again = keep(request, account, Tried(tried.name, tried.data, done, refused), len(tried.data) * 2)
    return onward(request, "bulk.result", again)


@router.get("/{ticket}/bad", name="bulk.bad")
def bad(request: Request, account: Current, home: OfHome, ticket: str) -> Response:
    """Give the bad rows back, with their reasons: the person's own file, and nothing that the master knows."""
    tried: Tried = taken(request, account, ticket, Tried)
    memory = BytesIO()
    write_bad(tried.done, memory)
    with home.engine.begin() as connection:
        logged(
            connection,
            account,
            "export",
            tried.done.entity_type,
            purpose="批量导入退回",
            count=tried.done.counts["bad"],
        )
    return workbook(memory.getvalue(), f"{tried.done.sheet.layout.title}退回.xlsx")
