"""The report as a workbook: the same facts as tables that can be filtered, with all failing rows and all rules.

Every text is written as text: what begins with `=` in a source is no formula here. Rows are written one after the other, so that
a large sheet costs no memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import xlsxwriter

from onefact.report.period.collect import Report
from onefact.report.period.tables import Sheet, sheets

OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def write(report: Report, path: Path) -> Path:
    """Write the workbook."""
    with xlsxwriter.Workbook(str(path), OPTIONS) as book:
        head = book.add_format({"bold": True, "bg_color": "#E8F1EF", "border": 1, "text_wrap": True, "valign": "top"})
        text, share = book.add_format({"valign": "top"}), book.add_format({"num_format": "0.0%", "valign": "top"})
        for sheet in sheets(report):
            _sheet(book.add_worksheet(sheet.name), sheet, head, text, share)
    return path


def _sheet(page: Any, sheet: Sheet, head: Any, text: Any, share: Any) -> None:
    """Write one sheet: a frozen bold head with filters, numbers as numbers."""
    for i, width in enumerate(sheet.widths):
        page.set_column(i, i, width)
    page.freeze_panes(1, 1)
    page.set_landscape()
    page.set_paper(9)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0)
    for i, title in enumerate(sheet.head):
        page.write_string(0, i, title, head)
    rows = 0
    for row in sheet.rows:
        rows += 1
        for i, value in enumerate(row):
            if isinstance(value, (int, float)):
                page.write_number(rows, i, value, share if i in sheet.shares else text)
            elif value:
                page.write_string(rows, i, str(value), text)
    page.autofilter(0, 0, max(rows, 1), len(sheet.head) - 1)
