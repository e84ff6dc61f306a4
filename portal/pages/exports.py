"""Requests for large files (导出审批): who asked for what, and the second person's yes or no."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from portal.access import Current, OfHome, brake
from portal.view import page

router = APIRouter(include_in_schema=False)

DECIDES: Final = frozenset({"steward", "secadmin"})


@router.get("/exports", name="exports")
def show(request: Request, home: OfHome, account: Current) -> Response:
    """List requests; titles and sizes, no record."""
    with home.engine.connect() as connection:
        found = brake.requests(connection, account, home.now(), decides=account.role in DECIDES)
    return page(request, "exports/list.html", found=found, states=brake.STATES, decides=account.role in DECIDES)


@router.post("/exports/{request_id}", name="exports.decide")
def decide(
    request: Request,
    home: OfHome,
    account: Current,
    request_id: str,
    what: Annotated[Literal["approve", "refuse"], Form()],
) -> Response:
    """Say yes or no to somebody else's request."""
    with home.engine.begin() as connection:
        brake.decide(connection, account, request_id, yes=what == "approve", now=home.now())
    return RedirectResponse(request.app.url_path_for("exports"), status_code=303)
