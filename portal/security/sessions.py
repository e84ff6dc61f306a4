"""Sessions (会话): a random token in a cookie, everything else in a table, so that any session can be ended."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from starlette.responses import Response

from portal.security import accounts
from portal.security.accounts import Account
from portal.settings import Settings
from warehouse.tables import ACCOUNT, SESSION

COOKIE: Final = "__Host-onefact"
"""The prefix makes browsers insist on Secure, Path=/ and no Domain."""

SEEN_EVERY: Final = timedelta(minutes=1)
"""How often the table learns that a session is in use: not with every request."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session with its account.

    Attributes:
        token: the cookie.
        csrf: what every unsafe request has to carry.
        stage: `password`: a code of the second factor is still due; `full`: signed in.
    """

    token: str
    csrf: str
    stage: str
    account: Account


def begin(connection: sa.Connection, account: Account, now: datetime, stage: str, before: str | None = None) -> Session:
    """Start a session under a token that nobody has seen before; a session that the browser had until now ends."""
    if before:
        end(connection, before, "replaced")
    session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), stage, account)
    moment = now.astimezone()
    connection.execute(
        SESSION.insert().values(
            token_sha256=_key(session.token), account_id=account.id, csrf=session.csrf, stage=stage,
            created_at=moment, seen_at=moment,
        )
    )  # fmt: skip
    return session


def find(connection: sa.Connection, token: str, now: datetime, settings: Settings) -> Session | None:
    """Return the running session of a cookie; None when there is none, it is too old, or the account is closed."""
    query = accounts.WITH_GRIDS.add_columns(SESSION.c.csrf, SESSION.c.stage, SESSION.c.created_at, SESSION.c.seen_at)
    query = query.join(SESSION, SESSION.c.account_id == ACCOUNT.c.account_id)
    row = connection.execute(
        query.where(SESSION.c.token_sha256 == _key(token), SESSION.c.ended_at.is_(None))
    ).mappings().first()  # fmt: skip
    if row is None:
        return None
    moment = now.astimezone()
    too_old = moment - row[SESSION.c.created_at] > settings.longest
    closed = row[ACCOUNT.c.closed_at] is not None
    if closed or too_old or moment - row[SESSION.c.seen_at] > settings.idle:
        end(connection, token, "revoked" if closed else "age" if too_old else "idle")
        return None
    if moment - row[SESSION.c.seen_at] > SEEN_EVERY:
        connection.execute(SESSION.update().where(SESSION.c.token_sha256 == _key(token)).values(seen_at=moment))
    return Session(token, row[SESSION.c.csrf], row[SESSION.c.stage], accounts.made_of(row))


def end(connection: sa.Connection, token: str, why: str) -> None:
    """End a session; the row stays as a witness."""
    still = (SESSION.c.token_sha256 == _key(token)) & SESSION.c.ended_at.is_(None)
    connection.execute(SESSION.update().where(still).values(ended_at=sa.func.now(), ended_why=why))


def give(response: Response, session: Session) -> None:
    """Put a session's cookie on an answer; it goes when the browser is closed."""
    response.set_cookie(COOKIE, session.token, secure=True, httponly=True, samesite="lax", path="/")


def take(response: Response) -> None:
    """Take the cookie away, and with it what the device keeps (drafts, caches)."""
    response.delete_cookie(COOKIE, secure=True, httponly=True, samesite="lax", path="/")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
