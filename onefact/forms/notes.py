"""The two sheets that a filled form gets (待补、填报说明): what is missing, and how much nobody had to be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.worksheet.worksheet import Worksheet

from onefact.forms.layout import write_text
from onefact.forms.vocabulary import title

if TYPE_CHECKING:
    from onefact.forms.fill import Filled

MISSING, NOTES = "待补", "填报说明"
_BOLD = Font(bold=True)
_HEAD = PatternFill("solid", fgColor="DDEBF7")


def write_notes(done: Filled) -> None:
    """Add the two sheets; a sheet of the same name in the form stays as it is."""
    missing, notes = done.book.create_sheet(MISSING), done.book.create_sheet(NOTES)
    _table(
        missing,
        1,
        ["行号", "对象", "栏目", "原因"],
        [(m.row, _who(done, m.row), m.heading, m.why) for m in done.missing],
    )
    lines = summary(done)
    for row, line in enumerate(lines, start=1):
        write_text(notes.cell(row, 1), line)
    _columns(done, notes, len(lines) + 2)
    for page, widths in ((missing, (8, 20, 28, 44)), (notes, (34, 26, 10, 60))):
        for letter, width in zip("ABCD", widths, strict=True):
            page.column_dimensions[letter].width = width


def summary(done: Filled) -> list[str]:
    """Return the sentences of the note."""
    empty = len(done.missing)
    lines = [
        f"网格 {'、'.join(done.grids)}；范围：{done.selection.cn}；接收单位：{done.receiver}。",
        f"本表 {done.rows} 行、{done.cells} 格，其中 {done.filled} 格（{done.share:.0%}）由主数据填好，没有再问任何人。",
        f"待补或待核对 {empty} 处，见“{MISSING}”；新增待办 {done.tasks} 项。",
    ]
    if done.selection.restricted:
        lines.append("这张表的名单属于分区信息（残疾、党员、救助等），不由主数据产生，请由主管部门提供名单后再填。")
    lines += [f"依法不填：{heading}，{why}。" for heading, why in done.withheld.items()]
    lines += [f"未列入 {n} 人：{why}。" for why, n in done.omitted.items()]
    return lines


def _columns(done: Filled, page: Worksheet, start: int) -> None:
    rows = []
    for m in done.matched.columns:
        meaning = title(done.matched.context, m.meaning) if m.meaning else ""
        rows.append((m.heading.text, meaning, f"{m.confidence:.0%}", done.withheld.get(m.heading.text, m.reason)))
    _table(page, start, ["栏目", "对应的主数据项", "把握", "依据"], rows)


def _table(page: Any, start: int, headings: Sequence[str], rows: Sequence[tuple[object, ...]]) -> None:
    for column, text in enumerate(headings, start=1):
        cell = page.cell(start, column, text)
        cell.font, cell.fill = _BOLD, _HEAD
    for at, row in enumerate(rows, start=start + 1):
        for column, value in enumerate(row, start=1):
            cell = page.cell(at, column)
            if isinstance(value, int):
                cell.value = value
            else:
                write_text(cell, str(value or ""))
            cell.alignment = Alignment(wrap_text=True, vertical="top")


def _who(done: Filled, row: int) -> str:
    """What the row calls its entity: the name, or the address."""
    page = done.book[done.form.sheet]
    for meaning in ("name", "sign_name", "address", "residence_address"):
        column = done.matched.by_meaning.get(meaning)
        if column is not None:
            return str(page.cell(row, column.heading.column).value or "")
    return ""
