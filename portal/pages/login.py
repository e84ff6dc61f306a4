"""Signing in and out (登录): password, then the code of the second factor."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact.home import Home
from portal.access import home_of, logged, settings_of
from portal.security import accounts, sessions
from portal.settings import Settings
from portal.view import page

router = APIRouter(include_in_schema=False)

WRONG = "账号或口令不对，或账号已被锁定。连续输错会暂时锁定账号；忘记口令请找安全管理员重置。"
"""One sentence for every reason, so that nobody learns which accounts there are."""


@router.get("/login", name="login.show")
def show(request: Request) -> Response:
    """Show the form; who is signed in goes on."""
    if request.state.session is not None and request.state.session.stage == "full":
        return RedirectResponse(request.app.url_path_for("home"), status_code=303)
    return page(request, "login/show.html", problem=None, login="")


@router.post("/login", name="login.enter")
def enter(
    request: Request,
    home: Annotated[Home, Depends(home_of)],
    settings: Annotated[Settings, Depends(settings_of)],
    login: Annotated[str, Form(max_length=60)] = "",
    password: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Check login and password; start a session under a new token."""
    with home.engine.begin() as connection:
        account = accounts.sign_in(connection, login.strip(), password, home.now(), settings.lockout)
        if account is None:
            problem = page(request, "login/show.html", 403, problem=WRONG, login=login)
        else:
            accounts.succeeded(connection, account.id)
            session = sessions.begin(
                connection, account, home.now(), "full", before=request.cookies.get(sessions.COOKIE)
            )
            logged(connection, account, "login", "account", [account.id], purpose="登录")
    if account is None:
        return problem
    response = RedirectResponse(request.app.url_path_for("home"), status_code=303)
    sessions.give(response, session)
    return response


@router.post("/logout", name="login.leave")
def leave(request: Request, home: Annotated[Home, Depends(home_of)]) -> Response:
    """End the session and have the browser forget what it kept."""
    with home.engine.begin() as connection:
        sessions.end(connection, request.state.session.token, "logout")
        logged(connection, request.state.session.account, "logout", "account", purpose="退出")
    response = RedirectResponse(request.app.url_path_for("login.show"), status_code=303)
    sessions.take(response)
    return response
