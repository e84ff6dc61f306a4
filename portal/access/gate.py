"""The gate: every request passes here before its page function runs."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from typing import Annotated, cast

import sqlalchemy as sa
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from onefact.home import Home
from portal.access import area, rows
from portal.access.rules import Rule, Rules
from portal.security import sessions, tokens
from portal.security.accounts import Account
from portal.security.headers import SAFE
from portal.security.sessions import Session
from portal.security.tokens import Program
from portal.settings import Settings

TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form field
TOKEN_HEADER = "X-CSRF-Token"  # noqa: S105 - the name of a header


class SignInFirst(Exception):
    """Nobody is signed in, or something of signing in is still due; `where` names the route to go to."""

    def __init__(self, where: str = "login.show") -> None:
        self.where = where
        super().__init__(where)


class Refused(Exception):
    """Signed in, but not entitled; the sentence is for the person."""

    def __init__(self, sentence: str = "您的角色没有这一页的权限。") -> None:
        self.sentence = sentence
        super().__init__(sentence)


class Unknown(Exception):
    """There is no such thing, or it is in another's grid: the two are told apart to nobody."""


def home_of(request: Request) -> Home:
    """Return the installation."""
    return cast("Home", request.app.state.home)


def settings_of(request: Request) -> Settings:
    """Return the portal's settings."""
    return cast("Settings", request.app.state.settings)


async def gate(request: Request) -> None:
    """Let a request through or raise; afterwards `request.state.session` is the session, None on public routes."""
    rule = cast("Rules", request.app.state.rules)[request.scope["route"].name]
    token = await _sent_token(request) if request.method not in SAFE else None
    await run_in_threadpool(_pass, request, rule, token)


def _pass(request: Request, rule: Rule, token: str | None) -> None:
    home, settings = home_of(request), settings_of(request)
    request.state.session = session = _session(request, rule, home, settings)
    if rule.public:
        return
    if session is None:
        raise SignInFirst
    if (
        session.token
        and request.method not in SAFE
        and not hmac.compare_digest(session.csrf.encode(), (token or "").encode("utf-8", "replace"))
    ):
        raise Refused("页面已过期，请刷新后再试。")
    if rule.stage == "full":
        _signed_in_fully(request, session)
    if not rule.allows(session.account):
        raise Refused
    if isinstance(session, Program) and rule.scope not in session.scopes:
        raise Refused("这个令牌没有这项权限。")
    if rule.record is not None:
        entity_type, master_id = rule.record.named(request.path_params)
        with home.engine.connect() as connection:
            if not area.may_see(connection, session.account, entity_type, master_id):
                raise Unknown


def _session(request: Request, rule: Rule, home: Home, settings: Settings) -> Session | None:
    """Return who asks: a browser by its cookie; on routes of the API a program by its token."""
    bearer = tokens.sent(request.headers.get("authorization"))
    if rule.api and bearer is not None:  # the token stands for password, second factor and origin
        return tokens.find(home, bearer)
    cookie = request.cookies.get(sessions.COOKIE)
    if not cookie:
        return None
    with home.engine.begin() as connection:
        return sessions.find(connection, cookie, home.now(), settings)


def _signed_in_fully(request: Request, session: Session) -> None:
    if session.stage != "full":
        raise SignInFirst("login.code")
    route = request.scope["route"].name
    account, needed = session.account, settings_of(request).second_factor
    if account.must_change and not route.startswith("password."):
        raise SignInFirst("password.show")
    unbound = account.role in needed and not account.has_second_factor
    if unbound and not account.must_change and not route.startswith(("factor.", "password.")):
        raise SignInFirst("factor.show")


async def _sent_token(request: Request) -> str | None:
    """Return the token against forged requests: a header from scripts, a hidden field from forms."""
    header = request.headers.get(TOKEN_HEADER)
    kind = request.headers.get("content-type", "")
    if header is not None or not kind.startswith(("application/x-www-form-urlencoded", "multipart/form-data")):
        return header
    value = (await request.form()).get(TOKEN_FIELD)
    return value if isinstance(value, str) else None


def current(request: Request) -> Account:
    """Return the account that is signed in; for routes whose rule is not public."""
    session = cast("Session | None", request.state.session)
    if session is None:
        raise SignInFirst
    return session.account


def database(request: Request, account: Annotated[Account, Depends(current)]) -> Iterator[sa.Connection]:
    """Give a page one transaction on the master in the portal's own role, which sees the account's area and no more.

    It ends before the answer is sent, so that nothing is shown whose reading is not in the sealed log.
    """
    with home_of(request).engine.begin() as connection:
        rows.enter(connection, account)
        yield connection


Database = Annotated[sa.Connection, Depends(database, scope="function")]
"""What a page function takes to read: `connection: Database`. Changes go through the verbs, which take the `Home`."""

Current = Annotated[Account, Depends(current)]
"""The account: `account: Current`."""

OfHome = Annotated[Home, Depends(home_of)]
"""The installation: `home: OfHome`."""
