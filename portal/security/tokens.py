"""Tokens of other programs (接口令牌): each stands for an account, with scopes that take away and never add.

A token is shown once, when it is made; the table keeps its hash. It may do what its account's role may do in the account's
grids, and of that only what its scopes name.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from onefact.home import Home
from portal.security import accounts
from portal.security.sessions import Session
from warehouse.tables import ACCOUNT, API_TOKEN

PREFIX: Final = "ofk_"
"""How a token begins, so that one that leaked into a file is recognised."""

SCOPES: Final = {
    "search": "查找",
    "read": "查看（脱敏）",
    "full": "查看原文",
    "enter": "录入",
    "subscribe": "订阅变更",
}
"""What a token may be made for."""

LONGEST: Final = timedelta(days=366)
SEEN_EVERY: Final = timedelta(minutes=1)


class TokenError(Exception):
    """A token cannot be made as asked; the message is for the person who asked."""


@dataclass(frozen=True, slots=True)
class Program(Session):
    """The session of a request with a token: no cookie, no token against forged requests; scopes.

    Attributes:
        scopes: what the token was made for.
    """

    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed; never the token itself."""

    token_id: str
    login: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    ended_at: datetime | None


def sent(header: str | None) -> str | None:
    """Return the token of an Authorization header; None when it has none."""
    kind, _, value = (header or "").partition(" ")
    return value.strip() if kind.lower() == "bearer" and value.strip() else None


def make(home: Home, login: str, name: str, scopes: Sequence[str], days: int, by: str) -> str:
    """Make a token and return it: the only time that it is to be seen.

    Raises:
        TokenError: no such account, no such scope, or a life of more than a year.
    """
    if not scopes or set(scopes) - set(SCOPES):
        raise TokenError(f"权限只能是：{'、'.join(f'{s}（{cn}）' for s, cn in SCOPES.items())}。")
    if not name.strip() or not 0 < days <= LONGEST.days:
        raise TokenError("请写明是哪个程序，有效期 1 到 366 天。")
    token, now = PREFIX + secrets.token_urlsafe(32), home.now().astimezone()
    with home.engine.begin() as connection:
        account = accounts.by_login(connection, login)
        if account is None:
            raise TokenError(f"没有账号 {login}。")
        connection.execute(
            API_TOKEN.insert().values(
                token_id=str(uuid.uuid4()), account_id=account.id, token_sha256=_key(token), name=name.strip()[:60],
                scopes=sorted(set(scopes)), created_at=now, created_by=by, expires_at=now + timedelta(days=days),
            )
        )  # fmt: skip
    return token


def find(home: Home, token: str) -> Program | None:
    """Return the session of a token that holds; None when it does not."""
    now = home.now().astimezone()
    holds = sa.and_(
        API_TOKEN.c.token_sha256 == _key(token), API_TOKEN.c.ended_at.is_(None), API_TOKEN.c.expires_at > now
    )
    with home.engine.begin() as connection:
        row = connection.execute(sa.select(API_TOKEN).where(holds)).mappings().first()
        account = accounts.in_use(connection, row["account_id"], now) if row is not None else None
        if row is None or account is None or account.must_change:
            return None
        if row["used_at"] is None or now - row["used_at"] > SEEN_EVERY:
            mine = API_TOKEN.c.token_id == row["token_id"]
            connection.execute(API_TOKEN.update().where(mine).values(used_at=now))
    return Program("", "", "full", account, frozenset(row["scopes"]))


def end(home: Home, token_id: str, by: str) -> bool:
    """End a token; tell whether there was one."""
    mine = sa.and_(sa.cast(API_TOKEN.c.token_id, sa.Text) == token_id, API_TOKEN.c.ended_at.is_(None))
    with home.engine.begin() as connection:
        done = connection.execute(API_TOKEN.update().where(mine).values(ended_at=home.now().astimezone(), ended_by=by))
    return done.rowcount > 0


def listed(home: Home) -> list[Token]:
    """Return all tokens, the newest first."""
    c = API_TOKEN.c
    columns = (c.token_id, ACCOUNT.c.login, c.name, c.scopes, c.created_at, c.expires_at, c.used_at, c.ended_at)
    query = sa.select(*columns).join(ACCOUNT, ACCOUNT.c.account_id == c.account_id).order_by(c.created_at.desc())
    with home.engine.connect() as connection:
        return [Token(r[0], r[1], r[2], tuple(r[3]), *r[4:]) for r in connection.execute(query)]


def _key(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
