"""Reading a filled template (读取): headings to master fields, cells to text, each row with its place in the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from connectors.raw import texts
from onefact.bulk.guard import UploadRefused, guard
from onefact.bulk.layout import EXAMPLE, NUMBER_TITLE, OWN_TITLES, Column, Layout, layout, layouts
from onefact.bulk.settings import Limits
from onefact.bulk.template import MARK, SHEET

HEADER_WITHIN = 10
"""Rows in which the headings are looked for: departments put titles above them."""

EXACT_DIGITS = 15
"""Digits that a spreadsheet keeps of a number (IEEE 754 double)."""

EXACT = frozenset({"id_number", "uscc", "org_code", "phone"})
"""Kinds whose digits all count."""

Cells = list[list[Any]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A filled template.

    Attributes:
        numbers: row number in the file of each row.
        values: field -> column of texts, NULL for an empty cell.
        lost: field -> which rows held a number whose last digits the spreadsheet has lost.
        cells: the cells of each row as they are, by the positions of `headings`.
        examples: rows that only show how to fill in.
        unknown: headings that no field of the template has; they are not read.
    """

    layout: Layout
    headings: tuple[str, ...]
    columns: dict[int, Column]
    numbers: tuple[int, ...]
    values: dict[str, pa.StringArray]
    lost: dict[str, pa.BooleanArray]
    cells: tuple[Sequence[Any], ...]
    examples: int
    unknown: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Number of data rows."""
        return len(self.numbers)


def open_book(data: bytes, limits: Limits) -> CalamineWorkbook:
    """Open an uploaded workbook after its check; raises `UploadRefused`."""
    guard(data, limits)
    try:
        return CalamineWorkbook.from_filelike(BytesIO(data))
    except (CalamineError, OSError, ValueError) as problem:
        raise UploadRefused("文件已损坏，无法打开。请用表格软件打开后另存一次再上传。") from problem


def cells_of(book: CalamineWorkbook, name: str) -> Cells:
    """Return the cells of a sheet, all rows padded to one width; raises `UploadRefused`."""
    try:
        return list(book.get_sheet_by_name(name).to_python(skip_empty_area=False))
    except (CalamineError, OSError, ValueError) as problem:
        raise UploadRefused("工作表无法读取。请用表格软件打开后另存一次再上传。") from problem


def read(data: bytes, limits: Limits, entity_type: str | None = None) -> Sheet:
    """Read a filled template; raises `UploadRefused` when it is none.

    Args:
        data: the workbook.
        limits: what it may be.
        entity_type: which template it is; asked of the file itself when None.
    """
    book = open_book(data, limits)
    names = [n for n in book.sheet_names if n != MARK]
    if not names:
        raise UploadRefused("文件中没有工作表。")
    rows = cells_of(book, SHEET if SHEET in names else names[0])
    wanted = layout(entity_type) if entity_type else _marked(book) or _guess(rows)
    at, columns = _headings(rows, wanted)
    if len(rows) - at - 1 > limits.rows:
        raise UploadRefused(f"表格超过 {limits.rows} 行，请分成几个文件上传。")
    headings = tuple(_text(c) for c in rows[at])
    return _sheet(wanted, headings, columns, rows, at)


def _sheet(wanted: Layout, headings: tuple[str, ...], columns: dict[int, Column], rows: Cells, at: int) -> Sheet:
    number_at = next((i for i, title in enumerate(headings) if bare(title) == NUMBER_TITLE), None)
    used = list(columns)
    kept, numbers, examples = [], [], 0
    for number, row in enumerate(rows[at + 1 :], start=at + 2):
        if not any(_filled(row[i]) for i in used):
            continue
        if number_at is not None and str(row[number_at]).startswith(EXAMPLE):
            examples += 1
            continue
        kept.append(row)
        numbers.append(number)
    by_column = list(zip(*kept, strict=True)) if kept else [()] * len(headings)
    values, lost = {}, {}
    for i, column in columns.items():
        name = column.field.name
        values[name] = _stripped(texts([None if c == "" else c for c in by_column[i]]))
        if column.field.kind in EXACT:
            lost[name] = pa.array([_inexact(c) for c in by_column[i]], pa.bool_())
    known = {i for i, title in enumerate(headings) if bare(title) in OWN_TITLES} | set(columns)
    unknown = tuple(t for i, t in enumerate(headings) if t and i not in known)
    return Sheet(wanted, headings, columns, tuple(numbers), values, lost, tuple(kept), examples, unknown)


def bare(title: str) -> str:
    """Return a heading without blanks, stars and the remark that it is needed."""
    text = "".join(title.split()).replace("（必填）", "").replace("(必填)", "")
    return text.strip("*＊")


def _headings(rows: Cells, wanted: Layout) -> tuple[int, dict[int, Column]]:
    """Find the row of headings: the one with most known titles, at least two."""
    known = {bare(title): column for title, column in wanted.by_title.items()}
    best: tuple[int, dict[int, Column]] = (0, {})
    for at, row in enumerate(rows[:HEADER_WITHIN]):
        found = {i: known[t] for i, cell in enumerate(row) if (t := bare(_text(cell))) in known}
        if len(found) > len(best[1]):
            best = (at, found)
    names = [c.field.cn for c in best[1].values()]
    if len(names) < 2:
        raise UploadRefused(f"没有找到{wanted.title}模板的标题行。请使用下载的模板，不要改动标题。")
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise UploadRefused(f"标题重复：{'、'.join(twice)}。每个栏目只能有一列。")
    return best


def _marked(book: CalamineWorkbook) -> Layout | None:
    """Return the layout that the hidden sheet names."""
    if MARK not in book.sheet_names:
        return None
    texts_ = [_text(cell) for row in cells_of(book, MARK)[:3] for cell in row[:1]]
    return layouts().get(texts_[1]) if len(texts_) > 1 else None  # type: ignore[call-overload]


def _guess(rows: Cells) -> Layout:
    """Return the layout that most headings belong to."""
    titles = [{bare(_text(c)) for c in row} for row in rows[:HEADER_WITHIN]]

    def known(wanted: Layout) -> int:
        return max((len(t & {bare(k) for k in wanted.by_title}) for t in titles), default=0)

    return max(layouts().values(), key=known)


def _text(cell: object) -> str:
    return str(cell).strip() if cell is not None else ""


def _filled(cell: object) -> bool:
    return cell is not None and cell != "" and (not isinstance(cell, str) or bool(cell.strip()))


def _stripped(column: pa.StringArray) -> pa.StringArray:
    import pyarrow.compute as pc

    clean = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(clean, ""), pa.scalar(None, pa.string()), clean)


def _inexact(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 10**EXACT_DIGITS
