"""The systems and their health (对接系统)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from onefact import status
from onefact.home import Home
from portal.access import home_of
from portal.view import page

router = APIRouter(include_in_schema=False)


@router.get("/systems", name="systems")
def show(request: Request, home: Annotated[Home, Depends(home_of)]) -> Response:
    """List every system with what it delivered and received."""
    return page(request, "systems/list.html", state=status.status(home), manifests=home.manifests)
