"""Reading a form (读表): where its headings are, how many levels they have, where data begins and where the footer stands.

Departments' forms have a title over all columns, lines of particulars (填报单位：), headings of one to three levels with
merged cells, sometimes a row that numbers the columns or shows an example, and signatures below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import openpyxl
from openpyxl.utils import range_boundaries
from openpyxl.worksheet.worksheet import Worksheet

from connectors.raw import text
from onefact.bulk.guard import UploadRefused, guard
from onefact.bulk.settings import Limits
from onefact.forms.heading import Heading, remark_options, words

LOOK = 15
"""Rows in which the headings are looked for."""

DEEPEST = 4
SAMPLES = 20

_NUMBERING = re.compile(r"^[\(（]?(?:\d{1,2}|[A-Z]|[甲乙丙丁戊己庚辛])[\)）]?$")
_COUNTED = re.compile(r"^\d{1,4}$")
"""A row that holds nothing but its number is empty."""

_EXAMPLE = re.compile(r"^(示例|例[：:]|样例|填写示例|例$|如[：:])")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as read.

    Attributes:
        sheet: name of the sheet.
        title: the text over the headings.
        headings: the columns.
        last_heading: row of the lowest heading.
        first: first row for data.
        end: first row of the footer; the row after the last used one where there is none.
        filled: rows between `first` and `end` in which something stands already.
    """

    sheet: str
    title: str
    headings: tuple[Heading, ...]
    last_heading: int
    first: int
    end: int
    filled: tuple[int, ...]


MOST = {"megabytes": 10, "unpacked_megabytes": 60, "rows": 5_000, "columns": 200}
"""A form is a page, not a data set; keeping its looks needs a reader that holds every cell as an object."""


def open_form(data: bytes, limits: Limits) -> openpyxl.Workbook:
    """Open a form after the check of uploads; raises `UploadRefused`."""
    guard(data, limits.model_copy(update={name: min(getattr(limits, name), most) for name, most in MOST.items()}))
    try:
        return openpyxl.load_workbook(BytesIO(data))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, BadZipFile) as problem:
        raise UploadRefused("文件无法打开。请用表格软件打开后另存一次再上传。") from problem


def read_form(book: openpyxl.Workbook, sheet: str | None = None) -> Form:
    """Find the headings of a form, in the named sheet or in the first that has any; raises `UploadRefused`."""
    pages = [book[sheet]] if sheet in book.sheetnames else [p for p in book.worksheets if p.sheet_state == "visible"]
    for page in pages:
        if found := _form(page):
            return found
    raise UploadRefused("没有找到表头。请上传带有栏目名称的表格。")


def _form(page: Worksheet) -> Form | None:
    texts = {row: _row(page, row) for row in range(1, min(page.max_row, LOOK) + 1)}
    top = next((r for r, t in texts.items() if _is_heading(t, page.max_column)), None)
    if top is None:
        return None
    bottom = _depth(page, top)
    headings = tuple(_headings(page, top, bottom))
    if len(headings) < 2:
        return None
    first = bottom + 1
    while first <= page.max_row and _skipped(_row(page, first)):
        first += 1
    end = _footer(page, first)
    filled = tuple(r for r in range(first, end) if any(t and not _COUNTED.match(t) for t in _row(page, r).values()))
    columns = [h.column for h in headings]
    samples = {c: tuple(t for r in filled[:SAMPLES] if (t := _text(page.cell(r, c).value))) for c in columns}
    named = tuple(Heading(h.column, h.path, _options(page, h, first), samples[h.column]) for h in headings)
    title = next((t for r in range(1, top) for t in _row(page, r).values() if t), "")
    return Form(page.title, title or page.title, named, bottom, first, end, filled)


def _row(page: Worksheet, row: int) -> dict[int, str]:
    return {c: _text(page.cell(row, c).value) for c in range(1, page.max_column + 1)}


def _text(value: Any) -> str:
    return (text(value) or "").strip()


def _is_heading(texts: dict[int, str], width: int) -> bool:
    """A row of headings has at least two short texts of which none is a particular to fill in (填报单位：)."""
    said = [t for t in texts.values() if t]
    particulars = sum("：" in t or ":" in t or t.startswith(tuple(words()["footer"])) for t in said)
    wanted = 2 if width < 6 else 3
    return len(set(said)) >= wanted and not particulars and all(len(t) <= 40 for t in said)


def _depth(page: Worksheet, top: int) -> int:
    """Return the lowest row of the headings: merged cells that begin in the first level reach down to it."""
    bottom = top
    for area in page.merged_cells.ranges:
        deep = area.max_row > top or (area.max_col > area.min_col and _row_below(page, top, area.min_col, area.max_col))
        if area.min_row == top and deep:
            bottom = max(bottom, area.max_row, top + 1)
    while bottom - top + 1 < DEEPEST and any(
        a.min_row == bottom and a.max_col > a.min_col and _row_below(page, bottom, a.min_col, a.max_col)
        for a in page.merged_cells.ranges
    ):
        bottom += 1
    return min(bottom, top + DEEPEST - 1)


def _row_below(page: Worksheet, row: int, left: int, right: int) -> bool:
    """Tell whether several texts stand below a merged heading: it has a level of its own."""
    below = [_text(page.cell(row + 1, c).value) for c in range(left, right + 1)]
    return sum(bool(t) for t in below) > 1 and all(not t[:1].isdigit() for t in below)


def _headings(page: Worksheet, top: int, bottom: int) -> Iterator[Heading]:
    over: dict[tuple[int, int], str] = {}
    for area in page.merged_cells.ranges:
        if top <= area.min_row <= bottom:
            said = _text(page.cell(area.min_row, area.min_col).value)
            over |= {
                (r, c): said
                for r in range(area.min_row, area.max_row + 1)
                for c in range(area.min_col, area.max_col + 1)
            }
    for column in range(1, page.max_column + 1):
        levels = [over.get((r, column)) or _text(page.cell(r, column).value) for r in range(top, bottom + 1)]
        path = tuple(dict.fromkeys(t for t in levels if t))
        if path:
            yield Heading(column, path)


def _skipped(texts: dict[int, str]) -> bool:
    """Tell whether a row below the headings numbers the columns or shows an example."""
    said = [t for t in texts.values() if t]
    return bool(said) and ((all(_NUMBERING.match(t) for t in said) and len(said) > 1) or bool(_EXAMPLE.match(said[0])))


def _footer(page: Worksheet, first: int) -> int:
    """Return the first row of the footer."""
    last = first
    for row in range(first, page.max_row + 1):
        said = [t for t in _row(page, row).values() if t]
        if said and said[0].startswith(tuple(words()["footer"])):
            return row
        if said:
            last = row + 1
    return max(last, first)


def _options(page: Worksheet, heading: Heading, row: int) -> tuple[str, ...]:
    """Return the choices of a column: its list in the sheet, else the ones its heading names."""
    for rule in page.data_validations.dataValidation:
        here = any(a.min_col <= heading.column <= a.max_col and a.max_row >= row for a in rule.sqref.ranges)
        if rule.type == "list" and rule.formula1 and here and (choices := _list(page, rule.formula1)):
            return choices
    return next((o for t in reversed(heading.path) if (o := remark_options(t))), ())


def _list(page: Worksheet, formula: str) -> tuple[str, ...]:
    if formula.startswith('"'):
        return tuple(p.strip() for p in formula.strip('"').split(",") if p.strip())
    place = formula.lstrip("=").replace("$", "")
    sheet, _, area = place.rpartition("!")
    book: Any = page.parent
    try:
        source = book[sheet.strip("'")] if sheet else page
        left, low, right, high = range_boundaries(area)
        cells = source.iter_rows(min_row=low, max_row=high, min_col=left, max_col=right, values_only=True)
        return tuple(t for row in cells for c in row if (t := _text(c)))
    except (KeyError, ValueError, TypeError):
        return ()


def rows_of(page: Worksheet, form: Form, columns: Sequence[int]) -> Iterator[tuple[int, dict[int, str]]]:
    """Yield the rows in which something stands already, with the texts of some columns."""
    for row in form.filled:
        yield row, {c: _text(page.cell(row, c).value) for c in columns}
