"""Setting up the second factor (绑定动态口令)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from portal.access import Current, OfHome, logged, settings_of
from portal.security import second_factor, sessions, totp, vault
from portal.security.vault import KeyLost
from portal.view import page

router = APIRouter(include_in_schema=False)

WRONG = "验证码不对：请确认手机时间准确，再输入当前显示的六位数字。"


@router.get("/factor", name="factor.show")
def show(request: Request, account: Current, home: OfHome) -> Response:
    """Show a new secret for the app; it is kept once a code has shown that the app has it."""
    if account.has_second_factor:
        return page(request, "login/factor.html", done=True, problem=None)
    return _form(request, account, home, totp.fresh(), None, 200)


@router.post("/factor", name="factor.enter")
def enter(
    request: Request,
    account: Current,
    home: OfHome,
    sealed: Annotated[str, Form(max_length=400)] = "",
    code: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Keep the secret when the code is right."""
    try:
        secret = vault.unseal(vault.key(home.path), bytes.fromhex(sealed), account.id)
    except (ValueError, KeyLost):
        return RedirectResponse(request.app.url_path_for("factor.show"), status_code=303)
    if account.has_second_factor:  # who holds the session of another must not bind a phone of their own
        return RedirectResponse(request.app.url_path_for("factor.show"), status_code=303)
    with home.engine.begin() as connection:
        kept = second_factor.set_up(connection, home.path, account, secret, code, home.now())
        if kept:
            session = sessions.begin(connection, account, home.now(), "full", before=request.state.session.token)
            logged(connection, account, "account", "account", [account.id], purpose="绑定动态口令")
    if not kept:
        return _form(request, account, home, secret, WRONG, 422)
    response = RedirectResponse(request.app.url_path_for("home"), status_code=303)
    sessions.give(response, session)
    return response


def _form(
    request: Request, account: Current, home: OfHome, secret: bytes, problem: str | None, status: int
) -> Response:
    sealed = vault.seal(vault.key(home.path), secret, account.id).hex()
    issuer = settings_of(request).title
    address = totp.address(secret, account.login, issuer)
    return page(
        request, "login/factor.html", status, done=False, spelled=totp.spelled(secret), address=address, sealed=sealed,
        problem=problem,
    )  # fmt: skip
