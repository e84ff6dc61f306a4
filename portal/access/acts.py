"""What goes into the sealed log (封存日志): the one place where the portal writes down who read or did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from portal.security.accounts import Account
from warehouse import sealed


def logged(
    connection: sa.Connection, account: Account, act: str, subject_type: str, subjects: Sequence[str] = (), *,
    purpose: str, count: int | None = None, detail: Mapping[str, object] | None = None, outcome: str = "done",
) -> None:  # fmt: skip
    """Write an act of an account to the sealed log, in the transaction of `connection`; the last thing before its end.

    Args:
        connection: the master.
        account: who.
        act: read, enter, export, login ... (`warehouse.sealed.ACTS`).
        subject_type: entity type, or `account`, `system`, `log`.
        subjects: master ids or other ids, never values.
        purpose: why, in the words of the duty.
        count: how many records were shown where they are not all named.
        detail: names of fields and the like; no personal data.
        outcome: done, refused or failed.
    """
    act_done = sealed.Act(
        actor=account.login, act=act, subject_type=subject_type, subjects=tuple(subjects), purpose=purpose, count=count,
        detail=detail or {}, outcome=outcome, via="portal",
    )  # fmt: skip
    sealed.append(connection, act_done)
