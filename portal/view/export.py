"""Files that leave the portal (导出): Excel, with who took it, when and under which number on every page and in every sheet.

A cell is always text or a number, never a formula: a value that begins with `=` stays what it is.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import sqlalchemy as sa
import xlsxwriter
from sqlalchemy.dialects.postgresql import JSONB
from starlette.responses import Response

from portal.access import brake
from portal.access.acts import logged
from portal.access.brake import ApprovalNeeded
from portal.security.accounts import Account
from portal.settings import Settings
from warehouse.tables import SEALED_LOG

MOST = 50_000
"""Rows of one file."""

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def sheet(
    connection: sa.Connection, account: Account, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *,
    what: str, subject_type: str, purpose: str, now: datetime, settings: Settings,
) -> Response:  # fmt: skip
    """Return an Excel file as a download, with its watermark; the export stands in the sealed log before it leaves.

    Args:
        connection: transaction in which the export is logged.
        account: who takes it.
        title: name of the file and heading of the sheet.
        columns: headings.
        rows: values, masked already where they have to be.
        what: which file, for a request: the same words for the same file.
        subject_type: what the rows are about, for the log.
        purpose: why it is taken.
        now: the clock.
        settings: how many rows need a second person's yes.

    Raises:
        portal.access.brake.ApprovalNeeded: the file is too large for one account alone, and nobody has said yes yet;
            nothing is given out.
    """
    mark = uuid.uuid4().hex[:12]
    words = f"{account.name}（{account.login}，{account.role_name}） {now:%Y-%m-%d %H:%M} 导出编号 {mark}"
    made = io.BytesIO()
    book = xlsxwriter.Workbook(made, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"title": title, "author": account.login, "comments": words})
    page, bold, soft = (
        book.add_worksheet("导出"),
        book.add_format({"bold": True}),
        book.add_format({"font_color": "#777777"}),
    )
    page.set_header(f"&C&10{title}　{words}")
    page.set_footer(f"&L&8{words}&R&8&P / &N")
    page.write_string(0, 0, words, soft)
    for column, heading in enumerate(columns):
        page.write_string(1, column, heading, bold)
    count = 0
    for row in rows:
        count += 1
        if count > MOST:
            break
        for column, value in enumerate(row):
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                page.write_number(count + 1, column, value)
            elif value is not None:
                page.write_string(count + 1, column, str(value))
    page.write_string(count + 2, 0, words, soft)
    page.set_column(0, len(columns) - 1, 18)
    page.freeze_panes(2, 0)
    book.close()
    taken = min(count, MOST)
    connection.execute(sa.text("RESET ROLE"))  # the counter is in the log, which pages cannot read
    braked(
        connection,
        account,
        what,
        title,
        taken,
        subject_type=subject_type,
        purpose=purpose,
        now=now,
        settings=settings,
        mark=mark,
    )
    name = quote(f"{title}-{now:%Y%m%d-%H%M}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(made.getvalue(), media_type=TYPE, headers=headers)


def braked(
    connection: sa.Connection, account: Account, what: str, title: str, rows: int, *,
    subject_type: str, purpose: str, now: datetime, settings: Settings, mark: str | None = None,
) -> None:  # fmt: skip
    """Log an export that leaves now; the last thing before the transaction ends.

    Args as of `sheet`, with `rows` that leave and the `mark` that the file carries.

    Raises:
        portal.access.brake.ApprovalNeeded: too much for one account alone; the transaction is undone.
    """
    yes = brake.use(connection, account, what, rows, now) if rows > settings.exported_rows_alone else None
    if yes is None and rows > settings.exported_rows_alone:
        raise ApprovalNeeded(what, title, rows, purpose)
    if yes is None and _within_a_day(connection, account, now) + rows > settings.exported_rows_per_day:
        yes = brake.use(connection, account, what, rows, now)
        if yes is None:
            raise ApprovalNeeded(what, title, rows, purpose)
    told = {"file": title} | ({"mark": mark} if mark else {}) | ({"approval": yes} if yes else {})
    logged(connection, account, "export", subject_type, purpose=purpose, count=rows, detail=told, at_once=True)
    # The log lets one write at a time: of two exports at once the second counts the first.
    if yes is None and _within_a_day(connection, account, now) > settings.exported_rows_per_day:
        raise ApprovalNeeded(what, title, rows, purpose)


def _within_a_day(connection: sa.Connection, account: Account, now: datetime) -> int:
    """Rows that an account has taken out alone within 24 hours; copies of the log not counted."""
    since, c = now.astimezone(UTC) - timedelta(days=1), SEALED_LOG.c
    mine = sa.and_(
        c.actor == account.login, c.act == "export", c.subject_type != "log", c.at >= f"{since:%Y-%m-%dT%H:%M:%S.%f}Z"
    )
    body = sa.cast(c.body, JSONB)
    alone = body["detail"]["approval"].astext.is_(None)
    return int(connection.execute(sa.select(sa.func.sum(body["count"].as_integer())).where(mine, alone)).scalar() or 0)
