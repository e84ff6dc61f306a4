"""A sheet of an Excel workbook: title rows, header, rows, footer; typed cells become text.

Calamine reads the cells with their types, which matters: a number of more than 15 digits in a *numeric* cell has lost
its last digits in the file itself, so it is rejected, while the same digits in a text cell are right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, WorksheetNotFound

from connectors.kinds.readers.cells import cell_text
from connectors.kinds.readers.chunk import Chunk, FileSpec, positions, text_table
from connectors.mapping.reasons import reason
from schemas.records import REJECT_SCHEMA

_EXACT_DIGITS = 15
"""Digits that a spreadsheet keeps of a number (IEEE 754 double)."""

_LOOK_AHEAD = 20

NUMERIC_ID = "excel.numeric_id"


def read_xlsx(spec: FileSpec) -> Iterator[Chunk]:
    """Yield the rows of a sheet; blank rows are left out, of merged cells the first holds the value.

    Raises:
        Malformed: no workbook, no such sheet, or a header that is not as promised.
    """
    sheet, rows = _sheet_rows(spec)
    header_row = spec.source.header_row
    sample = [[cell_text(cell) or "" for cell in row] for row in rows[:_LOOK_AHEAD]]
    header = [cell_text(cell) or "" for cell in rows[header_row - 1]] if 0 < header_row <= len(rows) else []
    if not header_row:
        header = list(spec.source.names or ())
    places = positions(spec, header, f"{sheet}!{max(header_row, 1)}", sample)
    body = rows[header_row : _end(spec, rows)]
    numbers = [i for i, row in enumerate(body, start=header_row + 1) if any(cell not in {"", None} for cell in row)]
    cells = list(zip(*(rows[i - 1] for i in numbers), strict=True))  # calamine pads all rows to one width
    where = pa.array([f"{spec.place}!{sheet}!{i}" for i in numbers], pa.string())
    columns: dict[str, pa.Array] = {}
    rejects = [REJECT_SCHEMA.empty_table()]
    for name, at in places.items():
        values = cells[at] if at < len(cells) else [None] * len(numbers)
        if name in spec.exact:
            lost = [_inexact(value) for value in values]
            rejects.append(_numeric_rejects(spec, name, where, lost))
            values = [None if gone else value for value, gone in zip(values, lost, strict=True)]
        columns[name] = pa.array([cell_text(value) for value in values], pa.string())
    yield Chunk(text_table(spec, columns, where), pa.concat_tables(rejects))


def _sheet_rows(spec: FileSpec) -> tuple[str, list[list[Any]]]:
    try:
        book = CalamineWorkbook.from_path(str(spec.path))
        name = spec.source.sheet or book.sheet_names[0]
        return name, book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except WorksheetNotFound as error:
        remedy = f"It has: {', '.join(book.sheet_names)}. Correct `sheet`."
        raise spec.malformed(f"there is no sheet {spec.source.sheet!r}", remedy) from error
    except (CalamineError, OSError, IndexError) as error:
        remedy = "Open it in a spreadsheet program; fetch it again if it does not open there."
        raise spec.malformed("the file is no whole Excel workbook", remedy) from error


def _end(spec: FileSpec, rows: Sequence[Sequence[Any]]) -> int:
    """The index after the last data row."""
    footer = spec.source.footer
    end = len(rows)
    filled = [i for i, row in enumerate(rows) if any(cell not in {"", None} for cell in row)]
    if footer.rows and len(filled) >= footer.rows:
        end = filled[-footer.rows]
    for i in range(spec.source.header_row, end) if footer.starts else ():
        first = next((text for cell in rows[i] if (text := cell_text(cell))), "")
        if first.strip().startswith(tuple(footer.starts)):
            return i
    return end


def _inexact(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) >= 10**_EXACT_DIGITS


def _numeric_rejects(spec: FileSpec, column: str, where: pa.StringArray, lost: Sequence[bool]) -> pa.Table:
    hit = where.filter(pa.array(lost, pa.bool_()))
    entity_type, role, name = spec.exact[column]
    constants = {
        "system_id": spec.system_id, "dataset": spec.dataset, "entity_type": entity_type, "role": role,
        "field": name, "column": column, "level": "value", "rule": NUMERIC_ID, "reason": reason(NUMERIC_ID),
    }  # fmt: skip
    columns = {key: pa.repeat(pa.scalar(text), len(hit)) for key, text in constants.items()}
    columns["place"] = hit
    nothing = pa.nulls(len(hit), pa.string())
    return pa.table([columns.get(key, nothing) for key in REJECT_SCHEMA.names], schema=REJECT_SCHEMA)
