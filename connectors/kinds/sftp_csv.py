"""CSV files over SFTP (SFTP 文件交换): exports with `.ok` markers, an inbox for ours, receipts in a reply folder.

A file counts only when its marker is there and fits (SHA-256, MD5 or the number of rows): the marker is written last, so
a file without one is still being written. Ours go up as `name.part`, are renamed, and get their marker in turn.
"""

from __future__ import annotations

import csv
import fnmatch
import hashlib
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from connectors import tray
from connectors.base import Check, ConnectorError, Context, Malformed
from connectors.kinds.readers.chunk import Chunk, file_spec
from connectors.kinds.readers.csv_file import read_csv
from connectors.kinds.sftp_session import Session
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
from connectors.manifest.sources import FilesSource, SftpConnection, SftpSource
from connectors.mapping.rows import record_keys
from connectors.outgoing import Outgoing, prepare
from connectors.tray import Export
from schemas.records import Change, Outcome, Page

MARKER = ".ok"
RECEIPT = ".receipt.csv"
"""A receipt is a CSV beside the others, in the same encoding: row_no, key, status (ok or error), error."""


class SftpCsvConnector:
    """One system that exchanges CSV files over SFTP."""

    def __init__(self, manifest: Manifest, context: Context) -> None:
        self.manifest, self.context = manifest, context
        connection = SftpConnection.model_validate(context.variables.resolve(manifest, manifest.connection))
        self._session = Session(manifest.id, connection, context.home / "known_hosts", context.quota(manifest))
        self._sent = SentFolder(context.home / "sent" / manifest.id)

    def close(self) -> None:
        """Release the connection."""
        self._session.close()

    def check(self) -> Check:
        """Try the login, look for each folder and read the header of the newest export."""
        lines: list[tuple[str, bool, str]] = []
        try:
            self._session.list(".")
            lines.append(("connect", True, "login accepted, host key known"))
            for dataset in self.manifest.datasets:
                lines += self._check(dataset)
        except ConnectorError as error:
            lines.append(("connect", False, f"{error.what} (at {error.place}). {error.remedy}"))
        return Check(tuple(lines))

    def pull(self, dataset: str, cursor: str | None) -> Iterator[Page]:
        """Yield the rows of exports that the cursor does not know (`connectors.tray`)."""
        return tray.pull(self.manifest, self.manifest.dataset(dataset), self, cursor)

    def read_back(self, dataset: str, record_keys_wanted: Sequence[str]) -> pa.Table:
        """Return the rows of the newest export that have these keys."""
        spec = self.manifest.dataset(dataset)
        rows, _, _ = tray.newest(self.manifest, spec, self)
        keys = record_keys(rows, self.manifest, spec)
        return rows.filter(pc.is_in(keys, value_set=pa.array(list(record_keys_wanted), pa.string())))

    def push(self, changes: Sequence[Change]) -> Iterator[Outcome]:
        """Send one file per dataset; its rows are `sent` until `follow_up` finds the receipt and the next export."""
        ready, refused = prepare(self.manifest, changes, whole_rows=False, writable=lambda _: True)
        yield from refused
        for dataset in self.manifest.datasets:
            yield from self._push(dataset, [one for one in ready if one.change.dataset == dataset.name])

    def resume(self, changes: Sequence[Change], withheld: Collection[str] = ()) -> Iterator[Outcome]:
        """Yield `sent` for changes in doubt that went out in a file; it is put there again where it is missing."""
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
        """Ask for receipts of rows that are `sent`: (change_id, `file#row`) pairs."""
        return settle(self.manifest, self._sent, pending, self._receipt, self._held)

    # --- tray -----------------------------------------------------------------------------------------------------

    def exports(self, dataset: Dataset) -> list[Export]:
        """List the finished exports of a dataset: those whose marker is there."""
        source = self._source(dataset)
        listed = self._session.list(source.out_dir)
        return [
            Export(name, about.size, about.changed)
            for name, about in listed.items()
            if fnmatch.fnmatchcase(name, source.out_pattern) and _marker(name, listed) is not None
        ]

    def fetch(self, dataset: Dataset, export: Export, folder: Path) -> Path:
        """Download an export and compare it with its marker."""
        source = self._source(dataset)
        path = folder / export.name
        self._session.get(f"{source.out_dir}/{export.name}", path)
        marker = _marker(export.name, self._session.list(source.out_dir))
        promised = self._session.read(f"{source.out_dir}/{marker}").decode("ascii", "replace").split()
        if not self._fits(dataset, path, promised[0].lower() if promised else ""):
            remedy = "It is read again at the next pull; ask the system for it again if it stays like this."
            raise Malformed(self.manifest.id, export.name, f"the file is not the one that {marker} promises", remedy)
        return path

    def read(self, dataset: Dataset, path: Path) -> Iterator[Chunk]:
        """Yield the rows of a downloaded export."""
        source = self._source(dataset)
        files = FilesSource(
            pattern=[source.out_pattern],
            format="csv",
            encoding=source.encoding,
            delimiter=source.delimiter,
            header_row=source.header_row,
        )
        return read_csv(file_spec(self.manifest, dataset, files, path))

    def _fits(self, dataset: Dataset, path: Path, promised: str) -> bool:
        if len(promised) in {32, 64}:
            kind = "sha256" if len(promised) == 64 else "md5"
            with path.open("rb") as file:
                return hashlib.file_digest(file, kind).hexdigest() == promised
        if promised.isdigit():
            return tray.count_rows(lambda: self.read(dataset, path)) == int(promised)
        return not promised  # an empty marker says only that the file is finished

    # --- writing --------------------------------------------------------------------------------------------------

    def _push(self, dataset: Dataset, ready: Sequence[Outgoing]) -> Iterator[Outcome]:
        if not ready:
            return
        rows, _, _ = tray.newest(self.manifest, dataset, self)
        wanted, done, held = due(self.manifest, dataset, ready, rows)
        yield from done
        if wanted:
            yield from self._send(dataset, wanted, held)

    def _send(self, dataset: Dataset, wanted: Sequence[Outgoing], held: Held) -> Iterator[Outcome]:
        source = self._source(dataset)
        table, numbers = whole_rows(wanted, held, writable_columns(dataset))
        file = f"OF_{dataset.name}_{batch_of(wanted)}.csv"
        try:
            content = _csv(table.drop_columns([CHANGED]), source.delimiter).encode(source.encoding)
        except UnicodeEncodeError:
            yield from self._send_without_foreign(dataset, wanted, held, source.encoding)
            return
        self._sent.save(dataset.name, file, table, self.context.now(), keys_of(wanted, numbers))
        self._put(f"{source.in_dir}/{file}", content)
        by = self.manifest.due(self.context.now())
        for change_id, number in numbers.items():
            yield Outcome(change_id, "sent", message="文件已送达，等待回执", receipt=f"{file}#{number}", due=by)

    def _put(self, path: str, content: bytes) -> None:
        """The marker comes last: it says that the file is whole."""
        self.context.at("send")
        self._session.put(path, content)
        self.context.at("mark")
        self._session.put(f"{path}{MARKER}", hashlib.sha256(content).hexdigest().encode())
        self.context.at("sent")

    def _again(self, dataset: Dataset, file: str, rows: pa.Table, may: bool) -> bool:
        source = self._source(dataset)
        if f"{file}{MARKER}" in self._session.list(source.in_dir):
            return True
        if f"{file}{RECEIPT}" in self._session.list(source.receipt_dir):
            return True
        if may:
            self._put(f"{source.in_dir}/{file}", _csv(rows, source.delimiter).encode(source.encoding))
        return may

    def _send_without_foreign(
        self, dataset: Dataset, wanted: Sequence[Outgoing], held: Held, encoding: str
    ) -> Iterator[Outcome]:
        """Refuse the rows whose characters the target's encoding does not have; send the others."""
        good = [one for one in wanted if all(_encodes(text, encoding) for text in one.columns.values())]
        for one in wanted:
            if one not in good:
                message = f"目标文件的编码（{encoding}）写不出其中的字"
                yield Outcome(one.change.change_id, "rejected", "unencodable", message)
        if good:
            yield from self._send(dataset, good, held)

    # --- receipts -------------------------------------------------------------------------------------------------

    def _receipt(self, dataset: str, file: str) -> Receipt | None:
        source = self._source(self.manifest.dataset(dataset))
        name = f"{file}{RECEIPT}"
        about = self._session.list(source.receipt_dir).get(name)
        if about is None:
            return None
        content = self._session.read(f"{source.receipt_dir}/{name}")
        try:
            lines = list(csv.DictReader(io.StringIO(content.decode(source.encoding)), delimiter=source.delimiter))
            rows = {int(line["row_no"]): _answer(line) for line in lines}
        except (UnicodeDecodeError, KeyError, ValueError) as error:
            remedy = "A receipt has the columns row_no, key, status and error, in the encoding of the exports."
            raise Malformed(self.manifest.id, name, "the receipt cannot be read", remedy) from error
        return Receipt(about.changed, rows, content)

    def _held(self, dataset: str) -> tuple[pa.Table, float]:
        rows, shown, _ = tray.newest(self.manifest, self.manifest.dataset(dataset), self)
        return rows, shown

    def _check(self, dataset: Dataset) -> Iterator[tuple[str, bool, str]]:
        source = self._source(dataset)
        for folder in (source.out_dir, source.in_dir, source.receipt_dir):
            self._session.list(folder)
            yield f"{dataset.name} {folder}", True, "found"
        rows, _, _ = tray.newest(self.manifest, dataset, self)
        found = len(self.exports(dataset))
        yield f"{dataset.name} export", bool(found), f"{found} finished file(s), the newest has {rows.num_rows} row(s)"

    def _source(self, dataset: Dataset) -> SftpSource:
        return SftpSource.model_validate(self.context.variables.resolve(self.manifest, dataset.source))


def writable_columns(dataset: Dataset) -> list[str]:
    """Return the columns of a file for the target: its key, what may be written, and local columns with a default."""
    mapped = [f.column[0] for e in dataset.entities for f in e.fields.values() if f.writable]
    local = [name for name, column in dataset.local.items() if column.default is not None]
    return list(dict.fromkeys([*dataset.key, *mapped, *local]))


def _marker(name: str, listed: Mapping[str, object]) -> str | None:
    """`a.csv.ok` or `a.ok`."""
    both = (f"{name}{MARKER}", f"{name.rpartition('.')[0]}{MARKER}")
    return next((marker for marker in both if marker in listed), None)


def _answer(line: Mapping[str, str]) -> Answer:
    return Answer(line["status"].strip().lower() == "ok", line.get("error") or "", line.get("key") or None)


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _csv(rows: pa.Table, delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(rows.column_names)
    writer.writerows(zip(*(rows.column(name).to_pylist() for name in rows.column_names), strict=True))
    return text.getvalue()
