"""What goes into the sealed log (封存日志): the one place where the portal writes down who read or did what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

from portal.security.accounts import Account
from warehouse import sealed

_WAITING: Final = "onefact.acts"


def logged(
    connection: sa.Connection, account: Account, act: str, subject_type: str, subjects: Sequence[str] = (), *,
    purpose: str, count: int | None = None, detail: Mapping[str, object] | None = None, outcome: str = "done", at_once: bool = False,
) -> None:  # fmt: skip
    """Write an act of an account to the sealed log, in the transaction of `connection`; the last thing before its end.

    In a page's own transaction (`portal.access.Database`) it is written when the page is made, before it is sent: from the
    writing to the commit nobody else can write, and a page takes longer to make than to commit.

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
        at_once: it has to stand there now, since the page counts by the log.
    """
    act_done = sealed.Act(
        actor=account.login, act=act, subject_type=subject_type, subjects=tuple(subjects), purpose=purpose, count=count,
        detail=detail or {}, outcome=outcome, via="portal",
    )  # fmt: skip
    waiting: list[sealed.Act] | None = connection.info.get(_WAITING)
    if waiting is None or at_once:
        sealed.append(connection, act_done)
    else:
        waiting.append(act_done)


@contextmanager
def gathered(connection: sa.Connection) -> Iterator[None]:
    """Gather the acts of a `with` block and write them at its end; an error writes none of them."""
    waiting = connection.info[_WAITING] = []
    try:
        yield
        if waiting:
            sealed.append(connection, *waiting)
    finally:
        del connection.info[_WAITING]
