"""The second factor of accounts: set up by the account itself, asked for at each login, taken away by the security administrator."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from portal.security import accounts, totp, vault
from portal.security.accounts import Account
from portal.settings import Lockout
from warehouse.tables import ACCOUNT


def set_up(connection: sa.Connection, home: Path, account: Account, secret: bytes, code: str, now: datetime) -> bool:
    """Keep a new secret when the code shows that the app has it; return whether it does."""
    step = totp.accepted(secret, code, now, None)
    if step is None:
        return False
    sealed = vault.seal(vault.key(home), secret, account.id)
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.account_id == account.id).values(totp=sealed, totp_step=step))
    return True


def passes(connection: sa.Connection, home: Path, account: Account, code: str, now: datetime, lockout: Lockout) -> bool:
    """Return whether a code is right and unused; a wrong one counts like a wrong password."""
    query = sa.select(ACCOUNT.c.totp, ACCOUNT.c.totp_step, ACCOUNT.c.locked_until)
    row = connection.execute(query.where(ACCOUNT.c.account_id == account.id).with_for_update()).one()
    if row.totp is None or accounts.is_locked(row.locked_until, now):
        return False
    step = totp.accepted(vault.unseal(vault.key(home), bytes(row.totp), account.id), code, now, row.totp_step)
    if step is None:
        accounts.failed(connection, account.id, now, lockout)
        return False
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.account_id == account.id).values(totp_step=step))
    accounts.succeeded(connection, account.id)
    return True


def remove(connection: sa.Connection, account_id: str) -> None:
    """Take the second factor away (the phone is lost); the account has to set up another where its role needs one."""
    connection.execute(ACCOUNT.update().where(ACCOUNT.c.account_id == account_id).values(totp=None, totp_step=None))
