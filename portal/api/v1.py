"""Version 1 of the API (接口第一版): search, read, enter, receipts, changes; `webhooks.py` has the subscriptions.

A token's account decides what is seen, as on the pages: the gate checks role, grid and scope before any of this runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Query, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from onefact import acts, undoing
from onefact.acts import Act, ActConflict, ActRefused, Fact, Taken
from onefact.enter import TITLES
from onefact.home import Home
from onefact.household import Card, Value, card
from onefact.received import received
from onefact.search import search
from portal.access import Account, Current, Database, OfHome, Refused, Unknown, devices, logged
from portal.access.area import EVERYWHERE, may_enter, may_see, seen_by
from portal.api import changes as feed
from portal.api.models import (
    ActIn,
    Changes,
    DeliveryOut,
    EntityOut,
    Event,
    FactProblem,
    Hit,
    Hits,
    LineOut,
    Problem,
    Receipt,
    SearchIn,
    Text,
    UndoIn,
    ValueOut,
)
from portal.security.limits import Tries
from portal.security.tokens import Program
from portal.view.values import RESTRICTED, shown
from schemas.entities import ENTITIES
from schemas.model import EntityType, Field

PREFIX = "/api/v1"

ERRORS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": sentence}
    for code, sentence in {
        400: "The body is no JSON.", 401: "No token, or one that does not hold.", 403: "Not within role or scope.",
        404: "No such thing, or in another's grid.", 409: "Somebody else changed it.", 413: "Too large.", 422: "Does not stand.",
    }.items()
}  # fmt: skip

AGAIN: dict[int | str, dict[str, Any]] = {200: {"model": Receipt, "description": "It had been taken before."}}

router = APIRouter(prefix=PREFIX, tags=["v1"], responses=ERRORS)


@router.get("/openapi.json", name="api.openapi", include_in_schema=False)
def openapi(request: Request) -> dict[str, Any]:
    """Return the description of the API."""
    if not hasattr(request.app.state, "openapi"):
        routes = [r for r in request.app.routes if isinstance(r, APIRoute) and r.path.startswith(PREFIX)]
        made = get_openapi(title="onefact", version="1", routes=routes, description=__doc__)
        made["components"].setdefault("securitySchemes", {})["token"] = {"type": "http", "scheme": "bearer"}
        made["security"] = [{"token": []}]
        request.app.state.openapi = made
    return cast("dict[str, Any]", request.app.state.openapi)


@router.post("/search", name="api.search", responses={429: {"description": "too many searches in a minute"}})
def search_(
    request: Request,
    account: Current,
    connection: Database,
    wanted: SearchIn,
) -> Hits:
    """Search by name, pinyin, initials, number, phone, address or firm; values come masked, and so many times a minute.

    What is looked for travels in the body: an address is written into the logs of every server that it passes.
    """
    _not_too_often(request, account)
    within = None if account.role in EVERYWHERE else account.grids
    found = search(connection, wanted.q, within, wanted.entity_type, wanted.limit)
    logged(
        connection, account, "read", "search", [h.master_id for h in found], purpose="接口查找", count=len(found),
        detail={"api": "search"},
    )  # fmt: skip
    return Hits(
        hits=[
            Hit(
                entity_type=h.entity_type, id=h.master_id, found_by=h.kind,
                title=_masked(account, h.entity_type, TITLES[h.entity_type], h.title),
                details={n: _masked(account, h.entity_type, n, v) for n, v in h.details.items()},
            )
            for h in found
        ]
    )  # fmt: skip


def _not_too_often(request: Request, account: Account) -> None:
    """Raise 429 where an account searches more often than people and their programs do: numbers are not to be tried out."""
    searches: Tries = request.app.state.searches
    now = request.app.state.home.now()
    if searches.too_many(account.id, now):
        raise HTTPException(429, headers={"Retry-After": "60"})
    searches.count(account.id, now)


def _masked(account: Account, entity_type: EntityType, name: str, value: str) -> str:
    return shown(account, ENTITIES[entity_type].field(name), value, in_list=True).text


@router.get("/entities/{entity_type}/{master_id}", name="api.entity")
def entity(
    request: Request, account: Current, connection: Database, home: OfHome, entity_type: EntityType,
    master_id: Annotated[str, Path(max_length=60)],
) -> EntityOut:  # fmt: skip
    """Read one golden record: each field with source, date and confidence; whole values need the scope `full`."""
    found = card(connection, home, entity_type, master_id, seen_by(account))
    if found is None:
        raise Unknown
    session = request.state.session
    whole = isinstance(session, Program) and "full" in session.scopes
    detail = {"api": "entity", "whole": whole, "fields": [v.field.name for v in found.values if v.value]}
    logged(connection, account, "read", entity_type, [found.master_id], purpose="接口查看", detail=detail)
    return _entity(account, found, whole=whole)


def _entity(account: Account, found: Card, *, whole: bool) -> EntityOut:
    values = [_value(account, v, whole=whole) for v in found.values if v.field.sensitivity < RESTRICTED]
    return EntityOut(entity_type=found.entity_type, id=found.master_id, version=found.version, values=values)


def _value(account: Account, v: Value, *, whole: bool) -> ValueOut:
    field: Field = v.field
    hidden = shown(account, field, v.value)
    open_ = v.value is None or (whole and field.propagate)
    return ValueOut(
        field=field.name, name=field.cn, value=v.value if open_ else hidden.text, masked=not open_ and hidden.masked, source=v.system,
        observed_at=v.observed_at, confidence=v.confidence, missing=v.missing, stale=v.stale, disputed=v.disputed, worker=v.worker,
        stamp=v.stamp,
    )  # fmt: skip


@router.post("/acts", name="api.enter", status_code=201, response_model=Receipt, responses=AGAIN)
def enter(request: Request, account: Current, home: OfHome, act: ActIn) -> Response:
    """Enter facts once; each is taken with the others or not at all, and travels to every system that holds it."""

    def may(entity_type: EntityType, master_id: str) -> bool:
        with home.engine.connect() as connection:
            return may_see(connection, account, entity_type, master_id)

    facts = tuple(Fact(f.entity_type, f.entity, f.field, f.value, f.seen) for f in act.facts)
    if not may_enter(account, facts):
        raise Refused("您的账号没有录入这一分区事项的权限。")
    origin = devices.origin(request, "接口录入")
    return _taking(home, lambda: acts.take(home, Act(str(act.act_id), act.kind, facts), account.login, may, origin))


@router.post("/acts/{act_id}/undo", name="api.undo", status_code=201, response_model=Receipt, responses=AGAIN)
def undo(request: Request, account: Current, home: OfHome, act_id: str, again: UndoIn) -> Response:
    """Take an act of the account back by a new one."""
    origin = devices.origin(request, "接口撤销录入")
    return _taking(home, lambda: undoing.undo(home, act_id, str(again.act_id), account.login, origin))


def _taking(home: Home, take: Callable[[], Taken]) -> Response:
    try:
        taken = take()
    except ActRefused as refused:
        problems = [FactProblem(entity=p.entity, field=p.field, sentence=p.sentence) for p in refused.problems]
        return _answer(422, Problem(error="内容有误，没有保存。", problems=problems))
    except ActConflict as conflict:
        problems = [FactProblem(entity=s.entity, field=s.field, sentence="已被更改") for s in conflict.fields]
        return _answer(409, Problem(error=str(conflict), problems=problems))
    with home.engine.connect() as connection:
        receipt = _receipt(connection, home, taken)
    return _answer(200 if taken.repeated else 201, receipt)


@router.get("/acts/{act_id}", name="api.receipt")
def receipt(account: Current, home: OfHome, act_id: Annotated[str, Path(max_length=60)]) -> Receipt:
    """Ask what became of an act: fact by fact, system by system."""
    with home.engine.connect() as connection:
        try:
            taken = acts.find(connection, act_id)
        except KeyError as unknown:
            raise Unknown from unknown
        if taken.actor != account.login and account.role not in EVERYWHERE:
            raise Unknown
        return _receipt(connection, home, taken)


def _receipt(connection: Any, home: Home, taken: Taken) -> Receipt:
    lines = [
        LineOut(
            entity_type=r.line.entity_type, id=r.master_id, field=r.line.field, counts=r.line.counts, taken=r.line.taken,
            deliveries=[
                DeliveryOut(system=d.system_id, name=d.system, state=d.state, word=d.word, at=d.at, receipt=d.receipt, why=d.why)
                for d in r.deliveries
            ],
        )
        for r in received(connection, home, taken)
    ]  # fmt: skip
    return Receipt(
        act_id=taken.act_id, kind=taken.kind, at=taken.at, repeated=taken.repeated, created=dict(taken.created),
        undone_by=taken.undone_by, facts=lines,
    )  # fmt: skip


@router.get("/changes", name="api.changes", response_model=Changes)
def changes(
    connection: Database,
    cursor: Annotated[Text, Query(max_length=300)] = "",
    entity_type: Annotated[list[EntityType] | None, Query(max_length=4)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """Read what changed since a cursor: for programs that cannot be called."""
    try:
        found, following, more = feed.changes(connection, cursor, entity_type or tuple(ENTITIES), limit)
    except feed.WrongCursor as wrong:
        return _answer(422, Problem(error=str(wrong)))
    return _answer(200, Changes(events=[event(c) for c in found], cursor=following, more=more))


def event(change: feed.Change) -> Event:
    """Return a change as it is told."""
    return Event(
        type=change.type, entity_type=change.entity_type, id=change.id, version=change.version, heir=change.heir,
        run=change.run, at=change.at,
    )  # fmt: skip


def _answer(status: int, model: Any) -> JSONResponse:
    return JSONResponse(model.model_dump(mode="json"), status_code=status)
