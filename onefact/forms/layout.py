"""Writing into a form without harming it (写表): room for the rows above the footer, styles kept, nothing run as a formula."""

from __future__ import annotations

from copy import copy
from typing import Any

from openpyxl.cell import Cell
from openpyxl.worksheet.cell_range import CellRange

from onefact.forms.vocabulary import field_of
from onefact.forms.workbook import Form
from schemas.model import EntityType

TEXT = "@"
NUMERIC = frozenset({"integer", "decimal"})


def make_room(page: Any, form: Form, rows: int) -> None:
    """Make room for so many rows between the headings and the footer; the footer moves down with its merged cells.

    New rows look as the first data row does.
    """
    room = form.end - form.first
    more = rows - room
    if more > 0 and form.end <= page.max_row:
        _move_down(page, form.end, more)
    model = [(c, page.cell(form.first, c)) for c in range(1, page.max_column + 1)]
    height = page.row_dimensions[form.first].height
    for row in range(form.first + 1, form.first + rows):
        if row >= form.first + room or room == 0:
            for column, cell in model:
                if cell.has_style:
                    page.cell(row, column)._style = copy(cell._style)  # noqa: SLF001 - openpyxl's own way to copy a style
            if height:
                page.row_dimensions[row].height = height


def _move_down(page: Any, start: int, by: int) -> None:
    """Move everything from a row on; openpyxl moves cells, merged areas and heights are ours to move."""
    moved = [a for a in page.merged_cells.ranges if a.min_row >= start]
    for area in moved:
        page.unmerge_cells(area.coord)
    heights = {
        r: page.row_dimensions[r].height for r in range(start, page.max_row + 1) if page.row_dimensions[r].height
    }
    styles = {
        (r, c): copy(page.cell(r, c)._style)  # noqa: SLF001
        for r in range(start, page.max_row + 1)
        for c in range(1, page.max_column + 1)
        if page.cell(r, c).has_style
    }
    page.move_range(CellRange(min_col=1, min_row=start, max_col=page.max_column, max_row=page.max_row).coord, rows=by)
    for (row, column), style in styles.items():
        page.cell(row + by, column)._style = style  # noqa: SLF001
    for area in moved:
        page.merge_cells(
            CellRange(
                min_col=area.min_col, min_row=area.min_row + by, max_col=area.max_col, max_row=area.max_row + by
            ).coord
        )
    for row in sorted(heights, reverse=True):
        page.row_dimensions[row + by].height = heights[row]


def put(cell: Any, value: str, context: EntityType, meaning: str) -> bool:
    """Write a value into an empty cell; False when something else stands there. What stands there is never changed.

    Numbers of persons, phones and codes are text cells, so that no digit is lost; a text that a spreadsheet would run is
    marked as text.
    """
    if not isinstance(cell, Cell):
        return False  # inside a merged area
    if cell.value not in {None, ""}:
        return _same(cell.value, value)
    kind = "integer" if meaning in {"@age", "@household_size", "@residents"} else "text"
    if not meaning.startswith("@"):
        kind = field_of(context, meaning).kind
    if kind in NUMERIC:
        cell.value = float(value) if "." in value else int(value)
        return True
    write_text(cell, value)
    return True


def write_text(cell: Any, value: str) -> None:
    """Write a text as a text, whatever it begins with."""
    cell.value = value
    cell.number_format = TEXT
    if value[:1] in {"=", "+", "-", "@"}:
        cell.data_type = "s"
        cell.quotePrefix = True


def _same(held: object, value: str) -> bool:
    text = str(held).strip()
    return text == value or text.removesuffix(".0") == value or "".join(text.split()).upper() == value.upper()
