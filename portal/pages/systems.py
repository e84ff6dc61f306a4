"""The systems and their health (对接系统); the system administrator stops a system and lets it go on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact import outbox, status
from portal.access import Current, OfHome, Unknown
from portal.view import page
from warehouse.outbox import targets

router = APIRouter(include_in_schema=False)


@router.get("/systems", name="systems")
def show(request: Request, home: OfHome) -> Response:
    """List every system with what it delivered and received, and how it stands."""
    state, standings = status.status(home), targets.standings(home.engine)
    troubled = [s.system_id for s in state.systems if s.error or _stopped(standings, s.system_id)]
    return page(
        request, "systems/list.html", state=state, manifests=home.manifests, standings=standings, troubled=troubled
    )


@router.get("/systems/{system_id}", name="systems.show")
def show_one(request: Request, home: OfHome, account: Current, system_id: str) -> Response:
    """Show one system: what it holds, what it delivered, what waits, how it stands."""
    manifest = home.manifests.get(system_id)
    if manifest is None:
        raise Unknown
    one = next(s for s in status.status(home).systems if s.system_id == system_id)
    standing = targets.standings(home.engine).get(system_id)
    return page(
        request, "systems/show.html", manifest=manifest, one=one, standing=standing, may_stop=account.role == "sysadmin"
    )


@router.post("/systems/{system_id}/hold", name="systems.hold")
def hold(
    request: Request, home: OfHome, account: Current, system_id: str, why: Annotated[str, Form(max_length=200)] = ""
) -> Response:
    """Stop writing to a system."""
    if system_id not in home.manifests or not why.strip():
        raise Unknown
    outbox.hold(home, system_id, why.strip(), account.login)
    return RedirectResponse(request.app.url_path_for("systems.show", system_id=system_id), status_code=303)


@router.post("/systems/{system_id}/release", name="systems.release")
def release(request: Request, home: OfHome, account: Current, system_id: str) -> Response:
    """Let a stopped system go on."""
    if system_id not in home.manifests:
        raise Unknown
    outbox.release(home, system_id, account.login)
    return RedirectResponse(request.app.url_path_for("systems.show", system_id=system_id), status_code=303)


def _stopped(standings: object, system_id: str) -> bool:
    standing = standings.get(system_id) if isinstance(standings, dict) else None
    return standing is not None and standing.state != "closed"
