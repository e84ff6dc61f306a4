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

from portal.access.acts import logged
from portal.access.gate import Refused
from portal.security.accounts import Account
from warehouse.tables import SEALED_LOG

MOST = 50_000
"""Rows of one file."""

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def sheet(
    connection: sa.Connection, account: Account, title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *,
    subject_type: str, purpose: str, now: datetime, most_a_day: int,
) -> Response:  # fmt: skip
    """Return an Excel file as a download, with its watermark; the export stands in the sealed log before it leaves.

    Args:
        connection: transaction in which the export is logged.
        account: who takes it.
        title: name of the file and heading of the sheet.
        columns: headings.
        rows: values, masked already where they have to be.
        subject_type: what the rows are about, for the log.
        purpose: why it is taken.
        now: the clock.
        most_a_day: rows that the account may take out within 24 hours.

    Raises:
        portal.access.Refused: it would be more; nothing is given out.
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
    told = {"file": title, "mark": mark}
    connection.execute(sa.text("RESET ROLE"))  # the counter is in the log, which pages cannot read
    logged(connection, account, "export", subject_type, purpose=purpose, count=taken, detail=told, at_once=True)
    if _within_a_day(connection, account, now) > most_a_day:
        raise Refused("一天内导出的行数已达上限，请与安全管理员联系。")  # the transaction is undone
    name = quote(f"{title}-{now:%Y%m%d-%H%M}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return Response(made.getvalue(), media_type=TYPE, headers=headers)


def _within_a_day(connection: sa.Connection, account: Account, now: datetime) -> int:
    """Rows that an account has taken out within 24 hours, this time included; copies of the log not counted."""
    since, c = now.astimezone(UTC) - timedelta(days=1), SEALED_LOG.c
    mine = sa.and_(
        c.actor == account.login, c.act == "export", c.subject_type != "log", c.at >= f"{since:%Y-%m-%dT%H:%M:%S.%f}Z"
    )
    count = sa.func.sum(sa.cast(c.body, JSONB)["count"].as_integer())
    return int(connection.execute(sa.select(count).where(mine)).scalar() or 0)
