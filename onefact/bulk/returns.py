"""Sending bad rows back (退回): the same file with only them, a column 错误原因, and red cells where something is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import xlsxwriter

from connectors.raw import text
from onefact.bulk.enter import BulkDone
from onefact.bulk.judge import Problem
from onefact.bulk.layout import OWN_TITLES, REASON_TITLE, ROW_TITLE, Column
from onefact.bulk.sheet import bare
from onefact.bulk.template import MARK, SHEET, TEXT, heading, options, protect, version, width


def write_bad(done: BulkDone, out: Path | BytesIO) -> None:
    """Write the bad rows of a file; it can be corrected and uploaded as it is.

    Every cell is written as text with the prefix that keeps spreadsheets from running it as a formula.
    """
    sheet = done.sheet
    by_row: dict[int, list[Problem]] = defaultdict(list)
    for problem in done.problems:
        by_row[problem.row].append(problem)
    with xlsxwriter.Workbook(out if isinstance(out, BytesIO) else str(out), options()) as book:
        page, mark = book.add_worksheet(SHEET), book.add_worksheet(MARK)
        kept = [i for i, title in enumerate(sheet.headings) if bare(title) not in OWN_TITLES]
        _headings(book, page, [(sheet.headings[i], sheet.columns.get(i)) for i in kept])
        plain = book.add_format({"num_format": TEXT, "locked": False, "quote_prefix": True})
        red = book.add_format(
            {"num_format": TEXT, "locked": False, "quote_prefix": True, "bg_color": "#FFC7CE", "font_color": "#9C0006"}
        )
        wrap = book.add_format({"text_wrap": True, "font_color": "#9C0006"})
        for line, row in enumerate(sorted(by_row), start=1):
            wrong = {p.field for p in by_row[row]}
            page.write_string(line, 0, words(by_row[row], sheet.columns), wrap)
            page.write_number(line, 1, sheet.numbers[row])
            cells = sheet.cells[row]
            for at, i in enumerate(kept, start=2):
                column = sheet.columns.get(i)
                bad = column is not None and column.field.name in wrong
                written = shown(cells[i])
                if written or bad:
                    page.write_string(line, at, written, red if bad else plain)
        protect(page)
        mark.write_column(0, 0, ["onefact", done.entity_type, version(sheet.layout)])
        mark.very_hidden()


def _headings(book: Any, page: Any, titles: Sequence[tuple[str, Column | None]]) -> None:
    own = book.add_format({"bold": True, "bg_color": "#FFC7CE", "border": 1})
    unread = book.add_format({"bold": True, "bg_color": "#EDEDED", "border": 1})
    page.freeze_panes(1, 2)
    page.set_column(0, 0, 44)
    page.set_column(1, 1, 8)
    for at, (_, column) in enumerate(titles, start=2):
        page.set_column(at, at, width(column) if column else 14, book.add_format({"locked": False, "num_format": TEXT}))
    page.write_string(0, 0, REASON_TITLE, own)
    page.write_string(0, 1, ROW_TITLE, own)
    for at, (title, column) in enumerate(titles, start=2):
        page.write_string(0, at, title, heading(book, column) if column else unread)


def words(problems: Sequence[Problem], columns: Mapping[int, Column]) -> str:
    """Return the reasons of a row in one sentence, each after the title of its column."""
    titles = {c.field.name: c.title for c in columns.values()}
    return "；".join(f"{titles.get(p.field, p.field)}：{p.why}" if p.field else p.why for p in problems)


def shown(cell: object) -> str:
    """Return a cell as a person would type it."""
    if isinstance(cell, (datetime, date)):
        return text(cell) or ""
    return "" if cell is None else text(cell) or ""
