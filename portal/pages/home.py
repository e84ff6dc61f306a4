"""The start page (首页): a worker's tasks, for others what the role finds where."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from portal.access import Current, Database, OfHome
from portal.pages import work
from portal.view import page

router = APIRouter(include_in_schema=False)


@router.get("/", name="home")
def show(request: Request, account: Current, connection: Database, home: OfHome) -> Response:
    """Show a worker what waits, and others where to go."""
    if account.role == "worker":
        return work.tasks(request, account, connection, home)
    return page(request, "home/show.html")
