"""What a quality rule asks at a door (入户核实): what each system says, and the answer that closes the order."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact.household import node_of
from onefact.masking import mask_key
from onefact.quality import looks
from onefact.quality.looks import ANSWERS
from portal.access import Current, Database, OfHome, Unknown, devices, logged
from portal.view import page
from portal.view.cards import PATHS
from portal.view.values import shown
from schemas.entities import ENTITIES
from schemas.model import EntityType
from warehouse.duck import WarehouseBusy

router = APIRouter(include_in_schema=False)

PURPOSE: Final = "入户核查"


def _entity(name: str) -> EntityType:
    if name not in ENTITIES:
        raise Unknown
    return name


@router.get("/looks/{entity_type}/{master_id}/{rule_id}", name="look.values")
def values(
    request: Request, account: Current, connection: Database, home: OfHome, entity_type: str, master_id: str, rule_id: str
) -> Response:  # fmt: skip
    """Show what each system says of the fields that a rule looks at."""
    entity = _entity(entity_type)
    logged(connection, account, "read", entity, [master_id], purpose=PURPOSE, detail={"rule": rule_id[:80]})
    try:
        fields, said = looks.said(home, entity, master_id, rule_id)
    except WarehouseBusy:
        return page(request, _whole(request), fields=(), rows=(), busy=True)
    rows = [
        (s.system, mask_key(s.record_key), s.observed_at[:10],
         [shown(account, f, v) for f, v in zip(fields, s.values, strict=True)])
        for s in said
    ]  # fmt: skip
    differs = [len({s.values[i] for s in said if s.values[i]}) > 1 for i in range(len(fields))]
    return page(request, _whole(request), fields=fields, rows=rows, differs=differs, busy=False)


def _whole(request: Request) -> str:
    """Return the template: a part where a page asks for it, else a page of its own."""
    return "record/said.html" if request.headers.get("HX-Request") else "record/said_page.html"


@router.post("/looks/{entity_type}/{master_id}/{rule_id}", name="look.answer")
def answer(
    request: Request, account: Current, connection: Database, home: OfHome, entity_type: str, master_id: str, rule_id: str,
    what: Annotated[str, Form(max_length=12)] = "", words: Annotated[str, Form(max_length=200)] = "",
) -> Response:  # fmt: skip
    """Close the orders of a rule: it is right as it is, or a department has to correct its record."""
    entity = _entity(entity_type)
    if what in ANSWERS:
        looks.answer(
            home, entity, master_id, rule_id, what, account.login, words, devices.origin(request, PURPOSE)
        )  # fmt: skip
    node = node_of(connection, entity, master_id)
    if node is not None:
        return RedirectResponse(request.app.url_path_for("place", node_id=node), status_code=303)
    where = PATHS.get(entity)
    to = request.app.url_path_for(where, master_id=master_id) if where else request.app.url_path_for("tasks")
    return RedirectResponse(to, status_code=303)
