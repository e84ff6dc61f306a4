"""What the portal's verbs do: serve, and keep accounts from the command line."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from rich.table import Table

from onefact.cli.session import Session
from onefact.home import Home
from portal import carry
from portal.app import create_app
from portal.security import accounts, passwords, second_factor
from portal.security.accounts import ROLE_NAMES, Account
from portal.serve import Door, server
from portal.settings import load
from warehouse import sealed

DEMO_NAMES = {"worker": "王芳", "steward": "李伟", "auditor": "张敏", "sysadmin": "刘洋", "secadmin": "陈静"}
"""The demo's people: the commonest names, nobody in particular."""

FOREVER = timedelta(days=36500)


class NoSuchAccount(Exception):
    """No open account has this login."""

    def __init__(self, login: str) -> None:
        super().__init__(f"There is no account {login!r}. See: onefact user list.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of `onefact serve`."""

    host: str
    port: int
    certificate: Path | None
    key: Path | None
    carry: bool
    demo: bool
    people: int


def serve(session: Session, wanted: Wanted) -> None:
    """Serve until interrupted."""
    home, settings = replace(session.home, via="portal"), load(session.home.path)
    with ExitStack() as stack:
        if wanted.demo:
            settings = settings.model_copy(update={"second_factor": frozenset()})
            _fill(session, home, wanted.people)
        app = create_app(home, settings)
        running, listening, address = server(home, app, Door(wanted.host, wanted.port, wanted.certificate, wanted.key))
        if wanted.demo:
            _show_demo_accounts(session, home)
        if wanted.carry:
            stack.enter_context(carry.beside(home))
        session.console.print(f"The portal is at {address} (stop it with Ctrl-C).", soft_wrap=True)
        if wanted.certificate is None:
            authority = home.path / "portal" / "tls" / "authority.pem"
            session.console.print(
                f"Its certificate is this machine's own: browsers warn until they are given {authority}.",
                soft_wrap=True,
            )
        if not _any_account(home):
            session.console.print("There is no account yet: onefact user add LOGIN --name NAME --role ROLE")
        gc.collect()
        gc.freeze()  # what is loaded by now stays: looking through it again would hold up a request for a tenth of a second
        running.run(sockets=[listening])


def _fill(session: Session, home: Home, people: int) -> None:
    """Start the stand-ins, and run the road once where the master is still empty."""
    from onefact import road
    from onefact.delivery import guards
    from onefact.quality.check import check
    from sandbox import supervisor  # only the demo knows the stand-ins

    session.console.print("Starting forty stand-in systems ...")
    supervisor.start(home.path, people)
    with home.engine.connect() as connection:
        filled = connection.execute(sa.text("SELECT EXISTS (SELECT 1 FROM person)")).scalar()
    if not filled:
        session.console.print("Pulling, consolidating and pushing once ...")
        guards.let_first_through(home)
        road.run(home)
        session.console.print("Checking the quality of what was read ...")
        check(home)


def _show_demo_accounts(session: Session, home: Home) -> None:
    """Make one account for each role, or give those that are there new passwords, and print them once."""
    table = Table("账号", "口令", "角色")
    with home.engine.begin() as connection:
        most = sa.text(
            "SELECT grid FROM entity_grid WHERE entity_type = 'person' GROUP BY grid ORDER BY count(*) DESC, grid LIMIT 3"
        )
        grids = list(connection.execute(most).scalars())
        for role, name in DEMO_NAMES.items():
            password, account = passwords.given(), accounts.by_login(connection, role)
            if account is None:
                held = grids if role == "worker" else []
                accounts.add(connection, role, name, role, grids=held, password=password, by="demo", given=False)
            else:
                accounts.set_password(connection, account, password, given=False)
            table.add_row(role, password, f"{ROLE_NAMES[role]} {role}")
    session.console.print(table)


def _any_account(home: Home) -> bool:
    with home.engine.connect() as connection:
        return bool(accounts.listed(connection))


def add(
    session: Session, login: str, name: str, role: str, grids: Sequence[str], subject: str | None, actor: str
) -> None:
    """Make an account and print its first password."""
    password = passwords.given() if subject is None else None
    with session.home.engine.begin() as connection:
        made = accounts.add(connection, login, name, role, grids=grids, password=password, subject=subject, by=actor)
        _told(connection, actor, made, "新建账号", {"role": role, "grids": list(grids)})
    if session.as_json:
        session.emit({"login": login, "role": role, "password": password})
    elif password:
        session.console.print(f"{login}: {password}\nThis is shown once; it has to be changed at the first login.")
    else:
        session.console.print(f"{login} signs in at the identity provider.")


def list_(session: Session) -> None:
    """Show the accounts."""
    with session.home.engine.connect() as connection:
        held = accounts.listed(connection)
    if session.as_json:
        session.emit(held)
        return
    table = Table("login", "name", "role", "grids", "second factor", "state")
    for one in held:
        table.add_row(
            one["login"], one["name"], f"{ROLE_NAMES[one['role']]} {one['role']}", " ".join(one["grids"]),
            "yes" if one["second_factor"] else "no", _state(one["locked_until"], one["closed_at"], session.home.now()),
        )  # fmt: skip
    session.console.print(table)


def _state(locked: datetime | None, closed: datetime | None, now: datetime) -> str:
    return "closed" if closed else "locked" if accounts.is_locked(locked, now) else "open"


def lock(session: Session, login: str, actor: str, *, off: bool) -> None:
    """Lock an account, or open it again."""
    with session.home.engine.begin() as connection:
        account = _one(connection, login)
        accounts.lock(connection, account.id, None if off else session.home.now().astimezone() + FOREVER)
        _told(connection, actor, account, "解锁账号" if off else "锁定账号", {})
    session.console.print(f"{login} is {'open' if off else 'locked'}.")


def compartments(session: Session, login: str, of: Sequence[str], actor: str) -> None:
    """Let an account see the facts of these compartments."""
    with session.home.engine.begin() as connection:
        account = _one(connection, login)
        accounts.set_compartments(connection, account, of)
        _told(connection, actor, account, "调整分区", {"compartments": sorted(of)})
    session.console.print(f"{login} sees: {', '.join(sorted({'base', *of}))}.")


def reset(session: Session, login: str, actor: str, *, without_second_factor: bool) -> None:
    """Give an account a new first password."""
    password = passwords.given()
    with session.home.engine.begin() as connection:
        account = _one(connection, login)
        accounts.set_password(connection, account, password, given=True)
        if without_second_factor:
            second_factor.remove(connection, account.id)
        _told(connection, actor, account, "重置口令", {"without_second_factor": without_second_factor})
    session.console.print(f"{login}: {password}\nThis is shown once; it has to be changed at the first login.")


def _one(connection: sa.Connection, login: str) -> Account:
    account = accounts.by_login(connection, login)
    if account is None:
        raise NoSuchAccount(login)
    return account


def _told(connection: sa.Connection, actor: str, account: Account, purpose: str, detail: dict[str, object]) -> None:
    act = sealed.Act(
        actor=actor,
        act="account",
        subject_type="account",
        subjects=[account.id],
        purpose=purpose,
        detail=detail,
        via="cli",
    )
    sealed.append(connection, act)
