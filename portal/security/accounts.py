"""Accounts (账号): who may sign in, in which role, for which grids; made, locked and reset, never removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from portal.security import passwords
from portal.settings import Lockout
from warehouse import sealed
from warehouse.tables import ACCOUNT, ACCOUNT_GRID, SESSION
from warehouse.tables.portal import ROLES

ROLE_NAMES = {
    "worker": "网格员",
    "steward": "数据管理员",
    "auditor": "审计员",
    "sysadmin": "系统管理员",
    "secadmin": "安全管理员",
}
"""The roles in the words of 等保 2.0; system, security and audit are three persons."""

LONGEST = 60
"""Characters of a login at most."""


BASE: frozenset[str] = frozenset({"base"})

CLEARABLE: Mapping[str, frozenset[str]] = {
    "worker": frozenset({"base", "benefits"}),
    "steward": frozenset({"base", "benefits", "health", "justice", "party", "census"}),
    "auditor": frozenset({"base", "benefits", "health", "justice", "party", "census"}),
}
"""Role -> compartments that may be given to it; the administrators see no record and get none."""

COMPARTMENT_NAMES: Mapping[str, str] = {
    "base": "基础", "benefits": "民生保障", "health": "卫生健康", "justice": "司法矫治", "party": "党建", "census": "统计普查",
}  # fmt: skip


class AccountError(Exception):
    """An account cannot be made or changed as asked; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who has signed in (当前账号).

    Attributes:
        id: account id.
        login: what is typed to sign in; the actor of everything that the account does.
        name: the person's name.
        role: one of `warehouse.tables.portal.ROLES`.
        grids: codes of the worker's own grids; empty for the other roles, whose reach the rules say.
        compartments: whose facts it may see (分区); the security administrator gives more than `base`.
    """

    id: str
    login: str
    name: str
    role: str
    grids: tuple[str, ...] = ()
    must_change: bool = False
    has_second_factor: bool = False
    compartments: frozenset[str] = BASE

    @property
    def role_name(self) -> str:
        """The role in Chinese."""
        return ROLE_NAMES[self.role]


WITH_GRIDS = sa.select(
    *ACCOUNT.c,
    sa.select(sa.func.array_agg(ACCOUNT_GRID.c.grid))
    .where(ACCOUNT_GRID.c.account_id == ACCOUNT.c.account_id)
    .scalar_subquery()
    .label("grids"),
)
"""Accounts with their grids, in one query: it is asked with every request."""


def made_of(row: sa.RowMapping) -> Account:
    """Return the account of a row of `WITH_GRIDS`; only a worker has grids."""
    held = tuple(sorted(row["grids"] or ())) if row[ACCOUNT.c.role] == "worker" else ()
    c = ACCOUNT.c
    cleared = BASE | (set((row[c.compartments] or "").split(",")) & CLEARABLE.get(row[c.role], BASE))
    return Account(
        row[c.account_id], row[c.login], row[c.name], row[c.role], held, row[c.must_change], row[c.totp] is not None, cleared
    )  # fmt: skip


def add(
    connection: sa.Connection, login: str, name: str, role: str, *, grids: Sequence[str] = (), password: str | None = None,
    subject: str | None = None, by: str, given: bool = True,
) -> Account:  # fmt: skip
    """Make an account.

    Args:
        connection: the master, as its owner.
        login: what is typed to sign in.
        name: the person's name.
        role: one of `ROLES`.
        grids: a worker's grids; other roles have none.
        password: None = signs in through the identity provider only.
        subject: `issuer|subject` at the identity provider.
        by: who makes it.
        given: the password was made by somebody else and has to be changed at the first login.

    Raises:
        AccountError: the login is taken, too long or a number that names a person, which the sealed log would mask so that
            nobody could be told apart by it; the role is unknown, or grids were given to a role that has none.
        PasswordTooWeak: the password will not do.
    """
    if not login or not name:
        raise AccountError("请填写账号和姓名。")
    if len(login) > LONGEST or sealed.clean(login) != login:
        raise AccountError(f"账号最多 {LONGEST} 个字符，也不能是手机号或证件号：它会写进日志，显示在各页。")
    if role not in ROLES:
        raise AccountError(f"没有角色 {role}；可选：{'、'.join(ROLES)}。")
    if grids and role != "worker":
        raise AccountError("只有网格员有网格。")
    if password is not None:
        passwords.check_new(login, password)
    if connection.execute(sa.select(ACCOUNT.c.login).where(ACCOUNT.c.login == login)).first():
        raise AccountError(f"账号 {login} 已存在。")
    account = Account(str(uuid.uuid4()), login, name, role, tuple(grids), given and password is not None)
    connection.execute(
        ACCOUNT.insert().values(
            account_id=account.id, login=login, name=name, role=role, subject=subject, created_by=by,
            password=passwords.hashed(password) if password is not None else None,
            password_set_at=sa.func.now() if password is not None else None, must_change=account.must_change,
        )
    )  # fmt: skip
    set_grids(connection, account.id, grids)
    return account


def set_grids(connection: sa.Connection, account_id: str, grids: Sequence[str]) -> None:
    """Give a worker these grids and no others."""
    connection.execute(ACCOUNT_GRID.delete().where(ACCOUNT_GRID.c.account_id == account_id))
    if grids:
        connection.execute(ACCOUNT_GRID.insert(), [{"account_id": account_id, "grid": g} for g in dict.fromkeys(grids)])


def set_compartments(connection: sa.Connection, account: Account, wanted: Iterable[str]) -> None:
    """Let an account see the facts of these compartments, and of `base`; its sessions end, so that it counts at once.

    Raises:
        AccountError: there is no such compartment, or none of that kind for this role.
    """
    asked = BASE | set(wanted)
    if unknown := sorted(asked - COMPARTMENT_NAMES.keys()):
        raise AccountError(f"没有分区 {'、'.join(unknown)}；可选：{'、'.join(COMPARTMENT_NAMES)}。")
    if beyond := sorted(asked - CLEARABLE.get(account.role, BASE)):
        raise AccountError(f"{account.role_name}不能获得分区：{'、'.join(COMPARTMENT_NAMES[b] for b in beyond)}。")
    kept = ",".join(sorted(asked))
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.account_id == account.id).values(compartments=kept))
    end_sessions(connection, account.id)


def by_id(connection: sa.Connection, account_id: str) -> Account | None:
    """Return an open account, None when it is closed or unknown."""
    return _one(connection, ACCOUNT.c.account_id == account_id)


def in_use(connection: sa.Connection, account_id: str, now: datetime) -> Account | None:
    """Return an account that may act now without signing in (a token, a subscription); None when it is locked or closed."""
    return _unlocked(connection, ACCOUNT.c.account_id == account_id, now)


def by_login(connection: sa.Connection, login: str) -> Account | None:
    """Return an open account by what is typed to sign in."""
    return _one(connection, ACCOUNT.c.login == login)


def by_subject(connection: sa.Connection, subject: str, now: datetime) -> Account | None:
    """Return the account of somebody who signed in at the identity provider; None when there is none, or it is locked."""
    return _unlocked(connection, ACCOUNT.c.subject == subject, now)


def listed(connection: sa.Connection) -> list[dict[str, Any]]:
    """Return all accounts as they may be shown: without password and secret."""
    secret = {"password", "totp", "totp_step"}
    columns = [c for c in ACCOUNT.c if c.name not in secret]
    grids = sa.select(ACCOUNT_GRID.c.account_id, sa.func.array_agg(ACCOUNT_GRID.c.grid).label("grids"))
    held = grids.group_by(ACCOUNT_GRID.c.account_id).subquery()
    query = (
        sa.select(*columns, held.c.grids, ACCOUNT.c.totp.is_not(None).label("second_factor"))
        .outerjoin(held, held.c.account_id == ACCOUNT.c.account_id)
        .order_by(ACCOUNT.c.login)
    )
    return [{**row, "grids": sorted(row["grids"] or ())} for row in connection.execute(query).mappings()]


def sign_in(connection: sa.Connection, login: str, password: str, now: datetime, lockout: Lockout) -> Account | None:
    """Return the account when login and password are right and it is neither locked nor closed.

    The answer does not say which of these was wrong. Every wrong try counts; after `lockout.tries` in a row the account
    is locked for a while, and while it is, even the right password does not open it.
    """
    query = WITH_GRIDS.where(ACCOUNT.c.login == login, ACCOUNT.c.closed_at.is_(None)).with_for_update(of=ACCOUNT)
    row = connection.execute(query).mappings().first()
    right = passwords.fits(row[ACCOUNT.c.password] if row else None, password)
    if row is None or is_locked(row[ACCOUNT.c.locked_until], now):
        return None
    if not right:
        failed(connection, row[ACCOUNT.c.account_id], now, lockout)
        return None
    return made_of(row)


def failed(connection: sa.Connection, account_id: str, now: datetime, lockout: Lockout) -> None:
    """Count a wrong password or code; lock the account when it was one too many."""
    count = connection.execute(
        ACCOUNT.update()
        .where(ACCOUNT.c.account_id == account_id)
        .values(failures=ACCOUNT.c.failures + 1)
        .returning(ACCOUNT.c.failures)
    ).scalar_one()
    if count >= lockout.tries:
        lock(connection, account_id, until=now.astimezone() + timedelta(minutes=lockout.minutes))


def succeeded(connection: sa.Connection, account_id: str) -> None:
    """Forget the wrong tries: somebody got in."""
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.account_id == account_id).values(failures=0, locked_until=None))


def lock(connection: sa.Connection, account_id: str, until: datetime | None) -> None:
    """Lock an account until a moment and end its sessions; None opens it again."""
    connection.execute(
        ACCOUNT.update().where(ACCOUNT.c.account_id == account_id).values(locked_until=until, failures=0)
    )
    if until is not None:
        end_sessions(connection, account_id)


def set_password(connection: sa.Connection, account: Account, password: str, *, given: bool) -> None:
    """Give an account a new password and end its sessions; raises `PasswordTooWeak`."""
    passwords.check_new(account.login, password)
    values = {"password": passwords.hashed(password), "password_set_at": sa.func.now(), "must_change": given}
    connection.execute(
        ACCOUNT.update()
        .where(ACCOUNT.c.account_id == account.id)
        .values(**values, failures=0, **({"locked_until": None} if given else {}))
    )
    end_sessions(connection, account.id)


def end_sessions(connection: sa.Connection, account_id: str) -> None:
    """End every session of an account."""
    open_ = (SESSION.c.account_id == account_id) & SESSION.c.ended_at.is_(None)
    connection.execute(SESSION.update().where(open_).values(ended_at=sa.func.now(), ended_why="revoked"))


def is_locked(until: datetime | None, now: datetime) -> bool:
    """Return whether an account with this lock is locked now."""
    return until is not None and until > now.astimezone()


def _one(connection: sa.Connection, which: sa.ColumnElement[bool]) -> Account | None:
    row = _open(connection, which)
    return None if row is None else made_of(row)


def _unlocked(connection: sa.Connection, which: sa.ColumnElement[bool], now: datetime) -> Account | None:
    row = _open(connection, which)
    return None if row is None or is_locked(row[ACCOUNT.c.locked_until], now) else made_of(row)


def _open(connection: sa.Connection, which: sa.ColumnElement[bool]) -> sa.RowMapping | None:
    return connection.execute(WITH_GRIDS.where(which, ACCOUNT.c.closed_at.is_(None))).mappings().first()
