"""Other programs (外部程序): the tokens by which they come in, and where they are told of changes."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact.home import Home
from portal.access import Account, Current, OfHome, Unknown, logged
from portal.api import subscriptions
from portal.api.subscriptions import SubscriptionRefused
from portal.security import tokens
from portal.security.tokens import SCOPES, TokenError
from portal.view import page
from schemas.entities import ENTITIES
from warehouse.tables import ACCOUNT

router = APIRouter(include_in_schema=False)


@router.get("/programs", name="programs")
def show(request: Request, home: OfHome) -> Response:
    """List tokens and subscriptions of all accounts."""
    return _programs(request, home)


def _programs(request: Request, home: Home, problem: str | None = None, made: str | None = None) -> Response:
    with home.engine.connect() as connection:
        hooks = subscriptions.subscriptions(connection)
        logins: dict[str, str] = {
            str(i): login for i, login in connection.execute(sa.select(ACCOUNT.c.account_id, ACCOUNT.c.login))
        }
    return page(
        request, "programs/list.html", 422 if problem else 200, tokens=tokens.listed(home), now=home.now().astimezone(), scopes=SCOPES,
        hooks=hooks, logins=logins, accounts=sorted(logins.values()), cn=lambda e: ENTITIES[e].cn, problem=problem, made=made,
    )  # fmt: skip


@router.post("/programs", name="programs.add")
def add(
    request: Request, account: Current, home: OfHome, login: Annotated[str, Form(max_length=60)] = "",
    name: Annotated[str, Form(max_length=60)] = "", scopes: Annotated[list[str] | None, Form()] = None,
    days: Annotated[int, Form(ge=0, le=10_000)] = 90,
) -> Response:  # fmt: skip
    """Make a token; it is shown this once."""
    try:
        made = tokens.make(home, login.strip(), name, scopes or [], days, account.login)
    except TokenError as problem:
        return _programs(request, home, str(problem))
    _log(home, account, "新建接口令牌", "account", login.strip(), {"scopes": sorted(scopes or []), "days": days})
    return _programs(request, home, made=made)


@router.post("/programs/{token_id}/end", name="programs.end")
def end(request: Request, account: Current, home: OfHome, token_id: str) -> Response:
    """End a token at once."""
    if not tokens.end(home, token_id, account.login):
        raise Unknown
    _log(home, account, "停用接口令牌", "token", token_id, {})
    return RedirectResponse(request.app.url_path_for("programs"), status_code=303)


def _log(home: Home, account: Account, purpose: str, what: str, subject: str, detail: dict[str, object]) -> None:
    with home.engine.begin() as connection:
        logged(connection, account, "token", what, [subject], purpose=purpose, detail=detail)


@router.get("/subscriptions", name="subscriptions")
def own(request: Request, account: Current, home: OfHome) -> Response:
    """List the own subscriptions."""
    return _own(request, account, home)


def _own(
    request: Request, account: Account, home: Home, problem: str | None = None, made: str | None = None
) -> Response:
    with home.engine.connect() as connection:
        hooks = subscriptions.subscriptions(connection, account.id)
    return page(
        request, "programs/own.html", 422 if problem else 200, hooks=hooks, entities=ENTITIES, most=subscriptions.MOST, problem=problem,
        made=made,
    )  # fmt: skip


@router.post("/subscriptions", name="subscriptions.add")
def subscribe(
    request: Request, account: Current, home: OfHome, url: Annotated[str, Form(max_length=500)] = "",
    entities: Annotated[list[str] | None, Form()] = None,
) -> Response:  # fmt: skip
    """Subscribe; the key that signs is shown this once."""
    chosen = [e for e in ENTITIES if e in (entities or [])]
    if not chosen:
        return _own(request, account, home, "请至少选一类对象。")
    try:
        _, secret = subscriptions.subscribe(home, account, url.strip(), chosen)
    except SubscriptionRefused as problem:
        return _own(request, account, home, str(problem))
    _log(home, account, "新建变更订阅", "account", account.login, {"entities": chosen})
    return _own(request, account, home, made=secret)


@router.post("/subscriptions/{webhook_id}/end", name="subscriptions.end")
def unsubscribe(request: Request, account: Current, home: OfHome, webhook_id: str) -> Response:
    """End an own subscription."""
    return _done(
        request, account, home, webhook_id, "停用变更订阅", subscriptions.unsubscribe(home, account, webhook_id)
    )


@router.post("/subscriptions/{webhook_id}/resume", name="subscriptions.resume")
def resume(request: Request, account: Current, home: OfHome, webhook_id: str) -> Response:
    """Let a paused subscription go on from where it stood."""
    return _done(request, account, home, webhook_id, "恢复变更订阅", subscriptions.resume(home, account, webhook_id))


def _done(request: Request, account: Account, home: Home, webhook_id: str, purpose: str, found: bool) -> Response:
    if not found:
        raise Unknown
    _log(home, account, purpose, "token", webhook_id, {})
    return RedirectResponse(request.app.url_path_for("subscriptions"), status_code=303)
