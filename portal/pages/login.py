"""Signing in and out (登录): password, then the code of the second factor; or at the identity provider."""

from __future__ import annotations

import logging
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from portal.access import OfHome, devices, logged, settings_of
from portal.security import accounts, oidc, second_factor, sessions, vault
from portal.security.accounts import Account
from portal.settings import Settings
from portal.view import page

router = APIRouter(include_in_schema=False)
logger = logging.getLogger("portal")

OfSettings = Annotated[Settings, Depends(settings_of)]

WRONG = "账号或口令不对，或账号已被锁定。连续输错会暂时锁定账号；忘记口令请找安全管理员重置。"
"""One sentence for every reason, so that nobody learns which accounts there are."""

OFTEN = "从这台电脑登录失败的次数太多，请过一会儿再试。"
WRONG_CODE = "动态口令不对或已经用过，请等下一个再输。"
UNKNOWN_SUBJECT = "统一身份认证已通过，但您还没有本系统的账号，请找安全管理员开通。"


@router.get("/login", name="login.show")
def show(request: Request) -> Response:
    """Show the form; who is signed in goes on."""
    if request.state.session is not None and request.state.session.stage == "full":
        return _to(request, "home")
    return _form(request)


@router.post("/login", name="login.enter")
def enter(
    request: Request,
    home: OfHome,
    settings: OfSettings,
    login: Annotated[str, Form(max_length=60)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Check login and password; start a session under a new token."""
    tries, address = request.app.state.tries, request.client.host if request.client else ""
    if not settings.local_accounts:
        return _form(request, 403, "请用统一身份认证登录。")
    if tries.too_many(address, home.now()):
        return _form(request, 429, OFTEN, login)
    with home.engine.begin() as connection:
        account = accounts.sign_in(connection, login.strip(), password, home.now(), settings.lockout)
    if account is None:
        tries.count(address, home.now())
        _refused(home, login, "口令")
        return _form(request, 403, WRONG, login)
    stage = "password" if account.has_second_factor else "full"
    return _begin(request, home, account, stage)


@router.get("/login/code", name="login.code")
def code(request: Request) -> Response:
    """Ask for the code of the second factor."""
    if request.state.session.stage == "full":
        return _to(request, "home")
    return page(request, "login/code.html", problem=None)


@router.post("/login/code", name="login.code.enter")
def enter_code(
    request: Request, home: OfHome, settings: OfSettings, code: Annotated[str, Form(max_length=20)] = ""
) -> Response:
    """Check the code; the session goes on under a new token."""
    account = request.state.session.account
    with home.engine.begin() as connection:
        right = second_factor.passes(connection, home.path, account, code, home.now(), settings.lockout)
    if not right:
        _refused(home, account.login, "动态口令")
        return page(request, "login/code.html", 403, problem=WRONG_CODE)
    return _begin(request, home, account, "full")


@router.get("/login/provider", name="login.provider")
def leave_for_provider(request: Request, home: OfHome, settings: OfSettings) -> Response:
    """Send the browser to the identity provider."""
    if settings.provider is None:
        return _to(request, "login.show")
    try:
        leaving = oidc.leave(settings.provider, _back(request), vault.key(home.path), home.now())
    except oidc.ProviderFailed as failed:
        logger.warning("identity provider: %s", failed.what)
        return _form(request, 502, str(failed))
    response = RedirectResponse(leaving.address, status_code=303)
    response.set_cookie(
        oidc.COOKIE, leaving.cookie, max_age=60 * oidc.MINUTES, secure=True, httponly=True, samesite="lax", path="/"
    )
    return response


@router.get("/login/provider/back", name="login.provider.back")
def back_from_provider(request: Request, home: OfHome, settings: OfSettings) -> Response:
    """Take who comes back from the identity provider."""
    if settings.provider is None:
        return _to(request, "login.show")
    cookie = request.cookies.get(oidc.COOKIE, "")
    try:
        subject = oidc.come_back(
            settings.provider, _back(request), vault.key(home.path), home.now(), cookie, request.query_params
        )
    except oidc.ProviderFailed as failed:
        logger.warning("identity provider: %s", failed.what)
        return _form(request, 403, str(failed))
    with home.engine.begin() as connection:
        account = accounts.by_subject(connection, subject, home.now())
    if account is None:
        return _form(request, 403, UNKNOWN_SUBJECT)
    response = _begin(request, home, account, "full")
    response.delete_cookie(oidc.COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    return response


@router.post("/logout", name="login.leave")
def leave(request: Request, home: OfHome) -> Response:
    """End the session and have the browser forget what it kept."""
    with home.engine.begin() as connection:
        sessions.end(connection, request.state.session.token, "logout")
        logged(connection, request.state.session.account, "logout", "account", purpose="退出")
    response = _to(request, "login.show")
    sessions.take(response)
    return response


def _form(request: Request, status: int = 200, problem: str | None = None, login: str = "") -> Response:
    return page(request, "login/show.html", status, problem=problem, login=login)


def _to(request: Request, route: str) -> RedirectResponse:
    return RedirectResponse(request.app.url_path_for(route), status_code=303)


def _back(request: Request) -> str:
    """The address that the provider sends the browser back to, as registered there."""
    return str(request.url_for("login.provider.back"))


def _begin(request: Request, home: OfHome, account: Account, stage: str) -> RedirectResponse:
    before = request.cookies.get(sessions.COOKIE)
    with home.engine.begin() as connection:
        session = sessions.begin(connection, account, home.now(), stage, before=before)
        if stage == "full":
            accounts.succeeded(connection, account.id)
            logged(connection, account, "login", "account", [account.id], purpose="登录")
    response = _to(request, "home" if stage == "full" else "login.code")
    sessions.give(response, session)
    devices.give(request, response)
    return response


def _refused(home: OfHome, login: str, what: str) -> None:
    """Keep a failed login of an account that exists; what was typed where none does is kept nowhere."""
    with home.engine.begin() as connection:
        account = accounts.by_login(connection, login.strip())
        if account is not None:
            _note(connection, account, what)


def _note(connection: sa.Connection, account: Account, what: str) -> None:
    logged(
        connection, account, "login", "account", [account.id], purpose="登录", detail={"wrong": what}, outcome="refused"
    )
