"""What stands behind a door (一户一页): the household with its persons, flat and firms, and each of them by itself."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact import acts, guided
from onefact.acts import Act
from onefact.enter import is_uuid
from onefact.household import Household, card, household, node_of
from onefact.quality import looks
from portal.access import Account, Current, Database, OfHome, Refused, Unknown, devices, logged
from portal.access.area import may_enter, may_see, seen_by
from portal.view import page
from portal.view.cards import PATHS, rows
from schemas.model import EntityType

router = APIRouter(include_in_schema=False)


def door_of(connection: Database, home: OfHome, node_id: str) -> Household:
    """Return a household that may be seen; raises `Unknown`."""
    found = household(connection, home, node_id) if is_uuid(node_id) else None
    if found is None:
        raise Unknown
    return found


@router.get("/places/{node_id}", name="place")
def place(request: Request, account: Current, connection: Database, home: OfHome, node_id: str) -> Response:
    """Show one door: what is asked of the worker first, then what is known."""
    door = door_of(connection, home, node_id)
    ids = [c.master_id for c in door.cards]
    logged(connection, account, "read", "household", ids, purpose="入户核查", count=len(ids))
    guides = [g for g in guided.GUIDES.values() if g.on == "place"]
    told = [(c, rows(account, c)) for c in door.cards]
    return page(
        request, "record/place.html", door=door, told=told, guides=guides, paths=PATHS, act_id=str(uuid.uuid4()),
        looks=looks.looks(connection, home, ids), look_id=str(uuid.uuid4()), by_record={c.master_id: guided.offered(c) for c in door.cards},
    )  # fmt: skip


@router.post("/places/{node_id}/same", name="place.same")
def same(
    request: Request, account: Current, connection: Database, home: OfHome, node_id: str,
    act_id: Annotated[str, Form(max_length=36)] = "",
) -> Response:  # fmt: skip
    """均无变化: say again, with today's date, what stands."""
    door = door_of(connection, home, node_id)
    facts = tuple(guided.unchanged(door, home.now().date()))
    taken = save(request, account, home, Act(act_id, "check", facts))
    return RedirectResponse(request.app.url_path_for("outbox.own.act", act_id=taken.act_id), status_code=303)


def save(request: Request, account: Account, home: OfHome, act: Act) -> acts.Taken:
    """Take an act of an account within its grids; it is in the sealed log with the device it was typed on."""
    if not may_enter(account, act.facts):
        raise Refused("您的账号没有录入这一分区事项的权限。")
    with home.engine.begin() as connection:
        return acts.take_in(
            connection, home, act, account.login, lambda e, m: may_see(connection, account, e, m),
            origin=devices.origin(request, "网格录入"),
        )  # fmt: skip


@router.get("/persons/{master_id}", name="person.show")
def person(request: Request, account: Current, connection: Database, home: OfHome, master_id: str) -> Response:
    """Show a person."""
    return _record(request, account, connection, home, "person", master_id)


@router.get("/houses/{master_id}", name="house.show")
def house(request: Request, account: Current, connection: Database, home: OfHome, master_id: str) -> Response:
    """Show a house or flat."""
    return _record(request, account, connection, home, "house", master_id)


@router.get("/organisations/{master_id}", name="organisation.show")
def organisation(request: Request, account: Current, connection: Database, home: OfHome, master_id: str) -> Response:
    """Show a firm."""
    return _record(request, account, connection, home, "organisation", master_id)


def _record(
    request: Request, account: Account, connection: Database, home: OfHome, entity_type: EntityType, master_id: str
) -> Response:
    found = card(connection, home, entity_type, master_id, seen_by(account))
    if found is None:
        raise Unknown
    node = node_of(connection, entity_type, found.master_id)
    logged(connection, account, "read", entity_type, [found.master_id], purpose="入户核查")
    guides = guided.offered(found)
    return page(
        request,
        "record/show.html",
        card=found,
        rows=rows(account, found),
        node=node,
        guides=guides,
        looks=looks.looks(connection, home, [found.master_id]).get(found.master_id, []),
        look_id=str(uuid.uuid4()),
        act_id=str(uuid.uuid4()),
    )
