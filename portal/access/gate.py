"""The gate: every request passes here before its page function runs."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Final, cast

import sqlalchemy as sa
from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from onefact.home import Home
from portal.access import area, rows
from portal.access.acts import gathered
from portal.access.rules import Rule, Rules
from portal.security import sessions, tokens
from portal.security.accounts import Account
from portal.security.headers import SAFE
from portal.security.sessions import Session
from portal.security.tokens import Program
from portal.settings import Settings

PLACES: Final = 8
"""Requests that work at once; the others wait at the gate, where they hold nothing.

A page holds a connection for its transaction, and the verb it calls takes a second. Let in without end, requests that hold the
first would wait for a second or for a thread, and those that have a thread for a first, until all of them time out.
"""

_PLACES: Final = RunVar[CapacityLimiter]("portal places")

TOKEN_FIELD = "csrf"  # noqa: S105 - the name of a form field
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
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


async def gate(request: Request) -> AsyncIterator[None]:
    """Let a request through or raise; then `request.state.session` is the session, None on public routes.

    Only so many go on at once (`PLACES`), until their page function and its transaction are at an end.
    """
    rule = cast("Rules", request.app.state.rules)[request.scope["route"].name]
    if "\x00" in request.url.path or any(
        "\x00" in part for pair in request.query_params.multi_items() for part in pair
    ):
        raise HTTPException(400)  # PostgreSQL has no such text
    token = await _sent_token(request) if request.method not in SAFE else None
    async with _turnstile():
        await run_in_threadpool(_pass, request, rule, token)
        yield


def _turnstile() -> CapacityLimiter:
    """The places of this event loop."""
    try:
        return _PLACES.get()
    except LookupError:
        _PLACES.set(made := CapacityLimiter(PLACES))
        return made


def _pass(request: Request, rule: Rule, token: str | None) -> None:
    home = home_of(request)
    request.state.session = None
    bearer = tokens.sent(request.headers.get("authorization")) if rule.api else None
    cookie = request.cookies.get(sessions.COOKIE)
    if bearer is None and not cookie:
        if rule.public:
            return
        raise SignInFirst
    # A token stands for password, second factor and origin; a browser has its cookie.
    program = tokens.find(home, bearer) if bearer is not None else None
    with home.engine.begin() as connection:
        session = (
            program if bearer is not None else sessions.find(connection, cookie or "", home.now(), settings_of(request))
        )
        request.state.session = session
        problem = None if rule.public else _refusal(request, connection, rule, session, token)
    if problem is not None:  # raised after the transaction: what was learned of the session is kept
        raise problem


def _refusal(
    request: Request, connection: sa.Connection, rule: Rule, session: Session | None, token: str | None
) -> Exception | None:
    """Return why a request may not pass, None when it may."""
    if session is None:
        return SignInFirst()
    if _forged(request, session, token):
        return Refused("页面已过期，请刷新后再试。")
    if rule.stage == "full" and (due := _still_due(request, session)):
        return SignInFirst(due)
    if not rule.allows(session.account):
        return Refused()
    if isinstance(session, Program) and rule.scope not in session.scopes:
        return Refused("这个令牌没有这项权限。")
    return _beyond(connection, rule, session.account, request)


def _beyond(connection: sa.Connection, rule: Rule, account: Account, request: Request) -> Exception | None:
    """Return why the record that a request names is not the account's to see: another's grid, another compartment."""
    if rule.record is None:
        return None
    entity_type, master_id = rule.record.named(request.path_params)
    if not area.may_see(connection, account, entity_type, master_id):
        return Unknown()
    named = rule.record.field and str(request.path_params[rule.record.field])
    if named and not area.may_see_field(account, entity_type, named):
        return Refused("您的账号没有查看这一分区的权限。")
    return None


def _forged(request: Request, session: Session, token: str | None) -> bool:
    """Tell whether a change comes without the session's own token; programs send no cookie that could be misused."""
    if not session.token or request.method in SAFE:
        return False
    return not hmac.compare_digest(session.csrf.encode(), (token or "").encode("utf-8", "replace"))


def _still_due(request: Request, session: Session) -> str | None:
    """Return the route where signing in goes on, None when nothing is due."""
    if session.stage != "full":
        return "login.code"
    route = request.scope["route"].name
    account, needed = session.account, settings_of(request).second_factor
    if account.must_change:
        return None if route.startswith("password.") else "password.show"
    unbound = account.role in needed and not account.has_second_factor
    return "factor.show" if unbound and not route.startswith(("factor.", "password.")) else None


async def _sent_token(request: Request) -> str | None:
    """Return the token against forged requests: a header from scripts, a hidden field from forms."""
    header = request.headers.get(TOKEN_HEADER)
    if not request.headers.get("content-type", "").startswith(FORMS):
        return header
    form = await request.form()
    if any(isinstance(part, str) and "\x00" in part for pair in form.multi_items() for part in pair):
        raise HTTPException(400)
    value = form.get(TOKEN_FIELD)
    return header or (value if isinstance(value, str) else None)


async def current(request: Request) -> Account:
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
        with gathered(connection):
            yield connection


Database = Annotated[sa.Connection, Depends(database, scope="function")]
"""What a page function takes to read: `connection: Database`. Changes go through the verbs, which take the `Home`."""

Current = Annotated[Account, Depends(current)]
"""The account: `account: Current`."""


async def _home(request: Request) -> Home:
    """`home_of` for Depends: what only looks something up needs no thread of its own."""
    return home_of(request)


OfHome = Annotated[Home, Depends(_home)]
"""The installation: `home: OfHome`."""
