"""Writing the template (模板): lists for coded columns, locked headings, text format where digits would be lost."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter

from onefact.bulk.layout import EXAMPLE, NUMBER_TITLE, Column, Layout

SHEET = "填报"
NOTES = "填表说明"
LISTS = "代码"
MARK = "onefact"
"""Name of the hidden sheet that says which template this is."""

ROWS = 50_000
"""Rows that the lists and formats of a template reach down to."""

TEXT = "@"
BLUE, GREY, RED = "#1F4E79", "#7F7F7F", "#C00000"


def options(**more: object) -> dict[str, object]:
    """Return the workbook options under which nothing a person typed becomes a formula or a link."""
    return {
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": True,
        **more,
    }


def write_template(layout: Layout, out: Path | BytesIO) -> None:
    """Write the template of an entity.

    The heading row is locked (the sheet is protected without a password: against slips, not against malice), everything
    below is open. The columns of numbers are text cells: in any other an ID number loses its last digits.
    """
    with xlsxwriter.Workbook(out if isinstance(out, BytesIO) else str(out), options()) as book:
        sheet, notes, lists, mark = (book.add_worksheet(name) for name in (SHEET, NOTES, LISTS, MARK))
        _fill(book, sheet, lists, layout)
        _notes(book, notes, layout)
        mark.write_column(0, 0, ["onefact", layout.entity_type, version(layout)])
        lists.hide()
        mark.very_hidden()
        sheet.activate()


def version(layout: Layout) -> str:
    """Return a short text that changes whenever the columns of a template do."""
    names = ",".join(f"{c.field.name}:{c.needed}" for c in layout.columns)
    return hashlib.sha256(names.encode()).hexdigest()[:8]


def heading(book: Any, column: Column) -> Any:
    """Return the cell format of a heading: needed ones are red."""
    colour = RED if column.needed else BLUE
    return book.add_format(
        {"bold": True, "bg_color": "#DDEBF7", "font_color": colour, "border": 1, "text_wrap": True, "valign": "vcenter"}
    )


def _fill(book: Any, sheet: Any, lists: Any, layout: Layout) -> None:
    open_cell = book.add_format({"locked": False})
    text_cell = book.add_format({"locked": False, "num_format": TEXT})
    example = book.add_format({"italic": True, "font_color": GREY, "num_format": TEXT, "locked": False})
    head = book.add_format({"bold": True, "bg_color": "#DDEBF7", "border": 1, "valign": "vcenter"})
    sheet.freeze_panes(1, 3)
    sheet.set_row(0, 32)
    sheet.set_column(0, 0, 8, open_cell)
    sheet.write_string(0, 0, NUMBER_TITLE, head)
    sheet.write_string(1, 0, f"{EXAMPLE}（不导入）", example)
    for at, column in enumerate(layout.columns, start=1):
        sheet.set_column(at, at, width(column), text_cell)
        sheet.write_string(0, at, f"{column.title}{'*' if column.needed else ''}", heading(book, column))
        sheet.write_string(1, at, layout.example.get(column.field.name, ""), example)
        _choices(sheet, lists, at, column)
    protect(sheet)


def protect(sheet: Any) -> None:
    """Lock what is locked (the headings); sorting, filtering, adding and removing rows stay possible."""
    allowed = ("format_columns", "format_rows", "insert_rows", "delete_rows", "sort", "autofilter")
    sheet.protect("", dict.fromkeys(allowed, True))


def width(column: Column) -> int:
    """Return how wide a column is shown, in characters."""
    if column.field.kind == "address":
        return 40
    return 22 if column.field.kind in {"id_number", "uscc"} else max(12, min(2 * len(column.title) + 3, 24))


def _choices(sheet: Any, lists: Any, at: int, column: Column) -> None:
    rule: dict[str, object] = {"validate": "any"}
    if column.choices:
        lists.write_column(0, at, column.choices)
        letter = _letter(at)
        rule = {
            "validate": "list", "source": f"={LISTS}!${letter}$1:${letter}${len(column.choices)}", "error_type": "warning",
            "error_title": column.title[:32], "error_message": "请从下拉列表中选择",
        }  # fmt: skip
    sheet.data_validation(
        1, at, ROWS, at, {**rule, "input_title": column.title[:32], "input_message": column.hint[:255]}
    )


def _letter(at: int) -> str:
    from xlsxwriter.utility import xl_col_to_name

    return str(xl_col_to_name(at))


def _notes(book: Any, sheet: Any, layout: Layout) -> None:
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 10)
    sheet.set_column(2, 2, 60, wrap)
    lines = (
        f"{layout.title}批量导入模板",
        "一行填一个对象。红色标题为新登记必填；已登记的对象只填要改的栏目，空单元格不改动原有内容。",
        "不属于网格员直接更改的内容（如姓名、户籍地址），将转为纠错工单送权威部门核实。",
        "先用“试导入”检查，再正式导入；有错误的行会连同原因退回，其余行照常导入。",
    )
    for row, line in enumerate(lines):
        sheet.write_string(row, 0, line, bold if row == 0 else None)
    sheet.write_row(len(lines) + 1, 0, ["栏目", "新登记必填", "填写说明"], bold)
    for row, column in enumerate(layout.columns, start=len(lines) + 2):
        sheet.write_row(row, 0, [column.title, "是" if column.needed else "", column.hint])
    sheet.protect()
