"""Changing the own password (修改口令); the first thing an account does whose password was given."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact.home import Home
from portal.access import Account, current, home_of, logged, settings_of
from portal.security import accounts, sessions
from portal.security.passwords import PasswordTooWeak
from portal.settings import Settings
from portal.view import page

router = APIRouter(include_in_schema=False)


@router.get("/password", name="password.show")
def show(request: Request) -> Response:
    """Show the form."""
    return page(request, "login/password.html", problem=None)


@router.post("/password", name="password.change")
def change(
    request: Request,
    account: Annotated[Account, Depends(current)],
    home: Annotated[Home, Depends(home_of)],
    settings: Annotated[Settings, Depends(settings_of)],
    old: Annotated[str, Form(max_length=200)] = "",
    new: Annotated[str, Form(max_length=200)] = "",
    again: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Change the password; every other session of the account ends."""
    with home.engine.begin() as connection:
        right = accounts.sign_in(connection, account.login, old, home.now(), settings.lockout)
        problem = _problem(old, new, again, right=right is not None)
        if problem is None:
            try:
                accounts.set_password(connection, account, new, given=False)
            except PasswordTooWeak as weak:
                problem = str(weak)
        if problem is None:
            session = sessions.begin(connection, account, home.now(), "full", before=request.state.session.token)
            logged(connection, account, "account", "account", [account.id], purpose="修改口令")
    if problem is not None:
        return page(request, "login/password.html", 422, problem=problem)
    response = RedirectResponse(request.app.url_path_for("home"), status_code=303)
    sessions.give(response, session)
    return response


def _problem(old: str, new: str, again: str, *, right: bool) -> str | None:
    """What stands against the change; a password that somebody else gave is known to that person and has to go."""
    if not right:
        return "原口令不对。"
    if new != again:
        return "两次输入的新口令不一样。"
    return "新口令不能和原口令相同。" if new == old else None
