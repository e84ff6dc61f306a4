"""What the pages of uploads share: the shelf, the file, where the account may enter, answers that are workbooks."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, cast
from urllib.parse import quote

from fastapi import Request, UploadFile
from starlette.responses import RedirectResponse, Response

from onefact.bulk.guard import UploadRefused
from portal.access import Account, Unknown, home_of
from portal.access.area import EVERYWHERE
from portal.shelf import Shelf

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def shelf(request: Request) -> Shelf:
    """Return the shelf of the application."""
    return cast("Shelf", request.app.state.shelf)


def keep(request: Request, account: Account, thing: Any, size: int) -> str:
    """Put a thing on the shelf."""
    return shelf(request).put(account.id, thing, size, home_of(request).now())


def taken(request: Request, account: Account, ticket: str, kind: type) -> Any:
    """Take a thing from the shelf; raises `Unknown` when it is gone, another's or of another kind."""
    thing = shelf(request).get(account.id, ticket, home_of(request).now())
    if not isinstance(thing, kind):
        raise Unknown
    return thing


async def content(file: UploadFile | None) -> bytes:
    """Return what was uploaded; raises `UploadRefused` when nothing was."""
    data = await file.read() if file is not None else b""
    if not data:
        raise UploadRefused("请先选择一个文件。")
    return data


def within(account: Account) -> Sequence[str] | None:
    """Return the grids that an account may enter for; None = everywhere."""
    return None if account.role in EVERYWHERE else account.grids


def onward(request: Request, route: str, ticket: str) -> Response:
    """Send the browser on to a page that it can come back to: an answer to a POST is gone with a step back."""
    return RedirectResponse(request.app.url_path_for(route, ticket=ticket), status_code=303)


def workbook(data: bytes, name: str) -> Response:
    """Return a workbook to be saved under a Chinese name."""
    disposition = f"attachment; filename=\"onefact.xlsx\"; filename*=UTF-8''{quote(name)}"
    return Response(data, media_type=XLSX, headers={"Content-Disposition": disposition})


def saved(book: Any) -> bytes:
    """Return an openpyxl workbook as a file."""
    memory = BytesIO()
    book.save(memory)
    return memory.getvalue()
