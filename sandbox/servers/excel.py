"""Stand-in for systems fed by workbooks (Excel 模板导入导出).

Each system has a tray: `template.xlsx` (title, header, dropdowns from a hidden sheet of codes), `out` with exports, `in`
for filled templates, `receipt` for error workbooks. What a worker does by hand in reality - download, upload, download
the errors - happens here a few times a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import xlsxwriter
from openpyxl.worksheet.worksheet import Worksheet
from xlsxwriter.utility import xl_col_to_name

from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import ExcelSource
from sandbox.store import Refused, Row, Store

ERROR_TITLE = "错误原因"
CODES_SHEET = "代码表"
TEMPLATE_ROWS = 5_000
KEEP = 5
"""Exports that stay in the tray."""


class ExcelServer:
    """The trays of all `excel` systems.

    Args:
        manifests: manifests of kind `excel`.
        home: working folder; trays lie below `<home>/sandbox/trays/<system>`.
        poll_seconds: how often a system looks into its in-tray and exports what changed.
        now: the systems' clock.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        home: Path,
        *,
        poll_seconds: float = 0.2,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._manifests, self._home, self._poll, self._now = list(manifests), home, poll_seconds, now
        self._trays: dict[str, _Tray] = {}
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> dict[str, str]:
        """Load the systems, write templates and first exports; return the variables `<ID>_DIR`."""
        for manifest in self._manifests:
            folder = self._home / "sandbox" / "trays" / manifest.id
            self._trays[manifest.id] = await asyncio.to_thread(_Tray.open, manifest, self._home, folder, self._now)
        self._work = asyncio.create_task(self._office_hours())
        return {f"{system.upper()}_DIR": str(tray.folder) for system, tray in self._trays.items()}

    async def stop(self) -> None:
        """Stop working; raises what the systems' own work died of, if it died."""
        try:
            if self._work is not None:
                self._work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._work
        finally:
            for tray in self._trays.values():
                tray.store.close()
            self._trays.clear()

    async def edit(self, system: str, dataset: str, key: str, columns: Mapping[str, str | None]) -> Row:
        """Change a row as the system's own user does; the next export shows it."""
        return await asyncio.to_thread(self._trays[system].store.edit, dataset, key, columns, self._now())

    async def _office_hours(self) -> None:
        while True:
            for tray in self._trays.values():
                await asyncio.to_thread(tray.work)
            await asyncio.sleep(self._poll)


class _Tray:
    """What one system and its worker do by themselves."""

    def __init__(self, manifest: Manifest, store: Store, folder: Path, now: Callable[[], datetime]) -> None:
        self.manifest, self.store, self.folder, self._now = manifest, store, folder, now
        self._exported: dict[str, int] = {}
        self._number = 0

    @classmethod
    def open(cls, manifest: Manifest, home: Path, folder: Path, now: Callable[[], datetime]) -> _Tray:
        tray = cls(manifest, Store.open(home, manifest), folder, now)
        for name in ("out", "in", "receipt"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for template in dict.fromkeys(tray._source(dataset).template for dataset in manifest.datasets):
            datasets = [d for d in manifest.datasets if tray._source(d).template == template]
            make_template(manifest, datasets, Path(template))
        for dataset in manifest.datasets:
            tray._export(dataset)
        return tray

    def work(self) -> None:
        """Take what lies in the in-tray, then export what changed."""
        for dataset in self.manifest.datasets:
            for path in sorted((self.folder / "in").glob(f"*_{dataset.name}_*.xlsx")):
                if not path.name.startswith((".", "~$")):
                    self._take(dataset, path)
            if self.store.changes(dataset.name, self._exported.get(dataset.name, 0), limit=1):
                self._export(dataset)

    def _export(self, dataset: Dataset) -> None:
        source = self._source(dataset)
        rows = self.store.changes(dataset.name)
        shown = [row for row in rows if not row.deleted or dataset.deleted.column is not None]
        columns = list(dict.fromkeys((*dataset.columns, *dataset.withheld)))
        self._number += 1
        name = source.out_pattern.replace("*", f"{self._now():%Y%m%d%H%M%S}{self._number:04d}")
        target = self.folder / "out" / name
        part = target.with_name(f".{name}.part")
        with xlsxwriter.Workbook(str(part), {"constant_memory": True, "strings_to_numbers": False}) as book:
            text = book.add_format({"num_format": "@"})
            sheet = book.add_worksheet(source.sheet)
            for above in range(source.header_row - 1):
                sheet.write_string(above, 0, dataset.title if above == 0 else "导出数据，仅供工作使用")
            sheet.write_row(source.header_row - 1, 0, columns)
            for number, row in enumerate(shown, start=source.header_row):
                for at, column in enumerate(columns):
                    value = row.columns.get(column)
                    if value:
                        sheet.write_string(number, at, value, text)
        part.replace(target)
        self._exported[dataset.name] = max((row.seq for row in rows), default=0)
        finished = sorted((self.folder / "out").glob(source.out_pattern), key=lambda p: (p.stat().st_mtime_ns, p.name))
        for old in finished[:-KEEP]:
            old.unlink(missing_ok=True)

    def _take(self, dataset: Dataset, path: Path) -> None:
        """Import one filled template row by row and answer with the same workbook and one more column."""
        source = self._source(dataset)
        header_row = source.template_header_row or source.header_row
        book = openpyxl.load_workbook(path)
        sheet = book[source.template_sheet or source.sheet]
        header = {str(cell.value).strip(): cell.column for cell in sheet[header_row] if cell.value is not None}
        error_at = max(header.values(), default=0) + 1
        sheet.cell(header_row, error_at).value = ERROR_TITLE
        unknown = [title for title in header if title not in {t for _, t in _titles(dataset)}]
        for number in range(header_row + 1, sheet.max_row + 1):
            values = {name: _text(sheet.cell(number, header[t])) for name, t in _titles(dataset) if t in header}
            if any(values.values()):
                error = (
                    f"模板版本不符：{unknown[0]}"
                    if unknown
                    else self._import(dataset, path.name, number, values, sheet, header)
                )
                sheet.cell(number, error_at).value = error or None
        part = self.folder / "receipt" / f".{path.name}.part"
        book.save(part)
        part.replace(self.folder / "receipt" / path.name)
        path.unlink()

    def _import(
        self, dataset: Dataset, file: str, number: int, values: Mapping[str, str | None], sheet: Worksheet,
        header: Mapping[str, int],
    ) -> str:  # fmt: skip
        parts = [values.get(name) or "" for name in dataset.key]
        key = "|".join(parts) if all(parts) else None
        if key is not None and self.manifest.capabilities.create and self.store.row(dataset.name, key) is None:
            key = None  # a natural key of a new record
        if key is None and not self.manifest.capabilities.create:
            return f"缺少主键：{dataset.key[0]}"
        columns = {name: value for name, value in values.items() if name not in dataset.key or value}
        try:
            done = self.store.upsert(dataset.name, key, columns, None, f"{file}#{number}", self._now())
        except Refused as refused:
            return refused.message
        titles = dict(_titles(dataset))
        for name, part in zip(dataset.key, done.key.split("|", len(dataset.key) - 1), strict=True):
            sheet.cell(number, header[titles[name]]).value = part
        return ""

    def _source(self, dataset: Dataset) -> ExcelSource:
        variable = f"${{{self.manifest.id.upper()}_DIR}}"
        values = {
            k: v.replace(variable, str(self.folder)) if isinstance(v, str) else v for k, v in dataset.source.items()
        }
        return ExcelSource.model_validate(values)


def make_template(manifest: Manifest, datasets: Sequence[Dataset], path: Path) -> None:
    """Write the official template of a system: one sheet per dataset and a hidden sheet with the codes.

    The lists stand on a sheet of their own, since a dropdown in the cell takes no more than 255 characters.
    """
    part = path.with_name(f".{path.name}.part")
    with xlsxwriter.Workbook(str(part)) as book:
        looks = {
            "title": book.add_format({"bold": True, "font_size": 16, "align": "center"}),
            "head": book.add_format({"bold": True, "border": 1, "bg_color": "#DDEBF7", "text_wrap": True}),
            "cell": book.add_format({"border": 1, "num_format": "@"}),
        }
        lists: list[tuple[str, list[str]]] = []
        for dataset in datasets:
            _template_sheet(book, manifest, dataset, looks, lists)
        codes = book.add_worksheet(CODES_SHEET)
        for at, (name, spellings) in enumerate(lists):
            codes.write_column(0, at, spellings)
            letter = xl_col_to_name(at)
            book.define_name(name, f"='{CODES_SHEET}'!${letter}$1:${letter}${len(spellings)}")
        codes.hide()
    part.replace(path)


def _template_sheet(
    book: Any, manifest: Manifest, dataset: Dataset, looks: Mapping[str, Any], lists: list[tuple[str, list[str]]]
) -> None:
    source = ExcelSource.model_validate(dataset.source)
    header_row = source.template_header_row or source.header_row
    sheet = book.add_worksheet(source.template_sheet or source.sheet)
    titles = _titles(dataset)
    if header_row > 1:
        sheet.merge_range(0, 0, 0, len(titles) - 1, f"{manifest.name}  {dataset.title}", looks["title"])
    for above in range(1, header_row - 1):
        sheet.write_string(above, 0, "填报说明：下拉项请从列表中选择，不得修改表头。")
    for at, (name, title) in enumerate(titles):
        sheet.write_string(header_row - 1, at, title, looks["head"])
        sheet.set_column(at, at, 18, looks["cell"])
        spellings = _spellings(manifest, dataset, name)
        if spellings:
            lists.append((f"DM_{len(lists) + 1}", spellings))
            rule = {"validate": "list", "source": f"={lists[-1][0]}", "error_title": "请从下拉列表中选择"}
            sheet.data_validation(header_row, at, header_row + TEMPLATE_ROWS - 1, at, rule)
    sheet.freeze_panes(header_row, 0)


def _titles(dataset: Dataset) -> list[tuple[str, str]]:
    """(column, title) of the template's columns in order: those with a title, or all where the manifest names none."""
    stamp = dataset.updated_at.column if dataset.updated_at else None
    names = [name for name in dataset.titles if name != stamp] or [name for name in dataset.columns if name != stamp]
    names = [*(name for name in dataset.key if name not in names), *names]
    return [(name, dataset.titles.get(name, name)) for name in names]


def _spellings(manifest: Manifest, dataset: Dataset, column: str) -> list[str]:
    for entity in dataset.entities:
        for mapped in entity.fields.values():
            if mapped.column == [column] and (codes := manifest.code_map(mapped)) is not None:
                return list(dict.fromkeys((*codes.codes, *codes.write.values())))
    return []


def _text(cell: Any) -> str | None:
    return None if cell.value is None else str(cell.value).strip() or None
