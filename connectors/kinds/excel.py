"""Systems fed by workbooks (Excel 模板导入导出): a worker exports, fills the official template, uploads, downloads errors.

We do what the worker does with files: read the exports in the tray, fill the target's own template without touching
anything else in it (styles, dropdowns, the hidden sheet of codes), put it into the in-tray, and read the error workbook
that comes back - the same sheet with one more column, 错误原因.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.compute as pc
from python_calamine import CalamineError, CalamineWorkbook, WorksheetNotFound

from connectors import tray
from connectors.base import Check, ConnectorError, Context, Malformed, Unreachable
from connectors.kinds.readers.cells import cell_text
from connectors.kinds.readers.chunk import Chunk, file_spec
from connectors.kinds.readers.xlsx_file import NUMERIC_ID, read_xlsx
from connectors.late import (
    CHANGED,
    Answer,
    Held,
    Receipt,
    SentFolder,
    batch_of,
    due,
    keys_of,
    resume,
    settle,
    whole_rows,
)
from connectors.manifest.model import Dataset, Manifest
from connectors.manifest.sources import ExcelConnection, ExcelSource, FilesSource
from connectors.mapping.rows import raw_key, record_keys
from connectors.outgoing import Outgoing, prepare
from connectors.tray import Export
from schemas.records import PLACE, Change, Outcome, Page

ERROR_TITLE = "错误原因"
FILE_ROWS = 5_000
"""Rows that import pages commonly take in one workbook."""

TEXT = "@"
"""Number format of text cells: an identity number in any other cell loses its last digits."""


class ExcelConnector:
    """One system whose tray holds exports, an in-tray and receipts as Excel workbooks."""

    def __init__(self, manifest: Manifest, context: Context, *, file_rows: int = FILE_ROWS) -> None:
        self.manifest, self.context, self._file_rows = manifest, context, file_rows
        connection = ExcelConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._out, self._in, self._receipts = (
            context.folder / folder for folder in (connection.out_dir, connection.in_dir, connection.receipt_dir)
        )
        self._sent = SentFolder(context.home / "sent" / manifest.id)

    def close(self) -> None:
        """Nothing stays open between calls."""

    def check(self) -> Check:
        """Look for the folders, the template with its columns, and a readable export of each dataset."""
        lines = [(f"folder {p.name}", p.is_dir(), "found" if p.is_dir() else "not there")
                 for p in (self._out, self._in, self._receipts)]  # fmt: skip
        for dataset in self.manifest.datasets if all(ok for _, ok, _ in lines) else ():
            try:
                found = len(self._columns(dataset))
                lines.append((f"{dataset.name} template", True, f"{found} columns found"))
                newest = max(self.exports(dataset), key=lambda e: e.changed, default=None)
                remark = f"no file matches {self._source(dataset).out_pattern}"
                if newest is not None:
                    rows = sum(c.rows.num_rows for c in self.read(dataset, self._out / newest.name))
                    remark = f"{newest.name} has {rows} readable row(s)"
                lines.append((f"{dataset.name} export", newest is not None, remark))
            except ConnectorError as error:
                lines.append((dataset.name, False, f"{error.what} (at {error.place}). {error.remedy}"))
        return Check(tuple(lines))

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield the rows of exports that the cursor does not know (`connectors.tray`)."""
        return tray.pull(self.manifest, self.manifest.dataset(dataset), self, cursor)

    def read_back(self, dataset: str, record_keys_wanted: Sequence[str]) -> pa.Table:
        """Return the rows of the newest export that have these keys."""
        spec = self.manifest.dataset(dataset)
        rows, _, _ = tray.newest(self.manifest, spec, self)
        wanted = pa.array(list(record_keys_wanted), pa.string())
        return rows.filter(pc.is_in(record_keys(rows, self.manifest, spec), value_set=wanted, skip_nulls=True))

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Fill templates and put them into the in-tray; rows are `sent` until `follow_up` finds the error workbook."""
        ready, refused = prepare(self.manifest, changes, whole_rows=False, writable=lambda _: True)
        yield from refused
        for dataset in self.manifest.datasets:
            mine = [one for one in ready if one.change.dataset == dataset.name]
            if mine:
                yield from self._push(dataset, mine)

    def resume(self, changes: Sequence[Change], withheld: Collection[str] = ()) -> Iterator[Outcome]:
        """Yield `sent` for changes in doubt that went out in a workbook; it is laid there again where it is missing."""
        return resume(
            self.manifest,
            self._sent,
            changes,
            lambda name: self._held(name)[0],
            self._again,
            self.manifest.due(self.context.now()),
            withheld,
        )

    def follow_up(self, pending: Sequence[tuple[str, str]]) -> Iterator[Outcome]:
        """Ask for the error workbooks of rows that are `sent`: (change_id, `file#row`) pairs."""
        return settle(self.manifest, self._sent, pending, self._receipt, self._held)

    # --- tray -----------------------------------------------------------------------------------------------------

    def exports(self, dataset: Dataset) -> list[Export]:
        """List the exports of a dataset; lock files of an open spreadsheet program are none."""
        if not self._out.is_dir():
            remedy = "Create it, or correct connection.out_dir; the worker puts the downloaded exports there."
            raise Unreachable(self.manifest.id, self._out.name, "the tray is not there", remedy)
        pattern = self._source(dataset).out_pattern
        found = [p for p in self._out.iterdir() if fnmatch.fnmatchcase(p.name, pattern)]
        about = [(p.name, p.stat()) for p in found if p.is_file() and not p.name.startswith(("~$", "."))]
        return [Export(name, stat.st_size, stat.st_mtime) for name, stat in about]

    def fetch(self, dataset: Dataset, export: Export, folder: Path) -> Path:  # noqa: ARG002 - the tray is local
        """Return the export where it lies."""
        return self._out / export.name

    def read(self, dataset: Dataset, path: Path) -> Iterator[Chunk]:
        """Yield the rows of an export."""
        source = self._source(dataset)
        files = FilesSource(
            pattern=[source.out_pattern], format="xlsx", sheet=source.sheet, header_row=source.header_row
        )
        return read_xlsx(file_spec(self.manifest, dataset, files, path))

    def _held(self, dataset: str) -> tuple[pa.Table, float]:
        rows, shown, _ = tray.newest(self.manifest, self.manifest.dataset(dataset), self)
        return rows, shown

    # --- writing --------------------------------------------------------------------------------------------------

    def _push(self, dataset: Dataset, ready: Sequence[Outgoing]) -> Iterator[Outcome]:
        rows, _, rejects = tray.newest(self.manifest, dataset, self)
        wanted, done, held = due(self.manifest, dataset, ready, rows)
        yield from done
        spoilt = self._spoilt(dataset, rows, rejects)
        columns = self._columns(dataset)
        good = []
        for one in wanted:
            lost = [name for name in spoilt.get(one.key, ()) if name in columns and name not in one.columns]
            if lost:
                message = f"导出表中的长号码已失真，整行回写会清空：{'、'.join(lost)}"
                yield Outcome(one.change.change_id, "rejected", NUMERIC_ID, message)
            else:
                good.append(one)
        yield from self._send(dataset, good, held, columns)

    def _send(
        self, dataset: Dataset, good: Sequence[Outgoing], held: Held, columns: Mapping[str, int]
    ) -> Iterator[Outcome]:
        missing = sorted({name for one in good for name in one.columns if one.columns[name] and name not in columns})
        if missing:
            source = self._source(dataset)
            remedy = "The template is another version: fetch the current one, or correct `titles` in the manifest."
            place = f"{Path(source.template).name}!{source.template_sheet or source.sheet}"
            raise Malformed(self.manifest.id, place, f"the template has no column for {', '.join(missing)}", remedy)
        for begin in range(0, len(good), self._file_rows):
            part = good[begin : begin + self._file_rows]
            table, numbers = whole_rows(part, held, list(columns))
            file = f"OF_{dataset.name}_{batch_of(part)}.xlsx"
            self._sent.save(dataset.name, file, table, self.context.now(), keys_of(part, numbers))
            self.context.at("send")
            self._fill(dataset, table.drop_columns([CHANGED]), columns, self._in / file)
            self.context.at("sent")
            by, words = self.manifest.due(self.context.now()), "已按模板填好并送达，等待回执"
            for change_id, number in numbers.items():
                yield Outcome(change_id, "sent", message=words, receipt=f"{file}#{number}", due=by)

    def _again(self, dataset: Dataset, file: str, rows: pa.Table, may: bool) -> bool:
        if (self._in / file).exists() or (self._receipts / file).exists():
            return True
        if may:
            self.context.at("send")
            self._fill(dataset, rows, self._columns(dataset), self._in / file)
            self.context.at("sent")
        return may

    def _fill(self, dataset: Dataset, rows: pa.Table, columns: Mapping[str, int], target: Path) -> None:
        """Write rows below the header of the official template; everything else in it stays."""
        template, sheet_name, header_row = self._template(dataset)
        book = openpyxl.load_workbook(template)
        sheet: Any = book[sheet_name]
        for name, at in columns.items():
            first = sheet.cell(header_row + 1, at)
            first.number_format = TEXT
            for number, value in enumerate(rows.column(name).to_pylist(), start=header_row + 1):
                cell = sheet.cell(number, at)
                cell._style = first._style  # noqa: SLF001 - the only way to keep a template's look
                cell.value = value or None
        part = target.with_name(f".{target.name}.part")
        book.save(part)
        part.replace(target)

    def _columns(self, dataset: Dataset) -> dict[str, int]:
        """Columns of the dataset that the template has -> position (1 = A); raises `Malformed` without the key."""
        template, sheet_name, header_row = self._template(dataset)
        rows = self._sheet(template, sheet_name)
        header = [(cell_text(cell) or "").strip() for cell in (rows[header_row - 1] if header_row <= len(rows) else [])]
        titles = {dataset.titles.get(name, name): name for name in dataset.columns}
        titles |= {name: name for name in dataset.columns if name not in titles}
        found = {titles[title]: at for at, title in enumerate(header, start=1) if title in titles}
        missing = [name for name in dataset.key if name not in found]
        if missing:
            wanted = dataset.titles.get(missing[0], missing[0])
            moved = [n for n, row in enumerate(rows[:20], start=1) if wanted in {cell_text(cell) for cell in row}]
            seen = "、".join(title for title in header if title)[:80] or "nothing"
            hint = f"It stands in row {moved[0]}: has the header moved? Set `template_header_row: {moved[0]}`."
            other = f"Row {header_row} holds: {seen}. Fetch the current template or correct `titles`."
            place = f"{template.name}!{sheet_name}!{header_row}"
            raise Malformed(self.manifest.id, place, f"the template has no column {wanted}", hint if moved else other)
        return found

    def _spoilt(self, dataset: Dataset, rows: pa.Table, rejects: pa.Table) -> dict[tuple[str, ...], list[str]]:
        """Key texts -> columns whose long number the export itself has lost: writing the row back would clear it."""
        lost = rejects.filter(pc.equal(rejects.column("rule"), NUMERIC_ID))
        if lost.num_rows == 0:
            return {}
        keys = record_keys(rows, self.manifest, dataset).to_pylist()
        by_place = dict(zip(rows.column(PLACE).to_pylist(), keys, strict=True))
        found: dict[tuple[str, ...], list[str]] = {}
        for place, column in zip(lost.column("place").to_pylist(), lost.column("column").to_pylist(), strict=True):
            key = by_place.get(place)
            if key is not None:
                found.setdefault(raw_key(self.manifest, dataset, key), []).append(column)
        return found

    # --- receipts -------------------------------------------------------------------------------------------------

    def _receipt(self, dataset: str, file: str) -> Receipt | None:
        path = self._receipts / file
        if not path.exists():
            return None
        spec = self.manifest.dataset(dataset)
        _, sheet_name, header_row = self._template(spec)
        rows = self._sheet(path, sheet_name)
        header = [(cell_text(cell) or "").strip() for cell in (rows[header_row - 1] if header_row <= len(rows) else [])]
        titles = [spec.titles.get(name, name) for name in spec.key]
        if ERROR_TITLE not in header or any(title not in header for title in titles):
            remedy = f"An error workbook is the sheet that was sent with one more column {ERROR_TITLE}."
            raise Malformed(self.manifest.id, f"{file}!{sheet_name}!{header_row}", "this is no error workbook", remedy)
        error, key = header.index(ERROR_TITLE), [header.index(title) for title in titles]
        answers = {}
        for number, row in enumerate(rows[header_row:], start=1):
            said, parts = cell_text(row[error]) or "", [cell_text(row[at]) or "" for at in key]
            answers[number] = Answer(not said, said, "|".join(parts) if all(parts) else None)
        return Receipt(path.stat().st_mtime, answers, path.read_bytes())

    # --- plumbing -------------------------------------------------------------------------------------------------

    def _source(self, dataset: Dataset) -> ExcelSource:
        return ExcelSource.model_validate(self.context.variables.resolve(self.manifest, dataset.source))

    def _template(self, dataset: Dataset) -> tuple[Path, str, int]:
        source = self._source(dataset)
        template = self.context.folder / source.template
        return template, source.template_sheet or source.sheet, source.template_header_row or source.header_row

    def _sheet(self, path: Path, sheet: str) -> list[list[Any]]:
        try:
            book = CalamineWorkbook.from_path(str(path))
            return book.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
        except WorksheetNotFound as error:
            remedy = f"It has: {', '.join(book.sheet_names)}. Correct `template_sheet`."
            raise Malformed(self.manifest.id, path.name, f"there is no sheet {sheet!r}", remedy) from error
        except (CalamineError, OSError) as error:
            remedy = "Put the official template of the system there, as downloaded."
            raise Malformed(self.manifest.id, path.name, "there is no whole Excel workbook", remedy) from error
