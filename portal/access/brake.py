"""The brake on bulk exports (批量导出审批): a large file leaves only when a second person has said yes, and once.

An export of more rows than one account may take alone makes a request and gives nothing. A steward or the security
administrator decides, never about the own one; a yes holds for a day and for one download of at most the rows that were asked
for. Request, decision and download stand in the sealed log.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from portal.access.acts import logged
from portal.access.gate import Refused, Unknown
from portal.security.accounts import Account
from warehouse.tables import EXPORT_REQUEST

HOLDS: Final = timedelta(hours=24)
"""How long a yes may be used."""

WAITS: Final = timedelta(days=7)
"""How long a request waits for somebody to decide."""

STATES: Final = {
    "open": "待审批",
    "approved": "已批准，可下载一次",
    "refused": "未批准",
    "used": "已下载",
    "expired": "已过期",
}


class ApprovalNeeded(Exception):
    """More rows than an account may take alone; nothing is given out, and somebody else is asked."""

    def __init__(self, what: str, title: str, rows: int, purpose: str) -> None:
        self.what, self.title, self.rows, self.purpose = what, title, rows, purpose
        super().__init__(
            f"这份文件有 {rows} 行，超过一人可自行导出的行数，已提交审批。批准后可在“导出审批”中看到，再次导出即可下载一次。"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on a page: what of which size, by whom, and what became of it."""

    request_id: str
    login: str
    title: str
    where: str
    rows: int
    purpose: str
    asked_at: datetime
    state: str
    decided_by: str | None
    decided_at: datetime | None


def use(connection: sa.Connection, account: Account, what: str, rows: int, now: datetime) -> str | None:
    """Use up a yes for a file, in the transaction that gives it out; return the request's id, None where there is none.

    Args:
        connection: the master, as its owner.
        account: who takes the file.
        what: which file: the same words as when it was asked for.
        rows: rows that it has now.
        now: the clock.
    """
    c = EXPORT_REQUEST.c
    fits = sa.and_(
        c.account_id == account.id, c.what == what, c.rows >= rows, c.decision == "approved", c.used_at.is_(None),
        c.decided_at > now.astimezone() - HOLDS,
    )  # fmt: skip
    first = sa.select(c.request_id).where(fits).order_by(c.decided_at).limit(1).with_for_update(skip_locked=True)
    found = connection.execute(first).scalar()
    if found is not None:
        connection.execute(EXPORT_REQUEST.update().where(c.request_id == found).values(used_at=now.astimezone()))
    return None if found is None else str(found)


def ask(connection: sa.Connection, account: Account, needed: ApprovalNeeded, where: str, now: datetime) -> None:
    """Keep a request; one that already waits for the same file stands."""
    c = EXPORT_REQUEST.c
    waiting = sa.and_(
        c.account_id == account.id, c.what == needed.what, c.decision.is_(None), c.asked_at > now.astimezone() - WAITS
    )
    if connection.execute(sa.select(c.request_id).where(waiting, c.rows >= needed.rows)).first():
        return
    request_id = str(uuid.uuid4())
    connection.execute(
        EXPORT_REQUEST.insert().values(
            request_id=request_id, account_id=account.id, login=account.login, what=needed.what, title=needed.title, place=where,
            rows=needed.rows, purpose=needed.purpose, asked_at=now.astimezone(),
        )
    )  # fmt: skip
    logged(
        connection,
        account,
        "export",
        "request",
        [request_id],
        purpose=needed.purpose,
        detail={"asked": needed.title, "rows": needed.rows},
        outcome="refused",
    )


def decide(connection: sa.Connection, account: Account, request_id: str, *, yes: bool, now: datetime) -> None:
    """Say yes or no to somebody else's request.

    Raises:
        portal.access.Refused: it is the account's own.
        portal.access.Unknown: there is none that waits.
    """
    try:
        number = str(uuid.UUID(request_id))
    except ValueError as problem:
        raise Unknown from problem
    c = EXPORT_REQUEST.c
    row = (
        connection.execute(sa.select(EXPORT_REQUEST).where(c.request_id == number).with_for_update()).mappings().first()
    )
    if row is None or _state(row, now) != "open":
        raise Unknown
    if row["account_id"] == account.id:
        raise Refused("不能审批自己的导出申请。")
    values = {"decision": "approved" if yes else "refused", "decided_by": account.login, "decided_at": now.astimezone()}
    connection.execute(EXPORT_REQUEST.update().where(c.request_id == number).values(**values))
    words = "批准导出" if yes else "不批准导出"
    logged(
        connection,
        account,
        "approve",
        "request",
        [number],
        purpose=words,
        detail={"rows": row["rows"], "for": row["login"]},
    )


def requests(connection: sa.Connection, account: Account, now: datetime, *, decides: bool) -> list[Asked]:
    """Return requests, the newest first: all for who decides, else the own ones."""
    c = EXPORT_REQUEST.c
    query = sa.select(EXPORT_REQUEST).order_by(c.asked_at.desc()).limit(100)
    rows = connection.execute(query if decides else query.where(c.account_id == account.id)).mappings()
    return [
        Asked(
            str(r["request_id"]), r["login"], r["title"], r["place"], r["rows"], r["purpose"], r["asked_at"], _state(r, now),
            r["decided_by"], r["decided_at"],
        )
        for r in rows
    ]  # fmt: skip


def _state(row: Any, now: datetime) -> str:
    moment = now.astimezone()
    if row["used_at"] is not None:
        return "used"
    if row["decision"] == "refused":
        return "refused"
    if row["decision"] == "approved":
        return "approved" if row["decided_at"] > moment - HOLDS else "expired"
    return "open" if row["asked_at"] > moment - WAITS else "expired"
