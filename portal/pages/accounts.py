"""Accounts (账号): kept by the security administrator, who sees no record; nobody changes the own account here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from onefact.enter import is_uuid
from portal.access import Current, OfHome, Refused, Unknown, logged
from portal.security import accounts, passwords, second_factor
from portal.security.accounts import ROLE_NAMES, Account, AccountError
from portal.view import page
from warehouse.tables import ENTITY_GRID

router = APIRouter(include_in_schema=False)

FOREVER = timedelta(days=36500)


@router.get("/accounts", name="accounts")
def show(request: Request, home: OfHome) -> Response:
    """List the accounts."""
    return _list(request, home)


@router.post("/accounts", name="accounts.add")
def add(
    request: Request,
    home: OfHome,
    account: Current,
    login: Annotated[str, Form(max_length=60)] = "",
    name: Annotated[str, Form(max_length=60)] = "",
    role: Annotated[str, Form(max_length=20)] = "",
    grids: Annotated[str, Form(max_length=2000)] = "",
    subject: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Make an account; its first password is shown once."""
    password = None if subject.strip() else passwords.given()
    try:
        with home.engine.begin() as connection:
            held = _known(connection, grids)
            made = accounts.add(
                connection, login.strip(), name.strip(), role, grids=held, password=password, subject=subject.strip() or None,
                by=account.login,
            )  # fmt: skip
            logged(connection, account, "account", "account", [made.id], purpose="新建账号", detail={"role": role})
    except AccountError as problem:
        return _list(request, home, 422, problem=str(problem))
    return _list(request, home, told=(made.login, password) if password else None)


@router.post("/accounts/{account_id}", name="accounts.change")
def change(
    request: Request,
    home: OfHome,
    account: Current,
    account_id: str,
    what: Annotated[Literal["lock", "unlock", "reset", "unbind", "grids", "compartments"], Form()],
    grids: Annotated[str, Form(max_length=2000)] = "",
    compartments: Annotated[list[str] | None, Form(max_length=10)] = None,
) -> Response:
    """Lock, open, reset, unbind the second factor, or give other grids or compartments."""
    password = None
    try:
        with home.engine.begin() as connection:
            other = _other(connection, account, account_id)
            password = _changed(connection, home, other, what, grids, compartments or ())
            words = {
                "lock": "锁定",
                "unlock": "解锁",
                "reset": "重置口令",
                "unbind": "解除动态口令",
                "grids": "调整网格",
                "compartments": "调整分区",
            }[what]
            told = {"compartments": sorted(compartments or ())} if what == "compartments" else None
            logged(connection, account, "account", "account", [other.id], purpose=f"{words}账号", detail=told)
    except AccountError as problem:
        return _list(request, home, 422, problem=str(problem))
    if password:
        return _list(request, home, told=(other.login, password))
    return RedirectResponse(request.app.url_path_for("accounts"), status_code=303)


def _changed(
    connection: sa.Connection, home: OfHome, other: Account, what: str, grids: str, compartments: Sequence[str]
) -> str | None:
    if what == "lock":
        accounts.lock(connection, other.id, home.now().astimezone() + FOREVER)
    elif what == "unlock":
        accounts.lock(connection, other.id, None)
    elif what == "unbind":
        second_factor.remove(connection, other.id)
        accounts.end_sessions(connection, other.id)
    elif what == "grids":
        if other.role != "worker":
            raise AccountError("只有网格员有网格。")
        accounts.set_grids(connection, other.id, _known(connection, grids))
    elif what == "compartments":
        accounts.set_compartments(connection, other, compartments)
    else:
        accounts.set_password(connection, other, password := passwords.given(), given=True)
        return password
    return None


def _other(connection: sa.Connection, account: Account, account_id: str) -> Account:
    """The account to change; the own one is changed by somebody else."""
    if account_id == account.id:
        raise Refused("不能在这里改动自己的账号。")
    other = accounts.by_id(connection, account_id) if is_uuid(account_id) else None
    if other is None:
        raise Unknown
    return other


def _known(connection: sa.Connection, text: str) -> list[str]:
    """Grid codes of a text; each must be one that somebody lives in, so that a slip of the pen gives nobody the wrong people."""
    wanted = text.replace("，", " ").replace("、", " ").replace(",", " ").split()
    there = set(
        connection.execute(sa.select(ENTITY_GRID.c.grid).where(ENTITY_GRID.c.grid.in_(wanted)).distinct()).scalars()
    )
    if unknown := [g for g in wanted if g not in there]:
        raise AccountError(f"没有网格 {'、'.join(unknown)}。")
    return wanted


def _list(
    request: Request, home: OfHome, status: int = 200, problem: str | None = None, told: tuple[str, str] | None = None
) -> Response:
    with home.engine.connect() as connection:
        held = accounts.listed(connection)
    locked = {a["account_id"] for a in held if accounts.is_locked(a["locked_until"], home.now())}
    return page(
        request,
        "accounts/list.html",
        status,
        accounts=held,
        locked=locked,
        roles=ROLE_NAMES,
        clearable=accounts.CLEARABLE,
        named=accounts.COMPARTMENT_NAMES,
        problem=problem,
        told=told,
    )
