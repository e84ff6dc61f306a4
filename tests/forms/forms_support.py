"""Departments' forms made from a readable list: title, particulars, headings of several levels, lists, footer."""

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import yaml
from openpyxl.worksheet.datavalidation import DataValidation

FORMS: dict[str, dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent.parent / "fixtures" / "forms" / "forms.yaml").read_text(encoding="utf-8")
)


def paths(headings: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every column's levels with what it means."""
    for text, below in headings.items():
        if isinstance(below, dict):
            yield from paths(below, (*above, text))
        else:
            yield (*above, text), below


def columns(name: str) -> list[tuple[tuple[str, ...], str]]:
    return list(paths(FORMS[name]["headings"]))


def form(name: str, rows: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """The workbook of a form; `rows` are by the texts of the lowest headings."""
    about = FORMS[name]
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    named = columns(name)
    page.append([about["title"]])
    page.merge_cells(start_row=1, end_row=1, start_column=1, end_column=len(named))
    if about.get("particulars"):
        page.append(about["particulars"])
    first = _headings(page, [p for p, _ in named])
    for extra, cells in (
        ("numbering", [str(i) for i in range(1, len(named) + 1)]),
        ("example", ["示例", *["样例内容"] * (len(named) - 1)]),
    ):
        if about.get(extra):
            page.append(cells)
            first += 1
    leaves = [p[-1] for p, _ in named]
    for at, row in enumerate(rows, start=first):
        for text, value in row.items():
            page.cell(at, leaves.index(text) + 1, value)
    for at, text in enumerate(about.get("footer", ()), start=first + max(len(rows), 1) + 1):
        page.cell(at, 1, text)
        page.merge_cells(start_row=at, end_row=at, start_column=1, end_column=3)
    for text, choices in about.get("options", {}).items():
        rule = DataValidation("list", formula1='"' + ",".join(choices) + '"')
        letter = page.cell(first, leaves.index(text) + 1).column_letter
        rule.add(f"{letter}{first}:{letter}{first + 500}")
        page.add_data_validation(rule)
    memory = BytesIO()
    book.save(memory)
    return memory.getvalue()


def _headings(page: Any, named: Sequence[tuple[str, ...]]) -> int:
    """Write headings of several levels; returns the first row below."""
    top = page.max_row + 1
    deep = max(len(p) for p in named)
    for column, path in enumerate(named, start=1):
        for level, text in enumerate(path):
            page.cell(top + level, column, text)
        if len(path) < deep:
            page.merge_cells(
                start_row=top + len(path) - 1, end_row=top + deep - 1, start_column=column, end_column=column
            )
    for level in range(deep - 1):
        _merge(page, top + level, [p[: level + 1] if len(p) > level + 1 else (str(i),) for i, p in enumerate(named)])
    return top + deep


def _merge(page: Any, row: int, keys: Sequence[tuple[str, ...]]) -> None:
    start = 0
    for i in range(1, len(keys) + 1):
        if i == len(keys) or keys[i] != keys[start]:
            if i - start > 1:
                page.merge_cells(start_row=row, end_row=row, start_column=start + 1, end_column=i)
            start = i
