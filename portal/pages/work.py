"""A worker's start: the task list by building and household, and the one box to find by (任务、查找)."""

from __future__ import annotations

from typing import Annotated, Final, cast

import sqlalchemy as sa
from fastapi import APIRouter, Form, Query, Request
from starlette.responses import Response

from onefact import search as finding
from onefact import worklist
from onefact.enter import is_uuid
from onefact.waiting import Kind
from onefact.worklist import WORDS
from portal.access import Account, Current, Database, OfHome, Unknown, logged
from portal.access.area import EVERYWHERE
from portal.view import page
from portal.view.cards import ICONS, PATHS, details

router = APIRouter(include_in_schema=False)

PURPOSE: Final = "网格任务"


DOORS: Final = 40
"""Doors on a page of tasks: more than a day's visits, and little enough for a phone to show at once."""


def grids_of(account: Account) -> tuple[str, ...] | None:
    """Return the grids an account works in; None = the whole district."""
    return None if account.role in EVERYWHERE else account.grids


@router.get("/tasks", name="tasks")
def tasks(
    request: Request, account: Current, connection: Database, home: OfHome,
    kind: Annotated[str, Query(max_length=10)] = "", building: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=1000)] = 1,
) -> Response:  # fmt: skip
    """Show what waits, by building and door, so many doors on a page."""
    found = worklist.worklist(connection, home, grids_of(account))
    chosen = cast("Kind | None", kind if kind in WORDS else None)
    every = found.buildings(chosen, building or None)
    listed = sum(len(b.doors) for b in every)
    logged(connection, account, "read", "task", purpose=PURPOSE, count=len(found.tasks))
    return page(
        request, "work/tasks.html", counts=found.counts, words=WORDS, kind=chosen, building=building, names=found.names,
        buildings=worklist.portion(every, (number - 1) * DOORS, DOORS), paths=PATHS, doors=found.doors, total=len(found.tasks),
        number=number, pages=-(-listed // DOORS), listed=listed,
    )  # fmt: skip


@router.get("/search", name="search")
def search(request: Request) -> Response:
    """Show the box."""
    return page(request, "work/search.html")


@router.post("/search", name="search.hits")
def hits(
    request: Request, account: Current, connection: Database, q: Annotated[str, Form(max_length=80)] = ""
) -> Response:
    """Show what fits; what was typed travels in the body, never in an address."""
    found = finding.search(connection, q, grids_of(account))
    told = [(h, details(account, h.entity_type, h.details), finding.KINDS[h.kind]) for h in found]
    if found:
        logged(connection, account, "read", "search", [h.master_id for h in found], purpose="查找", count=len(found))
    template = "work/hits.html" if request.headers.get("HX-Request") else "work/search.html"
    return page(request, template, hits=told, q=q, paths=PATHS, icons=ICONS)


@router.get("/address/children", name="address.children")
def children(
    request: Request, connection: Database, node: Annotated[str, Query(max_length=36)] = "", name: Annotated[str, Query(max_length=80)] = ""
) -> Response:  # fmt: skip
    """Show the next level of the tree of addresses below a node, for the cascade; addresses are no personal data."""
    query = sa.text(
        "SELECT node_id::text, name, level, full_text FROM address_node WHERE parent_id IS NOT DISTINCT FROM CAST(:node AS uuid) "
        "ORDER BY length(name), name LIMIT 500"
    )
    if node and not is_uuid(node):
        raise Unknown
    found = connection.execute(query, {"node": node or None}).all()
    while len(found) == 1 and found[0].level in {"11", "12", "13"}:  # nothing to choose
        found = connection.execute(query, {"node": found[0].node_id}).all()
    return page(request, "work/children.html", children=found, name=name)
