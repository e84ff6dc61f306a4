"""What goes into the sealed log (封存日志): the one place where the portal writes down who read or did what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from portal.security.accounts import Account


def logged(
    connection: sa.Connection, account: Account, act: str, subject_type: str, subjects: Sequence[str] = (), *,
    purpose: str, count: int | None = None, detail: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    """Write an act of an account to the sealed log, in the transaction of `connection`.

    Args:
        connection: the master.
        account: who.
        act: read, reveal, enter, export, sign_in, ...
        subject_type: entity type, or `account`, `system`, `log`.
        subjects: master ids or other ids, never values.
        purpose: why, in the words of the duty.
        count: how many records were shown where they are not all named.
        detail: names of fields and the like; no personal data.
    """
