"""The start page (首页): a worker's tasks where there are any, else what the role finds where."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from portal.view import page

router = APIRouter(include_in_schema=False)


@router.get("/", name="home")
def show(request: Request) -> Response:
    """Show where to go."""
    return page(request, "home/show.html")
